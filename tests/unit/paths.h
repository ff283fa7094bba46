/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All paths through a program that asks choose() wherever it could go on in
 * more than one way, one after the other, depth first:
 *
 *	do { reset(); run(); look(); } while (paths_next());
 *
 * Whoever leaves the loop earlier calls paths_end().
 */
#ifndef CAGMA_PATHS_H
#define CAGMA_PATHS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

#define PATHS_DEPTH_MAX	1024

static struct {
	unsigned int taken;
	unsigned int among;	/* 0: nobody has been here yet */
} paths_choice[PATHS_DEPTH_MAX];
static size_t paths_depth, paths_deepest;

/* The next of `among` alternatives on the present path: 0 to among - 1. */
static inline unsigned int choose(unsigned int among)
{
	if (among < 2)
		return 0;
	if (paths_depth == PATHS_DEPTH_MAX)
		abort();
	if (paths_depth == paths_deepest) {
		paths_choice[paths_deepest].taken = 0;
		paths_choice[paths_deepest++].among = among;
	}
	/* The same choices before must lead to the same choice here. */
	if (paths_choice[paths_depth].among != among)
		abort();
	return paths_choice[paths_depth++].taken;
}

/* Goes back to the start of the next path; false when there is none. */
static inline bool paths_next(void)
{
	paths_depth = 0;
	while (paths_deepest) {
		if (++paths_choice[paths_deepest - 1].taken <
		    paths_choice[paths_deepest - 1].among)
			return true;
		paths_deepest--;
	}
	return false;
}

static inline void paths_end(void)
{
	paths_depth = paths_deepest = 0;
}

#endif
