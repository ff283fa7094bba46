/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dom0's end of a guest's shared page, and the only place that sees it. A
 * hostile guest may change every byte at any moment: what leaves this file is
 * a private copy or a named reason why there is none.
 */
#ifndef CAGMA_READER_H
#define CAGMA_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lie.h"
#include "order.h"
#include "sample.h"

struct cagma_page;

struct cagma_reader {
	struct cagma_page *page;	/* mapped; owned by whoever mapped it */
	uint64_t epoch;
	uint32_t next;			/* next sample to read */
	uint32_t mail_seq;		/* of our last mail; never read back */
	uint32_t torn_in_a_row;
	uint32_t period_ms;		/* the guest's word, clamped */
	uint64_t lost;			/* samples overwritten before we came */
	uint64_t torn;			/* reads given up */
};

/* Byte that must be zeroed when the page is unmapped. */
size_t cagma_reader_dead_offset(void);

/*
 * Starts reading a mapped page that was offered under `epoch`; `seed` makes
 * this attachment's mail sequence differ from an earlier one's.
 */
enum cagma_lie cagma_reader_attach(struct cagma_reader *reader, void *page,
				   uint64_t epoch, uint32_t seed);

/* Orders to the guest; the first ones also announce this daemon. */
void cagma_reader_announce(struct cagma_reader *reader);
void cagma_reader_leave(struct cagma_reader *reader);

void cagma_reader_mail(struct cagma_reader *reader,
		       const struct cagma_order *order);

/* Asks for kicks. True: something was published meanwhile; drain once more. */
bool cagma_reader_arm(struct cagma_reader *reader);
void cagma_reader_disarm(struct cagma_reader *reader);

/*
 * Copies the newest sample, whatever its age, and leaves it to be drained. False
 * if there is none that can be read.
 */
bool cagma_reader_peek(struct cagma_reader *reader,
		       struct cagma_sample *sample);

/*
 * Copies the samples published since the last call, oldest first, at most
 * CAGMA_READER_BATCH; their number goes to *count. Costs a bounded number of
 * loads whatever the guest does.
 */
#define CAGMA_READER_BATCH 16
enum cagma_lie cagma_reader_drain(struct cagma_reader *reader,
				  struct cagma_sample *samples, size_t *count);

#endif
