/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primitives of shared/sync.h with random delays between the accesses of a
 * record, so that each side is met in the middle of its work. Each MUTANT_*
 * takes away one thing that the protocol needs; test_torture.c must notice.
 */
#ifndef CAGMA_TORTURE_SYNC_H
#define CAGMA_TORTURE_SYNC_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/* Waits for a while, now and then; see test_torture.c. */
void torture_delay(void);

/* Of this thread: the last value acquired, and whether it is to be checked. */
extern _Thread_local uint32_t torture_acquired;
extern _Thread_local bool torture_checking;

#define torture_real_load(p)	__atomic_load_n((p), __ATOMIC_RELAXED)
#define torture_real_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)

#ifdef MUTANT_NO_RECHECK
/* The load after the barrier is the reader's second look at the sequence. */
#define cagma_load(p) ({						\
	const __typeof__(*(p)) v_ = torture_checking ?			\
		(__typeof__(*(p)))torture_acquired :			\
		torture_real_load(p);					\
	torture_checking = false;					\
	torture_delay();						\
	v_; })
#define cagma_rmb()	(torture_checking = true)
#else
#define cagma_load(p) ({						\
	const __typeof__(*(p)) v_ = torture_real_load(p);		\
	torture_delay();						\
	v_; })
#define cagma_rmb()	__atomic_thread_fence(__ATOMIC_ACQUIRE)
#endif

#ifdef MUTANT_NO_ODD
/* An odd value of four bytes above 1 is a sequence, not an arming. */
#define torture_store(p, v) do {					\
	if (sizeof(*(p)) != 4 || (v) <= 1 || (v) % 2 == 0)		\
		torture_real_store(p, v);				\
} while (0)
#else
#define torture_store(p, v)	torture_real_store(p, v)
#endif

#define cagma_store(p, v) do {						\
	torture_store(p, v);						\
	torture_delay();						\
} while (0)
#define cagma_load_acquire(p) ({					\
	const __typeof__(*(p)) a_ =					\
		__atomic_load_n((p), __ATOMIC_ACQUIRE);			\
	torture_acquired = (uint32_t)a_;				\
	a_; })
#define cagma_store_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define cagma_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)
#define cagma_mb()	__atomic_thread_fence(__ATOMIC_SEQ_CST)

#endif
