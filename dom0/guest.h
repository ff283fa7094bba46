/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One attached guest. The store thread creates it with its first link, hands it
 * to the loop, which alone uses it from then on, and gets it back with the last.
 */
#ifndef CAGMA_GUEST_H
#define CAGMA_GUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <urcu/wfcqueue.h>

#include "debt.h"
#include "histogram.h"
#include "record.h"
#include "track.h"
#include "transport.h"
#include "xen.h"

#define CAGMA_NAME_BYTES 64

struct cagma_guest {
	/* Set at attach, constant. */
	uint16_t domid;
	uint8_t uuid[CAGMA_UUID_BYTES];
	char name[CAGMA_NAME_BYTES];	/* printable ASCII */
	uint64_t static_max_pages;

	/* The loop's. */
	struct cagma_link *link[CAGMA_RANKS];	/* NULL: there is none */
	struct cagma_link *source;	/* the best of them */
	uint64_t min_pages;
	uint64_t max_pages;
	uint32_t weight;
	bool exempt;			/* the file says: change nothing */
	bool paused;			/* the operator says so, by command */
	uint64_t paused_until_ns;	/* 0: no end is set */
	struct cagma_track track;
	struct cagma_domain_facts facts;
	bool present;			/* facts are of the latest listing */
	bool aims;			/* it is known at what: orders may go out */
	int64_t offset_pages;		/* Xen's count less memory/target's */
	uint64_t target_pages;		/* of our last mail */
	uint64_t raised_ns;		/* when that was last raised */
	uint64_t yielded_ns;		/* and lowered for another's entitlement */
	uint64_t own_limit_pages;	/* the limit as we know or set it */
	uint64_t limit_moved_ns;	/* somebody else changed it; 0: never */
	uint64_t foreign_since_ns;	/* it aims at another one; 0: no */
	uint64_t foreign_until_ns;	/* left alone */
	struct cagma_debt debt;		/* what it has beyond that */
	struct cagma_memory memory;	/* the policy's */
	uint64_t cma_pages;
	uint64_t threshold_pages;
	uint64_t mailed_threshold_pages;
	uint32_t open_event;		/* emergency to answer; 0 = none */
	uint32_t open_reason;
	uint32_t answered_event;
	bool denied;
	uint32_t reaction_event;	/* newest that was counted */

	/* Statistics. */
	uint64_t kicks;
	uint64_t emergencies;
	uint64_t answered;
	uint64_t target_changes;
	struct cagma_histogram reaction;
	struct cagma_records records;

	/* To the store thread: xenstore's copy of the target. */
	struct cds_wfcq_node mirror_node;
	atomic_bool mirror_queued;
	atomic_uint_fast64_t mirror_kib;
};

/* I7: with its page, a guest costs the daemon 16 KiB at most. */
_Static_assert(sizeof(struct cagma_guest) <= (16 - 4) * 1024,
	       "a guest has become too large");

#endif
