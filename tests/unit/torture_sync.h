/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primitives of shared/sync.h with random delays between the accesses, so
 * that each side is met in the middle of its work. Each MUTANT_* takes away one
 * thing that the protocol needs; test_torture.c must notice, or, for
 * MUTANT_PLAIN, ThreadSanitizer.
 */
#ifndef CAGMA_TORTURE_SYNC_H
#define CAGMA_TORTURE_SYNC_H

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>

/* Waits for a while, now and then; see test_torture.c. */
void torture_delay(void);

/* Mutants look too early at the other side's word, and then wait. */
bool torture_is_armed(const void *word);
bool torture_is_head(const void *word);
uint32_t torture_early_head(void);
uint32_t torture_early_armed(void);

/* Of this thread. */
extern _Thread_local uint32_t torture_remembered;
extern _Thread_local bool torture_answered_from_memory;

#define torture_real_store(p, v) __atomic_store_n((p), (v), __ATOMIC_RELAXED)
#define torture_real_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define torture_real_release(p, v) __atomic_store_n((p), (v), __ATOMIC_RELEASE)

#ifdef MUTANT_PLAIN
#define torture_real_load(p)	(*(p))
#else
#define torture_real_load(p)	__atomic_load_n((p), __ATOMIC_RELAXED)
#endif

/* What was remembered instead of what is there, once. */
#define torture_recall(p, really) ({					\
	const __typeof__(*(p)) r_ = torture_answered_from_memory ?	\
		(__typeof__(*(p)))torture_remembered : (really);	\
	torture_answered_from_memory = false;				\
	r_; })

/* The reader's second look at the sequence is no look. */
#ifdef MUTANT_NO_RECHECK
#define cagma_rmb()		(torture_answered_from_memory = true)
#define torture_note(v)		(torture_remembered = (uint32_t)(v))
#else
#define cagma_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define torture_note(v)		((void)0)
#endif

/* dom0 looks at the head before it arms. */
#ifdef MUTANT_EARLY_LOOK
#define torture_before_store(p) do {					\
	if (torture_is_armed(p)) {					\
		torture_remembered = torture_early_head();		\
		torture_answered_from_memory = true;			\
	}								\
} while (0)
#else
#define torture_before_store(p)	((void)0)
#endif

/* The guest looks whether dom0 has armed before it moves the head. */
#ifdef MUTANT_EARLY_KICK
#define torture_before_release(p) do {					\
	if (torture_is_head(p)) {					\
		torture_remembered = torture_early_armed();		\
		torture_answered_from_memory = true;			\
	}								\
} while (0)
#else
#define torture_before_release(p) ((void)0)
#endif

/* The writer doesn't say that it is at work: no odd sequence is stored. */
#ifdef MUTANT_NO_ODD
#define torture_store(p, v) do {					\
	if (sizeof(*(p)) != 4 || (v) <= 1 || (v) % 2 == 0)		\
		torture_real_store(p, v);				\
} while (0)
#else
#define torture_store(p, v)	torture_real_store(p, v)
#endif

#define cagma_load(p) ({						\
	const __typeof__(*(p)) v_ =					\
		torture_recall(p, torture_real_load(p));		\
	torture_delay();						\
	v_; })
#define cagma_store(p, v) do {						\
	torture_before_store(p);					\
	torture_store(p, v);						\
	torture_delay();						\
} while (0)
#define cagma_load_acquire(p) ({					\
	const __typeof__(*(p)) a_ =					\
		torture_recall(p, torture_real_acquire(p));		\
	torture_note(a_);						\
	torture_delay();						\
	a_; })
#define cagma_store_release(p, v) do {					\
	torture_before_release(p);					\
	torture_real_release(p, v);					\
	torture_delay();						\
} while (0)
#define cagma_wmb()	__atomic_thread_fence(__ATOMIC_RELEASE)
#define cagma_mb() do {							\
	__atomic_thread_fence(__ATOMIC_SEQ_CST);			\
	torture_delay();						\
} while (0)

#endif
