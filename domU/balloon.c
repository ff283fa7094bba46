// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "balloon.h"
#include "units.h"

/* No guest is squeezed below this, whatever dom0 says. */
#define FLOOR_PAGES	cagma_mib_to_pages(32)

static bool is_pv(const struct cagma_proc *proc)
{
	return cagma_proc_says(proc->root, "sys/hypervisor/guest_type", "PV");
}

/*
 * memory/target less the driver's target, while neither changes: it is read twice
 * around the driver's to see that.
 */
static int measure_offset(struct cagma_balloon *balloon,
			  struct cagma_channel *channel)
{
	uint64_t before, after, pages, target;

	if (cagma_channel_read_pages(channel, "memory/target", &before) ||
	    cagma_proc_read_balloon(balloon->proc, &pages, &target) ||
	    pages != target ||
	    cagma_channel_read_pages(channel, "memory/target", &after) ||
	    after != before || after < target ||
	    after - target >= balloon->max_pages)
		return -EAGAIN;
	balloon->offset_pages = after - target;
	return 0;
}

/*
 * Where a guest begins with less than it may have, memory/static-max can be what it
 * begins with; memory/hotplug-max, if there is one, is what memory can be added up to.
 * What is no number says nothing, as to dom0.
 */
static int read_max(struct cagma_channel *channel, uint64_t *pages)
{
	uint64_t hotplug = 0;
	int err = cagma_channel_read_pages(channel, "memory/static-max", pages);

	if (err)
		return err;
	err = cagma_channel_read_pages(channel, "memory/hotplug-max", &hotplug);
	if (err && err != -ENOENT && err != -EINVAL)
		return err;
	*pages = cagma_max(*pages, hotplug);
	return 0;
}

int cagma_balloon_settle(struct cagma_balloon *balloon,
			 struct cagma_channel *channel)
{
	int err = read_max(channel, &balloon->max_pages);

	if (err || balloon->max_pages < FLOOR_PAGES)
		return -EAGAIN;
	if (balloon->is_settled)
		return 0;
	if (!is_pv(balloon->proc))
		err = measure_offset(balloon, channel);
	balloon->is_settled = !err;
	return err;
}

int cagma_balloon_apply(const struct cagma_balloon *balloon, uint64_t pages,
			uint32_t *flags)
{
	uint64_t wanted = cagma_clamp(pages, FLOOR_PAGES,
				      balloon->max_pages);
	uint64_t has, target;
	int err;

	if (wanted != pages)
		*flags |= CAGMA_SAMPLE_CLAMPED;
	else
		*flags &= ~CAGMA_SAMPLE_CLAMPED;
	/* The driver's own count isn't pushed below the floor either. */
	wanted = cagma_max(cagma_less(wanted, balloon->offset_pages), FLOOR_PAGES);
	err = cagma_proc_read_balloon(balloon->proc, &has, &target);
	if (err || target == wanted)
		return err;
	return cagma_proc_write_target(balloon->proc, wanted);
}
