// SPDX-License-Identifier: GPL-2.0-only
#include <time.h>

#include "clock.h"
#include "units.h"

/* 0: none is. */
static _Thread_local uint64_t held_ns;

static uint64_t read_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * CAGMA_NS_PER_S + (uint64_t)t.tv_nsec;
}

uint64_t cagma_now_ns(void)
{
	return held_ns ? held_ns : read_ns();
}

void cagma_clock_hold(void)
{
	held_ns = read_ns();
}

void cagma_clock_release(void)
{
	held_ns = 0;
}
