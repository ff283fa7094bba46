// SPDX-License-Identifier: GPL-2.0-only
/*
 * A client of the control socket: dom0/clients.c and dom0/requests.c as they are
 * shipped, at the end of a socket into which the input has been written. The first byte of the input
 * is the number of guests, the second seeds their figures and the number of
 * those in quarantine, the rest is the request.
 *
 * What must hold: one line of JSON comes back whatever was asked, a status if
 * and only if one was asked for, and it has all guests and all that are in
 * quarantine.
 */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include <urcu.h>

int fuzz_poll(struct pollfd *fds, nfds_t count, int timeout);

#define poll fuzz_poll
#include "requests.c"
#undef poll

#include "clients.h"
#include "clock.h"
#include "fuzz.h"
#include "granted.h"

#define GUESTS_MAX	80	/* more than fit in the first try */

static struct cagma_config config;
static struct cagma_state state;
static struct cagma_options options;
static struct cagma_requests requests;
static struct cagma_clients clients;
static struct cagma_guest guests[GUESTS_MAX];
static struct cagma_link links[GUESTS_MAX];
static struct cagma_guest *table[GUESTS_MAX];
static struct cagma_quarantine *quarantine;

/* Where the serve thread would sleep, the loop answers. */
int fuzz_poll(struct pollfd *fds, nfds_t count, int timeout)
{
	struct cds_wfcq_node *node;

	fuzz_must(timeout == -1);
	cagma_queue_ack(&state.asked);
	while (!cagma_queue_pop(&state.asked, &node)) {
		struct cagma_status *status = cagma_container_of(
			node, struct cagma_status, node);

		cagma_command_run(&state, &status->command);
		cagma_status_fill(status, &state);
		cagma_queue_push(status->reply, &status->node);
	}
	return poll(fds, count, 0);
}

/* In place of store.c's. */
const struct cagma_quarantine *
cagma_store_quarantine(const struct cagma_store *store)
{
	(void)store;
	return quarantine->count ? quarantine : NULL;
}

enum cagma_xenstore cagma_store_xenstore(const struct cagma_store *store,
					 uint64_t now_ns)
{
	(void)store;
	(void)now_ns;
	return CAGMA_XENSTORE_OK;
}

void cagma_store_use(struct cagma_store *store,
		     const struct cagma_config *c)
{
	(void)store;
	(void)c;
	fuzz_must(false);	/* there is no file to be reloaded */
}

static void fill_quarantine(uint8_t seed)
{
	quarantine->count = seed % 8;
	for (size_t i = 0; i < quarantine->count; i++) {
		struct cagma_quarantined *entry = &quarantine->entry[i];

		entry->domid = (uint16_t)(seed * i);
		memset(entry->name, '!' + seed % 90, sizeof(entry->name) - 1);
		entry->reason = cagma_lie_name((enum cagma_lie)i);
		entry->refusals = seed;
		entry->retry_ns = seed * UINT64_C(0x0101010101010101);
	}
}

static void fill_guest(struct cagma_guest *guest, struct cagma_link *link,
		       uint8_t seed)
{
	uint64_t word = seed * UINT64_C(0x0101010101010101);

	memset(guest, 0, sizeof(*guest));
	guest->domid = (uint16_t)(1 + seed);
	/* As read_name() of store.c leaves it. */
	memset(guest->name, '!' + seed % 90, sizeof(guest->name) - 1);
	memset(guest->uuid, seed, sizeof(guest->uuid));
	guest->facts.alloc_pages = word;
	guest->target_pages = word;
	guest->static_max_pages = word;
	guest->max_pages = word;
	guest->track.any = seed & 1;
	guest->track.last.available_pages = word;
	guest->source = guest->link[CAGMA_RANK_PAGE] = link;
	*link = (struct cagma_link){
		.transport = &cagma_transport_granted,
		.guest = guest,
		.lost = word,
	};
	for (unsigned int i = 0; i < seed % 20; i++)
		cagma_records_add(&guest->records, &(struct cagma_record){
			.time_ns = word,
			.event = seed & 2,
			.reason = seed,
			.decision = { .target_pages = word },
		});
	for (unsigned int i = 0; i < seed % 8; i++)
		cagma_histogram_add(&guest->reaction, word >> (8 * i));
}

