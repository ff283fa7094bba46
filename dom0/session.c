// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>
#include <sys/epoll.h>
#include <syslog.h>

#include "clock.h"
#include "foreign.h"
#include "log.h"
#include "msg.h"
#include "pass.h"
#include "session.h"
#include "state.h"
#include "units.h"

/* Wake-ups that one guest may cause per second; more are delayed. */
#define TOKENS_PER_S	20
/*
 * What a guest's emergencies may cost: each pass looks at every guest, and this
 * many looks are one guest's in a second. On the largest host that is a pass;
 * up to 204 guests are no more than its wake-ups.
 */
#define LOOKS_PER_S	4096
#define LOOKS_MAX	(4 * LOOKS_PER_S)
/* One that comes and goes has few. */
#define LOOKS_AT_FIRST	(LOOKS_PER_S / 4)
/* A guest that runs and says nothing is let go after this many stale_ms. */
#define SILENT_TIMES	10
/* What is wrong with one guest is in the log again after that. */
#define SAY_AGAIN_NS	(60 * CAGMA_NS_PER_S)

/* ---- reading ---- */

static void note_reaction(struct cagma_state *state, struct cagma_guest *guest,
			  const struct cagma_sample *sample)
{
	uint64_t us = sample->reaction_ns / CAGMA_NS_PER_US;

	if (sample->reaction_event != guest->answered_event ||
	    sample->reaction_event == guest->reaction_event || guest->denied)
		return;
	guest->reaction_event = sample->reaction_event;
	cagma_histogram_add(&guest->reaction, us);
	cagma_trace_event(state->trace, CAGMA_TRACE_REACTION, guest, NULL,
			  sample->reaction_event, us, 0, 0);
}

static void note_event(struct cagma_state *state, struct cagma_guest *guest,
		       const struct cagma_sample *sample)
{
	if (!sample->event || sample->event == guest->answered_event ||
	    sample->event == guest->open_event)
		return;
	guest->open_event = sample->event;
	guest->open_reason = sample->reason;
	guest->emergencies++;
	state->emergencies++;
}

/* A guest may change its mind as often as it likes: the log says it now and then. */
void cagma_session_look_at_offset(struct cagma_state *state, struct cagma_guest *guest,
			   uint64_t now_ns)
{
	struct cagma_offset *offset = &guest->offset;
	int64_t mib;

	if (!cagma_offset_look(guest, now_ns))
		return;
	mib = offset->unexplained_pages / (int64_t)cagma_mib_to_pages(1);
	cagma_trace_event(state->trace, CAGMA_TRACE_OFFSET, guest,
			  offset->unexplained ? CAGMA_UNEXPLAINED :
						"explained", 0, 0, 0, 0);
	if (!offset->unexplained || (offset->logged_ns &&
				     now_ns - offset->logged_ns < SAY_AGAIN_NS))
		return;
	offset->logged_ns = now_ns;
	cagma_log_guest(LOG_WARNING, "%s: Xen counts %lld MiB that neither its balloon nor memory/videoram explains (" CAGMA_UNEXPLAINED ")",
			guest->name, (long long)mib);
}

/* Orders to the source, the first since it is that. */
static void start_orders(struct cagma_state *state, struct cagma_guest *guest)
{
	struct cagma_link *source = guest->source;

	cagma_actuate_mail(&state->actuator, guest, true);
	if (source->transport->start && !state->actuator.dry_run)
		source->transport->start(source);
}

/* The first orders of all. `sample`: the newest of the guest; NULL: none yet. */
static void begin_orders(struct cagma_state *state, struct cagma_guest *guest,
			 const struct cagma_sample *sample)
{
	bool stray = sample && guest->present &&
		     cagma_foreign_begin(guest, sample);

	guest->aims = true;
	cagma_offset_begin(guest);
	start_orders(state, guest);
	if (stray && !state->actuator.dry_run)
		cagma_actuate_mirror(&state->actuator, guest);
}

/* Only the source's samples count: the others are of the same memory. */
static void accept_sample(struct cagma_state *state, struct cagma_link *link,
		 const struct cagma_sample *sample, uint64_t now_ns)
{
	struct cagma_guest *guest = link->guest;
	/* What it has may have grown since it was listed, up to the limit. */
	uint64_t most_pages = cagma_max(guest->facts.alloc_pages,
					guest->facts.limit_pages);

	if (link == guest->source) {
		if (!cagma_track_add(&guest->track, sample, most_pages, now_ns))
			return;
		if (!guest->aims)
			begin_orders(state, guest, sample);
		note_reaction(state, guest, sample);
		note_event(state, guest, sample);
	}
	link->heard_ns = now_ns;
}

