/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primitives of shared/sync.h for test_explore.c, on a machine weaker than
 * x86. Every access is a point where the other side may run. A store waits in
 * a buffer that lets later stores to other words pass. A load may have been
 * done as early as the last barrier allows, and so bring an old value.
 *
 * Each MUTANT_* takes away one barrier; test_explore.c must notice.
 */
#ifndef CAGMA_EXPLORE_SYNC_H
#define CAGMA_EXPLORE_SYNC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

uint64_t explore_load(const void *from, size_t size);
uint64_t explore_load_acquire(const void *from, size_t size);
void explore_store(void *to, uint64_t value, size_t size);
void explore_store_barrier(void);	/* earlier stores before later ones */
void explore_load_barrier(void);	/* earlier loads before later ones */
void explore_full_barrier(void);	/* everything before what follows */

#define cagma_load(p)	((__typeof__(*(p)))explore_load((p), sizeof(*(p))))
#define cagma_store(p, v) explore_store((p), (v), sizeof(*(p)))

#ifdef MUTANT_NO_ACQUIRE
#define cagma_load_acquire(p) cagma_load(p)
#else
#define cagma_load_acquire(p)						\
	((__typeof__(*(p)))explore_load_acquire((p), sizeof(*(p))))
#endif

#ifdef MUTANT_NO_RMB
#define cagma_rmb()	((void)0)
#else
#define cagma_rmb()	explore_load_barrier()
#endif

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
