// SPDX-License-Identifier: GPL-2.0-only
/*
 * The last resort. When the kernel is about to kill a task for want of memory,
 * dom0 is asked once more and given a moment: if the balloon grows within
 * oom_wait_ms, the allocation is tried again and nobody is killed.
 *
 * The notifier runs in the task that allocates, under the kernel's oom_lock:
 * others that are out of memory wait for the outcome. It may sleep.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/printk.h>
#include <linux/sched/signal.h>

#include "cagma.h"

#define STEP_MS		4

unsigned int cagma_oom_wait_ms = 1000;

/* Pages that came since `before`. */
static unsigned long gained(unsigned long before)
{
	unsigned long now = cagma_balloon_pages();

	return now > before ? now - before : 0;
}

/* Neither dom0 nor the task itself leaves anything to wait for. */
static bool is_hopeless(u32 event)
{
	return !READ_ONCE(cagma.attached) ||
	       READ_ONCE(cagma.denied_event) == event ||
	       fatal_signal_pending(current);
}

static unsigned long wait_for_pages(u32 event, unsigned long before)
{
	unsigned long deadline = jiffies + msecs_to_jiffies(cagma_oom_wait_ms);
	unsigned long pages;

	while (!(pages = gained(before)) && !is_hopeless(event) &&
	       time_before(jiffies, deadline))
		msleep(STEP_MS);
	return pages;
}

static int on_oom(struct notifier_block *block, unsigned long unused,
		  void *freed)
{
	unsigned long before = cagma_balloon_pages();
	unsigned long pages;
	u32 event;

	if (!cagma_oom_wait_ms)
		return NOTIFY_OK;
	event = cagma_raise_now(CAGMA_REASON_OOM);
	if (!event)
		return NOTIFY_OK;
	pr_warn_ratelimited("no memory is left: waiting %u ms for dom0\n",
			    cagma_oom_wait_ms);
	pages = wait_for_pages(event, before);
	if (pages)
		cagma_stats.oom_averted++;
	*(unsigned long *)freed += pages;
	return NOTIFY_OK;
}

static struct notifier_block oom_block = { .notifier_call = on_oom };

int cagma_oom_init(void)
{
	return register_oom_notifier(&oom_block);
}

void cagma_oom_exit(void)
{
	unregister_oom_notifier(&oom_block);
}
