/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Targets that are not ours: the one a guest had before this daemon knew it,
 * and one that somebody else (xl mem-set) sets while it does. Both are known
 * from the guest's own word, so they are believed only as far as the guest's
 * limit in Xen goes: within it the guest could take the memory anyway.
 */
#ifndef CAGMA_FOREIGN_H
#define CAGMA_FOREIGN_H

#include <stdbool.h>
#include <stdint.h>

struct cagma_guest;
struct cagma_sample;

/*
 * The first target, before the first mail, by a sample from before that. What
 * xenstore has may be older than the last mail of a daemon that was killed: what
 * the guest aims at counts. True if it is another one than xenstore's.
 */
bool cagma_foreign_begin(struct cagma_guest *guest,
			 const struct cagma_sample *sample);

/*
 * Looks at the newest limit. xl mem-set changes it before the target: while that
 * may be under way, the limit must not be lowered again.
 */
void cagma_foreign_note_limit(struct cagma_guest *guest, uint64_t now_ns);
bool cagma_foreign_is_limit_new(const struct cagma_guest *guest,
				uint64_t now_ns);

/*
 * Looks at the newest sample. True if the guest has aimed at another target
 * than ours for a second: it was taken over as the guest's target, and the
 * guest is to be left alone until guest->foreign_until_ns.
 */
bool cagma_foreign_look(struct cagma_guest *guest, uint64_t now_ns);

/* It was taken over not long ago, or may be in a moment: plan nothing new. */
bool cagma_foreign_is_likely(const struct cagma_guest *guest, uint64_t now_ns);

#endif
