// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <syslog.h>

#include "clock.h"
#include "log.h"
#include "units.h"

/* R8: a line a second, and a few at once, whatever happens. */
#define LINE_NS		CAGMA_NS_PER_S
#define AT_ONCE		50

static bool to_syslog;
static atomic_uint_fast64_t paid_ns;	/* lines so far are paid for until then */
static atomic_uint left_out;

void cagma_log_to_syslog(void)
{
	openlog("cagmad", LOG_PID, LOG_DAEMON);
	to_syslog = true;
}

static bool may_log(void)
{
	uint64_t now_ns = cagma_now_ns(), next_ns;
	uint_fast64_t paid = atomic_load(&paid_ns);

	do {
		if (paid > now_ns + (AT_ONCE - 1) * LINE_NS) {
			atomic_fetch_add(&left_out, 1);
			return false;
		}
		next_ns = cagma_max(paid, now_ns) + LINE_NS;
	} while (!atomic_compare_exchange_weak(&paid_ns, &paid, next_ns));
	return true;
}

static void put(int priority, const char *line)
{
	if (to_syslog)
		syslog(priority, "%s", line);
	else
		fprintf(stderr, "cagmad: %s\n", line);
}

void cagma_log(int priority, const char *format, ...)
{
	char line[512];
	unsigned int lines;
	va_list args;

	if (!may_log())
		return;
	lines = atomic_exchange(&left_out, 0);
	if (lines) {
		snprintf(line, sizeof(line), "%u lines were left out", lines);
		put(LOG_NOTICE, line);
	}
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	put(priority, line);
}
