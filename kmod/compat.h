/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels this module is built for: 5.10, 6.1 and
 * 6.12 are tested; a boundary between them is where Linux changed.
 */
#ifndef CAGMA_COMPAT_H
#define CAGMA_COMPAT_H

#include <linux/mm.h>
#include <linux/swap.h>
#include <linux/version.h>
#include <linux/vmstat.h>
#include <xen/grant_table.h>

/* 5.18: reclaim hands folios to its tracepoints, and this one has a new name. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 18, 0)
typedef struct folio cagma_folio;
#define CAGMA_TRACE_WRITE	mm_vmscan_write_folio
#define cagma_is_swapbacked(folio) folio_test_swapbacked(folio)
#else
typedef struct page cagma_folio;
#define CAGMA_TRACE_WRITE	mm_vmscan_writepage
#define cagma_is_swapbacked(page) PageSwapBacked(page)
#endif

/* 5.17: zswap counts its pages. Before, nobody knew. */
#if defined(CONFIG_ZSWAP) && LINUX_VERSION_CODE >= KERNEL_VERSION(5, 17, 0)
#define CAGMA_ZSWAP_EVENTS
#endif

/*
 * 5.12: counted per node. Before, the count was not exported to modules: the
 * swap cache is taken for file pages there.
 */
static inline unsigned long cagma_swapcache_pages(void)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 12, 0)
	return total_swapcache_pages();
#else
	return 0;
#endif
}

/* 5.19: takes the page, and no flag. The page is freed when nobody maps it. */
static inline void cagma_grant_end(grant_ref_t ref, void *page)
{
#if LINUX_VERSION_CODE >= KERNEL_VERSION(5, 19, 0)
	gnttab_end_foreign_access(ref, virt_to_page(page));
#else
	gnttab_end_foreign_access(ref, 0, (unsigned long)page);
#endif
}

#endif
