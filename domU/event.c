// SPDX-License-Identifier: GPL-2.0-only
#include "event.h"
#include "units.h"

/* A new emergency, or a reminder of an unanswered one, at most this often. */
#define RAISE_INTERVAL_NS	(20 * CAGMA_NS_PER_MS)
/* dom0, who has said no, looks again by itself before that. */
#define DENIED_NS		(250 * CAGMA_NS_PER_MS)

/*
 * Memory that was granted and is still on its way counts as available: the
 * shortage it answers must not be reported again while the balloon works.
 */
static uint64_t soon_pages(const struct cagma_view *view)
{
	const struct cagma_sample *s = &view->sample;

	return s->available_pages +
	       cagma_less(s->balloon_target_pages, s->balloon_pages);
}

bool cagma_event_is_near(struct cagma_event *event,
			 const struct cagma_view *view)
{
	uint64_t soon = soon_pages(view);
	uint64_t fall = cagma_less(event->soon_pages, soon);

	event->soon_pages = soon;
	/*
	 * A guest at rest has a third more than the threshold, and wavers: that is
	 * not near, or it would be looked at all the time.
	 */
	return event->attached &&
	       (event->is_open || soon / 9 * 8 < event->threshold_pages ||
		cagma_less(soon, 2 * fall) < event->threshold_pages);
}

/*
 * Pages go to swap for many reasons, and want of memory is one of them: then little is
 * available. When kswapd is at work for the whole guest, page cache in use isn't: the
 * kernel has kept it and written out something else.
 */
static bool is_swap_event(const struct cagma_event *event,
			  const struct cagma_view *view)
{
	uint64_t soon = soon_pages(view);

	if (view->kswapd_work > event->kswapd_work)
		soon = cagma_less(soon, view->sample.active_file_pages);
	return view->sample.swap_out_pages > event->swap_out_pages &&
	       soon < event->threshold_pages;
}

/* What happened since the last judgement; a counter that goes back is no news. */
static enum cagma_reason find_reason(const struct cagma_event *event,
				     const struct cagma_view *view)
{
	if (is_swap_event(event, view))
		return CAGMA_REASON_SWAP;
	if (soon_pages(view) >= event->threshold_pages)
		return CAGMA_REASON_PERIODIC;
	if (view->sample.direct_stalls > event->direct_stalls)
		return CAGMA_REASON_DIRECT;
	if (view->kswapd_work > event->kswapd_work)
		return CAGMA_REASON_KSWAPD;
	return CAGMA_REASON_SAMPLER;
}

static void open_event(struct cagma_event *event, uint64_t now_ns)
{
	event->last_raise_ns = now_ns;
	if (event->is_open)
		return;
	if (!++event->number)
		event->number = 1;
	event->is_open = true;
	event->raised_ns = now_ns;
}

enum cagma_reason cagma_event_judge(struct cagma_event *event,
				    const struct cagma_view *view,
				    uint64_t now_ns)
{
	enum cagma_reason reason = CAGMA_REASON_PERIODIC;

	if (event->attached) {
		/* What comes too soon is judged later, not forgotten. */
		if (now_ns - event->last_raise_ns < RAISE_INTERVAL_NS)
			return CAGMA_REASON_PERIODIC;
		reason = find_reason(event, view);
	}
	event->swap_out_pages = view->sample.swap_out_pages;
	event->direct_stalls = view->sample.direct_stalls;
	event->kswapd_work = view->kswapd_work;
	if (reason != CAGMA_REASON_PERIODIC)
		open_event(event, now_ns);
	return reason;
}

bool cagma_event_request(struct cagma_event *event, uint64_t now_ns)
{
	if (event->attached)
		open_event(event, now_ns);
	return event->attached;
}

bool cagma_event_is_urgent(const struct cagma_event *event, uint64_t now_ns)
{
	return event->is_open && event->told != event->number &&
	       (!event->denied_ns || now_ns - event->denied_ns >= DENIED_NS);
}

void cagma_event_answer(struct cagma_event *event,
			const struct cagma_mail *mail, uint64_t now_ns)
{
	if (!event->is_open || mail->answered_event != event->number)
		return;
	event->is_open = false;
	event->denied_ns = mail->flags & CAGMA_MAIL_DENIED ? now_ns : 0;
	if (event->denied_ns)
		return;
	event->reaction_event = event->number;
	event->reaction_ns = now_ns - event->raised_ns;
}

void cagma_event_detach(struct cagma_event *event)
{
	event->attached = false;
	event->is_open = false;
	event->denied_ns = 0;
}
