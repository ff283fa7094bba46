/* SPDX-License-Identifier: GPL-2.0-only */
/* Hosts that nobody thought of, and what must hold on each of them. */
#ifndef CAGMA_RANDOM_H
#define CAGMA_RANDOM_H

#include "scenario.h"
#include "world.h"

/* The scenario of this number; always the same one. */
void random_scenario(struct scenario *scenario, uint64_t number);

/* What is broken after it was played, in words; NULL if nothing is. */
const char *random_complaint(const struct scenario *scenario,
			     const struct world *world);

#endif
