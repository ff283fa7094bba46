/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The guest module: all its state, and the calls between its files, but mail.h's. The
 * order of reading is in Kbuild.
 */
#ifndef CAGMA_KMOD_H
#define CAGMA_KMOD_H

#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/types.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <xen/grant_table.h>
#include <xen/interface/event_channel.h>

#include "least.h"
#include "sync.h"

/* What the kernel says only as text: as it was when procfs.c last looked. */
struct cagma_facts {
	bool known;
	u64 swap_total_pages;
	long swap_free_pages;		/* at that time */
	struct cagma_commit commit;
};

/* What dom0 is offered. */
struct cagma_link {
	struct cagma_page *page;	/* zeroed, shared with dom0, ours alone */
	grant_ref_t gref;
	evtchn_port_t port;
	unsigned int irq;
};

struct cagma {
	struct workqueue_struct *wq;	/* WQ_MEM_RECLAIM: runs under pressure */
	struct work_struct offer;
	struct timer_list sampler;
	unsigned long next_offer;	/* not before, in jiffies */
	unsigned long offer_wait;	/* after the latest failure; 0: none */

	/*
	 * Guards everything below and the guest's side of the page. Taken
	 * with interrupts off, from reclaim and from the event handler; nests
	 * outside the balloon's wait queue lock and inside nothing of ours.
	 */
	raw_spinlock_t lock;
	struct cagma_link link;		/* there before sampler and hooks are */
	bool link_lost;			/* by a resume: the sampler replaces it */
	u64 epoch;
	bool offered;			/* xenstore has this epoch */
	u32 head;			/* ours; the page has a copy */
	u32 mail_seq;			/* last mail accepted */
	u32 event;			/* number of the newest emergency */
	u32 denied_event;		/* newest that dom0 had no memory for */
	bool event_open;		/* dom0 has not answered it yet */
	u64 raised_ns;			/* when that emergency began */
	unsigned long next_raise;	/* not before, in jiffies */
	u32 reaction_event;
	u64 reaction_ns;
	u32 sample_flags;
	bool attached;			/* a mail of this epoch was accepted */
	u64 threshold_pages;		/* from that mail */
	unsigned long task_pages;	/* of the task behind the emergency */

	/* hotplug.c */
	long skew;			/* of the driver's target, in pages */
	unsigned long skewed_target;	/* in the driver's count */
	unsigned long seen_pages;	/* what it had at the last look */
	unsigned long next_section;	/* not before, in jiffies */

	/* procfs.c */
	struct cagma_facts facts;
	unsigned long next_facts;	/* not before, in jiffies */

	/* balloon.c, fixed before the first offer. */
	unsigned long offset_pages;
	unsigned long max_pages;	/* the larger of static-max and hotplug-max */
};

extern struct cagma cagma;
extern unsigned int cagma_period_ms;
extern unsigned int cagma_oom_wait_ms;	/* 0: out of memory is nobody's affair */

/* Counters for operators and tests, read through module parameters. */
struct cagma_stats {
	unsigned long samples;
	unsigned long emergencies;
	unsigned long kicks;
	unsigned long applied;
	unsigned long refused;
	unsigned long clamped;
	unsigned long attachments;
	unsigned long oom_averted;
	unsigned long nudges;
};

extern struct cagma_stats cagma_stats;

/*
 * counters.c: fills all memory counters of a sample; any context but NMI. Caller holds
 * cagma.lock.
 */
void cagma_counters_read(struct cagma_sample *sample);

/* Linux's estimate is below 0 when the reserves are in use. Any context but NMI. */
static inline unsigned long cagma_available_pages(void)
{
	return max(si_mem_available(), 0L);
}

/* Page cache in use, which reclaim takes last. Any context. */
static inline unsigned long cagma_active_file_pages(void)
{
	return global_node_page_state(NR_ACTIVE_FILE);
}

/* procfs.c: looks again if it is time to, later; undone by cagma_procfs_exit(). */
void cagma_procfs_look(void);
void cagma_procfs_exit(void);

/* publish.c */
void cagma_publish(enum cagma_reason reason);
void cagma_publish_locked(enum cagma_reason reason);
void cagma_raise(enum cagma_reason reason);

/* Raises at once, whatever was raised before. 0 if nobody is attached. */
u32 cagma_raise_now(enum cagma_reason reason);

/* hooks.c: -ENOENT if a tracepoint is missing; undone by cagma_hooks_exit(). */
int cagma_hooks_init(void);
void cagma_hooks_exit(void);

/* oom.c: undone by cagma_oom_exit(), which waits for a task that asks. */
int cagma_oom_init(void);
void cagma_oom_exit(void);

/* balloon.c */
int cagma_balloon_settle(void);
unsigned long cagma_balloon_pages(void);
unsigned long cagma_balloon_target_pages(void);
unsigned long cagma_balloon_incoming_pages(void);
void cagma_balloon_set_target(u64 pages);

/* hotplug.c: undone by cagma_hotplug_exit(), and then cagma_hotplug_restore(). */
int cagma_hotplug_init(void);
void cagma_hotplug_exit(void);
unsigned int cagma_hotplug_look(unsigned int period_ms);
long cagma_hotplug_skew(void);
void cagma_hotplug_restore(void);

/* offer.c: page, grant and channel; undone by cagma_offer_exit(). */
int cagma_offer_init(void);
void cagma_offer_exit(void);
void cagma_offer_lose(void);
int cagma_offer_reopen(void);
int cagma_offer_publish(void);
void cagma_offer_repair(void);
void cagma_offer_withdraw(void);

#endif
