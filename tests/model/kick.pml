/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Arm and kick. Stands for cagma_arm(), cagma_disarm() and
 * cagma_kick_wanted() of shared/sync.h, cagma_raise() of kmod/publish.c, and
 * on_link(), tick(), begin_visit(), answer_all(), rearm() and end_visit() of
 * dom0/loop.c. What the daemon does between these steps for other guests of the
 * same wake-up changes nothing that is here.
 *
 * The tick reads every page four times a second and would hide a kick that is
 * lost. Here it comes only where the daemon relies on it: after REDRAINS
 * rounds without rest, after an emergency that was denied, for a guest that has
 * used up its share of passes and whose emergency stays open, and for one that
 * has used up its wake-ups.
 *
 * Bounds: EVENTS emergencies, each of them published and maybe kicked.
 *
 * Property K1: when all rest, dom0 has seen and answered the last emergency.
 *
 * Mutants, all of them seen in both variants, because a load that overtakes a
 * store is what even TSO allows:
 *  NO_ARM_MB		dom0 looks at the head before its arming is seen
 *  ARM_WMB		the same with a write barrier: it holds no load
 *  NO_KICK_MB		the guest looks at armed before its head is seen
 *  KICK_WMB		the same with a write barrier
 *  NO_LOOK_AGAIN	dom0 arms and goes to sleep
 *  LOOK_EARLY		dom0 looks at the head once more, and then arms
 *  KICK_EARLY		the guest looks at armed, and then publishes
 *  TAKE_LATE		dom0 takes the event after it has served the guest
 *  NO_TICK_AFTER_DENIED, NO_TICK_AFTER_REDRAINS, NO_TICK_WITHOUT_SHARE,
 *  NO_TICK_WITHOUT_TOKENS
 *			the tick forgets what it was left to do
 */
#define EVENTS		5
#define REDRAINS	3
#define DEPTH		4

#define HEAD	0
#define ARMED	1
#define VARS	2

#include "memory.h"

bit event;
byte next, answered;

inline publish(n)
{
	store_release(GUEST, HEAD, n)
}

inline look_at_armed()
{
#if defined(KICK_WMB)
	wmb(GUEST);
#elif !defined(NO_KICK_MB)
	mb(GUEST);
#endif
	wanted = mem[ARMED]
}

proctype guest()
{
	byte n;
	bit wanted;

	do
	:: n < EVENTS ->
		n++;
#ifdef KICK_EARLY
		look_at_armed();
		publish(n);
#else
		publish(n);
		look_at_armed();
#endif
		if
		:: wanted -> event = 1
		:: else
		fi
	:: else -> break
	od
}

inline arm()
{
	store(DOM0, ARMED, 1);
#if defined(ARM_WMB)
	wmb(DOM0)
#elif !defined(NO_ARM_MB)
	mb(DOM0)
#endif
}

/* serve_visits(): `left` is what only the tick will look at again. */
inline serve()
{
	rounds = 0;
	do
	:: rounds == REDRAINS ->
#ifndef NO_TICK_AFTER_REDRAINS
		left = 1;
#endif
		break
	:: else ->
		rounds++;
		store(DOM0, ARMED, 0);
		next = mem[HEAD];
		if
		:: true ->
			answered = next;
#if defined(LOOK_EARLY)
			head = mem[HEAD];
			arm();
#else
			arm();
			head = mem[HEAD];
#endif
#ifdef NO_LOOK_AGAIN
			break
#else
			if
			:: head == next -> break
			:: else
			fi
#endif
		:: true ->				/* denied: not armed */
			answered = next;
#ifndef NO_TICK_AFTER_DENIED
			left = 1;
#endif
			break
		:: next != answered ->			/* no share: nor then */
#ifndef NO_TICK_WITHOUT_SHARE
			left = 1;
#endif
			break
		fi
	od;
	rounds = 0;
	head = 0
}

proctype dom0()
{
	byte head, rounds;
	bit left, masked;

	serve();					/* adopt() */
end:
	do
	:: event && !masked ->
#ifndef TAKE_LATE
		event = 0;
#endif
		if
		:: true ->
			serve()
		:: true ->				/* no tokens */
			masked = 1;
#ifndef NO_TICK_WITHOUT_TOKENS
			left = 1
#endif
		fi;
#ifdef TAKE_LATE
		event = 0
#endif
	:: left ->					/* tick() */
		left = 0;
		serve();
		masked = 0
	od
}

init
{
	atomic {
		run memory(GUEST);
		run memory(DOM0);
		run guest();
		run dom0()
	}
	timeout -> assert(next == EVENTS && answered == EVENTS)	/* K1 */
}
