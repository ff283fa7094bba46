/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A picture of the daemon at one moment. Whoever wants one brings the buffer:
 * the loop only fills it, and neither allocates nor waits for the asker.
 */
#ifndef CAGMA_STATUS_H
#define CAGMA_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <urcu/wfcqueue.h>

#include "command.h"
#include "guest.h"
#include "lease.h"
#include "msg.h"
#include "queue.h"

struct cagma_status_guest {
	uint16_t domid;
	uint8_t uuid[CAGMA_UUID_BYTES];
	char name[CAGMA_NAME_BYTES];
	bool stale;
	bool stuck;
	bool exempt;
	bool paused;
	int64_t offset_pages;		/* Xen's count less memory/target's */
	bool unexplained;		/* it is another one, and unbelievable */
	int64_t unexplained_pages;
	uint64_t resumes_ns;		/* by itself, after that; 0: it doesn't */
	enum cagma_rank source;		/* the transport that serves it */
	bool linked[CAGMA_RANKS];	/* that are there, the source included */
	bool has_pressure;
	struct cagma_pressure pressure;	/* by the guest's own word */
	uint64_t age_ns;
	uint32_t period_ms;		/* of its samples, by its own word */
	uint64_t alloc_pages;
	uint64_t limit_pages;
	uint64_t target_pages;
	uint64_t available_pages;
	uint64_t cma_pages;
	uint64_t min_pages;
	uint64_t max_pages;
	uint64_t swapped_pages;		/* in swap now */
	uint64_t swap_in_pages;
	uint64_t swap_out_pages;
	uint64_t emergencies;
	uint64_t answered;
	uint64_t kicks;
	uint64_t lost_samples;
	struct cagma_histogram reaction;
};

/* What is known of one guest's past. */
struct cagma_explanation {
	bool found;
	uint16_t domid;
	char name[CAGMA_NAME_BYTES];
	bool has_pressure;
	struct cagma_pressure pressure;
	struct cagma_records records;
};

struct cagma_status {
	struct cds_wfcq_node node;	/* while it is on its way */
	struct cagma_queue *reply;	/* where the loop puts it */
	/* A guest's name or domid; if not empty, only that is explained. */
	char wanted[CAGMA_NAME_BYTES];
	struct cagma_explanation explanation;
	struct cagma_command command;	/* carried out first */
	bool paused;
	struct cagma_lease lease[CAGMA_LEASES_MAX];
	uint64_t resumes_ns;		/* as a guest's */
	int xenstore;			/* enum cagma_xenstore */
	const char *policy;
	bool dry_run;
	uint64_t up_ns;
	uint64_t total_pages;
	uint64_t free_pages;
	int64_t spare_pages;
	uint64_t hard_pages;
	uint64_t reserve_pages;
	uint64_t emergencies;
	uint64_t answered;
	uint64_t target_changes;
	uint64_t invariant_violations;
	uint64_t dom0_pages;		/* what dom0 has */
	size_t unattached;		/* domains beside them and dom0 */
	size_t dying;			/* domains that take nothing any more */
	size_t shut_down;		/* that don't run, and may resume */
	size_t beyond;			/* that there is no room to serve */
	uint64_t claimed_pages;		/* for those that are being built */
	size_t count;			/* guests there are */
	size_t capacity;		/* guests that fit below */
	struct cagma_status_guest guest[];
};

struct cagma_state;

/* Fills all that isn't the asker's, as far as `capacity` goes. The loop's call. */
void cagma_status_fill(struct cagma_status *status, struct cagma_state *state);

#endif
