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
#include <unistd.h>

#include <json-c/json.h>

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
	printf("%4lld %-16s %-5s %5lld %6lld %6lld %6lld %5lld %9lld %9lld %4lld/%-4lld %8lld\n",
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

static void print_status(struct json_object *s)
{
	struct json_object *guests = NULL;
	struct json_object *dry = NULL;

	json_object_object_get_ex(s, "dry_run", &dry);
	printf("policy %s%s, up %lld s; host %lld MiB, free %lld, spare %lld, reserve %lld\n",
	       text(s, "policy"), json_object_get_boolean(dry) ? " (dry run)" : "",
	       (long long)number(s, "uptime_s"), mib(s, "total_kib"),
	       mib(s, "free_kib"), mib(s, "spare_kib"), mib(s, "reserve_kib"));
	printf("emergencies %lld, answered %lld; target changes %lld; invariant violations %lld\n\n",
	       (long long)number(s, "emergencies"),
	       (long long)number(s, "answered"),
	       (long long)number(s, "target_changes"),
	       (long long)number(s, "invariant_violations"));
	printf(" dom name             state alloc target  avail    cma   age   swap-in  swap-out answered p99\n"
	       "                              MiB    MiB    MiB    MiB    ms     pages     pages            us\n");
	json_object_object_get_ex(s, "guests", &guests);
	for (size_t i = 0; guests && i < json_object_array_length(guests); i++)
		print_guest(json_object_array_get_idx(guests, i));
	print_quarantine(s);
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

/* ---- commands ---- */

struct command {
	const char *name;
	const char *request;		/* what the daemon is asked */
	bool has_domain;
	void (*print)(struct json_object *answer);
};

static const struct command commands[] = {
	{ "status", "status", false, print_status },
	{ "explain", "explain", true, print_explanation },
	{ "history", "explain", true, print_history },
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
		if (argc == 1 + c->has_domain)
			return c;
		fprintf(stderr, "cagmactl: %s takes %s\n", c->name,
			c->has_domain ? "a domain's name or id" :
					"no argument");
		return NULL;
	}
	fprintf(stderr, "cagmactl: unknown command '%s'\n", argv[0]);
	return NULL;
}

static int execute(const struct command *command, const char *domain,
		   const char *run_dir, bool as_json)
{
	char request[CAGMA_NAME_BYTES + 16];
	struct json_object *json, *error;
	int ret = EXIT_FAILURE;

	if (snprintf(request, sizeof(request), "%s%s%s\n", command->request,
		     domain ? " " : "", domain ? domain : "") >=
	    (int)sizeof(request)) {
		fprintf(stderr, "cagmactl: no domain has such a long name\n");
		return ret;
	}
	json = ask(run_dir, request);

	if (!json)
		return ret;
	if (json_object_object_get_ex(json, "error", &error)) {
		fprintf(stderr, "cagmactl: %s\n", json_object_get_string(error));
	} else {
		if (as_json)
			printf("%s\n", json_object_to_json_string_ext(
					       json, JSON_C_TO_STRING_PLAIN));
		else
			command->print(json);
		ret = fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	json_object_put(json);
	return ret;
}

static void print_help(void)
{
	printf("Usage: cagmactl [OPTION]... COMMAND\n"
	       "Shows what the running cagmad sees and does.\n\n"
	       "  status             the host and all guests\n"
	       "  explain DOMAIN     the last change of a guest's target, and why\n"
	       "  history DOMAIN     its last changes, the newest last\n\n"
	       "  -j, --json         the answer as one line of JSON\n"
	       "  -r, --run-dir DIR  where cagmad's socket is (default %s)\n"
	       "  -h, --help         show this\n"
	       "  -V, --version      show the version\n", CAGMA_RUN_DIR);
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
	const char *run_dir = CAGMA_RUN_DIR;
	const struct command *command;
	bool as_json = false;
	int c;

	while ((c = getopt_long(argc, argv, "jr:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			as_json = true;
			break;
		case 'r':
			run_dir = optarg;
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
	return execute(command, command->has_domain ? argv[optind + 1] : NULL,
		       run_dir, as_json);
}
