// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>

#include "feed.h"

int cagma_feed_open(struct cagma_feed *feed, size_t count, size_t bytes)
{
	int err;

	*feed = (struct cagma_feed){ .pool = NULL };
	err = cagma_queue_init(&feed->full);
	if (err)
		return err;
	err = cagma_queue_init(&feed->empty);
	if (err)
		goto err_full;
	if (!count)
		return 0;
	feed->pool = calloc(count, bytes);
	if (!feed->pool) {
		err = -ENOMEM;
		goto err_empty;
	}
	for (size_t i = 0; i < count; i++)
		cagma_feed_give_back(feed, (char *)feed->pool + i * bytes);
	return 0;

err_empty:
	cagma_queue_destroy(&feed->empty);
err_full:
	cagma_queue_destroy(&feed->full);
	return err;
}

void cagma_feed_close(struct cagma_feed *feed)
{
	free(feed->pool);
	cagma_queue_destroy(&feed->full);
	cagma_queue_destroy(&feed->empty);
}

/* A record begins with its node: one is the other. */
static void *pop(struct cagma_queue *queue)
{
	struct cds_wfcq_node *node;

	return cagma_queue_pop(queue, &node) ? NULL : node;
}

/*
 * One that is being given back at this moment is as good as none: nobody waits.
 */
void *cagma_feed_take(struct cagma_feed *feed)
{
	return pop(&feed->empty);
}

void cagma_feed_commit(struct cagma_feed *feed, void *record)
{
	cagma_queue_put(&feed->full, record);
	feed->unwoken = true;
}

void cagma_feed_flush(struct cagma_feed *feed)
{
	if (!feed->unwoken)
		return;
	feed->unwoken = false;
	cagma_queue_wake(&feed->full);
}

void cagma_feed_begin(struct cagma_feed *feed)
{
	cagma_queue_ack(&feed->full);
}

void *cagma_feed_next(struct cagma_feed *feed)
{
	return pop(&feed->full);
}

void cagma_feed_give_back(struct cagma_feed *feed, void *record)
{
	cagma_queue_put(&feed->empty, record);
}
