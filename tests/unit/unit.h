/* SPDX-License-Identifier: GPL-2.0-only */
/* What every unit test uses. */
#ifndef CAGMA_UNIT_H
#define CAGMA_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include <cmocka.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define MIB		UINT64_C(256)		/* in pages */
#define GIB		(1024 * MIB)
#define MS		UINT64_C(1000000)	/* in ns */
#define S		(1000 * MS)

/*
 * What another thread or process has to do is waited for, however busy the machine
 * is, and not for ever: what isn't seen in so long won't be.
 */
#define UNIT_PATIENCE_S	120

static inline int64_t unit_now_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec;
}

static inline bool unit_is_late(int64_t start_s)
{
	return unit_now_s() - start_s > UNIT_PATIENCE_S;
}

/* xorshift64*: the same numbers on every machine; *state is never 0. */
static inline uint64_t unit_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * UINT64_C(0x2545f4914f6cdd1d);
}

/* 0 to n - 1. */
static inline uint64_t unit_random_below(uint64_t *state, uint64_t n)
{
	return (unit_random(state) >> 16) % n;
}

#endif
