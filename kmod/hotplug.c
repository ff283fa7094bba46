// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that the balloon driver must add to the guest before it can fetch any. So it is
 * in a PV guest that gets more than it began with: Linux 5.10 and 6.12 add it then, by
 * sections of 128 MiB, while 6.1 has had it since boot.
 *
 * Adding takes time and some memory, at a moment when the guest has neither. So one
 * section is added ahead, while the guest is calm: the driver adds one if it is asked for
 * a page and has no frame to put it into. And once it has added a section the driver
 * sleeps for a second, unless its target changes: so that is changed, by a page.
 */
#include <linux/jiffies.h>
#include <linux/memory.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <xen/balloon.h>
#include <xen/xen.h>

#include "cagma.h"

/* For so long at most the driver's target differs from dom0's. */
#define SKEW_MS		20

/* Between two attempts to have memory added. */
#define AHEAD_MS	10000

/* What a section's page structures and page tables take, rounded up. */
#define SECTION_COST_PAGES	(4UL << (20 - PAGE_SHIFT))

/* Caller holds cagma.lock. The driver's target less dom0's, if it is still ours. */
long cagma_hotplug_skew(void)
{
	return READ_ONCE(balloon_stats.target_pages) == cagma.skewed_target ?
		cagma.skew : 0;
}

/* Caller holds cagma.lock. */
static void skew(long by)
{
	cagma.skewed_target = READ_ONCE(balloon_stats.target_pages) -
			      cagma_hotplug_skew() + by;
	cagma.skew = by;
	balloon_set_new_target(cagma.skewed_target);
}

static bool has_frames(void)
{
	return READ_ONCE(balloon_stats.balloon_low) ||
	       READ_ONCE(balloon_stats.balloon_high);
}

/* Caller holds cagma.lock. The driver has what it needs, and has not moved. */
static bool is_asleep(unsigned long pages, unsigned long seen)
{
	return pages == seen && has_frames() &&
	       pages < READ_ONCE(balloon_stats.target_pages);
}

/* Caller holds cagma.lock. */
static bool is_calm(unsigned long pages)
{
	return cagma.attached &&
	       pages == READ_ONCE(balloon_stats.target_pages) &&
	       cagma_available_pages() >
		       cagma.threshold_pages + SECTION_COST_PAGES;
}

/* Caller holds cagma.lock. dom0 itself is left as it was booted. */
static bool wants_section(unsigned long pages)
{
	return !has_frames() && !xen_initial_domain() &&
	       pages + cagma.offset_pages < cagma.max_pages &&
	       time_after_eq(jiffies, cagma.next_section) && is_calm(pages);
}

/* Caller holds cagma.lock. Who has set another target meanwhile has ended the skew. */
static void look(void)
{
	unsigned long pages = READ_ONCE(balloon_stats.current_pages);
	unsigned long seen = cagma.seen_pages;

	cagma.seen_pages = pages;
	cagma.skew = cagma_hotplug_skew();
	if (cagma.skew) {
		skew(0);
	} else if (is_asleep(pages, seen)) {
		skew(-1);
		cagma_stats.nudges++;
	} else if (wants_section(pages)) {
		skew(1);
		cagma.next_section = jiffies + msecs_to_jiffies(AHEAD_MS);
	}
}

/* From the sampler, every period_ms. Returns the time to the next look, in ms. */
unsigned int cagma_hotplug_look(unsigned int period_ms)
{
	unsigned long flags;
	long skewed;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	look();
	skewed = cagma.skew;
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
	return skewed ? min_t(unsigned int, SKEW_MS, period_ms) : period_ms;
}

/* The driver is about to sleep: the sampler comes at once, and not only once. */
static int on_memory(struct notifier_block *block, unsigned long action,
		     void *unused)
{
	if (action == MEM_ONLINE)
		mod_timer(&cagma.sampler, jiffies + 1);
	return NOTIFY_OK;
}

static struct notifier_block memory_block = { .notifier_call = on_memory };

int cagma_hotplug_init(void)
{
	cagma.next_section = jiffies;
	return register_memory_notifier(&memory_block);
}

void cagma_hotplug_exit(void)
{
	unregister_memory_notifier(&memory_block);
}

/* When nobody looks any more: the driver is left with dom0's target. */
void cagma_hotplug_restore(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	if (cagma_hotplug_skew())
		skew(0);
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
}
