/* SPDX-License-Identifier: GPL-2.0-only */
/* Random numbers that are the same every time: xorshift64*. */
#ifndef CAGMA_DRAW_H
#define CAGMA_DRAW_H

#include <stdbool.h>
#include <stdint.h>

/* A generator of its own for each number and use of it; never 0. */
static inline uint64_t draw_begin(uint64_t number, uint64_t use)
{
	return (number * UINT64_C(0x9e3779b97f4a7c15) ^
		use * UINT64_C(0xd1342543de82ef95)) | 1;
}

static inline uint64_t below(uint64_t *state, uint64_t n)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % n;
}

/* True once in `n` times. */
static inline bool once_in(uint64_t *state, uint64_t n)
{
	return !below(state, n);
}

#define one_of(state, array) \
	((array)[below(state, sizeof(array) / sizeof((array)[0]))])

#endif
