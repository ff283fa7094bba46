/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Plays a scenario: the daemon's own code on simulated guests, in simulated
 * time. One world at a time: there is one clock and one hypervisor.
 */
#ifndef CAGMA_WORLD_H
#define CAGMA_WORLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "scenario.h"

struct world_options {
	const char *policy;	/* NULL: the scenario's */
	const char *trace;	/* NULL: none */
	const char *record;	/* NULL: none */
};

struct world;

/*
 * Plays until the scenario's end. NULL with a reason in `error` if the daemon
 * refuses its configuration. Pair with world_free().
 */
struct world *world_play(const struct scenario *scenario,
			 const struct world_options *options, char *error,
			 size_t error_size);
void world_free(struct world *world);

/* Expectations that did not hold; the first of them is put into words. */
size_t world_failures(const struct world *world);
size_t world_expectations(const struct world *world);
const char *world_first_failure(const struct world *world);

/*
 * Figures of a guest, or of SCENARIO_HOST; docs/simulator.md lists them. The
 * index of a name, -1 if there is none.
 */
int world_figure_find(const char *name, bool host);
const char *world_figure_name(int figure);	/* NULL behind the last */
#define WORLD_FIGURES_MAX 48
int64_t world_figure(const struct world *world, int guest, int figure);

#endif
