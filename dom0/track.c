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

/* How many closed points there are since then. */
static uint32_t points_since(const struct cagma_track *track, uint64_t since_ns)
{
	uint32_t low = 0, high = CAGMA_TRACK_POINTS;

	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (recent(track, middle, since_ns))
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * From the oldest point on. `least` has the points that the growth to a later
 * one may begin at: none has a later one with less demand, so the first is the
 * least of all.
 */
uint64_t cagma_track_growth(const struct cagma_track *track, uint64_t now_ns,
			    uint64_t window_ns, uint64_t horizon_ns)
{
	const struct cagma_point *least[CAGMA_TRACK_POINTS];
	uint32_t left = points_since(track, cagma_less(now_ns, window_ns));
	uint32_t first = 0, end = 0;
	uint64_t growth = 0;

	for (; left; left--) {
		const struct cagma_point *point = recent(track, left - 1, 0);
		uint64_t from_ns = cagma_less(point->time_ns, horizon_ns);

		while (first < end && least[first]->time_ns < from_ns)
			first++;
		if (first < end)
			growth = cagma_max(growth,
				cagma_less(point->demand_pages,
					   least[first]->demand_pages));
		while (first < end &&
		       least[end - 1]->demand_pages >= point->demand_pages)
			end--;
		least[end++] = point;
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

/* By closed points. */
static uint64_t most_used(const struct cagma_track *track, uint64_t now_ns,
			  uint64_t window_ns)
{
	uint64_t since_ns = cagma_less(now_ns, window_ns), used = 0;
	const struct cagma_point *point;

	for (uint32_t i = 0; (point = recent(track, i, since_ns)); i++)
		used = cagma_max(used, point->used_pages);
	return used;
}

uint64_t cagma_track_used_max(const struct cagma_track *track, uint64_t now_ns,
			      uint64_t window_ns)
{
	return cagma_max(cagma_track_used(track),
			 most_used(track, now_ns, window_ns));
}

uint64_t cagma_track_firm(const struct cagma_track *track, uint64_t used_pages)
{
	const struct cagma_sample *last = &track->last;
	uint64_t least = last->flags & CAGMA_SAMPLE_DETAILED ?
			 last->least_pages : 0;
	uint64_t swappable = cagma_min(cagma_less(used_pages, least),
				       last->swap_free_pages);

	/* Even: a reminder differs from a target by one page, and isn't below. */
	return (cagma_max(least, used_pages - swappable) + 1) & ~UINT64_C(1);
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

/* The oldest point that is kept, or NULL. */
static const struct cagma_point *oldest(const struct cagma_track *track)
{
	uint32_t kept = track->count < CAGMA_TRACK_POINTS - 1 ?
				track->count : CAGMA_TRACK_POINTS - 1;

	return kept ? recent(track, kept - 1, 0) : NULL;
}

bool cagma_track_covers(const struct cagma_track *track, uint64_t now_ns,
			uint64_t window_ns)
{
	const struct cagma_point *point = oldest(track);

	return point && point->time_ns <= cagma_less(now_ns, window_ns);
}

/* ---- all that at once ---- */

/* Until when the points of a window stay, if no other comes. */
static uint64_t same_until(const struct cagma_track *track, uint64_t now_ns,
			   uint64_t window_ns)
{
	uint32_t n = points_since(track, cagma_less(now_ns, window_ns));

	return n ? recent(track, n - 1, 0)->time_ns + window_ns : UINT64_MAX;
}

static uint64_t true_until(const struct cagma_track *track, uint64_t now_ns,
			   const struct cagma_spans *spans)
{
	const uint64_t windows[] = { spans->donor_ns, spans->release_ns,
				     spans->window_ns, spans->horizon_ns };
	const struct cagma_point *point = oldest(track);
	uint64_t until_ns = UINT64_MAX;

	for (size_t i = 0; i < sizeof(windows) / sizeof(windows[0]); i++)
		until_ns = cagma_min(until_ns,
				     same_until(track, now_ns, windows[i]));
	if (point && !cagma_track_covers(track, now_ns, spans->release_ns))
		until_ns = cagma_min(until_ns,
				     point->time_ns + spans->release_ns - 1);
	return until_ns;
}

static bool is_true(const struct cagma_past *past, uint32_t count,
		    uint64_t now_ns, const struct cagma_spans *spans)
{
	return past->count == count && now_ns <= past->until_ns &&
	       past->spans.donor_ns == spans->donor_ns &&
	       past->spans.release_ns == spans->release_ns &&
	       past->spans.window_ns == spans->window_ns &&
	       past->spans.horizon_ns == spans->horizon_ns;
}

const struct cagma_past *cagma_track_past(struct cagma_track *track,
					  uint64_t now_ns,
					  const struct cagma_spans *spans)
{
	struct cagma_past *past = &track->past;

	if (is_true(past, track->count, now_ns, spans))
		return past;
	*past = (struct cagma_past){
		.until_ns = true_until(track, now_ns, spans),
		.count = track->count,
		.covered = cagma_track_covers(track, now_ns,
					      spans->release_ns),
		.spans = *spans,
		.used_donor_pages = most_used(track, now_ns, spans->donor_ns),
		.used_release_pages = most_used(track, now_ns,
						spans->release_ns),
		.growth_pages = cagma_track_growth(track, now_ns,
						   spans->window_ns,
						   spans->horizon_ns),
		.burst_pages = cagma_track_burst(track, now_ns,
						 spans->window_ns),
		.swap_in_pages = cagma_track_swap_in(track, now_ns,
						     spans->horizon_ns),
	};
	return past;
}
