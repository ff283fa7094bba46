/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Targets that are not ours: the one a guest had before this daemon knew it,
 * and one that somebody else (xl mem-set) sets while it does. A guest says at
 * what it aims, but only the toolstack's word makes that a target: xenstore's
 * memory/target has to be the same. A guest's own word alone would have its
 * debts forgiven.
 */
#ifndef CAGMA_FOREIGN_H
#define CAGMA_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

struct cagma_actuator;
struct cagma_guest;
struct cagma_sample;

/* What the store was told by xenstore, in place of pages: it can't be known. */
#define CAGMA_TOLD_UNKNOWN	UINT64_MAX

struct cagma_foreign {
	uint64_t since_ns;	/* it aims at another one; 0: no */
	uint64_t until_ns;	/* left alone */
	uint64_t hold_ns;	/* its word is a reason to wait again then */
	bool held;		/* by its word, since then */
	bool asked;		/* the store was */
	uint64_t asked_pages;	/* when this was the target */
	uint64_t ask_ns;	/* not before that again */
	uint64_t wait_ns;	/* between what xenstore denied */
};

/*
 * The first target, before the first mail, by a sample from before that. The
 * last mail of a daemon that was killed may be newer than xenstore: what a
 * guest that may have had one aims at counts, as far as its limit in Xen goes.
 * Within that it could take the memory anyway, and it is asked again at once
 * for what it has too much. True if it is another one than xenstore's.
 */
bool cagma_foreign_begin(struct cagma_guest *guest,
			 const struct cagma_sample *sample);

/*
 * Looks at the newest limit. xl mem-set changes it before the target: while
 * that may be under way, the limit must not be lowered again.
 */
void cagma_foreign_note_limit(struct cagma_guest *guest, uint64_t now_ns);
bool cagma_foreign_is_limit_new(const struct cagma_guest *guest,
				uint64_t now_ns);

/*
 * Looks at the newest sample. True if the guest has aimed at another target
 * than ours for a second, and xenstore names the same one: it was taken over as
 * the guest's target, and the guest is to be left alone until
 * guest->foreign.until_ns. xenstore is asked by the store thread: nobody waits
 * for it.
 */
bool cagma_foreign_look(struct cagma_actuator *actuator,
			struct cagma_guest *guest, uint64_t now_ns);

/*
 * It was taken over not long ago, or may be in a moment: plan nothing new. A
 * guest's word is good for 2 of every 10 s.
 */
bool cagma_foreign_is_likely(const struct cagma_guest *guest, uint64_t now_ns);

#endif
