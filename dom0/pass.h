/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One round: fresh facts from Xen, a view of each guest, the policy, its
 * decisions carried out, the invariants checked. The loop says when.
 */
#ifndef CAGMA_PASS_H
#define CAGMA_PASS_H

#include <stdbool.h>
#include <stdint.h>

struct cagma_guest;
struct cagma_state;

/*
 * Fresh numbers from Xen for the host and every domain; two hypercalls. False
 * if Xen doesn't answer: the old ones are kept.
 */
bool cagma_pass_refresh(struct cagma_state *state);

/* True if kicks are to be asked for and answered. */
bool cagma_pass_answers(const struct cagma_state *state);

/*
 * Answers an emergency of a guest that by its own sample lacks nothing that a
 * pass would give it. False: it does, or that isn't known without a pass.
 */
bool cagma_pass_reply(struct cagma_state *state, struct cagma_guest *guest);

/* Serves the guests with an open emergency. */
void cagma_pass_emergency(struct cagma_state *state);

/* Serves everybody, and tells the trace. */
void cagma_pass_periodic(struct cagma_state *state, uint64_t now_ns);

/* Notes that somebody else changed a guest's target from `old_pages`. */
void cagma_pass_foreign(struct cagma_state *state, struct cagma_guest *guest,
			uint64_t old_pages);

/* Asks a guest that is stuck once more for what it owes. */
void cagma_pass_remind(struct cagma_state *state, struct cagma_guest *guest);

#endif
