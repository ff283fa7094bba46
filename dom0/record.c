// SPDX-License-Identifier: GPL-2.0-only
#include "record.h"
#include "sample.h"
#include "units.h"

void cagma_records_add(struct cagma_records *records,
		       const struct cagma_record *record)
{
	records->record[records->count++ % CAGMA_RECORDS] = *record;
}

uint32_t cagma_records_kept(const struct cagma_records *records)
{
	return records->count < CAGMA_RECORDS ? records->count : CAGMA_RECORDS;
}

const struct cagma_record *
cagma_records_get(const struct cagma_records *records, uint32_t i)
{
	uint32_t oldest = records->count - cagma_records_kept(records);

	return &records->record[(oldest + i) % CAGMA_RECORDS];
}

const char *cagma_reason_name(uint32_t reason)
{
	static const char *const names[CAGMA_REASON_COUNT] = {
		[CAGMA_REASON_KSWAPD] = "kswapd",
		[CAGMA_REASON_DIRECT] = "direct",
		[CAGMA_REASON_SWAP] = "swap",
		[CAGMA_REASON_SAMPLER] = "sampler",
		[CAGMA_REASON_OOM] = "oom",
		[CAGMA_REASON_REQUEST] = "request",
	};

	return reason < CAGMA_REASON_COUNT && names[reason] ? names[reason] :
							      "other";
}
