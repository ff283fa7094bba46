/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A record: a body of two words under a sequence. Stands for
 * cagma_record_write() and cagma_record_read() of shared/sync.h.
 *
 * Mutants, and where they can be seen:
 *  NO_ODD		both	the sequence stays even while the body changes
 *  NO_WMB		weak	the body overtakes the odd sequence
 *  ODD_RELEASE		weak	the odd sequence is a release, without cagma_wmb():
 *				a release holds nothing that comes after it
 *  NO_RELEASE_SEQ	weak	the even sequence overtakes the body
 *  NO_ODD_CHECK	both	a body at work is copied (mailbox only: a slot's
 *				odd sequence is refused as a wrong number, too)
 *  NO_ACQUIRE_SEQ	weak	the body is copied before the sequence
 *  NO_RMB		weak	the second look comes before the copy
 *  RECHECK_ACQUIRE	weak	the second look is an acquire, without cagma_rmb():
 *				an acquire holds nothing that comes before it
 *  NO_RECHECK		both	there is no second look
 * What TSO cannot show it forbids itself: there stores are made in order, and
 * so are loads.
 */
inline record_write(side, seq, done, body, x)
{
#ifndef NO_ODD
#ifdef ODD_RELEASE
	store_release(side, seq, (done) - 1);
#else
	store(side, seq, (done) - 1);
#endif
#endif
#if !defined(NO_WMB) && !defined(ODD_RELEASE)
	wmb(side);
#endif
	store(side, body, x);
	store(side, (body) + 1, x);
#ifdef NO_RELEASE_SEQ
	store(side, seq, done)
#else
	store_release(side, seq, done)
#endif
}

#ifdef NO_ACQUIRE_SEQ
#define acquired	in_order(seen_seq)
#else
#define acquired	seen_seq
#endif
#if defined(NO_RMB) || defined(RECHECK_ACQUIRE)
#define copied		in_order(seen_0 && seen_1)
#else
#define copied		(seen_0 && seen_1)
#endif
#ifdef NO_ODD_CHECK
#define is_odd(x)	false
#else
#define is_odd(x)	((x) & 1)
#endif
#ifdef NO_RECHECK
#define is_changed	false
#else
#define is_changed	(again != before)
#endif

/* The reader's private memory. */
bit seen_seq, seen_0, seen_1, seen_again;
short before, again, word_0, word_1;

/*
 * The four loads, each as early as the barriers let it be; `first` is what
 * the caller's own barriers want before any of them. Two loads of the same
 * sequence are never exchanged.
 */
#define record_loads(seq, body, first) \
	:: !seen_seq && (first) -> \
		atomic { before = mem[seq]; seen_seq = 1 } \
	:: !seen_0 && acquired && (first) -> \
		atomic { word_0 = mem[body]; seen_0 = 1 } \
	:: !seen_1 && acquired && in_order(seen_0) && (first) -> \
		atomic { word_1 = mem[(body) + 1]; seen_1 = 1 } \
	:: !seen_again && seen_seq && copied -> \
		atomic { again = mem[seq]; seen_again = 1 }

#define record_loaded	(seen_seq && seen_0 && seen_1 && seen_again)
#define record_busy	(is_odd(before) || is_changed)

inline record_forget()
{
	d_step {
		seen_seq = 0; seen_0 = 0; seen_1 = 0; seen_again = 0;
		before = 0; again = 0; word_0 = 0; word_1 = 0
	}
}
