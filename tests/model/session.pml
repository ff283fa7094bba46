/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The life of sessions: a guest module that is loaded, unloaded and loaded
 * again, or whose domain is destroyed and started anew; a daemon that is
 * killed at any step and maybe started again. Stands for kmod/offer.c,
 * kmod/mail.c (cagma_mail_poll(), fetch(), cagma_mail_detach()), cagma_init()
 * and cagma_exit() of kmod/main.c, cagma_publish_locked() of kmod/publish.c; for
 * dom0/reader.c (attach, drain), dom0/store.c (try_one(), map(), unmap()) and
 * adopt(), serve_visits(), reap() and release_link() of dom0/loop.c; and for
 * what dom0's kernel does with the mapping of a process that dies.
 *
 * What the other models prove is one step here: a mail, a sample. Kicks are
 * left out, the sampler's period and the daemon's tick do all: how soon is
 * for kick.pml and mailbox.pml. The daemon's two threads never have the same
 * guest at the same time and are one process. Loads are made in order.
 *
 * Taken for granted
 *  A1  xenstore and hypercalls order: they are full barriers
 *  A2  a daemon starts only when the mapping of the one before is gone: the
 *      daemon's lock file is released by the death of its last thread
 *  A3  a new daemon's mail sequence isn't the last one that the guest accepted
 *      (a random number of 31 bits), and epochs don't repeat (64 bits)
 *  A4  Linux ends a grant only when it is not mapped any more
 *
 * Bounds: PAGES pages one after another, KILLS kills, RAISES emergencies,
 * OFFERS offers; a path with more offers is left where it stands.
 *
 * Properties
 *  L1  mail of another offer is never applied
 *  L2  mail is never older than the daemon that is announced
 *  L3  an offer in xenstore is never newer than the page's header
 *  L4  no page is freed while it is mapped
 *  L5  ROUNDS periods of both sides after the last disturbance all is settled:
 *      a guest with a module is attached and has no open emergency, or, if
 *      there is no daemon, isn't attached; all pages of the past are unmapped
 *      and free
 *  L6  a guest leaves no daemon that is alive
 *
 * Mutants
 *  NO_SECOND_LOOK	both	the guest looks at dom0_alive only before the mail L6
 *  NO_MAIL_EPOCH	both	the guest doesn't look at the mail's epoch	L1
 *  NO_NEW_EPOCH	both	an offer is repeated with the same epoch	L1
 *  NO_DRAIN_EPOCH	both	dom0 doesn't look at the epoch when it reads	L5
 *  NO_DRAIN_STATE	both	dom0 doesn't look at the state when it reads	L5
 *  NO_CLOSE		both	the guest unloads without a word		L5
 *  NO_PRESENT		both	dom0 doesn't see that a domain is gone		L5
 *  NO_KERNEL_CLEAR	both	the kernel leaves dom0_alive as it was		L5
 *  NO_DETACH		both	the guest doesn't look at dom0_alive again	L5
 *  NO_EVENT_IN_SAMPLE	both	periodic samples don't carry the open emergency,
 *				and a new daemon reads no old ones		L5
 *  ANNOUNCE_FIRST	both	alive before the first mail			L2
 *  ANNOUNCE_PLAIN	weak	alive is no release and overtakes the mail; TSO
 *				keeps their order anyway			L2
 *  XENSTORE_FIRST	both	the offer goes to xenstore before the header	L3
 *  REVOKE_MAPPED	both	A4 doesn't hold					L4
 *  RESTART_EARLY	both	A2 doesn't hold: the kernel clears the new
 *				daemon's dom0_alive before the guest has seen it L5
 */
#ifndef KILLS
#define KILLS	1
#endif
#ifndef RAISES
#define RAISES	1
#endif
#ifndef ROUNDS
#define ROUNDS	5
#endif
#ifndef PAGES
#define PAGES	2
#endif
#ifndef OFFERS
#define OFFERS	3
#endif
#define DEPTH	4

#define STATE(p)	(5 * (p))	/* 0 gone, 1 live, 2 closing */
#define EPOCH(p)	(5 * (p) + 1)
#define SAMPLE(p)	(5 * (p) + 2)	/* the newest one's open emergency */
#define MAIL(p)		(5 * (p) + 3)
#define ALIVE(p)	(5 * (p) + 4)	/* number of the session, for L2 */
#define VARS		(5 * PAGES)

#include "memory.h"

/* A mail's sequence is all that it is: session, epoch, answered emergency. */
#define MAIL_OF(session, epoch, event)	((session) * 64 + (epoch) * 4 + (event))
#define mail_session(m)	((m) / 64)
#define mail_epoch(m)	(((m) / 4) % 16)
#define mail_event(m)	((m) % 4)

#ifdef NO_NEW_EPOCH
#define same_epoch(a, b)	true	/* the page has never had another */
#else
#define same_epoch(a, b)	((a) == (b))
#endif

