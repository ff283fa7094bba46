// SPDX-License-Identifier: GPL-2.0-only
/*
 * Samples go out here: one every period, one for every emergency, one for
 * every mail applied. Called from work items, from the event handler and from
 * reclaim itself, so nothing below sleeps or allocates.
 */
#include <linux/export.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/ktime.h>
#include <xen/events.h>

#include <asm/processor.h>

#include "cagma.h"

/*
 * A new emergency, or a reminder of an unanswered one, at most this often.
 * dom0 wakes up for a guest at most 20 times a second in the long run.
 */
#define RAISE_INTERVAL_NS	(20 * NSEC_PER_MSEC)

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
	cagma_sample_write(cagma.page, cagma.head++, &sample);
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
 */
static bool is_short(void)
{
	unsigned long soon = max(si_mem_available(), 0L) +
			     cagma_balloon_incoming_pages();

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
static void open_event(u64 now, enum cagma_reason reason)
{
	if (cagma.event_open)
		return;
	if (!++cagma.event)
		cagma.event = 1;
	cagma.event_open = true;
	cagma.raised_ns = now;
	cagma.task_pages = reason == CAGMA_REASON_SAMPLER ?
		0 : current_task_pages();
	cagma_stats.emergencies++;
}

/* Publishes the emergency; the caller then kicks, without the lock. */
static void raise_locked(u64 now, enum cagma_reason reason)
{
	WRITE_ONCE(cagma.last_raise_ns, now);
	open_event(now, reason);
	cagma_publish_locked(reason);
}

static void kick(void)
{
	if (!cagma_kick_wanted(cagma.page))
		return;
	notify_remote_via_irq(cagma.irq);
	/* On an emulator that runs all processors in one thread it is dom0's turn. */
	cpu_relax();
	cagma_stats.kicks++;
}

/*
 * Reports a shortage and kicks dom0 if it wants to be kicked. One emergency
 * is open at a time: until dom0 has answered, later shortages only remind it.
 */
void cagma_raise(enum cagma_reason reason)
{
	u64 now = ktime_get_mono_fast_ns();
	unsigned long flags;
	bool due;

	if (!READ_ONCE(cagma.attached) ||
	    now - READ_ONCE(cagma.last_raise_ns) < RAISE_INTERVAL_NS)
		return;
	if (reason != CAGMA_REASON_SWAP && !is_short())
		return;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	due = cagma.attached && now - cagma.last_raise_ns >= RAISE_INTERVAL_NS;
	if (due)
		raise_locked(now, reason);
	raw_spin_unlock_irqrestore(&cagma.lock, flags);

	if (due)
		kick();
}

u32 cagma_raise_now(enum cagma_reason reason)
{
	unsigned long flags;
	u32 event = 0;

	if (!READ_ONCE(cagma.attached))
		return 0;
	raw_spin_lock_irqsave(&cagma.lock, flags);
	if (cagma.attached) {
		raise_locked(ktime_get_mono_fast_ns(), reason);
		event = cagma.event;
	}
	raw_spin_unlock_irqrestore(&cagma.lock, flags);

	if (event)
		kick();
	return event;
}
/* For other modules of the guest that know of a shortage to come. */
EXPORT_SYMBOL_GPL(cagma_raise_now);
