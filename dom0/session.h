/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What passes between the daemon and one guest, by whatever transports: links come
 * and go, the best of them is the guest's source, its samples are accepted, and it has
 * the guest's orders. The loop says when; the pass decides.
 */
#ifndef CAGMA_SESSION_H
#define CAGMA_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "lie.h"

struct cagma_guest;
struct cagma_link;
struct cagma_state;

/*
 * Takes a link from the store, and with the first one its guest. False: there is no
 * place for it, and it was given back. Until _begin() it is silent.
 */
bool cagma_session_join(struct cagma_state *state, struct cagma_link *link);

/* After Xen was asked for a new guest's facts: the first orders, by the best link. */
void cagma_session_begin(struct cagma_state *state, struct cagma_link *link);

/* Reads what is new. False: the link is no good any more; see link->lie. */
bool cagma_session_read(struct cagma_state *state, struct cagma_link *link,
			uint64_t now_ns);

/*
 * Of a link that says nothing for long: it would keep its guest from being balanced for
 * ever, and may have been given up by a kernel that crashed or was replaced.
 */
void cagma_session_judge_silence(struct cagma_state *state,
				 struct cagma_link *link, uint64_t now_ns);

/* Compares Xen's count with the guest's, and says what can't be explained. */
void cagma_session_look_at_offset(struct cagma_state *state,
				  struct cagma_guest *guest, uint64_t now_ns);

/* Once a second: what the guest may cause until the next time. */
void cagma_session_refill(struct cagma_guest *guest);

/* To be let go, unless there is no lie: an event that waits may still name it. */
void cagma_session_mark(struct cagma_state *state, struct cagma_link *link,
			enum cagma_lie lie);

/* Lets go what was marked, and guests whose domains are gone. */
void cagma_session_reap(struct cagma_state *state);

/*
 * Of one guest: marked links, or all. False: the last one was among them, and the
 * guest went with it. It is the store's then, and may be freed at any moment.
 */
bool cagma_session_release(struct cagma_state *state, struct cagma_guest *guest,
			   bool all);

#endif
