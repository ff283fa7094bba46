/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The service manager's notification protocol, sd_notify(3), whose stability is
 * promised; libsystemd would bring more code into the daemon than it has.
 */
#ifndef CAGMA_NOTIFY_H
#define CAGMA_NOTIFY_H

#include <stdint.h>

/* Tells who started us, if it listens; `state` as in sd_notify(3). */
void cagma_notify(const char *state);

/* How often WATCHDOG=1 is expected at least; 0: it isn't. */
uint64_t cagma_notify_watchdog_ns(void);

#endif
