/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's one log: standard error, or syslog once it is a daemon. A line a
 * second at most, after the first fifty; how many were left out is said.
 */
#ifndef CAGMA_LOG_H
#define CAGMA_LOG_H

#include <stdbool.h>
#include <stdint.h>

void cagma_log_to_syslog(void);
void cagma_log(int priority, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
