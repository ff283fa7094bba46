/* SPDX-License-Identifier: GPL-2.0-only */
/* What every unit test uses. */
#ifndef CAGMA_UNIT_H
#define CAGMA_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

#define MIB		UINT64_C(256)		/* in pages */
#define GIB		(1024 * MIB)
#define MS		UINT64_C(1000000)	/* in ns */
#define S		(1000 * MS)

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
