// SPDX-License-Identifier: GPL-2.0-only
#include "track.h"
#include "units.h"

/* The balloon's own count may differ from Xen's by that, or an eighth of it. */
#define ALLOC_SLACK_PAGES cagma_mib_to_pages(64)
#define ALLOC_SLACK_SHARE 8

/*
 * A page has its place in swap before it is written and counted, and a guest's
 * processors take places in advance, 64 at a time.
 */
#define SWAP_UNCOUNTED_PAGES cagma_mib_to_pages(32)

/* C2: what passed while nobody looked for longer than this is not of the present. */
#define GAP_NS	(5 * CAGMA_NS_PER_S)

static bool is_possible(const struct cagma_sample *s, uint64_t most_pages)
{
	uint64_t slack = cagma_max(ALLOC_SLACK_PAGES,
				   most_pages / ALLOC_SLACK_SHARE);

	return s->total_pages <= CAGMA_PAGES_MAX &&
	       s->free_pages <= s->total_pages &&
	       s->available_pages <= s->total_pages &&
	       s->swap_free_pages <= CAGMA_PAGES_MAX &&
	       s->task_pages <= CAGMA_PAGES_MAX &&
	       s->balloon_target_pages <= CAGMA_PAGES_MAX &&
	       cagma_less(s->balloon_pages, slack) <= most_pages;
}

/*
 * A counter that went back was restarted by its guest: nothing has passed. More
 * than there can be is cut, so that what is summed up later doesn't wrap.
 */
static uint64_t passed(struct cagma_track *track, uint64_t before,
		       uint64_t after)
{
	if (after < before) {
		track->restarts++;
		return 0;
	}
	return cagma_min(after - before, CAGMA_PAGES_MAX);
}

/*
 * Swap space: what the guest says, or else the most that was ever free, less what went without pages having
 * been written to it, for that was swapoff.
 */
static uint64_t swap_total(const struct cagma_track *track,
			   const struct cagma_sample *sample)
{
	uint64_t written = cagma_min(cagma_less(sample->swap_out_pages,
						track->last.swap_out_pages),
				     CAGMA_PAGES_MAX);
	uint64_t gone = cagma_less(track->last.swap_free_pages,
				   sample->swap_free_pages);
	uint64_t total = track->swap_total_pages;

	if (sample->flags & CAGMA_SAMPLE_DETAILED)
		return cagma_max(sample->swap_total_pages,
				 sample->swap_free_pages);
	if (gone > written + SWAP_UNCOUNTED_PAGES)
		total = cagma_less(total, gone - written);
	return cagma_max(total, sample->swap_free_pages);
}

static struct cagma_point *open_point(struct cagma_track *track)
{
	return &track->point[track->count % CAGMA_TRACK_POINTS];
}

bool cagma_track_add(struct cagma_track *track,
		     const struct cagma_sample *sample, uint64_t most_pages,
		     uint64_t now_ns)
{
	struct cagma_point *point = open_point(track);
	bool gap = track->any && cagma_less(now_ns, track->seen_ns) > GAP_NS;
	uint64_t used;

	if (!is_possible(sample, most_pages)) {
		track->impossible++;
		track->last_impossible = true;
		return false;
	}
	track->swap_total_pages = swap_total(track, sample);
	if (gap)
		track->resumed_ns = now_ns;
	else if (track->any)
		point->swap_in_pages = cagma_min(CAGMA_PAGES_MAX,
			point->swap_in_pages +
			passed(track, track->last.swap_in_pages,
			       sample->swap_in_pages));
	track->last = *sample;
	track->last_impossible = false;
	track->any = true;
	track->seen_ns = now_ns;
	used = cagma_track_used(track);
	point->used_pages = cagma_max(point->used_pages, used);
	point->demand_pages = cagma_max(point->demand_pages,
					used + cagma_track_swapped(track));
	return true;
}

void cagma_track_turn(struct cagma_track *track)
{
	track->any = false;
}

void cagma_track_know_swap(struct cagma_track *track, uint64_t total_pages)
{
	if (track->any && total_pages <= CAGMA_PAGES_MAX)
		track->swap_total_pages = cagma_max(total_pages,
						    track->last.swap_free_pages);
}

static bool is_early(const struct cagma_track *track, uint64_t now_ns)
{
	const struct cagma_point *last;

	if (!track->count)
		return false;
	last = &track->point[(track->count - 1) % CAGMA_TRACK_POINTS];
	return cagma_less(now_ns, last->time_ns) < CAGMA_TRACK_POINT_NS;
}

