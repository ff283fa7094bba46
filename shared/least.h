/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * How little memory a guest can live with, from what its kernel says. The module
 * and the agent both use this, so that they come to the same number.
 */
#ifndef CAGMA_SHARED_LEAST_H
#define CAGMA_SHARED_LEAST_H

#include <linux/types.h>
#ifdef __KERNEL__
#include <linux/math64.h>
#else
#define div_s64(a, b)	((a) / (b))
#endif

/* Room above what is committed: to grow before dom0 has looked again. */
#define CAGMA_COMMIT_ROOM_PAGES		(24 << 8)
/* A 32nd of a process is what Linux withholds from it (user_reserve_kbytes). */
#define CAGMA_COMMIT_SHIFT		5

/*
 * vm.overcommit_memory=2 by ratio: so much may be committed, and it follows the
 * memory that the kernel manages. By kbytes it doesn't: ratio_percent is 0 then, and
 * with another policy.
 */
struct cagma_commit {
	__u32 ratio_percent;		/* vm.overcommit_ratio; 0: binds nothing */
	__u64 limit_pages;		/* CommitLimit ... */
	__u64 total_pages;		/* ... with so much memory */
};

/*
 * What reclaim can neither drop nor swap out, as `balloon_pages` counts: pages that
 * the balloon counts and the kernel doesn't manage are the kernel's own as well.
 */
static inline __u64 cagma_least_of_reclaim(__u64 balloon_pages, __u64 free_pages,
					   __u64 evictable_pages)
{
	__u64 not_needed = free_pages + evictable_pages;

	return balloon_pages > not_needed ? balloon_pages - not_needed : 0;
}

/* So that nothing below overflows, whatever somebody says. */
static inline __s64 cagma_bounded(__u64 pages)
{
	const __u64 most = (__u64)1 << 40;

	return (__s64)(pages < most ? pages : most);
}

/* What keeps CommitLimit above `committed_pages`, in the same count; 0: anything. */
static inline __u64 cagma_least_of_commit(const struct cagma_commit *commit,
					  __u64 balloon_pages, __u64 total_pages,
					  __u64 committed_pages)
{
	__s32 ratio = (__s32)commit->ratio_percent;
	__s64 wanted, least;

	if (ratio <= 0)
		return 0;
	wanted = cagma_bounded(committed_pages);
	wanted += (wanted >> CAGMA_COMMIT_SHIFT) + CAGMA_COMMIT_ROOM_PAGES -
		  cagma_bounded(commit->limit_pages);
	least = cagma_bounded(balloon_pages) - cagma_bounded(total_pages) +
		cagma_bounded(commit->total_pages) + div_s64(wanted * 100, ratio);
	return least > 0 ? (__u64)least : 0;
}

/* A level of the sample's 32 bits. */
static inline __u32 cagma_level(__u64 pages)
{
	return pages < ~(__u32)0 ? (__u32)pages : ~(__u32)0;
}

#endif
