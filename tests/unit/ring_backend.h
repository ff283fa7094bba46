/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primitives of bench/collector/ring.h for test_ring.c: whoever owns a slot
 * is held up in it now and then. MUTANT_LATE_COPY lets the copy of a record be
 * seen after the sequence that announces it, MUTANT_NO_SWAP lets two claim one
 * slot.
 */
#ifndef RING_BACKEND_H
#define RING_BACKEND_H

#include <linux/types.h>
#include <stdbool.h>
#include <string.h>
#include <time.h>

struct late_copy {
	void *to;
	const void *from;
	size_t bytes;
};

extern _Thread_local unsigned int ring_turn;
extern _Thread_local struct late_copy ring_late;

static inline void ring_dawdle(void)
{
	const struct timespec moment = { .tv_nsec = 1000 };

	if (!(++ring_turn % 61))
		nanosleep(&moment, NULL);
}

static inline void ring_copy(void *to, const void *from, size_t bytes)
{
#ifdef MUTANT_LATE_COPY
	ring_late = (struct late_copy){ to, from, bytes };
#else
	memcpy(to, from, bytes);
#endif
	ring_dawdle();
}

static inline void ring_copy_late(void)
{
	if (!ring_late.bytes)
		return;
	ring_dawdle();
	memcpy(ring_late.to, ring_late.from, ring_late.bytes);
	ring_late.bytes = 0;
}

static inline bool ring_swap(__u32 *p, __u32 old, __u32 new)
{
#ifdef MUTANT_NO_SWAP
	ring_dawdle();
	__atomic_fetch_add(p, new - old, __ATOMIC_RELAXED);
	return true;
#else
	return __sync_bool_compare_and_swap(p, old, new);
#endif
}

#define cagma_ring_load(p)		__atomic_load_n((p), __ATOMIC_RELAXED)
#define cagma_ring_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define cagma_ring_store_release(p, v)				\
	do {							\
		__atomic_store_n((p), (v), __ATOMIC_RELEASE);	\
		ring_copy_late();				\
	} while (0)
#define cagma_ring_swap(p, old, new)	ring_swap((p), (old), (new))
#define cagma_ring_copy(to, from)	ring_copy((to), (from), sizeof(*(to)))

#endif
