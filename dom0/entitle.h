/* SPDX-License-Identifier: GPL-2.0-only */
/* What a guest needs, and what it may have while others want more. */
#ifndef CAGMA_ENTITLE_H
#define CAGMA_ENTITLE_H

#include "policy.h"

/* `used` pages and `cma`, within the guest's minimum and maximum. */
uint64_t cagma_wanted(const struct cagma_guest_view *guest, uint64_t used,
		      uint64_t cma);

/*
 * A pass that it asked for would find something that it needs. If not,
 * `decision` is that pass's.
 */
bool cagma_lacks(const struct cagma_tuning *tuning,
		 const struct cagma_guest_view *guest,
		 struct cagma_decision *decision);

/*
 * Short of memory by its own word: it is asked to give nothing within its
 * entitlement, whatever is available at this moment. What is available while
 * pages come back from swap is what they come back to.
 */
bool cagma_is_short(const struct cagma_guest_view *guest);

/*
 * What a guest would have if there were enough. Who is short is taken to want
 * all that it has.
 */
uint64_t cagma_wish(const struct cagma_guest_view *guest, uint64_t cma);

/*
 * Fills every decision: no change yet, with CMA, threshold and entitlement. All
 * are in pages; there is one decision per guest.
 */
void cagma_assess(const struct cagma_tuning *tuning,
		  const struct cagma_host_view *host,
		  const struct cagma_guest_view *guests, size_t count,
		  struct cagma_decision *decisions);

#endif
