// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <json-c/json.h>
#include <urcu.h>

#include "clock.h"
#include "serve.h"
#include "status.h"
#include "store.h"
#include "units.h"

#define CLIENT_TIMEOUT_S 1
#define STACK_BYTES	((size_t)512 * 1024)

struct cagma_serve {
	struct cagma_loop *loop;
	const struct cagma_store *store;
	struct cagma_trace *trace;
	struct cagma_queue answers;	/* of struct cagma_status */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int listen_fd;
	int stop_fd;
	pthread_t thread;
};

/* ---- status as JSON ---- */

static void add(struct json_object *to, const char *key, uint64_t value)
{
	json_object_object_add(to, key, json_object_new_uint64(value));
}

static void add_signed(struct json_object *to, const char *key, int64_t value)
{
	json_object_object_add(to, key, json_object_new_int64(value));
}

static void add_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

static void add_uuid(struct json_object *to, const uint8_t *u)
{
	char text[37];

	snprintf(text, sizeof(text),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
		 u[10], u[11], u[12], u[13], u[14], u[15]);
	add_text(to, "uuid", text);
}

static struct json_object *histogram_json(const struct cagma_histogram *h)
{
	struct json_object *o = json_object_new_object();

	add(o, "n", h->count);
	add(o, "p50", cagma_histogram_quantile(h, 50));
	add(o, "p99", cagma_histogram_quantile(h, 99));
	add(o, "max", h->max_us);
	return o;
}

static struct json_object *guest_json(const struct cagma_status_guest *g)
{
	struct json_object *o = json_object_new_object();

	add(o, "dom", g->domid);
	add_text(o, "name", g->name);
	add_uuid(o, g->uuid);
	add_text(o, "transport", "page");
	add_text(o, "state", g->stale ? "stale" : "live");
	add(o, "age_ms", g->age_ns / CAGMA_NS_PER_MS);
	add(o, "period_ms", g->period_ms);
	add(o, "alloc_kib", cagma_pages_to_kib(g->alloc_pages));
	add(o, "limit_kib", cagma_pages_to_kib(g->limit_pages));
	add(o, "target_kib", cagma_pages_to_kib(g->target_pages));
	add(o, "avail_kib", cagma_pages_to_kib(g->available_pages));
	add(o, "cma_kib", cagma_pages_to_kib(g->cma_pages));
	add(o, "min_kib", cagma_pages_to_kib(g->min_pages));
	add(o, "max_kib", cagma_pages_to_kib(g->max_pages));
	add(o, "swap_in_pages", g->swap_in_pages);
	add(o, "swap_out_pages", g->swap_out_pages);
	add(o, "emergencies", g->emergencies);
	add(o, "answered", g->answered);
	add(o, "kicks", g->kicks);
	add(o, "lost_samples", g->lost_samples);
	json_object_object_add(o, "reaction_us", histogram_json(&g->reaction));
	return o;
}

static struct json_object *quarantine_json(const struct cagma_store *store)
{
	struct json_object *list = json_object_new_array();
	const struct cagma_quarantine *q;
	uint64_t now_ns = cagma_now_ns();

	rcu_read_lock();
	q = cagma_store_quarantine(store);
	for (size_t i = 0; q && i < q->count; i++) {
		const struct cagma_quarantined *entry = &q->entry[i];
		struct json_object *o = json_object_new_object();

		add(o, "dom", entry->domid);
		add_text(o, "name", entry->name);
		add_text(o, "reason", entry->reason);
		add(o, "refusals", entry->refusals);
		add(o, "retry_ms", cagma_less(entry->retry_ns, now_ns) /
					   CAGMA_NS_PER_MS);
		json_object_array_add(list, o);
	}
	rcu_read_unlock();
	return list;
}

static struct json_object *status_json(const struct cagma_status *s,
				       const struct cagma_store *store)
{
	struct json_object *o = json_object_new_object();
	struct json_object *guests = json_object_new_array();

	add_text(o, "policy", s->policy);
	json_object_object_add(o, "dry_run",
			       json_object_new_boolean(s->dry_run));
	add(o, "uptime_s", s->up_ns / CAGMA_NS_PER_S);
	add(o, "total_kib", cagma_pages_to_kib(s->total_pages));
	add(o, "free_kib", cagma_pages_to_kib(s->free_pages));
	add_signed(o, "spare_kib", s->spare_pages * 4);
	add(o, "hard_reserve_kib", cagma_pages_to_kib(s->hard_pages));
	add(o, "reserve_kib", cagma_pages_to_kib(s->reserve_pages));
	add(o, "emergencies", s->emergencies);
	add(o, "answered", s->answered);
	add(o, "target_changes", s->target_changes);
	add(o, "invariant_violations", s->invariant_violations);
	for (size_t i = 0; i < s->count; i++)
		json_object_array_add(guests, guest_json(&s->guest[i]));
	json_object_object_add(o, "guests", guests);
	json_object_object_add(o, "quarantined", quarantine_json(store));
	return o;
}

/* ---- asking the loop ---- */

static struct cagma_status *ask_once(struct cagma_serve *serve, size_t capacity)
{
	struct pollfd fds[] = {
		{ .fd = serve->answers.fd, .events = POLLIN },
		{ .fd = serve->stop_fd, .events = POLLIN },
	};
	struct cagma_status *status;
	struct cds_wfcq_node *node;

