// SPDX-License-Identifier: GPL-2.0-only
#include "metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "task.h"

#define BUFFER		"/proc/cagma/buffer"
#define TEXT_BYTES	232
/* "BEGIN_MS:SPENT_US " at its longest. */
#define ROUND_BYTES	42
#define ROUNDS		256

struct round {
	uint64_t begin_ms;
	uint64_t spent_us;
};

/*
 * The process adds rounds, the signal handler of the same process takes them.
 * A handler never sees half a round: ended is advanced behind it.
 */
static struct {
	struct cagma_metrics info;
	struct round rounds[ROUNDS];
	volatile sig_atomic_t ended, written;
	uint64_t lost;
	int fd;
} metrics;

/* stdio and its locks are not for signal handlers. */
static char *add_text(char *to, const char *text)
{
	while (*text)
		*to++ = *text++;
	return to;
}

static char *add_number(char *to, uint64_t value)
{
	char digits[20];
	int n = 0;

	do {
		digits[n++] = (char)('0' + value % 10);
		value /= 10;
	} while (value);
	while (n)
		*to++ = digits[--n];
	return to;
}

static char *add_round(char *to, const struct round *round)
{
	*to++ = ' ';
	to = add_number(to, round->begin_ms);
	*to++ = ':';
	return add_number(to, round->spent_us);
}

static char *add_head(char *to, const char *kind)
{
	to = add_text(to, kind);
	to = add_text(to, metrics.info.workload);
	*to++ = ' ';
	return add_number(to, metrics.info.task);
}

/* A record that finds no room is lost: whoever measures does not wait. */
static void put(const char *text, const char *end)
{
	if (write(metrics.fd, text, (size_t)(end - text)) < 0)
		metrics.lost++;
}

static void write_rounds(void)
{
	while (metrics.written != metrics.ended) {
		char text[TEXT_BYTES], *end = add_head(text, "R ");

		while (metrics.written != metrics.ended &&
		       end + ROUND_BYTES <= text + sizeof(text)) {
			end = add_round(end, &metrics.rounds[metrics.written %
							     ROUNDS]);
			metrics.written++;
		}
		put(text, end);
	}
}

static void on_timer(int number)
{
	int error = errno;

	(void)number;
	write_rounds();
	errno = error;
}

static void set_timer(uint64_t period_ms)
{
	const struct timeval period = {
		.tv_sec = (time_t)(period_ms / 1000),
		.tv_usec = (suseconds_t)(period_ms % 1000 * 1000),
	};
	const struct itimerval timer = { period, period };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void block_timer(int how)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigprocmask(how, &set, NULL);
}

void cagma_metrics_begin(const struct cagma_metrics *info)
{
	const struct sigaction action = {
		.sa_handler = on_timer,
		.sa_flags = SA_RESTART,
	};

	metrics.info = *info;
	metrics.fd = open(BUFFER, O_WRONLY | O_CLOEXEC);
	if (metrics.fd < 0)
		cagma_die(CAGMA_TASK_FAILED, "%s: %s", BUFFER, strerror(errno));
	sigaction(SIGALRM, &action, NULL);
	block_timer(SIG_UNBLOCK);
	set_timer(info->period_ms);
}

static struct round make_round(uint64_t begin_ns, uint64_t end_ns)
{
	return (struct round){
		.begin_ms = (begin_ns - metrics.info.start_ns) / 1000000,
		.spent_us = (end_ns - begin_ns) / 1000,
	};
}

void cagma_metrics_round(uint64_t begin_ns, uint64_t end_ns)
{
	metrics.rounds[metrics.ended % ROUNDS] = make_round(begin_ns, end_ns);
	/* The round before the count, as a signal handler sees them. */
	atomic_signal_fence(memory_order_release);
	metrics.ended++;
	if (metrics.ended - metrics.written < ROUNDS)
		return;
	block_timer(SIG_BLOCK);
	write_rounds();
	block_timer(SIG_UNBLOCK);
}

void cagma_metrics_end(uint64_t begin_ns)
{
	char text[TEXT_BYTES], *end;
	struct round cut = make_round(begin_ns, cagma_clock_ns());

	set_timer(0);
	block_timer(SIG_BLOCK);
	write_rounds();
	if (begin_ns) {
		end = add_round(add_head(text, "C "), &cut);
		put(text, end);
	}
}

uint64_t cagma_metrics_lost(void)
{
	return metrics.lost;
}
