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

/* What the honest guests swapped out, in MiB. */
struct liar_cost {
	uint64_t host;			/* its number */
	int64_t swapped_out[SCENARIO_GUESTS_MAX];
};

/* The case of this number, always the same one; or with claims that don't end. */
void liar_scenario(struct scenario *scenario, uint64_t number, bool for_ever);

/* What was played for ever is what the next ones are compared with. */
void liar_note_cost(struct liar_cost *cost, const struct scenario *scenario,
		    const struct world *world, uint64_t number);

/* What is broken after a case was played, in words; NULL if nothing is. */
const char *liar_complaint(const struct scenario *scenario,
			   const struct world *world,
			   const struct liar_cost *for_ever);

#endif
