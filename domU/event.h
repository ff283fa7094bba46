/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * When memory is short, and how long it took until dom0 had done something about
 * it. As kmod/publish.c and kmod/hooks.c decide it; what the module's hooks feel,
 * the agent sees in the kernel's counters.
 */
#ifndef CAGMA_EVENT_H
#define CAGMA_EVENT_H

#include "proc.h"

struct cagma_event {
	bool attached;			/* an order was accepted */
	uint64_t threshold_pages;	/* of that order */
	uint32_t number;		/* of the newest emergency; 0: none yet */
	bool is_open;			/* dom0 hasn't answered it */
	uint64_t raised_ns;		/* when it was noticed */
	uint64_t last_raise_ns;
	uint32_t told;			/* the newest that woke up dom0 */
	uint64_t denied_ns;		/* dom0 had nothing to give; 0: it had */
	uint32_t reaction_event;
	uint64_t reaction_ns;
	uint64_t soon_pages;		/* available before long, at the last look */
	uint64_t swap_out_pages;	/* counters as they were judged last */
	uint64_t direct_stalls;
	uint64_t kswapd_work;
};

/*
 * Judges a view that was begun at now_ns. CAGMA_REASON_PERIODIC: all is well; any
 * other reason: an emergency is open, and dom0 is to be told now.
 */
enum cagma_reason cagma_event_judge(struct cagma_event *event,
				    const struct cagma_view *view,
				    uint64_t now_ns);

/* Opens an emergency whatever the view. False: nobody is there to answer it. */
bool cagma_event_request(struct cagma_event *event, uint64_t now_ns);

/*
 * So little is missing to an emergency that it is worth looking often: less is
 * available than dom0 means the guest to have, or it would be over in two more looks
 * like the last one. Once for each view.
 */
bool cagma_event_is_near(struct cagma_event *event,
			 const struct cagma_view *view);

/*
 * There is an emergency that dom0 doesn't know of: the next sample is to wake it up.
 * The caller says in event->told which one did.
 */
bool cagma_event_is_urgent(const struct cagma_event *event, uint64_t now_ns);

/* The order was applied at now_ns. */
void cagma_event_answer(struct cagma_event *event,
			const struct cagma_mail *mail, uint64_t now_ns);

/* dom0 is gone: nobody will answer. */
void cagma_event_detach(struct cagma_event *event);

#endif
