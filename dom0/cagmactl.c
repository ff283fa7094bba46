// SPDX-License-Identifier: GPL-2.0-only
/* cagmactl: asks the running cagmad, and prints. */
#include <errno.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <json-c/json.h>

#include "doctor.h"
#include "serve.h"

#define TIMEOUT_S 5

static int fail(const char *what, int err)
{
	fprintf(stderr, "cagmactl: %s: %s\n", what, strerror(err));
	return -1;
}

static int connect_to(const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd;

	if (snprintf(address.sun_path, sizeof(address.sun_path),
		     "%s/" CAGMA_SOCKET, run_dir) >=
	    (int)sizeof(address.sun_path))
		return fail(run_dir, ENAMETOOLONG);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail("socket", errno);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		fprintf(stderr, "cagmactl: cagmad is not running (%s)\n",
			address.sun_path);
	else
		fail(address.sun_path, errno);
	close(fd);
	return -1;
}

/* Reads until the daemon closes. NULL after an error that was printed. */
static struct json_object *receive(int fd)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *json = NULL;
	char part[4096];
	ssize_t n;

	while (!json && (n = recv(fd, part, sizeof(part), 0)) > 0)
		json = json_tokener_parse_ex(tokener, part, (int)n);
	json_tokener_free(tokener);
	if (!json)
		fprintf(stderr, "cagmactl: no complete answer from cagmad\n");
	return json;
}

static struct json_object *ask(const char *run_dir, const char *request)
{
	struct json_object *json = NULL;
	int fd = connect_to(run_dir);

	if (fd < 0)
		return NULL;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		fail("request", errno);
	else
		json = receive(fd);
	close(fd);
	return json;
}

static int64_t number(struct json_object *from, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(from, key, &value))
		return 0;
	return json_object_get_int64(value);
}

static const char *text(struct json_object *from, const char *key)
{
	struct json_object *value;

	if (!json_object_object_get_ex(from, key, &value))
		return "?";
	return json_object_get_string(value);
}

static long long mib(struct json_object *from, const char *key)
{
	return (long long)number(from, key) / 1024;
}

static void print_guest(struct json_object *g)
{
	struct json_object *reaction = NULL, *stuck = NULL;

	json_object_object_get_ex(g, "reaction_us", &reaction);
	json_object_object_get_ex(g, "stuck", &stuck);
	printf("%4lld %-16s %-6s %5lld %6lld %6lld %6lld %5lld %9lld %9lld %4lld/%-4lld %8lld\n",
	       (long long)number(g, "dom"), text(g, "name"),
	       json_object_get_boolean(stuck) ? "stuck" : text(g, "state"),
	       mib(g, "alloc_kib"), mib(g, "target_kib"), mib(g, "avail_kib"),
	       mib(g, "cma_kib"), (long long)number(g, "age_ms"),
	       (long long)number(g, "swap_in_pages"),
	       (long long)number(g, "swap_out_pages"),
	       (long long)number(g, "answered"),
	       (long long)number(g, "emergencies"),
	       reaction ? (long long)number(reaction, "p99") : 0);
}

static void print_quarantine(struct json_object *s)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(s, "quarantined", &list);
	for (size_t i = 0; list && i < json_object_array_length(list); i++) {
		struct json_object *q = json_object_array_get_idx(list, i);

		printf("%4lld %-16s quarantined: %s (refused %lld times, next try in %lld s)\n",
		       (long long)number(q, "dom"), text(q, "name"),
		       text(q, "reason"), (long long)number(q, "refusals"),
		       (long long)number(q, "retry_ms") / 1000);
	}
}

static struct json_object *lease_at(struct json_object *s, size_t i)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(s, "leases", &list);
	return list && i < json_object_array_length(list) ?
		       json_object_array_get_idx(list, i) : NULL;
}

static void print_leases(struct json_object *s)
{
	struct json_object *lease;

	for (size_t i = 0; (lease = lease_at(s, i)); i++)
		printf("lease %lld: %lld MiB for a new domain, %lld taken, %lld ready; ends in %lld s\n",
		       (long long)number(lease, "lease"), mib(lease, "size_kib"),
		       mib(lease, "size_kib") - mib(lease, "left_kib"),
		       mib(lease, "ready_kib"), (long long)number(lease, "ends_s"));
}

