/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What Xen counts for a guest beyond what its memory/target does: video memory,
 * a shim that the guest runs in, what Xen adds itself. It is a matter of how
 * the domain was built, and hardly changes.
 *
 * The limit and the debt of a guest follow from it, so a guest that could have
 * it raised would keep memory that it owes. It is learnt when all three agree
 * on what the guest is to have (its balloon, its aim, our target), before the
 * guest was ever asked for memory, and within bounds; later it moves by what
 * Xen adds, and no more. Till it is learnt it is presumed to be what the limit
 * leaves room for: toolstack and daemon set limits by it.
 */
#ifndef CAGMA_OFFSET_H
#define CAGMA_OFFSET_H

#include <stdbool.h>
#include <stdint.h>

struct cagma_guest;

/* Its name, in status, log and trace. */
#define CAGMA_UNEXPLAINED "unexplained-offset"

struct cagma_offset {
	uint64_t videoram_pages;	/* as the toolstack says */
	bool begun;
	bool known;			/* learnt, or too late to be */
	int64_t base_pages;		/* learnt, or presumed */
	uint64_t first_target_pages;
	int64_t seen_pages;		/* at rest, last time */
	uint64_t seen_ns;		/* since when; 0: it isn't at rest */
	bool unexplained;
	int64_t unexplained_pages;	/* what it seems to be */
	uint64_t logged_ns;		/* when that was last said; 0: never */
};

/* With the guest's first target, or one that was known before. */
void cagma_offset_begin(struct cagma_guest *guest);

/*
 * Looks at the newest sample and the newest facts; guest->offset_pages follows.
 * True if it became unexplained, or explained again.
 */
bool cagma_offset_look(struct cagma_guest *guest, uint64_t now_ns);

#endif
