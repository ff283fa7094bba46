// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>

#include "log.h"

static bool to_syslog;

void cagma_log_to_syslog(void)
{
	openlog("cagmad", LOG_PID, LOG_DAEMON);
	to_syslog = true;
}

void cagma_log(int priority, const char *format, ...)
{
	char line[512];
	va_list args;

	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (to_syslog)
		syslog(priority, "%s", line);
	else
		fprintf(stderr, "cagmad: %s\n", line);
}
