/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ring of samples. Stands for cagma_sample_write(), cagma_head_read() and
 * cagma_sample_read() of shared/sync.h.
 *
 * Bounds: a ring of 2 slots, SAMPLES samples, two words each; the reader wants
 * any one of them, at any time. A reader keeps nothing between two tries, so
 * one try that may start anywhere stands for all.
 *
 * Properties
 *  S1  what was accepted as sample n is sample n, whole
 *  S2  a slot below the head is complete or newer
 *  S3  the newest sample is readable once the guest rests: so the others do
 *      not hold for want of success
 *
 * Mutants: those of record.h, and
 *  NO_RELEASE_HEAD	weak	the head overtakes the slot
 *  NO_ACQUIRE_HEAD	weak	the slot is read before the head
 *  HEAD_FIRST		both	the head moves before the slot is written
 *  NO_LAPPED		both	no look at which sample the slot holds
 */
#define SAMPLES	4
#define DEPTH	6

#define SEQ(n)	((n) % 2)
#define BODY(n)	(2 + 2 * ((n) % 2))
#define HEAD	6
#define VARS	7

#include "memory.h"
#include "record.h"

bit finished;

proctype guest()
{
	byte n;

	do
	:: n < SAMPLES ->
#ifdef HEAD_FIRST
		store_release(GUEST, HEAD, n + 1);
#endif
		record_write(GUEST, SEQ(n), 2 * n + 2, BODY(n), n + 1);
#if defined(NO_RELEASE_HEAD)
		store(GUEST, HEAD, n + 1);
#elif !defined(HEAD_FIRST)
		store_release(GUEST, HEAD, n + 1);
#endif
		n++
	:: else -> break
	od;
	flushed(GUEST);
	finished = 1
}

#ifdef NO_ACQUIRE_HEAD
#define head_first	in_order(seen_head)
#else
#define head_first	seen_head
#endif
#ifdef NO_LAPPED
#define is_lapped	false
#else
#define is_lapped	(before != 2 * n + 2)
#endif

proctype dom0()
{
	byte n, head;
	bit seen_head, rested;

	do
	:: n + 1 < SAMPLES -> n++
	:: break
	od;
	rested = finished;
	do
	:: !seen_head -> atomic { head = mem[HEAD]; seen_head = 1 }
	record_loads(SEQ(n), BODY(n), head_first)
	:: seen_head && record_loaded -> break
	od;
	if
	:: n < head ->
		assert(before >= 2 * n + 2)			/* S2 */
	:: else
	fi;
	if
	:: !record_busy && !is_lapped ->
		assert(word_0 == n + 1 && word_1 == n + 1)	/* S1 */
	:: else ->
		assert(!(rested && n == SAMPLES - 1))		/* S3 */
	fi;
	assert(!rested || head == SAMPLES)			/* S3 */
}

init
{
	atomic {
		run memory(GUEST);
		run guest();
		run dom0()
	}
}
