// SPDX-License-Identifier: GPL-2.0-only
#include "histogram.h"
#include "units.h"

#define SUB_BITS	3
#define SUB		(1u << SUB_BITS)

static unsigned int bucket_of(uint64_t us)
{
	unsigned int exponent, index;

	if (us < SUB)
		return (unsigned int)us;
	exponent = 63u - (unsigned int)__builtin_clzll(us) - SUB_BITS;
	index = (exponent + 1) * SUB + (unsigned int)((us >> exponent) % SUB);
	return index < CAGMA_HISTOGRAM_BUCKETS ? index :
						 CAGMA_HISTOGRAM_BUCKETS - 1;
}

static uint64_t upper_edge(unsigned int index)
{
	unsigned int exponent;

	if (index < SUB)
		return index;
	exponent = index / SUB - 1;
	return ((uint64_t)(SUB + index % SUB + 1) << exponent) - 1;
}

void cagma_histogram_add(struct cagma_histogram *h, uint64_t us)
{
	h->count++;
	h->max_us = cagma_max(h->max_us, us);
	h->sum_us += cagma_min(us, UINT64_C(3600000000));
	h->bucket[bucket_of(us)]++;
}

uint64_t cagma_histogram_below(const struct cagma_histogram *h,
			       unsigned int power)
{
	uint64_t below = 0;

	for (unsigned int i = 0; i < bucket_of(UINT64_C(1) << power); i++)
		below += h->bucket[i];
	return below;
}

uint64_t cagma_histogram_quantile(const struct cagma_histogram *h,
				  unsigned int percent)
{
	uint64_t rank = (h->count * percent + 99) / 100, seen = 0;

	if (!h->count)
		return 0;
	for (unsigned int i = 0; i < CAGMA_HISTOGRAM_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen >= rank && seen)
			return cagma_min(upper_edge(i), h->max_us);
	}
	return h->max_us;
}
