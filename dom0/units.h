/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory quantities are pages of 4 KiB inside the daemon; these convert. */
#ifndef CAGMA_UNITS_H
#define CAGMA_UNITS_H

#include <stdint.h>

#define CAGMA_NS_PER_US		UINT64_C(1000)
#define CAGMA_NS_PER_MS		UINT64_C(1000000)
#define CAGMA_NS_PER_S		UINT64_C(1000000000)

/* Nothing real is larger: 2^48 bytes per guest. Guests' numbers end here. */
#define CAGMA_PAGES_MAX		(UINT64_C(1) << 36)

static inline uint64_t cagma_mib_to_pages(uint64_t mib)
{
	return mib << 8;
}

static inline uint64_t cagma_kib_to_pages(uint64_t kib)
{
	return kib >> 2;
}

static inline uint64_t cagma_pages_to_kib(uint64_t pages)
{
	return pages << 2;
}

/* Of what may be missing. */
static inline int64_t cagma_signed_pages_to_kib(int64_t pages)
{
	return pages * 4;
}

static inline uint64_t cagma_min(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t cagma_max(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t cagma_clamp(uint64_t v, uint64_t low, uint64_t high)
{
	return cagma_max(low, cagma_min(v, high));
}

/* a - b, and 0 where that would be negative. */
static inline uint64_t cagma_less(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

/* a * b / c, rounded down, whatever a * b is; c isn't 0, the result fits. */
static inline uint64_t cagma_scale(uint64_t a, uint64_t b, uint64_t c)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)((wide)a * b / c);
}

/* The same, rounded up. */
static inline uint64_t cagma_scale_up(uint64_t a, uint64_t b, uint64_t c)
{
	__extension__ typedef unsigned __int128 wide;

	return (uint64_t)(((wide)a * b + c - 1) / c);
}

#endif
