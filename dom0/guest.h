/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One attached guest. The store thread creates it, hands it to the loop, which
 * alone uses it from then on, and gets it back to unmap and free it.
 */
#ifndef CAGMA_GUEST_H
#define CAGMA_GUEST_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <urcu/wfcqueue.h>

#include "debt.h"
#include "histogram.h"
#include "reader.h"
#include "record.h"
#include "track.h"
#include "xen.h"

#define CAGMA_NAME_BYTES 64

struct cagma_guest {
	/* Set at attach, constant. */
	uint16_t domid;
	uint8_t uuid[CAGMA_UUID_BYTES];
	char name[CAGMA_NAME_BYTES];	/* printable ASCII */
	uint64_t static_max_pages;
	struct cagma_channel *channel;
	void *page;

	/* The loop's. */
	uint64_t min_pages;
	uint64_t max_pages;
	uint32_t weight;
	bool exempt;			/* the file says: change nothing */
	bool paused;			/* the operator says so, by command */
	struct cagma_reader reader;
	struct cagma_track track;
	struct cagma_domain_facts facts;
	bool present;			/* facts are of the latest listing */
	uint64_t excused_ns;		/* silence before this is no lie */
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
	bool armed;
	bool masked;			/* channel waits for a token */
	uint32_t tokens;		/* wake-ups left in this second */
	uint32_t open_event;		/* emergency to answer; 0 = none */
	uint32_t open_reason;
	uint32_t answered_event;
	bool denied;
	uint32_t reaction_event;	/* newest that was counted */
	enum cagma_lie lie;		/* why it was detached */

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

	/* Between the threads, at the beginning and at the end. */
	struct cds_wfcq_node handover_node;
};

/* I7: with its page, a guest costs the daemon 16 KiB at most. */
_Static_assert(sizeof(struct cagma_guest) <= (16 - 4) * 1024,
	       "a guest has become too large");

#endif
