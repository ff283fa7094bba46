/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the daemon takes from its own machine: the clock, the timer and the
 * log. Links in place of dom0/clock.c and dom0/log.c; timerfd_create(),
 * timerfd_settime() and poll() are wrapped. Time passes when a test says so.
 */
#ifndef CAGMA_FAKE_HOST_H
#define CAGMA_FAKE_HOST_H

#include <stdint.h>

/* Time begins anew, no timer runs, the log is empty. */
void fake_host_reset(void);

/* Lets time pass; the timer expires as often as it would have. */
void fake_clock_advance(uint64_t ns);

unsigned int fake_log_lines(void);
unsigned int fake_log_guest_lines(void);	/* of them, what guests cause */

/* The newest line; "" if there is none. */
const char *fake_log_last(void);

#endif