/* Reaped at the end of the round: this round's events may still name it. */
void cagma_session_mark(struct cagma_state *state, struct cagma_link *link,
		   enum cagma_lie lie)
{
	if (link->lie == CAGMA_LIE_NONE)
		link->lie = lie;
	state->leaving |= lie != CAGMA_LIE_NONE;
}

/* Reads what is new. False: the link is no good any more; see link->lie. */
bool cagma_session_read(struct cagma_state *state, struct cagma_link *link,
		      uint64_t now_ns)
{
	struct cagma_sample samples[CAGMA_BATCH];
	size_t count;

	cagma_session_mark(state, link,
	       link->transport->drain(link, now_ns, samples, &count));
	for (size_t i = 0; i < count; i++)
		accept_sample(state, link, &samples[i], now_ns);
	if (count && link->pressure)
		cagma_track_know_swap(&link->guest->track,
				      link->pressure->swap_total_pages);
	return link->lie == CAGMA_LIE_NONE;
}

/* ---- links, and with them guests, come and go ---- */

static struct cagma_link *best_of(const struct cagma_guest *guest)
{
	int rank = 0;

	while (rank < CAGMA_RANKS - 1 && !guest->link[rank])
		rank++;
	return guest->link[rank];
}

/* What was between the guest and its former source means nothing to another. */
static void forget_source(struct cagma_guest *guest)
{
	guest->open_event = 0;
	guest->answered_event = 0;
	guest->reaction_event = 0;
	guest->denied = false;
	cagma_track_turn(&guest->track);
}

/* A former source that is still there: it isn't to ask, or aim, any more. */
static void retire(struct cagma_state *state, struct cagma_guest *guest,
		   struct cagma_link *link)
{
	const struct cagma_order order = {
		.target_pages = guest->target_pages,
		.answered_event = guest->open_event ? guest->open_event :
						      guest->answered_event,
	};

	if (guest->aims && !state->actuator.dry_run)
		link->transport->mail(link, &order, true);
}

/* The best link becomes the source, if it isn't: its guest gets its orders. */
static void turn(struct cagma_state *state, struct cagma_guest *guest)
{
	struct cagma_link *best = best_of(guest), *old = guest->source;

	if (best == old)
		return;
	if (old)
		retire(state, guest, old);
	guest->source = best;
	forget_source(guest);
	cagma_trace_event(state->trace, CAGMA_TRACE_SOURCE, guest,
			  cagma_transport_name(best->transport->rank), 0, 0, 0,
			  0);
	if (guest->aims)
		start_orders(state, guest);
}

/*
 * To a new guest. One whose transport has no memory of what it said is heard
 * before it is told anything.
 */
static void greet(struct cagma_state *state, struct cagma_link *source)
{
	struct cagma_sample sample;

	if (source->transport->peek)
		begin_orders(state, source->guest,
			     source->transport->peek(source, &sample) ?
				     &sample : NULL);
}

static void remove_guest(struct cagma_state *state, struct cagma_guest *guest,
			 enum cagma_lie lie)
{
	size_t index = cagma_state_index(state, guest->domid);

	cagma_trace_event(state->trace, CAGMA_TRACE_DETACH, guest,
			  guest->present ? cagma_lie_name(lie) : "domain-gone",
			  0, 0, 0, 0);
	state->guest_count--;
	memmove(&state->guests[index], &state->guests[index + 1],
		(state->guest_count - index) * sizeof(state->guests[0]));
}

static void release_link(struct cagma_state *state, struct cagma_link *link)
{
	struct cagma_guest *guest = link->guest;

	if (link->fd >= 0)
		epoll_ctl(state->links_fd, EPOLL_CTL_DEL, link->fd, NULL);
	if (!state->actuator.dry_run && link->transport->leave)
		link->transport->leave(link);
	guest->link[link->transport->rank] = NULL;
	if (guest->source == link)
		guest->source = NULL;
	if (best_of(guest))
		link->guest = NULL;
	else
		remove_guest(state, guest, link->lie);
	cagma_queue_push(state->released, &link->handover_node);
}

