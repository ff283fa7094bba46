// SPDX-License-Identifier: GPL-2.0-only
#include "invariant.h"
#include "units.h"

static unsigned int check_guest(const struct cagma_tuning *tuning,
				const struct cagma_guest_view *guest,
				const struct cagma_decision *decision)
{
	uint64_t was = guest->target_pages, is = decision->target_pages;
	unsigned int broken = 0;

	if (is > was && is > guest->max_pages)
		broken |= CAGMA_I2;
	if (is < was && is < guest->min_pages)
		broken |= CAGMA_I2;
	if (is < was && guest->age_ns > tuning->stale_ns)
		broken |= CAGMA_I4;
	/* What is given on a guess is nobody's claim. */
	if (is > was && is > decision->entitled_pages &&
	    decision->why != CAGMA_WHY_PREPARE)
		broken |= CAGMA_I5;
	return broken;
}

unsigned int cagma_invariant_check(const struct cagma_tuning *tuning,
				   const struct cagma_host_view *host,
				   int64_t before, int64_t after,
				   const struct cagma_guest_view *guests,
				   const struct cagma_decision *decisions,
				   size_t count)
{
	int64_t hard = (int64_t)host->hard_pages;
	unsigned int broken = 0;
	uint64_t granted = 0;

	for (size_t i = 0; i < count; i++) {
		broken |= check_guest(tuning, &guests[i], &decisions[i]);
		granted += cagma_less(decisions[i].target_pages,
				      guests[i].target_pages);
	}
	if (after < hard && after < before)
		broken |= CAGMA_I1;
	if (granted > cagma_less(host->spare_pages, host->hard_pages))
		broken |= CAGMA_I3;
	return broken;
}
