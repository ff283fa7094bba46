// SPDX-License-Identifier: GPL-2.0-only
/*
 * Clients of a key-value store, memcached, over its Unix socket: they fill it, then
 * ask for values at random and verify each, through swap and back.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "task.h"
#include "team.h"

#define VALUE_BYTES	3968u	/* with its head it fills a chunk of the store */
#define VALUES_PER_MIB	256u
#define VALUE_WORDS	(VALUE_BYTES / sizeof(uint64_t))
/* A client that fills the store would have thousands of rounds a second. */
#define FILL_REQUESTS	32u

static const char about[] =
	"Usage: kvtask [OPTION]... SOCKET\n"
	"Clients of the memcached that listens on SOCKET. Each fills it with\n"
	"values of its own, 32 a round, and then asks for them at random: a\n"
	"request is a round, then there is a pause. Values are verified; one that the store\n"
	"has dropped is written anew. With --steps a schedule lets clients join.\n"
	"\n"
	"Prints one line per request, or gives it to the collector, the guest's\n"
	"counters (@S) at start and end, and the outcome (@E).\n"
	"\n"
	"Exit status: 0 ended by the limit, the schedule or SIGTERM; 1 a value\n"
	"was corrupt or a client failed; 2 usage.";

struct kvtask {
	uint64_t mib;
	uint64_t think_ms;
	uint64_t fill_think_ms;
	uint64_t seed;
	const char *path;
};

struct client {
	FILE *to;
	FILE *from;
	uint64_t id;
	uint64_t seed;
	uint64_t random;
	uint64_t values;
};

/* A stream for each direction. */
static void connect_client(struct client *client, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (strlen(path) >= sizeof(address.sun_path))
		cagma_die(CAGMA_TASK_FAILED, "%s: too long a path", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)))
		cagma_die(CAGMA_TASK_FAILED, "%s: %s", path, strerror(errno));
	client->to = fdopen(fd, "w");
	client->from = fdopen(dup(fd), "r");
	if (!client->to || !client->from)
		cagma_die(CAGMA_TASK_FAILED, "%s: %s", path, strerror(errno));
}

static void make_value(const struct client *client, uint64_t key,
		       uint64_t *value)
{
	for (size_t i = 0; i < VALUE_WORDS; i++)
		value[i] = cagma_mix(client->seed ^ (key * VALUE_WORDS + i));
}

static _Noreturn void store_failed(const char *what)
{
	cagma_die(CAGMA_TASK_FAILED, "the store, when %s: %s", what,
		  errno ? strerror(errno) : "it answered something else");
}

static void read_reply(struct client *client, char *line, size_t size,
		       const char *what)
{
	errno = 0;
	if (fflush(client->to) || !fgets(line, (int)size, client->from))
		store_failed(what);
}

static void set_value(struct client *client, uint64_t key)
{
	uint64_t value[VALUE_WORDS];
	char line[64];

	make_value(client, key, value);
	fprintf(client->to, "set %" PRIu64 "-%" PRIu64 " 0 0 %u\r\n",
		client->id, key, VALUE_BYTES);
	fwrite(value, VALUE_BYTES, 1, client->to);
	fputs("\r\n", client->to);
	read_reply(client, line, sizeof(line), "setting");
	if (strcmp(line, "STORED\r\n"))
		store_failed("setting");
}

/* Returns false if the store has dropped the value. */
static bool get_value(struct client *client, uint64_t key, bool *corrupt)
{
	uint64_t expected[VALUE_WORDS], value[VALUE_WORDS];
	char line[64];

	fprintf(client->to, "get %" PRIu64 "-%" PRIu64 "\r\n", client->id,
		key);
	read_reply(client, line, sizeof(line), "getting");
	if (!strcmp(line, "END\r\n"))
		return false;
	if (strncmp(line, "VALUE ", 6) ||
	    fread(value, VALUE_BYTES, 1, client->from) != 1)
		store_failed("getting");
	for (int i = 0; i < 2; i++)
		read_reply(client, line, sizeof(line), "getting");
	if (strcmp(line, "END\r\n"))
		store_failed("getting");
	make_value(client, key, expected);
	*corrupt = memcmp(value, expected, VALUE_BYTES) != 0;
	return true;
}

/* Who is told to end while the store is at it takes its answer first. */
static void block_end(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(how, &set, NULL);
}

static void begin(struct cagma_worker *worker)
{
	block_end(SIG_BLOCK);
	cagma_team_round_begin(worker);
}

static void done(struct cagma_worker *worker)
{
	cagma_team_round_done(worker);
	block_end(SIG_UNBLOCK);
}

static void fill(struct cagma_worker *worker, struct client *client,
		 uint64_t first)
{
	begin(worker);
	for (uint64_t i = 0; i < FILL_REQUESTS && first + i < client->values; i++)
		set_value(client, first + i);
	done(worker);
}

static void ask(struct cagma_worker *worker, struct client *client,
		uint64_t key)
{
	bool corrupt = false;

	begin(worker);
	if (!get_value(client, key, &corrupt))
		set_value(client, key);
	worker->corrupt_pages += corrupt;
	done(worker);
}

static int work(struct cagma_worker *worker, const void *context)
{
	const struct kvtask *task = context;
	struct client client = {
		.id = worker->id,
		.seed = cagma_mix(task->seed + worker->id),
		.random = cagma_mix(~(task->seed + worker->id)),
		.values = task->mib * VALUES_PER_MIB,
	};

	connect_client(&client, task->path);
	for (uint64_t key = 0; key < client.values; key += FILL_REQUESTS) {
		if (cagma_team_stopping())
			break;
		fill(worker, &client, key);
		cagma_team_pause(task->fill_think_ms);
	}
	while (client.values && !cagma_team_stopping()) {
		ask(worker, &client,
		    cagma_random(&client.random) % client.values);
		cagma_team_pause(task->think_ms);
	}
	fclose(client.from);
	fclose(client.to);
	return worker->corrupt_pages ? CAGMA_TASK_FAILED : CAGMA_TASK_OK;
}

int main(int argc, char **argv)
{
	static struct kvtask task = {
		.mib = 32, .think_ms = 50, .fill_think_ms = 1, .seed = 1,
	};
	static struct cagma_team team = {
		.workload = "kv", .size = 2, .work = work, .context = &task,
		.schedule.first = 1,
	};
	static const struct cagma_option options[] = {
		CAGMA_TEAM_OPTIONS(team),
		{ "mib", "MiB of values of each", &task.mib, 1, 1 << 20 },
		{ "think-ms", "pause after a request", &task.think_ms, 0,
		  60000 },
		{ "fill-think-ms", "pause after a round that fills",
		  &task.fill_think_ms, 0, 60000 },
		{ "seed", "of everything random", &task.seed, 0, UINT64_MAX },
		{ 0 },
	};
	int next = cagma_options_parse(argc, argv, about, options);

	if (next != argc - 1)
		cagma_die(CAGMA_TASK_USAGE, "exactly one SOCKET is needed");
	task.path = argv[next];
	cagma_team_check(&team);
	return cagma_team_main(&team);
}
