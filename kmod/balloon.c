// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stock balloon driver: what it has, and what it is to have.
 *
 * dom0 counts pages as memory/target in xenstore does. In a PVH or HVM guest
 * the balloon driver's own count is lower by a constant, which the driver
 * calls target_diff and keeps to itself; cagma_balloon_settle() finds it.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/mm.h>
#include <xen/balloon.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include "cagma.h"

/* No guest is squeezed below this, whatever dom0 says. */
#define FLOOR_PAGES	(32UL << (20 - PAGE_SHIFT))

unsigned long cagma_balloon_pages(void)
{
	return READ_ONCE(balloon_stats.current_pages) + cagma.offset_pages;
}

/* What dom0, or the toolstack, has made it. Caller holds cagma.lock. */
unsigned long cagma_balloon_target_pages(void)
{
	return READ_ONCE(balloon_stats.target_pages) + cagma.offset_pages -
	       cagma_hotplug_skew();
}

/* Pages the balloon has been told to fetch and has not fetched yet. */
unsigned long cagma_balloon_incoming_pages(void)
{
	unsigned long target = READ_ONCE(balloon_stats.target_pages);
	unsigned long current_pages = READ_ONCE(balloon_stats.current_pages);

	return target > current_pages ? target - current_pages : 0;
}

static int read_pages(const char *node, unsigned long *pages)
{
	unsigned long long kib;
	int n = xenbus_scanf(XBT_NIL, "memory", node, "%llu", &kib);

	if (n != 1)
		return n < 0 ? n : -ERANGE;
	*pages = kib >> (PAGE_SHIFT - 10);
	return 0;
}

/*
 * Where a guest begins with less than it may have, memory/static-max can be what it
 * begins with; memory/hotplug-max, if there is one, is what memory can be added up to.
 * What is no number says nothing, as to dom0.
 */
static int read_max(unsigned long *pages)
{
	unsigned long hotplug = 0;
	int err = read_pages("static-max", pages);

	if (err)
		return err;
	err = read_pages("hotplug-max", &hotplug);
	if (err && err != -ENOENT && err != -ERANGE)
		return err;
	*pages = max(*pages, hotplug);
	return 0;
}

/*
 * Finds the maximum and the offset. -EAGAIN while the balloon is moving: the
 * offset is memory/target less the balloon's target when neither changes,
 * read twice around the balloon's to see that; or while there is no maximum
 * that a guest could live with. Sleeps in xenbus.
 */
int cagma_balloon_settle(void)
{
	unsigned long before, after, target;

	if (read_max(&cagma.max_pages) || read_pages("target", &before) ||
	    cagma.max_pages < FLOOR_PAGES)
		return -EAGAIN;
	if (xen_pv_domain())
		return 0;
	target = READ_ONCE(balloon_stats.target_pages);
	if (READ_ONCE(balloon_stats.current_pages) != target)
		return -EAGAIN;
	if (read_pages("target", &after) || after != before || after < target)
		return -EAGAIN;
	cagma.offset_pages = after - target;
	return 0;
}

/* To what dom0 has ordered, within the range. Caller holds cagma.lock. */
void cagma_balloon_set_target(u64 pages)
{
	u64 wanted = pages;

	pages = clamp_t(u64, pages, FLOOR_PAGES, cagma.max_pages);
	if (pages != wanted) {
		cagma.sample_flags |= CAGMA_SAMPLE_CLAMPED;
		cagma_stats.clamped++;
	} else {
		cagma.sample_flags &= ~CAGMA_SAMPLE_CLAMPED;
	}
	cagma.skew = 0;
	if (pages != cagma_balloon_target_pages())
		balloon_set_new_target(pages - cagma.offset_pages);
}