/*
 * Of one guest: those with a lie, or all. False: the last one was among them, and
 * the guest went with it. It is the store's then, and may be freed at any moment.
 */
bool cagma_session_release(struct cagma_state *state, struct cagma_guest *guest,
			  bool all)
{
	struct cagma_link *gone[CAGMA_RANKS];
	size_t count = 0, left = 0;

	for (int rank = 0; rank < CAGMA_RANKS; rank++) {
		struct cagma_link *link = guest->link[rank];

		if (link && (all || link->lie != CAGMA_LIE_NONE))
			gone[count++] = link;
		else
			left += link != NULL;
	}
	for (size_t i = 0; i < count; i++)
		release_link(state, gone[i]);
	return left;
}

void cagma_session_reap(struct cagma_state *state)
{
	if (!state->leaving)
		return;
	state->leaving = false;
	for (size_t i = state->guest_count; i-- > 0;) {
		struct cagma_guest *guest = state->guests[i];

		if (cagma_session_release(state, guest, !guest->present))
			turn(state, guest);
	}
}

static void insert_guest(struct cagma_state *state, struct cagma_guest *guest)
{
	size_t index = cagma_state_index(state, guest->domid);

	memmove(&state->guests[index + 1], &state->guests[index],
		(state->guest_count - index) * sizeof(state->guests[0]));
	state->guests[index] = guest;
	state->guest_count++;
	guest->looks = LOOKS_AT_FIRST;
	cagma_config_apply(state->config, guest);
}

/* The guest that a link is for, in the table; NULL: there is no room. */
static struct cagma_guest *find_guest(struct cagma_state *state,
				      const struct cagma_link *link)
{
	size_t index = cagma_state_index(state, link->domid);
	struct cagma_guest *there = state->guests[index];

	if (index == state->guest_count || there->domid != link->domid)
		return state->guest_count < CAGMA_GUESTS_MAX ? link->guest :
							      NULL;
	if (link->guest || there->link[link->transport->rank] ||
	    memcmp(there->uuid, link->uuid, CAGMA_UUID_BYTES))
		return NULL;
	return there;
}

/* False: there is no place for it. */
bool cagma_session_join(struct cagma_state *state, struct cagma_link *link)
{
	struct cagma_guest *guest = find_guest(state, link);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };

	if (!guest) {
		cagma_queue_push(state->released, &link->handover_node);
		return false;
	}
	if (guest == link->guest)
		insert_guest(state, guest);
	link->guest = guest;
	link->tokens = TOKENS_PER_S;
	link->excused_ns = cagma_now_ns();
	guest->link[link->transport->rank] = link;
	if (link->fd >= 0)
		epoll_ctl(state->links_fd, EPOLL_CTL_ADD, link->fd, &event);
	return true;
}

/* After Xen was asked for a new guest's facts. */
void cagma_session_begin(struct cagma_state *state, struct cagma_link *link)
{
	struct cagma_guest *guest = link->guest;
	bool new = !guest->source;

	if (new)
		cagma_trace_event(state->trace, CAGMA_TRACE_ATTACH, guest, NULL,
				  0, 0, 0, 0);
	turn(state, guest);
	if (new)
		greet(state, link);
}

/*
 * A link that says nothing keeps its guest from being balanced for ever, and
 * may have been given up by a kernel that crashed or was replaced.
 */
void cagma_session_judge_silence(struct cagma_state *state, struct cagma_link *link,
			  uint64_t now_ns)
{
	const struct cagma_guest *guest = link->guest;
	uint64_t heard_ns;

	if (guest->facts.paused)
		link->excused_ns = now_ns;
	heard_ns = cagma_max(link->excused_ns, link->heard_ns);
	if (cagma_less(now_ns, heard_ns) <=
	    SILENT_TIMES * state->config->tuning.stale_ns)
		return;
	cagma_session_mark(state, link, link == guest->source &&
			   guest->track.last_impossible ?
				   CAGMA_LIE_IMPOSSIBLE : CAGMA_LIE_SILENT);
}

void cagma_session_refill(struct cagma_guest *guest)
{
	guest->looks = guest->looks > LOOKS_MAX - LOOKS_PER_S ?
			       LOOKS_MAX : guest->looks + LOOKS_PER_S;
	for (int rank = 0; rank < CAGMA_RANKS; rank++)
		if (guest->link[rank])
			guest->link[rank]->tokens = TOKENS_PER_S;
}

