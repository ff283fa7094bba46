/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primitives of shared/sync.h for test_explore.c: every access is a point
 * where the other side may run, and a store waits in a buffer that lets later
 * stores to other words pass (a machine weaker than x86). Loads stay in order,
 * so that a missing cagma_rmb() or acquire is not seen here.
 *
 * Each MUTANT_* takes away one barrier; test_explore.c must notice.
 */
#ifndef CAGMA_EXPLORE_SYNC_H
#define CAGMA_EXPLORE_SYNC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

uint64_t explore_load(const void *from, size_t size);
void explore_store(void *to, uint64_t value, size_t size);
void explore_store_barrier(void);	/* earlier stores before later ones */
void explore_full_barrier(void);	/* all stores before what follows */

#define cagma_load(p)	((__typeof__(*(p)))explore_load((p), sizeof(*(p))))
#define cagma_store(p, v) explore_store((p), (v), sizeof(*(p)))
#define cagma_load_acquire(p) cagma_load(p)
#define cagma_rmb()	((void)0)

#ifdef MUTANT_NO_RELEASE
#define cagma_store_release(p, v) cagma_store(p, v)
#else
#define cagma_store_release(p, v) do {					\
	explore_store_barrier();					\
	cagma_store(p, v);						\
} while (0)
#endif

#ifdef MUTANT_NO_WMB
#define cagma_wmb()	((void)0)
#else
#define cagma_wmb()	explore_store_barrier()
#endif

#ifdef MUTANT_NO_MB
#define cagma_mb()	((void)0)
#else
#define cagma_mb()	explore_full_barrier()
#endif

#endif
