/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who gets how much: a pure function of what it is given. No I/O, no clock, no
 * allocation, no state; the daemon, tests and tools run the same object file.
 */
#ifndef CAGMA_POLICY_H
#define CAGMA_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tunables; defaults and ranges are in config.c. */
struct cagma_tuning {
	uint64_t cma_floor_pages;	/* least CMA of any guest */
	uint64_t release_pages;		/* surplus worth taking back */
	uint32_t task_percent;		/* of the emergency's task, for the CMA */
	uint32_t threshold_percent;	/* of the CMA, where a guest kicks */
	uint64_t horizon_ns;		/* growth is anticipated this far */
	uint64_t window_ns;		/* growth is remembered this long */
	uint64_t release_ns;		/* surplus must have lasted this long */
	uint64_t donor_ns;		/* the same for a donor in a shortage */
	uint64_t grace_ns;		/* after start: nobody is shrunk */
	uint64_t stale_ns;		/* older data: hold */
	uint64_t shape_pages;		/* a guest keeps so much available, */
	uint32_t shape_percent;		/* and of its target, if there is enough */
	bool idle_host;			/* surplus goes back without a need */
};

/*
 * What a policy remembers of a guest from one pass to the next: it finds it in the
 * view and leaves it in the decision. Seconds are those since the daemon started.
 */
#define CAGMA_MEMORY_ROUNDS 5
struct cagma_memory {
	/* cagma2017 */
	uint32_t rounds;	/* in a row with a surplus */
	uint32_t surplus_pages[CAGMA_MEMORY_ROUNDS];

	/* cagma: memory that others yielded for it, see waits() */
	uint32_t grown;		/* 1: it was given memory that it asked for */
	uint32_t yielded_s;	/* when others last did; 0: they didn't */
	uint32_t before_pages;	/* its target when they began */
	uint32_t most_pages;	/* its largest target since then */
	uint32_t asked_pages;	/* so much of theirs was asked for, in all */
	uint32_t vain_pages;	/* of theirs, what it gave back unused */
	uint32_t wait_s;	/* how long it had to wait last */
	uint32_t until_s;	/* nobody yields for it before */

	/* cagma: whether its use follows what it has, see is_elastic() */
	uint32_t had_pages;	/* at the mark; 0: there is none */
	uint32_t used_pages;	/* at the mark */
	uint32_t followed;	/* times in a row that it did */
};

struct cagma_host_view {
	uint64_t spare_pages;	/* free, and promised to nobody */
	uint64_t overdrawn_pages; /* promised, and not there: if none is spare */
	uint64_t reserve_pages;	/* kept for emergencies */
	uint64_t hard_pages;	/* kept always */
	uint64_t up_ns;		/* since the daemon started */
};

/* One guest. Pages as memory/target counts them. */
struct cagma_guest_view {
	uint64_t alloc_pages;
	uint64_t limit_pages;		/* the most it can have now */
	uint64_t target_pages;
	uint64_t available_pages;
	uint64_t used_pages;
	uint64_t used_donor_pages;	/* most used within donor_ns */
	uint64_t used_release_pages;	/* most used within release_ns */
	uint64_t growth_pages;		/* most growth per horizon in window */
	uint64_t burst_pages;		/* most growth in window */
	uint64_t task_pages;		/* of the open emergency's task */
	uint64_t swapped_pages;
	uint64_t swap_in_pages;		/* within the horizon */
	uint64_t firm_pages;		/* it would have to kill to go below */
	uint64_t quick_pages;		/* what it pays in a second at its pace */
	uint64_t steady_pages;		/* the same, by a whole second's pace */
	uint64_t min_pages;
	uint64_t max_pages;
	uint32_t weight;		/* at least 1 */
	uint64_t age_ns;		/* of the newest sample */
	uint64_t settled_ns;		/* since its target was raised, or it
					   was looked at again after long */
	uint64_t yielded_ns;		/* since it last had to yield */
	bool covered;			/* samples reach back release_ns */
	bool emergency;			/* one is open */
	bool held;			/* paused or dying: leave it alone */
	bool stuck;			/* doesn't give back what it owes */
	struct cagma_memory memory;
};

enum cagma_why {
	CAGMA_WHY_KEEP,
	CAGMA_WHY_EMERGENCY,	/* more, at once */
	CAGMA_WHY_GROW,		/* more, by the periodic pass */
	CAGMA_WHY_PREPARE,	/* more, for another burst like the last */
	CAGMA_WHY_DONATE,	/* less, another guest or the reserve needs it */
	CAGMA_WHY_YIELD,	/* less, another lacks what it is entitled to */
	CAGMA_WHY_RELEASE,	/* less, it was surplus for long */
	CAGMA_WHY_CAP,		/* less, it has more than its maximum */
	CAGMA_WHY_FOREIGN,	/* somebody else set it */
	CAGMA_WHY_REMIND,	/* a page, for a balloon that gave up */
	CAGMA_WHY_COUNT
};

const char *cagma_why_name(enum cagma_why why);

struct cagma_decision {
	uint64_t target_pages;
	uint64_t cma_pages;
	uint64_t threshold_pages;	/* for the guest's kicks */
	uint64_t entitled_pages;	/* it may have so much if all want more */
	uint64_t unmet_pages;		/* wanted and not granted */
	enum cagma_why why;
	struct cagma_memory memory;
};

struct cagma_policy {
	const char *name;
	bool acts;		/* changes targets and limits */
	bool answers_kicks;	/* is asked in emergencies, too */
	uint64_t period_ns;	/* of its own; 0: the setting's default */
	/*
	 * False: whatever the others have, a guest with an emergency is given
	 * nothing by a pass, and this is what that would decide for it. NULL:
	 * it isn't known without one.
	 */
	bool (*lacks)(const struct cagma_tuning *tuning,
		      const struct cagma_guest_view *guest,
		      struct cagma_decision *decision);
	/* Fills one decision per guest, in their order. */
	void (*decide)(const struct cagma_tuning *tuning,
		       const struct cagma_host_view *host,
		       const struct cagma_guest_view *guests, size_t count,
		       bool periodic, struct cagma_decision *decisions);
};

/* Ours, with and without emergencies; baseline.c has the others. */
extern const struct cagma_policy cagma_policy_cagma;
extern const struct cagma_policy cagma_policy_periodic;
extern const struct cagma_policy cagma_policy_static;
extern const struct cagma_policy cagma_policy_proportional;
extern const struct cagma_policy cagma_policy_2017;

/* NULL if there is no policy of that name. */
const struct cagma_policy *cagma_policy_find(const char *name);

/* Names of all policies, separated by '|'. */
const char *cagma_policy_names(void);

/* ---- what all policies have in common ---- */

/* Less than this isn't worth a balloon's batch of 512 pages. */
#define CAGMA_STEP_PAGES 512u

/* True if the guest may be changed: it runs, and its data is fresh. */
bool cagma_guest_is_known(const struct cagma_tuning *tuning,
			  const struct cagma_guest_view *guest);

/*
 * Brings guests that have more than their maximum down to it, in steps like those of
 * yielding, unless something else was decided. For the periodic pass.
 */
void cagma_cap(const struct cagma_tuning *tuning,
	       const struct cagma_guest_view *guests, size_t count,
	       struct cagma_decision *decisions);

/* Everybody's decision: no change. */
void cagma_keep_all(const struct cagma_guest_view *guests, size_t count,
		    struct cagma_decision *decisions);

#endif
