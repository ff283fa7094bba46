// SPDX-License-Identifier: GPL-2.0-only
#include <time.h>

#include "clock.h"
#include "units.h"

uint64_t cagma_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * CAGMA_NS_PER_S + (uint64_t)t.tv_nsec;
}