	status = calloc(1, sizeof(*status) +
			   capacity * sizeof(status->guest[0]));
	if (!status)
		return NULL;
	status->reply = &serve->answers;
	status->capacity = capacity;
	cagma_queue_push(&serve->loop->asked, &status->node);
	do {
		poll(fds, 2, -1);
		if (fds[1].revents & POLLIN)
			return NULL;	/* cagma_loop_destroy() frees it */
		cagma_queue_ack(&serve->answers);
		node = cagma_queue_pop(&serve->answers);
	} while (!node);
	return status;
}

static struct cagma_status *ask(struct cagma_serve *serve)
{
	struct cagma_status *status = ask_once(serve, 64);

	if (status && status->count > status->capacity) {
		free(status);
		status = ask_once(serve, CAGMA_GUESTS_MAX);
	}
	return status;
}

/* ---- clients ---- */

static void send_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		left -= (size_t)n;
	}
}

static void send_status(struct cagma_serve *serve, int fd)
{
	struct cagma_status *status = ask(serve);
	struct json_object *json;

	if (!status) {
		send_all(fd, "{\"error\":\"no status: out of memory, or stopping\"}\n");
		return;
	}
	json = status_json(status, serve->store);
	send_all(fd, json_object_to_json_string_ext(json,
						    JSON_C_TO_STRING_PLAIN));
	send_all(fd, "\n");
	json_object_put(json);
	free(status);
}

static void serve_client(struct cagma_serve *serve, int fd)
{
	const struct timeval timeout = { .tv_sec = CLIENT_TIMEOUT_S };
	char request[64] = "";
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	n = recv(fd, request, sizeof(request) - 1, 0);
	if (n <= 0)
		return;
	if (!strcmp(request, "status\n"))
		send_status(serve, fd);
	else
		send_all(fd, "{\"error\":\"unknown request\"}\n");
}

static void on_listen(struct cagma_serve *serve)
{
	int fd = accept4(serve->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	serve_client(serve, fd);
	close(fd);
}

static void *run(void *arg)
{
	struct cagma_serve *serve = arg;
	struct pollfd fds[] = {
		{ .fd = serve->listen_fd, .events = POLLIN },
		{ .fd = serve->trace->full.fd, .events = POLLIN },
		{ .fd = serve->stop_fd, .events = POLLIN },
	};

	rcu_register_thread();
	while (!(fds[2].revents & POLLIN)) {
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[1].revents & POLLIN)
			cagma_trace_write(serve->trace);
		if (fds[0].revents & POLLIN)
			on_listen(serve);
	}
	rcu_unregister_thread();
	return NULL;
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask;
	int err;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);	/* we hold the lock: whoever made it is dead */
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	      listen(fd, 16) ? -errno : 0;
	umask(mask);
	if (err)
		close(fd);
	return err ? err : fd;
}

static int start_thread(struct cagma_serve *serve)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	err = -pthread_create(&serve->thread, &attr, run, serve);
	pthread_attr_destroy(&attr);
	return err;
}

int cagma_serve_start(struct cagma_serve **out, const char *run_dir,
		      struct cagma_loop *loop, const struct cagma_store *store,
		      struct cagma_trace *trace)
{
	struct cagma_serve *serve = calloc(1, sizeof(*serve));
	int err;

	if (!serve)
		return -ENOMEM;
	serve->loop = loop;
	serve->store = store;
	serve->trace = trace;
	if (snprintf(serve->path, sizeof(serve->path), "%s/" CAGMA_SOCKET,
		     run_dir) >= (int)sizeof(serve->path)) {
		err = -ENAMETOOLONG;
		goto err_free;
	}
	err = cagma_queue_init(&serve->answers);
	if (err)
		goto err_free;
	serve->stop_fd = eventfd(0, EFD_CLOEXEC);
	serve->listen_fd = listen_on(serve->path);
	if (serve->listen_fd < 0) {
		err = serve->listen_fd;
		goto err_queue;
	}
	err = start_thread(serve);
	if (err)
		goto err_listen;
	*out = serve;
	return 0;

err_listen:
	close(serve->listen_fd);
	unlink(serve->path);
err_queue:
	close(serve->stop_fd);
	cagma_queue_destroy(&serve->answers);
err_free:
	free(serve);
	return err;
}

static void write_end(const struct cagma_serve *serve)
{
	const struct cagma_loop *loop = serve->loop;
	const struct cagma_trace *trace = serve->trace;

	if (!trace->file)
		return;
	fprintf(trace->file,
		"{\"t_ms\":%" PRIu64 ",\"ev\":\"end\",\"emergencies\":%" PRIu64
		",\"answered\":%" PRIu64 ",\"target_changes\":%" PRIu64
		",\"invariant_violations\":%" PRIu64 ",\"lost\":%" PRIu64 "}\n",
		(cagma_now_ns() - trace->start_ns) / CAGMA_NS_PER_MS,
		loop->emergencies, loop->answered, loop->target_changes,
		loop->violations, trace->lost);
}

void cagma_serve_stop(struct cagma_serve *serve)
{
	uint64_t one = 1;
	ssize_t written = write(serve->stop_fd, &one, sizeof(one));

	(void)written;
	pthread_join(serve->thread, NULL);
	cagma_trace_write(serve->trace);
	write_end(serve);
	unlink(serve->path);
	close(serve->listen_fd);
	close(serve->stop_fd);
	cagma_queue_destroy(&serve->answers);
	free(serve);
}
