/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory between two machines: what each of them stores waits in a buffer of
 * its own before the other can see it. Stands for the primitives at the top
 * of shared/sync.h.
 *
 *  (default)  TSO, as x86: stores leave the buffer in order, loads are made in
 *             order. Only a load may overtake an earlier store.
 *  WEAK       as arm64: stores to different variables leave in any order.
 *             Only a release and a write barrier hold: a release leaves last
 *             of all that is before it, nothing overtakes a write barrier.
 *             The models of records make loads in any order as well.
 *
 * Nobody reads what it wrote itself, so a buffer is never searched by its own
 * side. The model defines VARS and DEPTH; a full buffer makes its writer wait.
 */
#define GUEST	0
#define DOM0	1
#define BARRIER	255	/* in the place of a variable: a write barrier */

typedef buffer {
	byte n;
	byte var[DEPTH];
	short val[DEPTH];
	bit release[DEPTH];
};

buffer buf[2];
short mem[VARS];

#define flushed(side)	(buf[side].n == 0)

inline put(side, v, x, r)
{
	d_step {
		buf[side].n < DEPTH;
		if
		:: v == BARRIER && flushed(side)	/* nothing to hold */
		:: else ->
			buf[side].var[buf[side].n] = v;
			buf[side].val[buf[side].n] = x;
			buf[side].release[buf[side].n] = r;
			buf[side].n++
		fi
	}
}

#define store(side, v, x)		put(side, v, x, 0)
#define store_release(side, v, x)	put(side, v, x, 1)
#define wmb(side)			put(side, BARRIER, 0, 0)
#define mb(side)			flushed(side)

/* Takes entry i out; write barriers that come to the front are done. */
inline pop(side, i)
{
	j = i;
	do
	:: j + 1 < buf[side].n ->
		buf[side].var[j] = buf[side].var[j + 1];
		buf[side].val[j] = buf[side].val[j + 1];
		buf[side].release[j] = buf[side].release[j + 1];
		j++
	:: else -> break
	od;
	buf[side].n--;
	buf[side].var[buf[side].n] = 0;
	buf[side].val[buf[side].n] = 0;
	buf[side].release[buf[side].n] = 0
}

inline commit(side, i)
{
	d_step {
		mem[buf[side].var[i]] = buf[side].val[i];
		pop(side, i);
		do
		:: buf[side].n > 0 && buf[side].var[0] == BARRIER -> pop(side, 0)
		:: else -> break
		od;
		j = 0
	}
}

/* May entry i overtake entry k? */
#define passes(s, i, k) \
	(buf[s].var[k] != BARRIER && buf[s].var[k] != buf[s].var[i])
#define plain(s, i) \
	(buf[s].n > i && buf[s].var[i] != BARRIER && !buf[s].release[i])

proctype memory(byte side)
{
	byte j;

end:
	do
	:: buf[side].n > 0 -> commit(side, 0)
#ifdef WEAK
	:: plain(side, 1) && passes(side, 1, 0) -> commit(side, 1)
	:: plain(side, 2) && passes(side, 2, 1) && passes(side, 2, 0) ->
		commit(side, 2)
	:: plain(side, 3) && passes(side, 3, 2) && passes(side, 3, 1) &&
	   passes(side, 3, 0) -> commit(side, 3)
#if DEPTH > 4
	:: plain(side, 4) && passes(side, 4, 3) && passes(side, 4, 2) &&
	   passes(side, 4, 1) && passes(side, 4, 0) -> commit(side, 4)
	:: plain(side, 5) && passes(side, 5, 4) && passes(side, 5, 3) &&
	   passes(side, 5, 2) && passes(side, 5, 1) && passes(side, 5, 0) ->
		commit(side, 5)
#endif
#endif
	od
}

/* A load that has this condition keeps program order, unless loads may move. */
#ifdef WEAK
#define in_order(x)	true
#else
#define in_order(x)	(x)
#endif