static void print_status(struct json_object *s)
{
	struct json_object *guests = NULL;
	struct json_object *dry = NULL, *paused = NULL;

	json_object_object_get_ex(s, "dry_run", &dry);
	json_object_object_get_ex(s, "paused", &paused);
	printf("policy %s%s%s, up %lld s; host %lld MiB, free %lld, spare %lld, reserve %lld\n",
	       text(s, "policy"), json_object_get_boolean(dry) ? " (dry run)" : "",
	       json_object_get_boolean(paused) ? " (paused)" : "",
	       (long long)number(s, "uptime_s"), mib(s, "total_kib"),
	       mib(s, "free_kib"), mib(s, "spare_kib"), mib(s, "reserve_kib"));
	printf("emergencies %lld, answered %lld; target changes %lld; invariant violations %lld\n\n",
	       (long long)number(s, "emergencies"),
	       (long long)number(s, "answered"),
	       (long long)number(s, "target_changes"),
	       (long long)number(s, "invariant_violations"));
	printf(" dom name             state  alloc target  avail    cma   age   swap-in  swap-out answered p99\n"
	       "                               MiB    MiB    MiB    MiB    ms     pages     pages            us\n");
	json_object_object_get_ex(s, "guests", &guests);
	for (size_t i = 0; guests && i < json_object_array_length(guests); i++)
		print_guest(json_object_array_get_idx(guests, i));
	print_quarantine(s);
	print_leases(s);
}

/* ---- why ---- */

static struct json_object *records_of(struct json_object *answer, size_t *count)
{
	struct json_object *list = NULL;

	json_object_object_get_ex(answer, "records", &list);
	*count = list ? json_object_array_length(list) : 0;
	return list;
}

static const char *direction(struct json_object *r)
{
	int64_t change = number(r, "new_target_kib") -
			 number(r, "old_target_kib");

	return change > 0 ? "grows" : change < 0 ? "shrinks" : "stays";
}

/* One line: when, what, why. */
static void print_record(struct json_object *r)
{
	printf("%8.1f s ago  %6lld -> %6lld MiB  %s%s%s%s\n",
	       (double)number(r, "ago_ms") / 1000, mib(r, "old_target_kib"),
	       mib(r, "new_target_kib"), text(r, "why"),
	       number(r, "event") ? " (" : "", text(r, "reason"),
	       number(r, "event") ? ")" : "");
}

static void print_history(struct json_object *answer)
{
	size_t count;
	struct json_object *list = records_of(answer, &count);

	printf("%s (domain %lld): the last %zu of %lld changes\n",
	       text(answer, "name"), (long long)number(answer, "dom"), count,
	       (long long)number(answer, "changes"));
	for (size_t i = 0; i < count; i++)
		print_record(json_object_array_get_idx(list, i));
}

/* The last change, with what went into it; the rules are in docs/policy.md. */
static void print_explanation(struct json_object *answer)
{
	size_t count;
	struct json_object *list = records_of(answer, &count), *r;

	printf("%s (domain %lld)", text(answer, "name"),
	       (long long)number(answer, "dom"));
	if (!count) {
		printf(": its target was never changed by this daemon\n");
		return;
	}
	r = json_object_array_get_idx(list, count - 1);
	printf(" %s:\n", direction(r));
	print_record(r);
	printf("\nin MiB\n"
	       "  memory    has %lld, uses %lld (at most %lld lately), allowed %lld to %lld\n"
	       "  may have  %lld while others want more\n"
	       "  CMA       %lld: growth expected %lld, share of the task of %lld, back from swap %lld of %lld\n"
	       "  host      spare %lld, of which %lld are never given and %lld are for emergencies\n",
	       mib(r, "alloc_kib"), mib(r, "used_kib"),
	       mib(r, "used_release_kib"), mib(r, "min_kib"),
	       mib(r, "max_kib"), mib(r, "entitled_kib"), mib(r, "cma_kib"), mib(r, "growth_kib"),
	       mib(r, "task_kib"), mib(r, "swap_in_kib"),
	       mib(r, "swapped_kib"), mib(r, "spare_kib"),
	       mib(r, "hard_reserve_kib"),
	       mib(r, "reserve_kib") - mib(r, "hard_reserve_kib"));
	if (number(r, "unmet_kib"))
		printf("  not met   %lld\n", mib(r, "unmet_kib"));
}

/* ---- requests ---- */

/* The daemon's answer, or NULL after an error that was printed. */
static struct json_object *demand(const char *run_dir, const char *request)
{
	struct json_object *json = ask(run_dir, request), *error;

	if (!json || !json_object_object_get_ex(json, "error", &error))
		return json;
	fprintf(stderr, "cagmactl: %s\n", json_object_get_string(error));
	json_object_put(json);
	return NULL;
}

static void print_json(struct json_object *json)
{
	printf("%s\n", json_object_to_json_string_ext(json,
						      JSON_C_TO_STRING_PLAIN));
}

static void print_nothing(struct json_object *answer)
{
	(void)answer;
}

struct call {
	const char *run_dir;
	bool as_json;
	int argc;		/* the command's arguments */
	char **argv;
};

/* ---- reserve ---- */

