/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The daemon's one log: standard error, or syslog once it is a daemon. A line a
 * second at most, after the first fifty; how many were left out is said. What guests
 * can cause has lines of its own: whatever they do, the daemon's alarms are heard.
 */
#ifndef CAGMA_LOG_H
#define CAGMA_LOG_H

void cagma_log_to_syslog(void);

/* Of the daemon, the host and what the operator does. */
void cagma_log(int priority, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Of what a guest did, or may make happen again and again. */
void cagma_log_guest(int priority, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

#endif
