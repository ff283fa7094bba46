// SPDX-License-Identifier: GPL-2.0-only
#include "invariant.h"
#include "units.h"

/* Its data is good, and what it was asked for last has come: it could be capped. */
static bool is_at_rest(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guest)
{
	return cagma_guest_is_known(tuning, guest) && !guest->stuck &&
	       cagma_less(guest->alloc_pages, guest->target_pages) <=
		       CAGMA_STEP_PAGES;
}

/* A guest above its maximum is on its way down, as far as it can give. */
static bool stays_above_max(const struct cagma_tuning *tuning,
			    const struct cagma_guest_view *guest,
			    const struct cagma_decision *decision)
{
	uint64_t most = cagma_max(cagma_max(guest->min_pages, guest->max_pages),
				  guest->firm_pages);

	return decision->target_pages > most &&
	       decision->target_pages >= guest->target_pages &&
	       is_at_rest(tuning, guest);
}

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
				   size_t count, bool periodic)
{
	int64_t hard = (int64_t)host->hard_pages;
	unsigned int broken = 0;
	uint64_t granted = 0;

	for (size_t i = 0; i < count; i++) {
		broken |= check_guest(tuning, &guests[i], &decisions[i]);
		if (periodic && host->up_ns >= tuning->grace_ns &&
		    stays_above_max(tuning, &guests[i], &decisions[i]))
			broken |= CAGMA_I2;
		granted += cagma_less(decisions[i].target_pages,
				      guests[i].target_pages);
	}
	if (after < hard && after < before)
		broken |= CAGMA_I1;
	if (granted > cagma_less(host->spare_pages, host->hard_pages))
		broken |= CAGMA_I3;
	return broken;
}
