/* SPDX-License-Identifier: GPL-2.0-only */
/* What a guest needs, and what it may have while others want more. */
#ifndef CAGMA_ENTITLE_H
#define CAGMA_ENTITLE_H

#include "policy.h"

/* `used` pages and `cma`, within the guest's minimum and maximum. */
uint64_t cagma_wanted(const struct cagma_guest_view *guest, uint64_t used,
		      uint64_t cma);

/* What it isn't asked for, for it would have to kill; 0: it can swap all of it. */
uint64_t cagma_firm(const struct cagma_tuning *tuning,
		    const struct cagma_guest_view *guest);

/* Of its CMA, what isn't for growth that may come. */
uint64_t cagma_sure(const struct cagma_tuning *tuning,
		    const struct cagma_guest_view *guest);

/*
 * A pass that it asked for would find something that it needs. If not,
 * `decision` is that pass's.
 */
bool cagma_lacks(const struct cagma_tuning *tuning,
		 const struct cagma_guest_view *guest,
		 struct cagma_decision *decision);

/*
 * It asks for memory, or pages come back from swap, and it lacks some of its CMA. A
 * guest that moves pages to swap and back while enough is available does so for
 * another reason than its memory: a container's limit, zram, hibernation.
 */
bool cagma_is_short(const struct cagma_guest_view *guest, uint64_t cma);

/*
 * What it uses fell with what it had, again and again: a cache that sizes itself by
 * the memory there is. What it seems to have left over is no surplus, for the next
 * time it would seem to have as much.
 */
bool cagma_is_elastic(const struct cagma_guest_view *guest);

/* Compares its use with what it has, at every periodic pass. */
void cagma_note_use(const struct cagma_guest_view *guest,
		    struct cagma_memory *memory);

/*
 * Pages in swap beyond those in the CMA, while some come back: what is available
 * then is what they come back to.
 */
uint64_t cagma_returning(const struct cagma_guest_view *guest);

/*
 * What a guest would have if there were enough. While pages come back from swap it
 * wants room for all of them, as far as it has that room.
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
