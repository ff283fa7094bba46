/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primitives of shared/sync.h with a hostile guest behind every load: a
 * test's function runs first and may change the page.
 */
#ifndef CAGMA_HOSTILE_SYNC_H
#define CAGMA_HOSTILE_SYNC_H

#include <errno.h>

void hostile_before_load(const void *from);

#define cagma_load(p) ({						\
	hostile_before_load(p);						\
	__atomic_load_n((p), __ATOMIC_RELAXED); })
#define cagma_load_acquire(p) cagma_load(p)
#define cagma_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define cagma_store_release(p, v) cagma_store(p, v)
#define cagma_rmb()	((void)0)
#define cagma_wmb()	((void)0)
#define cagma_mb()	((void)0)

#endif
