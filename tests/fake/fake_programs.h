/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What runs in a simulated guest, and what its memory is used for: programs that want
 * so much, files that are read, containers that swap at their limit. In pages.
 */
#ifndef FAKE_PROGRAMS_H
#define FAKE_PROGRAMS_H

#include <stdbool.h>
#include <stdint.h>

struct cagma_sample;
struct fake_guest;

/* The disk that all guests use: what it can still move in this step. */
struct fake_disk {
	uint64_t pages;
};

struct fake_programs {
	/* A test may change these at any time. */
	uint64_t swap_total_pages;	/* swap space; 0: none */
	uint64_t pinned_pages;		/* used, and never swapped: mlock, hugetlb */
	uint64_t files_pages;		/* files that are read over and over */
	uint64_t reads_pages;		/* of them in each step, at random */
	uint64_t churn_pages;		/* in each step to swap and back, whatever
					   memory there is: a container, zram */
	uint64_t held_pages;		/* so much of that is in swap */
	uint64_t commit_percent;	/* strict overcommit: of memory; 0: it isn't */
	uint64_t committed_pages;

	/* What came of it. */
	uint64_t cached_pages;		/* of the files, in memory */
	uint64_t hit_pages;		/* read from memory */
	uint64_t refault_pages;		/* read from the disk again */
	uint64_t lost_pages;		/* reads that the disk had no time for */
	uint64_t failed;		/* steps in which an allocation would fail */
};

/* Files of that size, all of which were read once as far as there is room. */
void fake_programs_read(struct fake_guest *guest, uint64_t files_pages);

/* One step of them. */
void fake_programs_live(struct fake_guest *guest);

/* The most that can go to swap in this step. */
uint64_t fake_programs_swappable(const struct fake_guest *guest);

/* What a sample says of them; `detailed`: as modules do that know all of it. */
void fake_programs_tell(const struct fake_guest *guest, bool detailed,
			struct cagma_sample *sample);

#endif
