/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A fixed pool of records that the loop fills and the serve thread writes out.
 * The loop never waits: without an empty record it goes on, and counts.
 */
#ifndef CAGMA_FEED_H
#define CAGMA_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "queue.h"

struct cagma_feed {
	struct cagma_queue full;	/* loop to serve */
	struct cagma_queue empty;	/* serve to loop */
	void *pool;
	uint64_t lost;			/* the loop's count */
	bool unwoken;			/* serve doesn't know of the newest yet */
};

/*
 * `count` records of `bytes`, each of which begins with its queue node; with a
 * count of 0 the feed can be flushed and drained, and has nothing to give.
 * -errno with nothing left open; pair with _close().
 */
int cagma_feed_open(struct cagma_feed *feed, size_t count, size_t bytes);
void cagma_feed_close(struct cagma_feed *feed);

/* The loop: an empty record, or NULL. Commit it some time. */
void *cagma_feed_take(struct cagma_feed *feed);
void cagma_feed_commit(struct cagma_feed *feed, void *record);

/* The loop, when nothing is urgent: there is something to be written. */
void cagma_feed_flush(struct cagma_feed *feed);

/* The serve thread: the oldest full record, or NULL; give it back. */
void cagma_feed_begin(struct cagma_feed *feed);
void *cagma_feed_next(struct cagma_feed *feed);
void cagma_feed_give_back(struct cagma_feed *feed, void *record);

#endif
