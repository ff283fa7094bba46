/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts of durations in microseconds, in buckets of 1/8 of a power of two: a
 * quantile read from it is at most 12.5 % too high. No allocation.
 */
#ifndef CAGMA_HISTOGRAM_H
#define CAGMA_HISTOGRAM_H

#include <stdint.h>

#define CAGMA_HISTOGRAM_BUCKETS 256

struct cagma_histogram {
	uint64_t count;
	uint64_t max_us;
	uint64_t sum_us;	/* a single one counts as an hour at most */
	uint32_t bucket[CAGMA_HISTOGRAM_BUCKETS];
};

void cagma_histogram_add(struct cagma_histogram *h, uint64_t us);

/* How many took less than 2^power us; exact. `power` is 3 at least. */
uint64_t cagma_histogram_below(const struct cagma_histogram *h,
			       unsigned int power);

/* Upper edge of the bucket that holds the quantile; 0 if empty. */
uint64_t cagma_histogram_quantile(const struct cagma_histogram *h,
				  unsigned int percent);

#endif
