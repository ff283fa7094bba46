// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reads the collector's buffer, stores it, and ships it to dom0 by the console.
 * Sleeps until there is something; nothing is scanned.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "task.h"

#define BUFFER		"/proc/cagma/buffer"
#define STATISTICS	"/proc/cagma/statistics"
#define READ_BYTES	16384

static const char about[] =
	"Usage: collect [OPTION]... [FILE]\n"
	"Prints each record of " BUFFER " as a line,\n"
	"  @M {\"n\":NUMBER,\"ns\":TIME,\"pid\":PROCESS,\"text\":\"TEXT\"}\n"
	"and stores the records in FILE. At SIGTERM it prints what is left and\n"
	"  @C {\"shipped\":N,\"gaps\":N,\"written\":N,\"lost\":N,\"refused\":N}\n"
	"\n"
	"Exit status: 0 ended by SIGTERM; 1 a failure; 2 usage.";

struct collect {
	int fd;
	FILE *store;		/* or NULL */
	uint64_t shipped;
	uint64_t gaps;		/* numbers that never came */
	uint32_t next;
};

static volatile sig_atomic_t ending;

static void on_end(int number)
{
	(void)number;
	ending = 1;
}

/* Quotes and backslashes would end the JSON text early. */
static void escape(char *to, const char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if (text[i] == '"' || text[i] == '\\')
			*to++ = '\\';
		*to++ = text[i];
	}
	*to = '\0';
}

/* "NUMBER TIME_NS PID TEXT" without its newline. */
static void ship(struct collect *collect, char *line)
{
	char text[1024], *rest = line;
	uint32_t number = (uint32_t)strtoul(rest, &rest, 10);
	uint64_t time_ns = strtoull(rest, &rest, 10);
	uint32_t pid = (uint32_t)strtoul(rest, &rest, 10);

	if (*rest++ != ' ' || strlen(rest) >= sizeof(text) / 2)
		cagma_die(CAGMA_TASK_FAILED, BUFFER ": unknown format: %s",
			  line);
	escape(text, rest, strlen(rest));
	if (collect->store)
		fprintf(collect->store, "%s\n", line);
	cagma_emit("@M {\"n\":%" PRIu32 ",\"ns\":%" PRIu64 ",\"pid\":%" PRIu32
		   ",\"text\":\"%s\"}", number, time_ns, pid, text);
	collect->gaps += number - collect->next;
	collect->next = number + 1;
	collect->shipped++;
}

/* Returns false if there was nothing. */
static bool read_some(struct collect *collect)
{
	static char bytes[READ_BYTES + 1];
	ssize_t size = read(collect->fd, bytes, READ_BYTES);
	char *line = bytes, *end;

	if (size < 0 && errno == EAGAIN)
		return false;
	if (size <= 0)
		cagma_die(CAGMA_TASK_FAILED, BUFFER ": %s",
			  size ? strerror(errno) : "it has ended");
	bytes[size] = '\0';
	for (; (end = strchr(line, '\n')); line = end + 1) {
		*end = '\0';
		ship(collect, line);
	}
	return true;
}

static void run(struct collect *collect, const sigset_t *while_waiting)
{
	struct pollfd poll = { .fd = collect->fd, .events = POLLIN };

	while (!ending) {
		if (ppoll(&poll, 1, NULL, while_waiting) > 0)
			read_some(collect);
		else if (errno != EINTR)
			cagma_die(CAGMA_TASK_FAILED, "poll: %s",
				  strerror(errno));
	}
	while (read_some(collect))
		;
}

static void report(const struct collect *collect)
{
	uint64_t written, lost, refused;
	FILE *file = fopen(STATISTICS, "re");

	if (!file || fscanf(file, "written %" SCNu64 " lost %" SCNu64
			    " refused %" SCNu64, &written, &lost,
			    &refused) != 3)
		cagma_die(CAGMA_TASK_FAILED, STATISTICS ": unknown format");
	fclose(file);
	cagma_emit("@C {\"shipped\":%" PRIu64 ",\"gaps\":%" PRIu64
		   ",\"written\":%" PRIu64 ",\"lost\":%" PRIu64
		   ",\"refused\":%" PRIu64 "}", collect->shipped,
		   collect->gaps, written, lost, refused);
}

/* The signals that end it arrive only where it waits. */
static void catch_signals(sigset_t *while_waiting)
{
	const struct sigaction action = { .sa_handler = on_end };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, while_waiting);
	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
}

int main(int argc, char **argv)
{
	static const struct cagma_option options[] = { { 0 } };
	int next = cagma_options_parse(argc, argv, about, options);
	struct collect collect = { 0 };
	sigset_t while_waiting;

	if (argc - next > 1)
		cagma_die(CAGMA_TASK_USAGE, "at most one FILE");
	catch_signals(&while_waiting);
	collect.fd = open(BUFFER, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (collect.fd < 0)
		cagma_die(CAGMA_TASK_FAILED, BUFFER ": %s", strerror(errno));
	if (next < argc && !(collect.store = fopen(argv[next], "we")))
		cagma_die(CAGMA_TASK_FAILED, "%s: %s", argv[next],
			  strerror(errno));
	/* It must not wait for the swap disk that it reports about. */
	mlockall(MCL_CURRENT | MCL_FUTURE);
	run(&collect, &while_waiting);
	if (collect.store && fclose(collect.store))
		cagma_die(CAGMA_TASK_FAILED, "%s: %s", argv[next],
			  strerror(errno));
	report(&collect);
	return CAGMA_TASK_OK;
}