/* xenstore: data/cagma/offer */
byte offer_page, offer_epoch;

/* dom0's and the guest's kernels */
bit granted[PAGES], mapped[PAGES], revoked[PAGES], freed[PAGES];
bit destroyed[PAGES];	/* together with its domain */

/* The guest's module */
byte page, epoch, mail_seq, emergency;
short last_mail;
bit loaded, offered, attached, open;
byte published;

/* The daemon */
bit killed, dead;
byte session_now;

/* After the last disturbance both sides take turns, period by period. */
#define NEVER	255
bit calm, cut;
byte guest_round, dom0_round;

inline period(side, mine, other)
{
	if
	:: calm ->
		atomic { flushed(side); mine++ }
		other >= mine;
		if
		:: mine == ROUNDS -> false	/* init judges */
		:: else
		fi
	:: else
	fi
}

#ifdef NO_MAIL_EPOCH
#define mail_is_ours(m)	true
#else
#define mail_is_ours(m)	same_epoch(mail_epoch(m), epoch)
#endif

/* fetch() */
inline fetch()
{
#ifdef NO_SECOND_LOOK
	mail = mem[MAIL(page)];
#else
	second = mem[ALIVE(page)];
#endif
	assert(mail_session(mail) >= alive);			/* L2 */
	if
	:: mail && mail != last_mail && mail_is_ours(mail) && second ->
		assert(mail_epoch(mail) == epoch);		/* L1 */
		last_mail = mail;
		attached = 1;
		open = (open && mail_event(mail) != emergency)
	:: else
	fi
}

inline detach()
{
	assert(mail_session(last_mail) != session_now);		/* L6 */
	attached = 0; open = 0; offered = 0
}

/* cagma_mail_poll(): its loads are steps of their own, the rest is private. */
inline poll()
{
	alive = mem[ALIVE(page)];
#ifndef NO_SECOND_LOOK
	mail = mem[MAIL(page)];
#endif
	atomic {
		if
		:: offered && alive -> fetch()
#ifdef NO_DETACH
		:: else
#else
		:: !(offered && alive) && attached -> detach()
		:: !(offered && alive) && !attached
#endif
		fi;
		alive = 0; mail = 0; second = 1
	}
}

/* A sample that says nothing new changes nothing here and is left out. */
inline publish(event)
{
	atomic {
		if
		:: published != event ->
			store_release(GUEST, SAMPLE(page), event);
			published = event
		:: else
		fi
	}
}

inline to_xenstore()
{
	atomic {
		flushed(GUEST);
		offer_page = page;
		offer_epoch = epoch
	}
}

inline offer()
{
	atomic {
		if
		:: epoch < OFFERS -> epoch++
		:: else -> cut = 1; false	/* the bound: nothing is judged */
		fi
	};
#ifdef XENSTORE_FIRST
	to_xenstore();
#endif
	store(GUEST, STATE(page), 1);
	store(GUEST, EPOCH(page), epoch);
	offered = 1;
#ifndef XENSTORE_FIRST
	if
	:: poll()			/* an event comes in between */
	:: true
	fi;
	to_xenstore();
#endif
}

inline load(number)
{
	d_step {
		page = number;
		granted[page] = 1;
		loaded = 1; offered = 0; attached = 0; open = 0;
		last_mail = 0; emergency = 0; published = 0
	}
}

/* cagma_exit(): an event may come until its handler is unbound. */
inline unload()
{
	atomic { flushed(GUEST); offer_epoch = 0 }
#ifndef NO_CLOSE
	store_release(GUEST, STATE(page), 2);
#endif
	atomic { flushed(GUEST); attached = 0; open = 0; loaded = 0 }
	revoked[page] = 1
}

inline destroy()
{
	atomic {
		flushed(GUEST);
		offer_epoch = 0;
		attached = 0; open = 0; loaded = 0;
		destroyed[page] = 1;
		revoked[page] = 1
	}
}

proctype guest()
{
	byte alive, raised, second = 1;
	short mail;

	load(0);
	do
	:: loaded ->				/* sampler() */
		if
		:: !offered -> offer()
		:: else
		fi;
		poll();
		if
		:: open -> publish(emergency)
		:: else -> publish(0)
		fi;
		period(GUEST, guest_round, dom0_round)
	:: loaded && !calm && attached && !open && raised < RAISES ->
		d_step { raised++; emergency++; open = 1 }
		publish(emergency)
	:: loaded && !calm && page + 1 < PAGES ->
		if
		:: unload()
		:: destroy()
		fi;
		if
		:: load(page + 1)
		:: break
		fi
	od;
	guest_round = NEVER
}

#ifdef REVOKE_MAPPED
#define may_end(p)	true
#else
#define may_end(p)	!mapped[p]
#endif

