// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every route ends in: the balloon driver is given a target, fetches pages and
 * hands them to the kernel's allocator.
 */
#include <linux/completion.h>
#include <linux/kprobes.h>
#include <linux/ktime.h>

#include "reaction.h"

static struct reaction_trial *watched;
static unsigned int wanted_pages, seen_pages;
static DECLARE_COMPLETION(over);

static void finish(void)
{
	WRITE_ONCE(watched, NULL);
	complete(&over);
}

void reaction_watch_answered(void)
{
	struct reaction_trial *trial = READ_ONCE(watched);

	if (!trial || wanted_pages)
		return;
	trial->applied_ns = ktime_get_mono_fast_ns();
	finish();
}

/* balloon_set_new_target(target) */
static int on_target(struct kprobe *probe, struct pt_regs *regs)
{
	struct reaction_trial *trial = READ_ONCE(watched);

	if (trial && wanted_pages && !trial->applied_ns)
		trial->applied_ns = ktime_get_mono_fast_ns();
	return 0;
}

/* adjust_managed_page_count(page, count): one call for each page of the balloon. */
static int on_pages(struct kprobe *probe, struct pt_regs *regs)
{
	struct reaction_trial *trial = READ_ONCE(watched);
	long count = (long)regs_get_kernel_argument(regs, 1);

	if (!trial || !trial->applied_ns || count <= 0)
		return 0;
	if (!seen_pages)
		trial->first_ns = ktime_get_mono_fast_ns();
	seen_pages += count;
	if (seen_pages < wanted_pages)
		return 0;
	if (seen_pages >= REACTION_SATISFIED_PAGES)
		trial->satisfied_ns = ktime_get_mono_fast_ns();
	finish();
	return 0;
}

void reaction_watch_begin(struct reaction_trial *trial, unsigned int pages)
{
	reinit_completion(&over);
	wanted_pages = pages;
	seen_pages = 0;
	trial->asked_ns = ktime_get_mono_fast_ns();
	/* The numbers before the trial that they are for. */
	smp_store_release(&watched, trial);
}

bool reaction_watch_end(unsigned int timeout_ms)
{
	bool in_time = wait_for_completion_timeout(
		&over, msecs_to_jiffies(timeout_ms));

	WRITE_ONCE(watched, NULL);
	return in_time;
}

static struct kprobe probes[] = {
	{ .symbol_name = "balloon_set_new_target", .pre_handler = on_target },
	{ .symbol_name = "adjust_managed_page_count", .pre_handler = on_pages },
};

int reaction_watch_init(void)
{
	int err = register_kprobe(&probes[0]);

	if (err)
		return err;
	err = register_kprobe(&probes[1]);
	if (err)
		unregister_kprobe(&probes[0]);
	return err;
}

void reaction_watch_exit(void)
{
	unregister_kprobe(&probes[1]);
	unregister_kprobe(&probes[0]);
}
