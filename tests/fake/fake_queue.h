/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The two steps of a push, pulled apart: cds_wfcq_enqueue() is wrapped. Any
 * thread can be interrupted between them for as long as the scheduler likes.
 */
#ifndef CAGMA_FAKE_QUEUE_H
#define CAGMA_FAKE_QUEUE_H

#include <urcu/wfcqueue.h>

/* Called by who pushes, between the steps; NULL: nothing is. */
extern void (*fake_queue_between)(void);

/* The second step, of a push whose first is fake_queue_begin(). */
struct cds_wfcq_node *fake_queue_begin(struct cds_wfcq_tail *tail,
				       struct cds_wfcq_node *node);
void fake_queue_end(struct cds_wfcq_node *before, struct cds_wfcq_node *node);

#endif