#define RESERVE_LEASE_S	120
#define RESERVE_WAIT_S	30
#define POLL_NS		200000000L

/* "2048", "2048M" or "2G" in MiB; 0 if it is nothing like that. */
static unsigned long long parse_size(const char *size)
{
	char *end;
	unsigned long long value;

	if (*size < '0' || *size > '9')
		return 0;
	value = strtoull(size, &end, 10);
	if (value > 16777216)
		return 0;
	if (!strcmp(end, "G") || !strcmp(end, "GiB"))
		return value * 1024;
	return !*end || !strcmp(end, "M") || !strcmp(end, "MiB") ? value : 0;
}

/* What is ready of a lease, in MiB; -1 if it is over, -2 without an answer. */
static long long lease_ready(const char *run_dir, int64_t id, bool *whole)
{
	struct json_object *s = demand(run_dir, "status\n"), *lease;
	long long ready = -1;

	if (!s)
		return -2;
	for (size_t i = 0; (lease = lease_at(s, i)); i++) {
		if (number(lease, "lease") != id)
			continue;
		ready = mib(lease, "ready_kib");
		*whole = number(lease, "ready_kib") >=
			 number(lease, "left_kib");
	}
	json_object_put(s);
	return ready;
}

static int give_up(const struct call *call, int64_t id, long long ready,
		   unsigned long long wanted)
{
	char request[32];
	struct json_object *answer;

	snprintf(request, sizeof(request), "release %lld\n", (long long)id);
	answer = demand(call->run_dir, request);
	if (answer)
		json_object_put(answer);
	fprintf(stderr, "cagmactl: only %lld of %llu MiB could be freed within %d s: "
			"no guest has more than it needs. Nothing is reserved.\n",
		ready, wanted, RESERVE_WAIT_S);
	return EXIT_FAILURE;
}

static int wait_for_lease(const struct call *call, int64_t id,
			  unsigned long long wanted)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	long long ready = 0, shown = -1;
	bool whole = false;

	for (long i = 0; i < RESERVE_WAIT_S * (1000000000L / POLL_NS); i++) {
		ready = lease_ready(call->run_dir, id, &whole);
		if (ready < 0)
			return EXIT_FAILURE;
		if (!call->as_json && (ready != shown || whole))
			fprintf(stderr, "%lld of %llu MiB are free\n", ready,
				wanted);
		shown = ready;
		if (whole)
			return EXIT_SUCCESS;
		nanosleep(&pause, NULL);
	}
	return give_up(call, id, ready, wanted);
}

static int reserve(const struct call *call)
{
	unsigned long long wanted = parse_size(call->argv[0]);
	const char *lease_s = call->argc > 1 ? call->argv[1] : NULL;
	struct json_object *answer;
	char request[96];
	int status;

	if (!wanted) {
		fprintf(stderr, "cagmactl: \"%s\" is no size: give MiB, or 4G\n",
			call->argv[0]);
		return 2;
	}
	if (lease_s)
		snprintf(request, sizeof(request), "reserve %llu %.20s\n",
			 wanted, lease_s);
	else
		snprintf(request, sizeof(request), "reserve %llu %d\n", wanted,
			 RESERVE_LEASE_S);
	answer = demand(call->run_dir, request);
	if (!answer)
		return EXIT_FAILURE;
	status = wait_for_lease(call, number(answer, "lease"), wanted);
	if (!status && call->as_json)
		print_json(answer);
	else if (!status)
		printf("lease %lld\n", (long long)number(answer, "lease"));
	json_object_put(answer);
	return status;
}

/* ---- top ---- */

static int top(const struct call *call)
{
	const struct timespec pause = { .tv_sec = 1 };
	bool screen = isatty(STDOUT_FILENO) && !call->as_json;
	struct json_object *s;

	while ((s = demand(call->run_dir, "status\n"))) {
		if (screen)
			printf("\033[H\033[2J");
		if (call->as_json)
			print_json(s);
		else
			print_status(s);
		json_object_put(s);
		if (fflush(stdout))
			return EXIT_FAILURE;
		nanosleep(&pause, NULL);
	}
	return EXIT_FAILURE;
}

/* ---- doctor ---- */

#define XL_CONF "/etc/xen/xl.conf"

