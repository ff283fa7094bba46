/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What differs between the kernels this module is built for: 5.10, 6.1 and 6.12 are
 * tested, 7.2 and 7.3 built for. CAGMA_HAS_* is what Kbuild has found in the kernel's
 * headers; elsewhere a boundary of versions is where Linux changed.
 */
#ifndef CAGMA_COMPAT_H
#define CAGMA_COMPAT_H

#include <linux/mm.h>
#include <linux/swap.h>
#include <linux/syscore_ops.h>
#include <linux/timer.h>
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

/*
 * 7.0: reclaim's beginning says which cgroup's it is, and its arguments have changed
 * places. PROBES are (old, new); a tracepoint takes one of them.
 */
#define CAGMA_BEGIN_IS_OLD __builtin_types_compatible_p( \
	typeof(&check_trace_callback_type_mm_vmscan_direct_reclaim_begin), \
	void (*)(void (*)(void *data, int order, gfp_t flags)))
#define cagma_begin_probe(old, new) \
	__builtin_choose_expr(CAGMA_BEGIN_IS_OLD, old, new)

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

/*
 * What is called when a suspend is over, with interrupts off. Xen's own notifier would
 * do as well, but 7.2 has no way to leave it. 6.19 and stable kernels: with data.
 */
#ifdef CAGMA_HAS_SYSCORE
#define CAGMA_SYSCORE_ARGS	void *unused
#define CAGMA_SYSCORE(name, on_resume) \
	static const struct syscore_ops name##_ops = { .resume = on_resume }; \
	static struct syscore name = { .ops = &name##_ops }
#define cagma_syscore_register	register_syscore
#define cagma_syscore_unregister	unregister_syscore
#else
#define CAGMA_SYSCORE_ARGS	void
#define CAGMA_SYSCORE(name, on_resume) \
	static struct syscore_ops name = { .resume = on_resume }
#define cagma_syscore_register	register_syscore_ops
#define cagma_syscore_unregister	unregister_syscore_ops
#endif

#ifdef CAGMA_HAS_TIMER_DELETE
#define cagma_timer_stop	timer_delete_sync
#else
#define cagma_timer_stop	del_timer_sync
#endif

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
