/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A twin of shared/sync.h's primitives with a defect that no compiler can
 * remove: every word is fetched twice. test_codegen.py has to see it.
 */
#ifndef CAGMA_TWICE_SYNC_H
#define CAGMA_TWICE_SYNC_H

#include <errno.h>

#define twice_fetch(p)		(*(const volatile __typeof__(*(p)) *)(p))
#define cagma_load(p)		((void)twice_fetch(p), twice_fetch(p))
#define cagma_store(p, v)	__atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define cagma_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define cagma_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define cagma_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define cagma_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
#define cagma_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif
