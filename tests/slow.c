// SPDX-License-Identifier: GPL-2.0-only
/*
 * Linked into a daemon for the guard (bench/guard.py), which has to see that it is
 * slower: each emergency is decided SLOW_NS later.
 */
#include "clock.h"
#include "pass.h"

#define SLOW_NS	60000

void slow_pass(struct cagma_state *state) __asm__("__wrap_cagma_pass_emergency");
void true_pass(struct cagma_state *state) __asm__("__real_cagma_pass_emergency");

void slow_pass(struct cagma_state *state)
{
	uint64_t start_ns;

	/* The loop's own clock stands still during an event. */
	cagma_clock_release();
	start_ns = cagma_now_ns();
	while (cagma_now_ns() - start_ns < SLOW_NS)
		;
	cagma_clock_hold();
	true_pass(state);
}
