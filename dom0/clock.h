/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's only clock: monotonic, so that nobody can set it. */
#ifndef CAGMA_CLOCK_H
#define CAGMA_CLOCK_H

#include <stdint.h>

uint64_t cagma_now_ns(void);

/*
 * For this thread the clock stands still from now on, until _release(): what happens
 * at once has one time. In a dom0 that is a PV guest every look at the clock may be a
 * system call.
 */
void cagma_clock_hold(void);
void cagma_clock_release(void);

#endif