/* gnttab_end_foreign_access(), and Xen for a domain that is destroyed. */
proctype grants()
{
end:
	do
	:: d_step {
		revoked[0] && !freed[0] && may_end(0);
		granted[0] = 0; freed[0] = 1
	   }
#if PAGES > 1
	:: d_step {
		revoked[1] && !freed[1] && may_end(1);
		granted[1] = 0; freed[1] = 1
	   }
#endif
	od
}

byte late;		/* the page that a dead daemon still maps, plus one */

inline kernel_unmap(p)
{
	atomic {
		flushed(DOM0);
#ifndef NO_KERNEL_CLEAR
		mem[ALIVE(p)] = 0;
#endif
		mapped[p] = 0;
		session_now = 0
	}
}


inline work()
{
	do
	:: offer_epoch ->
		d_step { p = offer_page; e = offer_epoch }
		if
		:: atomic { granted[p] -> mapped[p] = 1 }
			assert(!freed[p]);			/* L4 */
			header_epoch = mem[EPOCH(p)];
			assert(same_epoch(header_epoch, e) ||
			       header_epoch >= e);		/* L3 */
			if
			:: same_epoch(header_epoch, e) && mem[STATE(p)] == 1 ->
				session()
			:: else
			fi;
			header_epoch = 0;
			kernel_unmap(p)
		:: else
		fi;
		d_step { p = 0; e = 0 };
		period(DOM0, dom0_round, guest_round)
	:: else ->
		period(DOM0, dom0_round, guest_round)
	od
}

inline announce()
{
#ifdef ANNOUNCE_PLAIN
	store(DOM0, ALIVE(p), sessions)
#else
	store_release(DOM0, ALIVE(p), sessions)
#endif
}

inline session()
{
	atomic { sessions++; assert(sessions < 16); session_now = sessions }
#ifdef ANNOUNCE_FIRST
	announce();
#endif
	store(DOM0, MAIL(p), MAIL_OF(sessions, e, 0));
#ifndef ANNOUNCE_FIRST
	announce();
#endif
	flushed(DOM0);				/* the event */
#ifdef NO_EVENT_IN_SAMPLE
	answered = mem[SAMPLE(p)];		/* of a sample before the first */
#endif
	do
	:: true ->
		assert(!freed[p]);				/* L4 */
		atomic {
			event = mem[SAMPLE(p)];
			if
			:: event && event != answered ->
				answered = event;
				store(DOM0, MAIL(p), MAIL_OF(sessions, e, event))
			:: else
			fi;
			event = 0
		}
#ifndef NO_DRAIN_STATE
		if
		:: mem[STATE(p)] != 1 -> break
		:: else
		fi;
#endif
#ifndef NO_DRAIN_EPOCH
		if
		:: !same_epoch(mem[EPOCH(p)], e) -> break
		:: else
		fi;
#endif
#ifndef NO_PRESENT
		if
		:: destroyed[p] -> break
		:: else
		fi;
#endif
		period(DOM0, dom0_round, guest_round)
	od;
	atomic { answered = 0; session_now = 0 }
	store_release(DOM0, ALIVE(p), 0)
}

proctype daemon()
{
	byte p, e, header_epoch, event, answered, sessions;

	do
	:: {
		work()
	   } unless {
		killed
	   };
	   /* A page that is mapped is unmapped by the kernel. */
	   if
	   :: mapped[p] ->
#ifdef RESTART_EARLY
		atomic { flushed(DOM0); late = p + 1; session_now = 0 }
#else
		kernel_unmap(p)
#endif
	   :: else -> flushed(DOM0)
	   fi;
	   d_step {
		p = 0; e = 0; header_epoch = 0; event = 0; answered = 0
	   }
	   if
	   :: killed = 0
	   :: dead = 1; dom0_round = NEVER; break
	   fi
	od
}

proctype killer()
{
	byte kills;

	do
	:: kills < KILLS && !killed -> atomic { killed = 1; kills++ }
	:: break
	od;
	calm = 1
}

#ifdef RESTART_EARLY
/* The mapping of the daemon that died goes away when it likes. */
proctype reaper()
{
end:
	do
	:: late -> atomic { mem[ALIVE(late - 1)] = 0; late = 0 }
	od
}
#endif

#define is_gone(p)	(freed[p] && !mapped[p])
#define past_is_gone	((!revoked[0] || is_gone(0)) && \
			 (!revoked[PAGES - 1] || is_gone(PAGES - 1)))
#define is_served	(attached && !open && !dead)
#define is_alone	(!attached && dead)
#define settled		(past_is_gone && (!loaded || is_served || is_alone))

init
{
	atomic {
		run memory(GUEST);
		run memory(DOM0);
		run grants();
		run killer();
#ifdef RESTART_EARLY
		run reaper();
#endif
		run guest();
		run daemon()
	}
	timeout;
	!cut;
	assert(guest_round >= ROUNDS && dom0_round >= ROUNDS);
	assert(settled)						/* L5 */
}
