/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Why a guest's target was changed, or its emergency denied: everything that
 * the policy knew of the guest, and what it decided. Kept for the operator.
 */
#ifndef CAGMA_RECORD_H
#define CAGMA_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "policy.h"

struct cagma_record {
	uint64_t time_ns;		/* dom0's monotonic clock */
	uint32_t event;			/* emergency it answers; 0: none */
	uint32_t reason;		/* enum cagma_reason of that emergency */
	bool denied;
	struct cagma_host_view host;
	struct cagma_guest_view guest;
	struct cagma_decision decision;
};

/* The newest ones; record n is in slot n % CAGMA_RECORDS. */
#define CAGMA_RECORDS 12
struct cagma_records {
	uint32_t count;			/* free-running */
	struct cagma_record record[CAGMA_RECORDS];
};

void cagma_records_add(struct cagma_records *records,
		       const struct cagma_record *record);

/* Number of records that are kept. */
uint32_t cagma_records_kept(const struct cagma_records *records);

/* The i-th of the kept ones, the oldest first. */
const struct cagma_record *
cagma_records_get(const struct cagma_records *records, uint32_t i);

/* Name of an emergency's reason; "other" for one that isn't known. */
const char *cagma_reason_name(uint32_t reason);

#endif
