// SPDX-License-Identifier: GPL-2.0-only
/*
 * Samples go out here: one every period, one for every emergency, one for
 * every mail applied. Called from work items, from the event handler and from
 * reclaim itself, so nothing below sleeps or allocates.
 */
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/swap.h>
#include <linux/ktime.h>
#include <xen/events.h>

#include <asm/processor.h>

#include "cagma.h"

/*
 * A new emergency, or a reminder of an unanswered one, at most this often.
 * dom0 wakes up for a guest at most 20 times a second in the long run.
 */
#define RAISE_INTERVAL_MS	20

/* Caller holds cagma.lock. */
void cagma_publish_locked(enum cagma_reason reason)
{
	struct cagma_sample sample = {
		.reason = reason,
		.event = cagma.event_open ? cagma.event : 0,
		.mail_seq = cagma.mail_seq,
		.reaction_event = cagma.reaction_event,
		.reaction_ns = cagma.reaction_ns,
		.flags = cagma.sample_flags,
		.time_ns = ktime_get_mono_fast_ns(),
		.task_pages = cagma.event_open ? cagma.task_pages : 0,
	};

	cagma_counters_read(&sample);
	cagma_sample_write(cagma.link.page, cagma.head++, &sample);
	cagma_stats.samples++;
}

void cagma_publish(enum cagma_reason reason)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	cagma_publish_locked(reason);
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
}

/*
 * Memory that was granted and is still on its way counts as available: the
 * shortage it answers must not be reported again while the balloon works.
 *
 * Pages go to swap for many reasons, and want of memory is one of them: not a cgroup
 * at its own limit, MADV_PAGEOUT, or swap space that is memory. kswapd works for the
 * whole guest alone. If it writes a page out, page cache in use doesn't count as
 * available: the kernel has kept it and taken that page.
 */
static bool is_short(enum cagma_reason reason)
{
	unsigned long soon = cagma_available_pages() +
			     cagma_balloon_incoming_pages();

	if (reason == CAGMA_REASON_SWAP && current_is_kswapd())
		soon -= min(soon, cagma_active_file_pages());
	return soon < READ_ONCE(cagma.threshold_pages);
}

static unsigned long current_task_pages(void)
{
	struct mm_struct *mm = current->mm;

	if (!mm || (current->flags & PF_KTHREAD))
		return 0;
	return get_mm_counter(mm, MM_ANONPAGES) +
	       get_mm_counter(mm, MM_SHMEMPAGES) +
	       get_mm_counter(mm, MM_SWAPENTS);
}

/* Caller holds cagma.lock. */
static void open_event(enum cagma_reason reason)
{
	if (cagma.event_open)
		return;
	if (!++cagma.event)
		cagma.event = 1;
	cagma.event_open = true;
	cagma.raised_ns = ktime_get_mono_fast_ns();
	cagma.task_pages = reason == CAGMA_REASON_SAMPLER ?
		0 : current_task_pages();
	cagma_stats.emergencies++;
}

/* Caller holds cagma.lock: the link stays what it is. */
static void kick(void)
{
	if (!cagma_kick_wanted(cagma.link.page))
		return;
	notify_remote_via_irq(cagma.link.irq);
	/* On an emulator that runs all processors in one thread it is dom0's turn. */
	cpu_relax();
	cagma_stats.kicks++;
}

/* Caller holds cagma.lock. */
static void raise_locked(enum cagma_reason reason)
{
	WRITE_ONCE(cagma.next_raise,
		   jiffies + msecs_to_jiffies(RAISE_INTERVAL_MS));
	open_event(reason);
	cagma_publish_locked(reason);
	kick();
}

/*
 * Asked by every allocation that wakes kswapd: no clock is read, for a PV guest may
 * have to ask Xen what time it is.
 */
static bool is_due(void)
{
	return READ_ONCE(cagma.attached) &&
	       time_after_eq(jiffies, READ_ONCE(cagma.next_raise));
}

/*
 * Reports a shortage and kicks dom0 if it wants to be kicked. One emergency
 * is open at a time: until dom0 has answered, later shortages only remind it.
 */
void cagma_raise(enum cagma_reason reason)
{
	unsigned long flags;

	if (!is_due() || !is_short(reason))
		return;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	if (is_due())
		raise_locked(reason);
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
}

u32 cagma_raise_now(enum cagma_reason reason)
{
	unsigned long flags;
	u32 event = 0;

	if (!READ_ONCE(cagma.attached))
		return 0;
	raw_spin_lock_irqsave(&cagma.lock, flags);
	if (cagma.attached) {
		raise_locked(reason);
		event = cagma.event;
	}
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
	return event;
}
/* For other modules of the guest that know of a shortage to come. */
EXPORT_SYMBOL_GPL(cagma_raise_now);
