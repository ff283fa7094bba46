/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The sample: what a guest tells dom0 about its memory.
 *
 * One type for every transport (page, vchan, xenstore). Pages are 4 KiB
 * whatever the guest's own page size is. Counters named *_in, *_out, *_stalls
 * and refault_pages only grow until the guest restarts them; a reader treats a
 * decrease as a restart, never as a negative rate. docs/page-abi.md has the
 * byte table and names the rule that reads each field.
 */
#ifndef CAGMA_SHARED_SAMPLE_H
#define CAGMA_SHARED_SAMPLE_H

#ifdef __KERNEL__
#include <linux/stddef.h>
#else
#include <stddef.h>
#endif
#include <linux/types.h>

/* Why a sample was published. Readers skip and count values they don't know. */
enum cagma_reason {
	CAGMA_REASON_PERIODIC = 0,	/* the sampler's period elapsed */
	CAGMA_REASON_KSWAPD = 1,	/* emergency: kswapd was woken */
	CAGMA_REASON_DIRECT = 2,	/* emergency: direct reclaim began */
	CAGMA_REASON_SWAP = 3,		/* emergency: anonymous page written out */
	CAGMA_REASON_SAMPLER = 4,	/* emergency: sampler saw the shortage */
	CAGMA_REASON_APPLIED = 5,	/* a mail was accepted and applied */
	CAGMA_REASON_OOM = 6,		/* emergency: a task is about to be killed */
	CAGMA_REASON_REQUEST = 7,	/* emergency: somebody in the guest asked */
	CAGMA_REASON_COUNT
};

/* cagma_sample.flags; readers ignore bits they don't know. */
#define CAGMA_SAMPLE_CLAMPED	(1u << 0) /* last target was out of range */
#define CAGMA_SAMPLE_REFUSED	(1u << 1) /* last mail had an unknown request */
#define CAGMA_SAMPLE_DETAILED	(1u << 2) /* the numbers of 32 bits are filled in */

struct cagma_sample {
	__u32 reason;			/* enum cagma_reason */
	__u32 event;			/* open emergency; 0 = none is open */
	__u32 mail_seq;			/* sequence of the last mail accepted */
	__u32 reaction_event;		/* emergency that reaction_ns is about */
	__u32 flags;			/* CAGMA_SAMPLE_* */
	__u32 least_pages;		/* the guest can't do with less; see below */
	__u64 time_ns;			/* guest's monotonic clock */
	__u64 total_pages;		/* memory the guest kernel manages */
	__u64 free_pages;
	__u64 available_pages;		/* MemAvailable: free without swapping */
	__u64 anon_pages;		/* mapped anonymous memory */
	__u64 file_pages;		/* page cache, less shmem and swap cache */
	__u64 shmem_pages;
	__u64 committed_pages;		/* Committed_AS */
	__u64 swap_free_pages;
	__u64 swap_in_pages;		/* counter */
	__u64 swap_out_pages;		/* counter */
	__u64 refault_pages;		/* counter: workingset refaults */
	__u64 direct_stalls;		/* counter: entries to direct reclaim */
	__u64 balloon_pages;		/* what the guest has, as memory/target counts */
	__u64 balloon_target_pages;	/* what its balloon aims at, same count */
	__u64 offset_pages;		/* memory/target minus the balloon's own count */
	__u64 task_pages;		/* RAM + swap of the task behind the event */
	__u64 reaction_ns;		/* hook fired to target applied, guest clock */
	__u32 swap_total_pages;		/* swap space, in use or not */
	__u32 refault_file_pages;	/* counter: the file pages of refault_pages */
	__u32 activate_file_pages;	/* counter: of them, what more memory had kept */
	__u32 active_file_pages;	/* page cache in use, of file_pages */
};

/*
 * The five 32-bit numbers of pages mean something only with CAGMA_SAMPLE_DETAILED;
 * older modules leave them 0. Levels end at 2^32 - 1, counters wrap.
 *
 * least_pages counts as memory/target does: what reclaim can neither drop nor swap
 * out, however much swap there is (kernel, page tables, locked and huge pages); with
 * vm.overcommit_memory=2 at least what keeps CommitLimit above Committed_AS.
 */

#define CAGMA_ASSERT_OFFSET(type, field, offset) \
	_Static_assert(offsetof(struct type, field) == (offset), \
		       #type "." #field " moved")

CAGMA_ASSERT_OFFSET(cagma_sample, reason, 0);
CAGMA_ASSERT_OFFSET(cagma_sample, event, 4);
CAGMA_ASSERT_OFFSET(cagma_sample, mail_seq, 8);
CAGMA_ASSERT_OFFSET(cagma_sample, reaction_event, 12);
CAGMA_ASSERT_OFFSET(cagma_sample, flags, 16);
CAGMA_ASSERT_OFFSET(cagma_sample, least_pages, 20);
CAGMA_ASSERT_OFFSET(cagma_sample, time_ns, 24);
CAGMA_ASSERT_OFFSET(cagma_sample, total_pages, 32);
CAGMA_ASSERT_OFFSET(cagma_sample, free_pages, 40);
CAGMA_ASSERT_OFFSET(cagma_sample, available_pages, 48);
CAGMA_ASSERT_OFFSET(cagma_sample, anon_pages, 56);
CAGMA_ASSERT_OFFSET(cagma_sample, file_pages, 64);
CAGMA_ASSERT_OFFSET(cagma_sample, shmem_pages, 72);
CAGMA_ASSERT_OFFSET(cagma_sample, committed_pages, 80);
CAGMA_ASSERT_OFFSET(cagma_sample, swap_free_pages, 88);
CAGMA_ASSERT_OFFSET(cagma_sample, swap_in_pages, 96);
CAGMA_ASSERT_OFFSET(cagma_sample, swap_out_pages, 104);
CAGMA_ASSERT_OFFSET(cagma_sample, refault_pages, 112);
CAGMA_ASSERT_OFFSET(cagma_sample, direct_stalls, 120);
CAGMA_ASSERT_OFFSET(cagma_sample, balloon_pages, 128);
CAGMA_ASSERT_OFFSET(cagma_sample, balloon_target_pages, 136);
CAGMA_ASSERT_OFFSET(cagma_sample, offset_pages, 144);
CAGMA_ASSERT_OFFSET(cagma_sample, task_pages, 152);
CAGMA_ASSERT_OFFSET(cagma_sample, reaction_ns, 160);
CAGMA_ASSERT_OFFSET(cagma_sample, swap_total_pages, 168);
CAGMA_ASSERT_OFFSET(cagma_sample, refault_file_pages, 172);
CAGMA_ASSERT_OFFSET(cagma_sample, activate_file_pages, 176);
CAGMA_ASSERT_OFFSET(cagma_sample, active_file_pages, 180);
_Static_assert(sizeof(struct cagma_sample) == 184, "cagma_sample resized");

#endif
