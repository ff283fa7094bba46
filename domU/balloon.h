/* SPDX-License-Identifier: GPL-2.0-only */
/* dom0's targets become the stock balloon driver's, through sysfs. */
#ifndef CAGMA_BALLOON_H
#define CAGMA_BALLOON_H

#include "channel.h"
#include "proc.h"

struct cagma_balloon {
	const struct cagma_proc *proc;
	uint64_t max_pages;	/* the larger of static-max and hotplug-max */
	/*
	 * memory/target in xenstore less the driver's own count: fixed as long as
	 * the kernel runs, so that it is measured once.
	 */
	uint64_t offset_pages;
	bool is_settled;
};

/*
 * Finds the maximum, and the offset if it isn't known yet. -EAGAIN while the balloon
 * is moving, or while xenstore's numbers are none a guest could live with. Talks
 * to xenstore.
 */
int cagma_balloon_settle(struct cagma_balloon *balloon,
			 struct cagma_channel *channel);

/*
 * Sets the target, counted as memory/target counts, within the guest's range; sets
 * or clears CAGMA_SAMPLE_CLAMPED in *flags. -errno if the kernel refuses.
 */
int cagma_balloon_apply(const struct cagma_balloon *balloon, uint64_t pages,
			uint32_t *flags);

#endif
