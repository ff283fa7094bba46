/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A bounded queue of records, for any number of writers and readers. Nobody
 * waits for anybody: a writer that finds it full is told so, and its record is
 * lost and counted.
 *
 * Each slot has a sequence. It equals the position that may be written there,
 * then that position + 1 once the record can be read, then the position of the
 * next round. Who moves the head or the tail past a slot owns it until it
 * stores the sequence; the kernel side does not sleep in between.
 *
 * Kernel and user space build this file: the tests run what the module runs,
 * and may supply CAGMA_RING_BACKEND, a header that defines the five primitives.
 */
#ifndef CAGMA_BENCH_RING_H
#define CAGMA_BENCH_RING_H

#if defined(CAGMA_RING_BACKEND)
#include CAGMA_RING_BACKEND
#elif defined(__KERNEL__)
#include <asm/barrier.h>
#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/types.h>
#define cagma_ring_load(p)		READ_ONCE(*(p))
#define cagma_ring_load_acquire(p)	smp_load_acquire(p)
#define cagma_ring_store_release(p, v)	smp_store_release((p), (v))
#define cagma_ring_swap(p, old, new)	(cmpxchg((p), (old), (new)) == (old))
#define cagma_ring_copy(to, from)	(*(to) = *(from))
#else
#include <stdbool.h>
#include <linux/types.h>
#define cagma_ring_load(p)		__atomic_load_n((p), __ATOMIC_RELAXED)
#define cagma_ring_load_acquire(p)	__atomic_load_n((p), __ATOMIC_ACQUIRE)
#define cagma_ring_store_release(p, v)	\
	__atomic_store_n((p), (v), __ATOMIC_RELEASE)
#define cagma_ring_swap(p, old, new)	\
	__sync_bool_compare_and_swap((p), (old), (new))
#define cagma_ring_copy(to, from)	(*(to) = *(from))
#endif

#define CAGMA_RECORD_BYTES	232

/* What a writer brings, and what the collector adds. */
struct cagma_record {
	__u64 time_ns;		/* CLOCK_MONOTONIC */
	__u32 pid;
	__u32 length;		/* of text, which has no NUL behind it */
	char text[CAGMA_RECORD_BYTES];
};

struct cagma_ring_slot {
	__u32 seq;
	__u32 unused;
	struct cagma_record record;
};

struct cagma_ring {
	struct cagma_ring_slot *slots;
	__u32 count;		/* of slots: a power of two */
	__u32 tail __attribute__((__aligned__(64)));	/* writers' */
	__u32 head __attribute__((__aligned__(64)));	/* readers' */
};

/* @slots: @count of them, the caller's; @count is a power of two. */
static inline void cagma_ring_init(struct cagma_ring *ring,
				   struct cagma_ring_slot *slots, __u32 count)
{
	__u32 i;

	ring->slots = slots;
	ring->count = count;
	ring->head = 0;
	ring->tail = 0;
	for (i = 0; i < count; i++)
		slots[i].seq = i;
}

static inline struct cagma_ring_slot *
cagma_ring_slot(const struct cagma_ring *ring, __u32 position)
{
	return &ring->slots[position & (ring->count - 1)];
}

/*
 * Claims the slot at *@end whose sequence is *@end + @ready. Returns it, with
 * its position, or NULL if there is none: full for a writer, empty for a
 * reader. Another try means that somebody else has got on.
 */
static inline struct cagma_ring_slot *
cagma_ring_claim(struct cagma_ring *ring, __u32 *end, __u32 ready,
		 __u32 *position)
{
	for (;;) {
		__u32 at = cagma_ring_load(end);
		struct cagma_ring_slot *slot = cagma_ring_slot(ring, at);
		/* The sequence before the record. Pairs with the releases. */
		__s32 ahead = (__s32)(cagma_ring_load_acquire(&slot->seq) -
				      (at + ready));

		if (ahead < 0)
			return NULL;
		if (!ahead && cagma_ring_swap(end, at, at + 1)) {
			*position = at;
			return slot;
		}
	}
}

/* False: full. The writer must not be preempted, or readers wait for it. */
static inline bool cagma_ring_put(struct cagma_ring *ring,
				  const struct cagma_record *record)
{
	__u32 position;
	struct cagma_ring_slot *slot =
		cagma_ring_claim(ring, &ring->tail, 0, &position);

	if (!slot)
		return false;
	cagma_ring_copy(&slot->record, record);
	/* The record before the sequence. Pairs with the acquire in claim. */
	cagma_ring_store_release(&slot->seq, position + 1);
	return true;
}

/* False: empty. *@position numbers the records from 0 on, and wraps. */
static inline bool cagma_ring_take(struct cagma_ring *ring,
				   struct cagma_record *record,
				   __u32 *position)
{
	struct cagma_ring_slot *slot =
		cagma_ring_claim(ring, &ring->head, 1, position);

	if (!slot)
		return false;
	cagma_ring_copy(record, &slot->record);
	/* The copy before the slot is free. Pairs with the acquire in claim. */
	cagma_ring_store_release(&slot->seq, *position + ring->count);
	return true;
}

static inline bool cagma_ring_is_empty(const struct cagma_ring *ring)
{
	__u32 at = cagma_ring_load(&ring->head);

	return (__s32)(cagma_ring_load_acquire(&cagma_ring_slot(ring, at)->seq)
		       - (at + 1)) < 0;
}

static inline bool cagma_ring_is_full(const struct cagma_ring *ring)
{
	__u32 at = cagma_ring_load(&ring->tail);

	return (__s32)(cagma_ring_load_acquire(&cagma_ring_slot(ring, at)->seq)
		       - at) < 0;
}

#endif
