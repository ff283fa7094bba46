/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Flags that promise something about other words. Stands for
 * cagma_header_offer(), cagma_header_read(), cagma_header_close(),
 * cagma_dom0_announce() and cagma_dom0_leave() of shared/sync.h.
 *
 * The page is looked at by itself: the order that xenstore, hypercalls and
 * events add is left out. Loads of which the source says nothing are made in
 * order, loads behind an acquire are made as early as it lets them.
 *
 * Bounds: one offer, one mail, one closing, one leaving; one look each.
 *
 * Properties
 *  F1  who sees the magic sees the whole header, and the state
 *  F2  who sees the daemon alive sees its mail
 *  F3  who sees the page closing sees the last head
 *  F4  who sees the daemon gone sees it disarmed
 *
 * Mutants, all of them seen in the weak variant only: TSO keeps the order of
 * stores, and of loads
 *  NO_RELEASE_MAGIC	the magic overtakes the header		F1
 *  NO_ACQUIRE_MAGIC	the header is copied before the magic	F1
 *  NO_RELEASE_ALIVE	the announcement overtakes the mail	F2
 *  NO_RELEASE_CLOSING	the closing overtakes the last head	F3
 *  NO_RELEASE_LEAVE	the leaving overtakes the disarming	F4
 */
#define DEPTH	6

#define STATE	0	/* 0 gone, 1 live, 2 closing */
#define EPOCH	1
#define MAGIC	2
#define HEAD	3
#define MAIL	4
#define ALIVE	5
#define ARMED	6
#define VARS	7

#include "memory.h"

proctype guest()
{
	store(GUEST, STATE, 1);
	store(GUEST, EPOCH, 1);
#ifdef NO_RELEASE_MAGIC
	store(GUEST, MAGIC, 1);
#else
	store_release(GUEST, MAGIC, 1);
#endif
	store_release(GUEST, HEAD, 1);
#ifdef NO_RELEASE_CLOSING
	store(GUEST, STATE, 2)
#else
	store_release(GUEST, STATE, 2)
#endif
}

proctype dom0()
{
	store(DOM0, MAIL, 1);
#ifdef NO_RELEASE_ALIVE
	store(DOM0, ALIVE, 1);
#else
	store_release(DOM0, ALIVE, 1);
#endif
	store(DOM0, ARMED, 1);
	mb(DOM0);
	store(DOM0, ARMED, 0);
#ifdef NO_RELEASE_LEAVE
	store(DOM0, ALIVE, 2)
#else
	store_release(DOM0, ALIVE, 2)
#endif
}

#ifdef NO_ACQUIRE_MAGIC
#define magic_first	in_order(seen_magic)
#else
#define magic_first	seen_magic
#endif

proctype attach()
{
	bit seen_magic, seen_epoch, seen_state;
	byte magic, epoch, state;

	do
	:: !seen_magic -> atomic { magic = mem[MAGIC]; seen_magic = 1 }
	:: !seen_epoch && magic_first ->
		atomic { epoch = mem[EPOCH]; seen_epoch = 1 }
	:: !seen_state && magic_first && in_order(seen_epoch) ->
		atomic { state = mem[STATE]; seen_state = 1 }
	:: seen_magic && seen_epoch && seen_state -> break
	od;
	assert(!magic || (epoch && state))			/* F1 */
}

proctype look()
{
	if
	:: mem[ALIVE] == 1 -> assert(mem[MAIL] == 1)		/* F2 */
	:: mem[STATE] == 2 -> assert(mem[HEAD] == 1)		/* F3 */
	:: mem[ALIVE] == 2 -> assert(mem[ARMED] == 0)		/* F4 */
	fi
}

init
{
	atomic {
		run memory(GUEST);
		run memory(DOM0);
		run guest();
		run dom0();
		run attach();
		run look()
	}
}
