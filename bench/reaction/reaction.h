/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * reaction.ko: how long a guest that needs memory waits for it, on the guest's own
 * clock. trial.c asks over and over, route.c has the ways to ask, watch.c sees what
 * comes of it. The balloon driver is the same on each of them.
 */
#ifndef CAGMA_BENCH_REACTION_H
#define CAGMA_BENCH_REACTION_H

#include <linux/types.h>

#define REACTION_SATISFIED_PAGES (64u << (20 - 12))

/* Nanoseconds of ktime_get_mono_fast_ns(); 0: it hasn't happened. */
struct reaction_trial {
	u64 asked_ns;
	u64 applied_ns;		/* the balloon has its new target, or floor's answer */
	u64 first_ns;		/* the kernel has the first page of it */
	u64 satisfied_ns;	/* and REACTION_SATISFIED_PAGES */
};

struct reaction_route {
	const char *name;
	bool moves;		/* memory comes of it */
	/* Both may sleep. NULL: nothing to do. */
	int (*begin)(void);
	void (*end)(void);
	/* Asks dom0 at once; what is needed is in use already. -errno. */
	int (*ask)(void);
	/* Something was freed: dom0 may have it back. NULL: it finds out. */
	void (*release)(void);
};

/* NULL if there is no route of that name. */
const struct reaction_route *reaction_route_find(const char *name);
int reaction_route_init(void);
void reaction_route_exit(void);

int reaction_watch_init(void);
void reaction_watch_exit(void);

/*
 * From here the trial is watched, until `pages` have come; without any, until
 * reaction_watch_answered(). One trial at a time.
 */
void reaction_watch_begin(struct reaction_trial *trial, unsigned int pages);
void reaction_watch_answered(void);

/* Whether it is over in time. Nothing is written to the trial afterwards. */
bool reaction_watch_end(unsigned int timeout_ms);

#endif
