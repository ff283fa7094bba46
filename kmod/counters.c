// SPDX-License-Identifier: GPL-2.0-only
/*
 * The guest kernel's own counters, gathered without locks, sleep or
 * allocation, so that a reclaim hook may call this as well as the sampler.
 */
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/swap.h>
#include <linux/vmstat.h>

#include "cagma.h"
#include "compat.h"

_Static_assert(PAGE_SIZE == CAGMA_PAGE_BYTES, "pages are 4 KiB");

/* An allocation that had to reclaim by itself, in any zone. */
static u64 direct_stalls(const unsigned long *event)
{
	u64 sum = READ_ONCE(event[ALLOCSTALL_NORMAL]) +
		  READ_ONCE(event[ALLOCSTALL_MOVABLE]);

#ifdef CONFIG_ZONE_DMA
	sum += READ_ONCE(event[ALLOCSTALL_DMA]);
#endif
#ifdef CONFIG_ZONE_DMA32
	sum += READ_ONCE(event[ALLOCSTALL_DMA32]);
#endif
	return sum;
}

/*
 * all_vm_events() takes a sleeping lock; the per-CPU states don't need it.
 * A processor that goes offline meanwhile folds its counts into another one,
 * which may be counted twice or not at all in this sample only. A page that
 * zswap kept in its pool is swap traffic too.
 */
static void events_read(struct cagma_sample *sample)
{
	int cpu;

	for_each_online_cpu(cpu) {
		const unsigned long *event =
			per_cpu(vm_event_states, cpu).event;

		sample->swap_in_pages += READ_ONCE(event[PSWPIN]);
		sample->swap_out_pages += READ_ONCE(event[PSWPOUT]);
#ifdef CAGMA_ZSWAP_EVENTS
		sample->swap_in_pages += READ_ONCE(event[ZSWPIN]);
		sample->swap_out_pages += READ_ONCE(event[ZSWPOUT]);
#endif
		sample->direct_stalls += direct_stalls(event);
	}
}

static u64 file_pages(u64 shmem)
{
	unsigned long cached = global_node_page_state(NR_FILE_PAGES);
	unsigned long other = shmem + cagma_swapcache_pages();

	return cached > other ? cached - other : 0;
}

/* What reclaim can drop or swap out, however much swap there is. */
static u64 evictable_pages(void)
{
	static const enum node_stat_item items[] = {
		NR_ACTIVE_ANON, NR_INACTIVE_ANON, NR_ISOLATED_ANON,
		NR_ACTIVE_FILE, NR_INACTIVE_FILE, NR_ISOLATED_FILE,
		NR_KERNEL_MISC_RECLAIMABLE,
	};
	u64 sum = global_node_page_state_pages(NR_SLAB_RECLAIMABLE_B);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(items); i++)
		sum += global_node_page_state(items[i]);
	return sum;
}

/* Swap space may have come or gone since somebody looked. */
static void details_read(struct cagma_sample *sample)
{
	const struct cagma_facts *facts = &cagma.facts;
	u64 least = cagma_least_of_reclaim(sample->balloon_pages,
					   sample->free_pages,
					   evictable_pages());

	if (!facts->known)
		return;
	sample->flags |= CAGMA_SAMPLE_DETAILED;
	sample->least_pages = cagma_level(
		max(least, cagma_least_of_commit(&facts->commit,
						 sample->balloon_pages,
						 sample->total_pages,
						 sample->committed_pages)));
	sample->swap_total_pages = cagma_level(max(facts->swap_total_pages,
						   sample->swap_free_pages));
	sample->refault_file_pages =
		global_node_page_state(WORKINGSET_REFAULT_FILE);
	sample->activate_file_pages =
		global_node_page_state(WORKINGSET_ACTIVATE_FILE);
	sample->active_file_pages = cagma_level(cagma_active_file_pages());
}

void cagma_counters_read(struct cagma_sample *sample)
{
	events_read(sample);
	sample->total_pages = totalram_pages();
	sample->free_pages = global_zone_page_state(NR_FREE_PAGES);
	sample->available_pages = cagma_available_pages();
	sample->anon_pages = global_node_page_state(NR_ANON_MAPPED);
	sample->shmem_pages = global_node_page_state(NR_SHMEM);
	sample->file_pages = file_pages(sample->shmem_pages);
	sample->committed_pages = vm_memory_committed();
	sample->swap_free_pages = max(get_nr_swap_pages(), 0L);
	sample->refault_pages =
		global_node_page_state(WORKINGSET_REFAULT_ANON) +
		global_node_page_state(WORKINGSET_REFAULT_FILE);
	sample->balloon_pages = cagma_balloon_pages();
	sample->balloon_target_pages = cagma_balloon_target_pages();
	sample->offset_pages = cagma.offset_pages;
	details_read(sample);
}
