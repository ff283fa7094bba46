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

/* The case of this number, always the same one; or with claims that don't end. */
void liar_scenario(struct scenario *scenario, uint64_t number, bool for_ever);

void liar_note_cost(struct liar_cost *cost, const struct scenario *scenario,
		    const struct world *world);

/* What is broken after a case was played, in words; NULL if nothing is. */
const char *liar_complaint(const struct scenario *scenario,
			   const struct world *world,
			   const struct liar_cost *for_ever);

#endif
