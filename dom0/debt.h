/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a guest has beyond its target, and whether it is giving it back. A guest
 * that isn't, is stuck: nobody waits for its memory, and it is asked again.
 */
#ifndef CAGMA_DEBT_H
#define CAGMA_DEBT_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A balloon stops within a batch of 512 pages of its target: so near it is at
 * rest, and what it has beyond is neither owed nor on its way.
 */
#define CAGMA_REST_PAGES 512u

struct cagma_debt {
	uint64_t window_ns;		/* start of the present window */
	uint64_t window_pages;		/* owed at that time; 0: none is open */
	bool stuck;
	uint64_t stuck_pages;		/* owed when it was found stuck */
	uint64_t ask_ns;		/* when to ask again */
	uint64_t wait_ns;		/* the latest interval of asking */
	struct {
		uint64_t since_ns;
		uint64_t owed_pages;	/* at that time; 0: not timed */
	} pace[2];			/* of a moment, and of a second */
	uint64_t quick_pages;		/* what it gives per second, by the first */
	uint64_t steady_pages;		/* and by the second; both: UINT64_MAX if
					   that isn't known */
};

/*
 * Looks at a debt of `owed_pages`. Returns whether the guest should be asked
 * again now, by a target that differs: Linux's balloon gives up on one that it
 * could not reach.
 *
 * Stuck is who within 5 s returned less than a quarter of what it owed, and
 * less than 128 MiB. It is forgiven when it owes half of what it owed then:
 * returning a page now and then doesn't help.
 */
bool cagma_debt_look(struct cagma_debt *debt, uint64_t owed_pages,
		     uint64_t now_ns);

#endif
