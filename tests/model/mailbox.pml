/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The mailbox. Stands for cagma_mail_write() and cagma_mail_read() of
 * shared/sync.h, cagma_actuate_mail() of dom0/actuate.c, and cagma_mail_poll()
 * with fetch() of kmod/mail.c. Epochs are left to session.pml.
 *
 * An event orders: Xen sets its bit with a full barrier, so what was stored
 * before the hypercall is seen by whoever takes the event.
 *
 * Bounds: MAILS mails of two words, the last two maybe without a rest in
 * between; the guest looks at every event and once of its own accord.
 *
 * Properties
 *  M1  a mail that is accepted is whole
 *  M2  mails are accepted in order, none twice
 *  M3  the last mail is accepted, by events alone: the sampler, which would
 *      find it as well, is not modelled
 *
 * Mutants: those of record.h, and
 *  NO_SEEN		both	a mail is accepted again at each look
 *  SAME_SEQ		both	the sequence doesn't change from mail to mail
 *  NOTIFY_EARLY	both	the event is sent before the mail is written
 *  TAKE_LATE		both	the guest takes the event after it has looked
 */
#define MAILS	3
#define DEPTH	6

#define SEQ	0
#define BODY	1
#define VARS	3

#include "memory.h"
#include "record.h"

bit event;
byte accepted;

inline notify()
{
	atomic { flushed(DOM0) -> event = 1 }
}

#ifdef SAME_SEQ
#define seq_of(m)	2
#else
#define seq_of(m)	(2 * (m))
#endif

proctype dom0()
{
	byte m = 1;

	do
	:: m <= MAILS ->
#ifdef NOTIFY_EARLY
		notify();
#endif
		record_write(DOM0, SEQ, seq_of(m), BODY, m);
#ifndef NOTIFY_EARLY
		notify();
#endif
		m++
	:: else -> break
	od
}

#ifdef NO_SEEN
#define is_seen	(before == 0)
#else
#define is_seen	(before == mail_seq)
#endif

inline poll()
{
	do
	record_loads(SEQ, BODY, true)
	:: record_loaded -> break
	od;
	if
	:: !record_busy && !is_seen ->
		assert(word_0 == word_1);		/* M1 */
		assert(word_0 > accepted);		/* M2 */
		mail_seq = before;
		accepted = word_0
	:: else
	fi;
	record_forget()
}

proctype guest()
{
	short mail_seq;
	bit looked;

end:
	do
	:: event ->
#ifdef TAKE_LATE
		poll();
		event = 0
#else
		event = 0;
		poll()
#endif
	:: !looked -> looked = 1; poll()
	od
}

init
{
	atomic {
		run memory(DOM0);
		run guest();
		run dom0()
	}
	timeout -> assert(accepted == MAILS)			/* M3 */
}
