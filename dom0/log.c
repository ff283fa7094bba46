// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <syslog.h>

#include "clock.h"
#include "log.h"
#include "units.h"

/* R8: a line a second, and a few at once, whatever happens. */
#define LINE_NS		CAGMA_NS_PER_S
#define AT_ONCE		50

struct budget {
	const char *what;		/* its lines are about */
	atomic_uint_fast64_t paid_ns;	/* lines so far are paid for until then */
	atomic_uint left_out;
};

static struct budget own = { .what = "" };
static struct budget guests = { .what = " about guests" };
static bool to_syslog;

void cagma_log_to_syslog(void)
{
	openlog("cagmad", LOG_PID, LOG_DAEMON);
	to_syslog = true;
}

static bool may_log(struct budget *budget)
{
	uint64_t now_ns = cagma_now_ns(), next_ns;
	uint_fast64_t paid = atomic_load(&budget->paid_ns);

	do {
		if (paid > now_ns + (AT_ONCE - 1) * LINE_NS) {
			atomic_fetch_add(&budget->left_out, 1);
			return false;
		}
		next_ns = cagma_max(paid, now_ns) + LINE_NS;
	} while (!atomic_compare_exchange_weak(&budget->paid_ns, &paid,
					       next_ns));
	return true;
}

static void put(int priority, const char *line)
{
	if (to_syslog)
		syslog(priority, "%s", line);
	else
		fprintf(stderr, "cagmad: %s\n", line);
}

__attribute__((format(printf, 3, 0)))
static void log_by(struct budget *budget, int priority, const char *format,
		   va_list args)
{
	char line[512];
	unsigned int lines;

	if (!may_log(budget))
		return;
	lines = atomic_exchange(&budget->left_out, 0);
	if (lines) {
		snprintf(line, sizeof(line), "%u lines%s were left out", lines,
			 budget->what);
		put(LOG_NOTICE, line);
	}
	vsnprintf(line, sizeof(line), format, args);
	put(priority, line);
}

void cagma_log(int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_by(&own, priority, format, args);
	va_end(args);
}

void cagma_log_guest(int priority, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	log_by(&guests, priority, format, args);
	va_end(args);
}
