/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From samples to a guest's demand: plausibility, rates, growth, age. Time is
 * always dom0's monotonic clock at reading; the guest's is never trusted.
 */
#ifndef CAGMA_TRACK_H
#define CAGMA_TRACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sample.h"

/* Together a little more than the longest window, 15 s. */
#define CAGMA_TRACK_POINTS	128
#define CAGMA_TRACK_POINT_NS	UINT64_C(125000000)

struct cagma_point {
	uint64_t time_ns;
	uint64_t used_pages;	/* allocated - available, largest of the batch */
	uint64_t demand_pages;	/* used + swapped out */
	uint64_t swap_in_pages;	/* brought back since the point before */
};

/* How far back is looked, for what. */
struct cagma_spans {
	uint64_t donor_ns;
	uint64_t release_ns;
	uint64_t window_ns;
	uint64_t horizon_ns;
};

/*
 * What the closed points of these spans say: see the functions below. It is
 * worked out once, and is true until another point is closed or one has become
 * too old.
 */
struct cagma_past {
	uint64_t until_ns;		/* 0: nothing was worked out yet */
	uint32_t count;			/* of the track, when it was */
	bool covered;			/* release_ns */
	struct cagma_spans spans;
	uint64_t used_donor_pages;
	uint64_t used_release_pages;
	uint64_t growth_pages;
	uint64_t burst_pages;
	uint64_t swap_in_pages;		/* within the horizon */
};

struct cagma_track {
	struct cagma_sample last;
	bool any;
	uint64_t seen_ns;		/* when the last sample was read */
	uint64_t resumed_ns;		/* when one was after long; 0: never */
	uint64_t swap_total_pages;	/* swap space, in use or not */
	uint64_t impossible;		/* samples rejected */
	bool last_impossible;		/* the newest was */
	uint64_t restarts;		/* counters that went back */
	uint32_t count;			/* points taken, free-running */
	struct cagma_past past;
	struct cagma_point point[CAGMA_TRACK_POINTS];
};

/*
 * Takes one sample. Returns false, and keeps nothing of it, if its numbers
 * contradict each other; `most_pages` is the most that Xen can have given it.
 */
bool cagma_track_add(struct cagma_track *track,
		     const struct cagma_sample *sample, uint64_t most_pages,
		     uint64_t now_ns);

/* The next sample is another source's: its counters begin anew. */
void cagma_track_turn(struct cagma_track *track);

/* The guest's own word of its swap space, which samples only let guess. */
void cagma_track_know_swap(struct cagma_track *track, uint64_t total_pages);

/*
 * Closes the batch that was read at `now_ns`: its samples become a point. Does
 * nothing if the point before is too young, so that frequent reading doesn't
 * shorten the history.
 */
void cagma_track_close(struct cagma_track *track, uint64_t now_ns);

/* Guest's used memory by its newest sample; what its balloon has - available. */
uint64_t cagma_track_used(const struct cagma_track *track);

/* Pages that are in swap now, as far as the samples can tell. */
uint64_t cagma_track_swapped(const struct cagma_track *track);

/* Largest growth of demand within any `horizon_ns` of the last `window_ns`. */
uint64_t cagma_track_growth(const struct cagma_track *track, uint64_t now_ns,
			    uint64_t window_ns, uint64_t horizon_ns);

/* Largest growth of demand, however slow, in the last `window_ns`. */
uint64_t cagma_track_burst(const struct cagma_track *track, uint64_t now_ns,
			   uint64_t window_ns);

/* Largest used memory in the last `window_ns`. */
uint64_t cagma_track_used_max(const struct cagma_track *track, uint64_t now_ns,
			      uint64_t window_ns);

/*
 * What the guest can't do without: what it can neither drop nor swap out of
 * `used_pages`, and what it says it needs at least.
 */
uint64_t cagma_track_firm(const struct cagma_track *track, uint64_t used_pages);

/* Pages brought back from swap in the last `window_ns`. */
uint64_t cagma_track_swap_in(const struct cagma_track *track, uint64_t now_ns,
			     uint64_t window_ns);

/* True if the points reach back `window_ns`. */
bool cagma_track_covers(const struct cagma_track *track, uint64_t now_ns,
			uint64_t window_ns);

/*
 * All of that; of used memory, what closed points say. `now_ns` never goes
 * back.
 */
const struct cagma_past *cagma_track_past(struct cagma_track *track,
					  uint64_t now_ns,
					  const struct cagma_spans *spans);

/*
 * To be called some time before that: thousands of guests don't fit the
 * processor's cache, and to work it out all points are looked at.
 */
static inline void cagma_track_prefetch(const struct cagma_track *track)
{
	if (track->past.count == track->count)
		return;
	for (size_t i = 0; i < CAGMA_TRACK_POINTS; i += 2)
		__builtin_prefetch(&track->point[i]);
}

#endif