static void fill_state(size_t count, uint8_t seed)
{
	for (size_t i = 0; i < count; i++)
		fill_guest(&guests[i], &links[i], (uint8_t)(seed + i));
	fill_quarantine(seed);
	state.guest_count = count;
	state.paused = false;
	state.leases = (struct cagma_leases){ .last_id = seed };
	state.actuator.spare_pages = (int8_t)seed * INT64_C(0x100000000);
	state.host.total_pages = seed * UINT64_C(0x0101010101010101);
}

static char *answer(void *context, char *request)
{
	return cagma_requests_answer(context, request);
}

static void init(void)
{
	rcu_register_thread();
	quarantine = calloc(1, sizeof(*quarantine) +
			       8 * sizeof(quarantine->entry[0]));
	fuzz_must(quarantine);
	cagma_config_init(&config);
	state.config = &config;
	state.guests = table;
	state.domains_max = CAGMA_GUESTS_MAX;
	state.domains = calloc(state.domains_max, sizeof(*state.domains));
	fuzz_must(state.domains);
	for (size_t i = 0; i < GUESTS_MAX; i++)
		table[i] = &guests[i];
	fuzz_must(!cagma_queue_init(&state.asked));
	fuzz_must(!cagma_requests_init(&requests, &state, NULL, &options,
				       eventfd(0, EFD_CLOEXEC)));
	cagma_clients_open(&clients, -1, answer, &requests);
}

static bool asks_for_status(const uint8_t *request, size_t size)
{
	static const char status[] = "status\n";
	const size_t length = sizeof(status) - 1;

	return size == length && !memcmp(request, status, length);
}

/* The answer to "explain NAME": all records that there are. */
static void check_explanation(struct json_object *json)
{
	struct json_object *field;

	fuzz_must(json_object_object_get_ex(json, "records", &field));
	fuzz_must(json_object_array_length(field) <= CAGMA_RECORDS);
}

static void check_reply(const char *reply, bool status)
{
	struct json_object *json = json_tokener_parse(reply), *field;
	const char *end = strchr(reply, '\n');
	bool error;

	fuzz_must(end && !end[1]);
	fuzz_must(json && json_object_is_type(json, json_type_object));
	error = json_object_object_get_ex(json, "error", &field);
	fuzz_must(!(status && error));
	if (!status && !error &&
	    !json_object_object_get_ex(json, "done", &field) &&
	    !json_object_object_get_ex(json, "advice", &field))
		check_explanation(json);
	for (size_t i = 0; i < state.guest_count; i++)
		fuzz_must(guests[i].min_pages <= guests[i].max_pages &&
			  guests[i].max_pages <= guests[i].static_max_pages);
	if (status) {
		fuzz_must(json_object_object_get_ex(json, "guests", &field));
		fuzz_must(json_object_array_length(field) == state.guest_count);
		fuzz_must(json_object_object_get_ex(json, "quarantined",
						    &field));
		fuzz_must(json_object_array_length(field) == quarantine->count);
	}
	json_object_put(json);
}

/* Both ends take turns until the client is done; the length of the reply. */
static size_t converse(int fd, char *reply, size_t size)
{
	struct pollfd fds[CAGMA_CLIENTS_FDS];
	size_t length = 0;
	ssize_t n;

	do {
		nfds_t count = cagma_clients_watch(&clients, fds,
						   cagma_now_ns());

		poll(fds, count, 0);
		cagma_clients_serve(&clients, fds, cagma_now_ns());
		while ((n = recv(fd, reply + length, size - 1 - length,
				 MSG_DONTWAIT)) > 0)
			length += (size_t)n;
	} while (n < 0 && errno == EAGAIN);
	reply[length] = '\0';
	return length;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char reply[1 << 18];
	int fds[2];

	if (!requests.state)
		init();
	if (size < 3 || size > 4096)
		return 0;
	fill_state(data[0] % (GUESTS_MAX + 1), data[1]);
	data += 2;
	size -= 2;
	fuzz_must(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	fuzz_must(write(fds[1], data, size) == (ssize_t)size);
	shutdown(fds[1], SHUT_WR);
	cagma_clients_add(&clients, fds[0], cagma_now_ns());
	fuzz_must(converse(fds[1], reply, sizeof(reply)));
	close(fds[1]);
	check_reply(reply, asks_for_status(data, size));
	return 0;
}