static int doctor(const struct call *call)
{
	struct json_object *s = ask(call->run_dir, "status\n");
	int complaints = cagma_doctor_look(s, XL_CONF);

	if (s)
		json_object_put(s);
	return complaints || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- commands ---- */

struct command {
	const char *name;
	const char *request;		/* what the daemon is asked, if not that */
	int least, most;		/* arguments */
	const char *takes;
	void (*print)(struct json_object *answer);
	int (*run)(const struct call *call);	/* instead of one request */
};

static const struct command commands[] = {
	{ "status", NULL, 0, 0, "no argument", print_status, NULL },
	{ "top", NULL, 0, 0, "no argument", NULL, top },
	{ "doctor", NULL, 0, 0, "no argument", NULL, doctor },
	{ "explain", NULL, 1, 1, "a domain's name or id", print_explanation,
	  NULL },
	{ "history", "explain", 1, 1, "a domain's name or id", print_history,
	  NULL },
	{ "pause", NULL, 0, 1, "a domain, or nothing for all", print_nothing,
	  NULL },
	{ "resume", NULL, 0, 1, "a domain, or nothing for all", print_nothing,
	  NULL },
	{ "set", NULL, 2, 4, "a domain and min=MIB, max=MIB, weight=N",
	  print_nothing, NULL },
	{ "reload", NULL, 0, 0, "no argument", print_nothing, NULL },
	{ "reserve", NULL, 1, 2, "a size and seconds", NULL, reserve },
	{ "release", NULL, 1, 1, "the number of a lease", print_nothing,
	  NULL },
};

/* The command that the arguments name, or NULL after a complaint. */
static const struct command *find_command(int argc, char **argv)
{
	if (!argc) {
		fprintf(stderr, "cagmactl: no command given\n");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->name, argv[0]))
			continue;
		if (argc - 1 >= c->least && argc - 1 <= c->most)
			return c;
		fprintf(stderr, "cagmactl: %s takes %s\n", c->name, c->takes);
		return NULL;
	}
	fprintf(stderr, "cagmactl: unknown command '%s'\n", argv[0]);
	return NULL;
}

/* One line; false if it is longer than the daemon reads. */
static bool compose(const struct command *command, const struct call *call,
		    char *request, size_t size)
{
	size_t length = (size_t)snprintf(request, size, "%s", command->request ?
					 command->request : command->name);

	for (int i = 0; i < call->argc && length < size; i++)
		length += (size_t)snprintf(request + length, size - length,
					   " %s", call->argv[i]);
	if (length < size)
		length += (size_t)snprintf(request + length, size - length,
					   "\n");
	return length < size;
}

static int execute(const struct command *command, const struct call *call)
{
	char request[CAGMA_NAME_BYTES + 64];
	struct json_object *json;

	if (command->run)
		return command->run(call);
	if (!compose(command, call, request, sizeof(request)) ||
	    (call->argc && strlen(call->argv[0]) >= CAGMA_NAME_BYTES)) {
		fprintf(stderr, "cagmactl: no domain has such a long name\n");
		return EXIT_FAILURE;
	}
	json = demand(call->run_dir, request);
	if (!json)
		return EXIT_FAILURE;
	if (call->as_json)
		print_json(json);
	else
		command->print(json);
	json_object_put(json);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void print_help(void)
{
	printf("Usage: cagmactl [OPTION]... COMMAND\n"
	       "Shows what the running cagmad sees and does, and tells it what to do.\n\n"
	       "  status             the host and all guests\n"
	       "  top                the same, every second\n"
	       "  doctor             what is wrong on this host, if anything\n"
	       "  explain DOMAIN     the last change of a guest's target, and why\n"
	       "  history DOMAIN     its last changes, the newest last\n"
	       "  pause [DOMAIN]     leave a guest, or all, as it is\n"
	       "  resume [DOMAIN]    end that\n"
	       "  set DOMAIN [min=MIB] [max=MIB] [weight=N]\n"
	       "                     until it restarts, or the next reload\n"
	       "  reload             read the configuration file again\n"
	       "  reserve SIZE [S]   free memory for a new domain and keep it for S\n"
	       "                     seconds (%d), waiting up to %d s for it\n"
	       "  release LEASE      end that\n\n"
	       "  -j, --json         the answer as one line of JSON\n"
	       "  -r, --run-dir DIR  where cagmad's socket is (default %s)\n"
	       "  -h, --help         show this\n"
	       "  -V, --version      show the version\n",
	       RESERVE_LEASE_S, RESERVE_WAIT_S, CAGMA_RUN_DIR);
}

static int bad_usage(void)
{
	fprintf(stderr, "Try 'cagmactl --help'.\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct call call = { .run_dir = CAGMA_RUN_DIR };
	const struct command *command;
	int c;

	while ((c = getopt_long(argc, argv, "jr:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			call.as_json = true;
			break;
		case 'r':
			call.run_dir = optarg;
			break;
		case 'h':
			print_help();
			return 0;
		case 'V':
			printf("cagmactl %s\n", CAGMA_VERSION);
			return 0;
		default:
			return bad_usage();
		}
	}
	command = find_command(argc - optind, argv + optind);
	if (!command)
		return bad_usage();
	call.argc = argc - optind - 1;
	call.argv = argv + optind + 1;
	return execute(command, &call);
}
