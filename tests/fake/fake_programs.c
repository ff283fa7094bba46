// SPDX-License-Identifier: GPL-2.0-only
#include "fake_programs.h"
#include "fake_xen.h"
#include "sample.h"
#include "units.h"

static uint64_t disk_left(const struct fake_guest *guest)
{
	return guest->disk ? guest->disk->pages : UINT64_MAX / 2;
}

static void use_disk(struct fake_guest *guest, uint64_t pages)
{
	if (guest->disk)
		guest->disk->pages -= pages;
}

static uint64_t memory_of(const struct fake_guest *guest)
{
	return cagma_less(guest->alloc_pages, guest->offset_pages);
}

/* ---- memory of programs ---- */

/* The most that may be in swap: what isn't pinned, and what the space holds. */
static uint64_t most_in_swap(const struct fake_guest *guest)
{
	const struct fake_programs *p = &guest->programs;

	return cagma_min(cagma_less(guest->used_pages, p->pinned_pages),
			 cagma_less(p->swap_total_pages, p->held_pages));
}

uint64_t fake_programs_swappable(const struct fake_guest *guest)
{
	return cagma_min(disk_left(guest),
			 cagma_less(most_in_swap(guest), guest->swapped_pages));
}

/* Programs get as much as fits, and as much more as swapping makes room for. */
static void allocate(struct fake_guest *guest)
{
	uint64_t most = memory_of(guest) + guest->swapped_pages;

	if (!guest->disk)
		return;
	most += cagma_min(disk_left(guest),
			  cagma_less(guest->programs.swap_total_pages,
				     guest->programs.held_pages +
					     guest->swapped_pages));
	guest->used_pages = cagma_min(guest->demand_pages, most);
	guest->swapped_pages = cagma_min(guest->swapped_pages,
					 guest->used_pages);
}

static void swap(struct fake_guest *guest)
{
	uint64_t goal = cagma_min(most_in_swap(guest),
				  cagma_less(guest->used_pages,
					     memory_of(guest)));
	uint64_t out = cagma_min(cagma_less(goal, guest->swapped_pages),
				 disk_left(guest));
	uint64_t in = cagma_min(cagma_less(guest->swapped_pages, goal),
				disk_left(guest));

	use_disk(guest, out + in);
	guest->swap_out_pages += out;
	guest->swap_in_pages += in;
	guest->swapped_pages += out;
	guest->swapped_pages -= in;
}

/* ---- files ---- */

void fake_programs_read(struct fake_guest *guest, uint64_t files_pages)
{
	struct fake_programs *p = &guest->programs;

	p->files_pages = files_pages;
	p->cached_pages = cagma_min(files_pages, fake_guest_available(guest));
}

/*
 * What is no longer in memory must be read from the disk, and is there again then if
 * there is room. Each page is as likely as any other.
 */
static void read_files(struct fake_guest *guest)
{
	struct fake_programs *p = &guest->programs;
	uint64_t misses, got;

	p->cached_pages = cagma_min(p->cached_pages,
				    fake_guest_available(guest));
	if (!p->files_pages)
		return;
	misses = cagma_scale_up(p->reads_pages,
				cagma_less(p->files_pages, p->cached_pages),
				p->files_pages);
	got = cagma_min(misses, disk_left(guest));
	use_disk(guest, got);
	p->hit_pages += p->reads_pages - misses;
	p->lost_pages += misses - got;
	p->refault_pages += got;
	p->cached_pages = cagma_min(cagma_min(p->cached_pages + got,
					      p->files_pages),
				    fake_guest_available(guest));
}

/* ---- all of it ---- */

static uint64_t commit_limit(const struct fake_guest *guest)
{
	return memory_of(guest) * guest->programs.commit_percent / 100 +
	       guest->programs.swap_total_pages;
}

void fake_programs_live(struct fake_guest *guest)
{
	struct fake_programs *p = &guest->programs;

	allocate(guest);
	fake_guest_balloon(guest);
	swap(guest);
	guest->swap_in_pages += p->churn_pages;
	guest->swap_out_pages += p->churn_pages;
	read_files(guest);
	if (p->commit_percent && p->committed_pages > commit_limit(guest))
		p->failed++;
}

/* What is pinned, and what strict overcommit needs. */
static uint64_t least(const struct fake_guest *guest)
{
	const struct fake_programs *p = &guest->programs;
	uint64_t beyond = cagma_less(p->committed_pages, p->swap_total_pages);

	if (!p->commit_percent)
		return p->pinned_pages;
	return cagma_max(p->pinned_pages,
			 cagma_scale_up(beyond, 100, p->commit_percent));
}

void fake_programs_tell(const struct fake_guest *guest, bool detailed,
			struct cagma_sample *sample)
{
	const struct fake_programs *p = &guest->programs;

	sample->free_pages = cagma_less(sample->available_pages,
					p->cached_pages);
	sample->file_pages = p->cached_pages;
	sample->committed_pages = p->committed_pages;
	sample->refault_pages = p->refault_pages;
	sample->swap_free_pages = cagma_less(p->swap_total_pages,
					     guest->swapped_pages +
						     p->held_pages);
	if (!detailed)
		return;
	sample->flags |= CAGMA_SAMPLE_DETAILED;
	sample->least_pages = (uint32_t)cagma_min(least(guest), UINT32_MAX);
	sample->swap_total_pages = (uint32_t)cagma_min(p->swap_total_pages,
						       UINT32_MAX);
	sample->refault_file_pages = (uint32_t)p->refault_pages;
	sample->activate_file_pages = (uint32_t)p->refault_pages;
	if (p->reads_pages)	/* what was read only once isn't active */
		sample->active_file_pages = (uint32_t)cagma_min(p->cached_pages,
								UINT32_MAX);
}
