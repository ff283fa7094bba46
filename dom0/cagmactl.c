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
	struct json_object *reaction = NULL;

	json_object_object_get_ex(g, "reaction_us", &reaction);
	printf("%4lld %-16s %-5s %5lld %6lld %6lld %6lld %5lld %9lld %9lld %4lld/%-4lld %8lld\n",
	       (long long)number(g, "dom"), text(g, "name"), text(g, "state"),
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

static int status(const char *run_dir, bool as_json)
{
	struct json_object *json = ask(run_dir, "status\n");
	struct json_object *error;
	int ret = EXIT_FAILURE;

	if (!json)
		return ret;
	if (json_object_object_get_ex(json, "error", &error)) {
		fprintf(stderr, "cagmactl: %s\n", json_object_get_string(error));
	} else {
		if (as_json)
			printf("%s\n", json_object_to_json_string_ext(
					       json, JSON_C_TO_STRING_PLAIN));
		else
			print_status(json);
		ret = fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
	}
	json_object_put(json);
	return ret;
}

static void print_help(void)
{
	printf("Usage: cagmactl [OPTION]... status\n"
	       "Shows what the running cagmad sees and does.\n\n"
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
	if (optind + 1 != argc || strcmp(argv[optind], "status")) {
		fprintf(stderr, "cagmactl: %s\n", optind == argc ?
			"no command given" : "the only command is status");
		return bad_usage();
	}
	return status(run_dir, as_json);
}
