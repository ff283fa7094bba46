/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Guests that claim memory now and then, beside honest ones: it may cost these no more
 * than if the same guests claimed it for ever.
 */
#ifndef CAGMA_LIAR_H
#define CAGMA_LIAR_H

#include "scenario.h"
#include "world.h"

/* Cases in a row are on the same host, each with its share of the time. */
#define LIAR_CASES	3

#define LIAR_GUESTS_MAX	8

/* What the honest guests swap out where the claims don't end, in MiB. */
struct liar_cost {
	int64_t swapped_out[LIAR_GUESTS_MAX];
};

/* The claims come and go, or don't end; the first liar's may be the last to begin. */
enum liar_play { LIAR_NOW_AND_THEN, LIAR_FOR_EVER, LIAR_FOR_EVER_LAST };

/* The case of this number, always the same one. */
void liar_scenario(struct scenario *scenario, uint64_t number,
		   enum liar_play play);

/* 1 or 2 */
int64_t liar_count(const struct scenario *scenario);

/* The largest of those that are noted. */
void liar_note_cost(struct liar_cost *cost, const struct scenario *scenario,
		    const struct world *world);

/* What is broken after a case was played, in words; NULL if nothing is. */
const char *liar_complaint(const struct scenario *scenario,
			   const struct world *world,
			   const struct liar_cost *for_ever);

#endif