void cagma_track_close(struct cagma_track *track, uint64_t now_ns)
{
	struct cagma_point *point = open_point(track);

	if (!point->used_pages || is_early(track, now_ns))
		return;
	point->time_ns = now_ns;
	track->count++;
	*open_point(track) = (struct cagma_point){ 0 };
}

uint64_t cagma_track_used(const struct cagma_track *track)
{
	return cagma_less(track->last.balloon_pages,
			  track->last.available_pages);
}

uint64_t cagma_track_swapped(const struct cagma_track *track)
{
	return cagma_less(track->swap_total_pages,
			  track->last.swap_free_pages);
}

/* The i-th newest closed point; NULL if it is gone or older than `since_ns`. */
static const struct cagma_point *recent(const struct cagma_track *track,
					uint32_t i, uint64_t since_ns)
{
	const struct cagma_point *point;

	if (i >= CAGMA_TRACK_POINTS - 1 || i >= track->count)
		return NULL;
	point = &track->point[(track->count - 1 - i) % CAGMA_TRACK_POINTS];
	return point->time_ns >= since_ns ? point : NULL;
}

uint64_t cagma_track_growth(const struct cagma_track *track, uint64_t now_ns,
			    uint64_t window_ns, uint64_t horizon_ns)
{
	uint64_t since_ns = cagma_less(now_ns, window_ns);
	const struct cagma_point *end, *start;
	uint64_t growth = 0;

	for (uint32_t i = 0; (end = recent(track, i, since_ns)); i++) {
		uint64_t from_ns = cagma_max(since_ns,
			cagma_less(end->time_ns, horizon_ns));

		for (uint32_t j = i + 1; (start = recent(track, j, from_ns));
		     j++)
			growth = cagma_max(growth,
				cagma_less(end->demand_pages,
					   start->demand_pages));
	}
	return growth;
}

uint64_t cagma_track_burst(const struct cagma_track *track, uint64_t now_ns,
			   uint64_t window_ns)
{
	uint64_t since_ns = cagma_less(now_ns, window_ns);
	uint64_t burst = 0, peak = 0;
	const struct cagma_point *point;

	for (uint32_t i = 0; (point = recent(track, i, since_ns)); i++) {
		burst = cagma_max(burst,
				  cagma_less(peak, point->demand_pages));
		peak = cagma_max(peak, point->demand_pages);
	}
	return burst;
}

uint64_t cagma_track_used_max(const struct cagma_track *track, uint64_t now_ns,
			      uint64_t window_ns)
{
	uint64_t since_ns = cagma_less(now_ns, window_ns);
	uint64_t used = cagma_track_used(track);
	const struct cagma_point *point;

	for (uint32_t i = 0; (point = recent(track, i, since_ns)); i++)
		used = cagma_max(used, point->used_pages);
	return used;
}

uint64_t cagma_track_firm(const struct cagma_track *track, uint64_t now_ns,
			  uint64_t window_ns)
{
	const struct cagma_sample *last = &track->last;
	uint64_t used = cagma_track_used_max(track, now_ns, window_ns);
	uint64_t least = last->flags & CAGMA_SAMPLE_DETAILED ?
			 last->least_pages : 0;
	uint64_t swappable = cagma_min(cagma_less(used, least),
				       last->swap_free_pages);

	/* Even: a reminder differs from a target by one page, and isn't below. */
	return (cagma_max(least, used - swappable) + 1) & ~UINT64_C(1);
}

uint64_t cagma_track_swap_in(const struct cagma_track *track, uint64_t now_ns,
			     uint64_t window_ns)
{
	uint64_t since_ns = cagma_less(now_ns, window_ns);
	const struct cagma_point *point;
	uint64_t pages = 0;

	for (uint32_t i = 0; (point = recent(track, i, since_ns)); i++)
		pages += point->swap_in_pages;
	return pages;
}

bool cagma_track_covers(const struct cagma_track *track, uint64_t now_ns,
			uint64_t window_ns)
{
	uint32_t kept = track->count < CAGMA_TRACK_POINTS - 1 ?
				track->count : CAGMA_TRACK_POINTS - 1;
	const struct cagma_point *oldest =
		&track->point[(track->count - kept) % CAGMA_TRACK_POINTS];

	return kept && oldest->time_ns <= cagma_less(now_ns, window_ns);
}
