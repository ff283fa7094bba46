// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>

#include <urcu/uatomic.h>

#include "fake_queue.h"

bool __real_cds_wfcq_enqueue(cds_wfcq_head_ptr_t head,
			     struct cds_wfcq_tail *tail,
			     struct cds_wfcq_node *node);
bool __wrap_cds_wfcq_enqueue(cds_wfcq_head_ptr_t head,
			     struct cds_wfcq_tail *tail,
			     struct cds_wfcq_node *node);

void (*fake_queue_between)(void);

struct cds_wfcq_node *fake_queue_begin(struct cds_wfcq_tail *tail,
				       struct cds_wfcq_node *node)
{
	cds_wfcq_node_init(node);
	return uatomic_xchg(&tail->p, node);
}

void fake_queue_end(struct cds_wfcq_node *before, struct cds_wfcq_node *node)
{
	cmm_smp_wmb();
	CMM_STORE_SHARED(before->next, node);
}

bool __wrap_cds_wfcq_enqueue(cds_wfcq_head_ptr_t head,
			     struct cds_wfcq_tail *tail,
			     struct cds_wfcq_node *node)
{
	struct cds_wfcq_node *before;

	if (!fake_queue_between)
		return __real_cds_wfcq_enqueue(head, tail, node);
	before = fake_queue_begin(tail, node);
	fake_queue_between();
	fake_queue_end(before, node);
	return before != &head._h->node;
}
