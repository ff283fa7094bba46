// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "command.h"
#include "foreign.h"
#include "journal.h"
#include "log.h"
#include "loop.h"
#include "msg.h"
#include "pass.h"
#include "status.h"
#include "store.h"
#include "units.h"

/* Wake-ups that one guest may cause per second; more are delayed. */
#define TOKENS_PER_S	20
/* Reading while memory moves: limits follow the pages at this pace. */
#define BUSY_TICK_NS	(25 * CAGMA_NS_PER_MS)
/* A guest that publishes faster than we read is left for the next tick. */
#define REDRAINS	3
/* All that wait are heard before anybody is judged. */
#define EVENTS		CAGMA_GUESTS_MAX
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
/* At the end, reactions to the last answers are waited for this long. */
#define WIND_DOWN_STEPS	20
#define WIND_DOWN_STEP_MS 20

/* ---- reading ---- */

static void note_reaction(struct cagma_loop *loop, struct cagma_guest *guest,
			  const struct cagma_sample *sample)
{
	uint64_t us = sample->reaction_ns / CAGMA_NS_PER_US;

	if (sample->reaction_event != guest->answered_event ||
	    sample->reaction_event == guest->reaction_event || guest->denied)
		return;
	guest->reaction_event = sample->reaction_event;
	cagma_histogram_add(&guest->reaction, us);
	cagma_trace_event(loop->trace, CAGMA_TRACE_REACTION, guest, NULL,
			  sample->reaction_event, us, 0, 0);
}

static void note_event(struct cagma_loop *loop, struct cagma_guest *guest,
		       const struct cagma_sample *sample)
{
	if (!sample->event || sample->event == guest->answered_event ||
	    sample->event == guest->open_event)
		return;
	guest->open_event = sample->event;
	guest->open_reason = sample->reason;
	guest->emergencies++;
	loop->emergencies++;
}

/* A guest may change its mind as often as it likes: the log says it now and then. */
static void look_at_offset(struct cagma_loop *loop, struct cagma_guest *guest,
			   uint64_t now_ns)
{
	struct cagma_offset *offset = &guest->offset;
	int64_t mib;

	if (!cagma_offset_look(guest, now_ns))
		return;
	mib = offset->unexplained_pages / (int64_t)cagma_mib_to_pages(1);
	cagma_trace_event(loop->trace, CAGMA_TRACE_OFFSET, guest,
			  offset->unexplained ? CAGMA_UNEXPLAINED :
						"explained", 0, 0, 0, 0);
	if (!offset->unexplained || (offset->logged_ns &&
				     now_ns - offset->logged_ns < SAY_AGAIN_NS))
		return;
	offset->logged_ns = now_ns;
	cagma_log(LOG_WARNING, "%s: Xen counts %lld MiB that neither its balloon nor memory/videoram explains (" CAGMA_UNEXPLAINED ")",
		  guest->name, (long long)mib);
}

/* Orders to the source, the first since it is that. */
static void start_orders(struct cagma_loop *loop, struct cagma_guest *guest)
{
	struct cagma_link *source = guest->source;

	cagma_actuate_mail(&loop->actuator, guest, true);
	if (source->transport->start && !loop->actuator.dry_run)
		source->transport->start(source);
}

/* The first orders of all. `sample`: the newest of the guest; NULL: none yet. */
static void begin_orders(struct cagma_loop *loop, struct cagma_guest *guest,
			 const struct cagma_sample *sample)
{
	bool stray = sample && guest->present &&
		     cagma_foreign_begin(guest, sample);

	guest->aims = true;
	cagma_offset_begin(guest);
	start_orders(loop, guest);
	if (stray && !loop->actuator.dry_run)
		cagma_actuate_mirror(&loop->actuator, guest);
}

/* Only the source's samples count: the others are of the same memory. */
static void hear(struct cagma_loop *loop, struct cagma_link *link,
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
			begin_orders(loop, guest, sample);
		note_reaction(loop, guest, sample);
		note_event(loop, guest, sample);
	}
	link->heard_ns = now_ns;
}

/* Reaped at the end of the round: this round's events may still name it. */
static void let_go(struct cagma_loop *loop, struct cagma_link *link,
		   enum cagma_lie lie)
{
	if (link->lie == CAGMA_LIE_NONE)
		link->lie = lie;
	loop->leaving |= lie != CAGMA_LIE_NONE;
}

/* Reads what is new. False: the link is no good any more; see link->lie. */
static bool read_link(struct cagma_loop *loop, struct cagma_link *link,
		      uint64_t now_ns)
{
	struct cagma_sample samples[CAGMA_BATCH];
	size_t count;

	let_go(loop, link,
	       link->transport->drain(link, now_ns, samples, &count));
	for (size_t i = 0; i < count; i++)
		hear(loop, link, &samples[i], now_ns);
	if (count && link->pressure)
		cagma_track_know_swap(&link->guest->track,
				      link->pressure->swap_total_pages);
	return link->lie == CAGMA_LIE_NONE;
}

/* ---- answering ---- */

/*
 * What is to be looked at in this wake-up is read first, all of it. Then there
 * is one pass for all who ask, and then those that rest are asked to kick
 * again. For each link the order is disarm, read, mail, arm, look:
 * docs/models.md.
 */

static void read_visited(struct cagma_loop *loop, struct cagma_link *link)
{
	if (link->armed)
		link->transport->disarm(link);
	link->armed = false;
	read_link(loop, link, cagma_now_ns());
}

static void begin_visit(struct cagma_loop *loop, struct cagma_link *link)
{
	if (link->visited || link->lie != CAGMA_LIE_NONE)
		return;
	link->visited = true;
	link->next = NULL;
	*loop->visits_end = link;
	loop->visits_end = &link->next;
	read_visited(loop, link);
}

/*
 * Somebody wants memory, or a task is about to be killed: not for us to doubt.
 */
static bool is_request(const struct cagma_guest *guest)
{
	return guest->open_reason == CAGMA_REASON_REQUEST ||
	       guest->open_reason == CAGMA_REASON_OOM;
}

/*
 * An open event is worth a pass if its guest lacks something, or requests it,
 * and has not had its share of passes. One that lacks nothing is answered by
 * what is known. Else it waits: for a pass that another one is worth, a later
 * tick, or the periodic pass.
 */
static bool is_worth_a_pass(struct cagma_loop *loop, struct cagma_guest *guest)
{
	if (!guest->open_event || !cagma_pass_answers(loop))
		return false;
	if (guest->looks > 0 && is_request(guest))
		return true;
	return !cagma_pass_reply(loop, guest) && guest->looks > 0;
}

/* A pass looks at all guests; those who ask for it share that. */
static void charge(struct cagma_loop *loop, size_t asking)
{
	int32_t looks = (int32_t)((loop->guest_count + asking - 1) / asking);

	for (struct cagma_link *link = loop->visits; link; link = link->next) {
		if (!link->guest->asks)
			continue;
		link->guest->asks = false;
		link->guest->looks -= looks;
	}
}

static void answer_all(struct cagma_loop *loop)
{
	size_t asking = 0;

	for (struct cagma_link *link = loop->visits; link; link = link->next) {
		struct cagma_guest *guest = link->guest;

		if (guest->asks || !is_worth_a_pass(loop, guest))
			continue;
		guest->asks = true;
		asking++;
	}
	if (!asking)
		return;
	charge(loop, asking);
	cagma_pass_emergency(loop);
}

/*
 * Asks for the next kick. A guest whose emergency could not be answered isn't
 * asked to repeat it before the next tick. True: there is more to be read.
 */
static bool rearm(struct cagma_loop *loop, struct cagma_link *link)
{
	const struct cagma_transport *by = link->transport;

	if (link->lie != CAGMA_LIE_NONE || !cagma_pass_answers(loop) ||
	    link->guest->denied || link->guest->open_event)
		return false;
	link->armed = by->disarm;
	return by->arm && by->arm(link);
}

/*
 * A channel that fails is of no use, or wakes us for ever: another is needed.
 */
static void expect_event(struct cagma_loop *loop, struct cagma_link *link)
{
	link->masked = false;
	if (link->transport->unmask(link))
		let_go(loop, link, CAGMA_LIE_CHANNEL);
}

static void end_visit(struct cagma_loop *loop, struct cagma_link *link)
{
	link->visited = false;
	if (link->masked && (link->taken || link->tokens))
		expect_event(loop, link);
	link->taken = false;
}

/* Those of which there is more stay, to be read again in the next round. */
static void rearm_all(struct cagma_loop *loop, bool last)
{
	struct cagma_link *link = loop->visits;

	loop->visits = NULL;
	loop->visits_end = &loop->visits;
	while (link) {
		struct cagma_link *next = link->next;

		if (rearm(loop, link) && !last) {
			link->next = NULL;
			*loop->visits_end = link;
			loop->visits_end = &link->next;
		} else {
			end_visit(loop, link);
		}
		link = next;
	}
}

static void serve_visits(struct cagma_loop *loop)
{
	for (int round = 1; loop->visits; round++) {
		if (round > 1)
			cagma_clock_hold();
		for (struct cagma_link *link = loop->visits;
		     round > 1 && link; link = link->next)
			read_visited(loop, link);
		answer_all(loop);
		rearm_all(loop, round == REDRAINS);
	}
}

/* ---- links, and with them guests, come and go ---- */

static size_t index_of(const struct cagma_loop *loop, uint16_t domid)
{
	size_t low = 0, high = loop->guest_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (loop->guests[middle]->domid < domid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

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
static void retire(struct cagma_loop *loop, struct cagma_guest *guest,
		   struct cagma_link *link)
{
	const struct cagma_order order = {
		.target_pages = guest->target_pages,
		.answered_event = guest->open_event ? guest->open_event :
						      guest->answered_event,
	};

	if (guest->aims && !loop->actuator.dry_run)
		link->transport->mail(link, &order, true);
}

/* The best link becomes the source, if it isn't: its guest gets its orders. */
static void turn(struct cagma_loop *loop, struct cagma_guest *guest)
{
	struct cagma_link *best = best_of(guest), *old = guest->source;

	if (best == old)
		return;
	if (old)
		retire(loop, guest, old);
	guest->source = best;
	forget_source(guest);
	cagma_trace_event(loop->trace, CAGMA_TRACE_SOURCE, guest,
			  cagma_transport_name(best->transport->rank), 0, 0, 0,
			  0);
	if (guest->aims)
		start_orders(loop, guest);
}

/*
 * To a new guest. One whose transport has no memory of what it said is heard
 * before it is told anything.
 */
static void greet(struct cagma_loop *loop, struct cagma_link *source)
{
	struct cagma_sample sample;

	if (source->transport->peek)
		begin_orders(loop, source->guest,
			     source->transport->peek(source, &sample) ?
				     &sample : NULL);
}

static void remove_guest(struct cagma_loop *loop, struct cagma_guest *guest,
			 enum cagma_lie lie)
{
	size_t index = index_of(loop, guest->domid);

	cagma_trace_event(loop->trace, CAGMA_TRACE_DETACH, guest,
			  guest->present ? cagma_lie_name(lie) : "domain-gone",
			  0, 0, 0, 0);
	loop->guest_count--;
	memmove(&loop->guests[index], &loop->guests[index + 1],
		(loop->guest_count - index) * sizeof(loop->guests[0]));
}

static void release_link(struct cagma_loop *loop, struct cagma_link *link)
{
	struct cagma_guest *guest = link->guest;

	if (link->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, link->fd, NULL);
	if (!loop->actuator.dry_run && link->transport->leave)
		link->transport->leave(link);
	guest->link[link->transport->rank] = NULL;
	if (guest->source == link)
		guest->source = NULL;
	if (best_of(guest))
		link->guest = NULL;
	else
		remove_guest(loop, guest, link->lie);
	cagma_queue_push(loop->released, &link->handover_node);
}

/*
 * Of one guest: those with a lie, or all. False: the last one was among them, and
 * the guest went with it. It is the store's then, and may be freed at any moment.
 */
static bool release_links(struct cagma_loop *loop, struct cagma_guest *guest,
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
		release_link(loop, gone[i]);
	return left;
}

static void reap(struct cagma_loop *loop)
{
	if (!loop->leaving)
		return;
	loop->leaving = false;
	for (size_t i = loop->guest_count; i-- > 0;) {
		struct cagma_guest *guest = loop->guests[i];

		if (release_links(loop, guest, !guest->present))
			turn(loop, guest);
	}
}

static void insert_guest(struct cagma_loop *loop, struct cagma_guest *guest)
{
	size_t index = index_of(loop, guest->domid);

	memmove(&loop->guests[index + 1], &loop->guests[index],
		(loop->guest_count - index) * sizeof(loop->guests[0]));
	loop->guests[index] = guest;
	loop->guest_count++;
	guest->looks = LOOKS_AT_FIRST;
	cagma_config_apply(loop->config, guest);
}

/* The guest that a link is for, in the table; NULL: there is no room. */
static struct cagma_guest *find_guest(struct cagma_loop *loop,
				      const struct cagma_link *link)
{
	size_t index = index_of(loop, link->domid);
	struct cagma_guest *there = loop->guests[index];

	if (index == loop->guest_count || there->domid != link->domid)
		return loop->guest_count < CAGMA_GUESTS_MAX ? link->guest :
							      NULL;
	if (link->guest || there->link[link->transport->rank] ||
	    memcmp(there->uuid, link->uuid, CAGMA_UUID_BYTES))
		return NULL;
	return there;
}

/* False: there is no place for it. */
static bool adopt(struct cagma_loop *loop, struct cagma_link *link)
{
	struct cagma_guest *guest = find_guest(loop, link);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };

	if (!guest) {
		cagma_queue_push(loop->released, &link->handover_node);
		return false;
	}
	if (guest == link->guest)
		insert_guest(loop, guest);
	link->guest = guest;
	link->tokens = TOKENS_PER_S;
	link->excused_ns = cagma_now_ns();
	guest->link[link->transport->rank] = link;
	if (link->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, link->fd, &event);
	return true;
}

/* After Xen was asked for a new guest's facts. */
static void begin_link(struct cagma_loop *loop, struct cagma_link *link)
{
	struct cagma_guest *guest = link->guest;
	bool new = !guest->source;

	if (new)
		cagma_trace_event(loop->trace, CAGMA_TRACE_ATTACH, guest, NULL,
				  0, 0, 0, 0);
	turn(loop, guest);
	if (new)
		greet(loop, link);
	begin_visit(loop, link);
}

static void adopt_all(struct cagma_loop *loop)
{
	struct cagma_link *adopted = NULL, **end = &adopted;
	struct cds_wfcq_node *node;

	cagma_queue_ack(loop->attached);
	while (!cagma_queue_pop(loop->attached, &node)) {
		struct cagma_link *link = cagma_container_of(
			node, struct cagma_link, handover_node);

		link->next = NULL;
		if (!adopt(loop, link))
			continue;
		*end = link;
		end = &link->next;
	}
	if (adopted)
		cagma_pass_refresh(loop);
	while (adopted) {
		struct cagma_link *link = adopted;

		adopted = link->next;
		begin_link(loop, link);
	}
}

/* ---- events ---- */

static void on_link(struct cagma_loop *loop, struct cagma_link *link)
{
	int err = link->transport->take(link);

	if (err == -EAGAIN)
		return;
	if (err) {
		let_go(loop, link, CAGMA_LIE_CHANNEL);
		return;
	}
	link->guest->kicks++;
	link->masked = true;
	if (!link->tokens)
		return;		/* no event until the next tick */
	link->tokens--;
	link->taken = true;
	begin_visit(loop, link);
}

/* As xl takes it: digits alone. False: it can be a name only. */
static bool is_domid(const char *wanted, uint16_t *domid)
{
	size_t digits = strspn(wanted, "0123456789");
	unsigned long value = strtoul(wanted, NULL, 10);

	*domid = (uint16_t)value;
	return digits && !wanted[digits] && value <= UINT16_MAX;
}

/* Somebody's, if only of a domain that isn't attached: then no name will do. */
static bool is_taken(const struct cagma_loop *loop, uint16_t domid)
{
	for (size_t i = 0; i < loop->domain_count; i++)
		if (loop->domains[i].domid == domid)
			return true;
	return false;
}

struct cagma_guest *cagma_loop_find(struct cagma_loop *loop, const char *wanted)
{
	uint16_t domid;

	if (is_domid(wanted, &domid)) {
		size_t index = index_of(loop, domid);

		if (index < loop->guest_count &&
		    loop->guests[index]->domid == domid)
			return loop->guests[index];
		if (is_taken(loop, domid))
			return NULL;
	}
	for (size_t i = 0; i < loop->guest_count; i++)
		if (!strcmp(loop->guests[i]->name, wanted))
			return loop->guests[i];
	return NULL;
}

static void set_timer(struct cagma_loop *loop, uint64_t tick_ns)
{
	struct itimerspec spec = {
		.it_interval.tv_sec = (time_t)(tick_ns / CAGMA_NS_PER_S),
		.it_interval.tv_nsec = (long)(tick_ns % CAGMA_NS_PER_S),
	};

	if (tick_ns == loop->tick_ns)
		return;
	loop->tick_ns = tick_ns;
	spec.it_value = spec.it_interval;
	timerfd_settime(loop->timer_fd, 0, &spec, NULL);
}

/* A guest that doesn't give back what it owes is asked again, now and then. */
static void collect_debt(struct cagma_loop *loop, struct cagma_guest *guest,
			 uint64_t now_ns)
{
	uint64_t owed = cagma_owed(guest);
	bool was_stuck = guest->debt.stuck;

	if (guest->facts.paused)
		return;
	if (cagma_debt_look(&guest->debt, owed, now_ns))
		cagma_pass_remind(loop, guest);
	if (guest->debt.stuck != was_stuck)
		cagma_trace_event(loop->trace, CAGMA_TRACE_DEBT, guest,
				  was_stuck ? "settled" : "stuck",
				  cagma_pages_to_kib(owed), 0, 0, 0);
}

/*
 * Limits follow the pages that came back. True while some are on the way; what
 * a stuck guest owes isn't.
 */
static bool settle_all(struct cagma_loop *loop, uint64_t now_ns)
{
	bool busy = false;

	for (size_t i = 0; i < loop->guest_count; i++) {
		struct cagma_guest *guest = loop->guests[i];

		if (!guest->present || !loop->config->policy->acts ||
		    cagma_loop_lets_be(loop, guest))
			continue;
		look_at_offset(loop, guest, now_ns);
		busy |= cagma_actuate_settle(&loop->actuator, guest) &&
			!guest->debt.stuck;
		collect_debt(loop, guest, now_ns);
	}
	return busy;
}

/* After a long stop there is one pass, not one for each that was missed. */
static void periodic_pass(struct cagma_loop *loop, uint64_t now_ns)
{
	cagma_pass_periodic(loop, now_ns);
	loop->next_pass_ns += loop->config->period_ns;
	if (loop->next_pass_ns <= now_ns)
		loop->next_pass_ns = now_ns + loop->config->period_ns;
}

/* True once a second: every link has its tokens again. */
static bool is_refill(struct cagma_loop *loop, uint64_t now_ns)
{
	if (now_ns < loop->next_refill_ns)
		return false;
	loop->next_refill_ns = now_ns + CAGMA_NS_PER_S;
	return true;
}

/*
 * A link that says nothing keeps its guest from being balanced for ever, and
 * may have been given up by a kernel that crashed or was replaced.
 */
static void judge_silence(struct cagma_loop *loop, struct cagma_link *link,
			  uint64_t now_ns)
{
	const struct cagma_guest *guest = link->guest;
	uint64_t heard_ns;

	if (guest->facts.paused)
		link->excused_ns = now_ns;
	heard_ns = cagma_max(link->excused_ns, link->heard_ns);
	if (cagma_less(now_ns, heard_ns) <=
	    SILENT_TIMES * loop->config->tuning.stale_ns)
		return;
	let_go(loop, link, link == guest->source &&
			   guest->track.last_impossible ?
				   CAGMA_LIE_IMPOSSIBLE : CAGMA_LIE_SILENT);
}

static void refill(struct cagma_guest *guest)
{
	guest->looks = guest->looks > LOOKS_MAX - LOOKS_PER_S ?
			       LOOKS_MAX : guest->looks + LOOKS_PER_S;
	for (int rank = 0; rank < CAGMA_RANKS; rank++)
		if (guest->link[rank])
			guest->link[rank]->tokens = TOKENS_PER_S;
}

/* The regular look at its links, whether they had events or not. */
static void look_at(struct cagma_loop *loop, struct cagma_guest *guest,
		    uint64_t now_ns)
{
	guest->denied = false;
	for (int rank = 0; rank < CAGMA_RANKS; rank++)
		if (guest->link[rank]) {
			begin_visit(loop, guest->link[rank]);
			judge_silence(loop, guest->link[rank], now_ns);
		}
}

/* Somebody else's target is the target now; we plan anew, later. */
static void look_for_foreign(struct cagma_loop *loop, struct cagma_guest *guest,
			     uint64_t now_ns)
{
	uint64_t old = guest->target_pages;

	if (loop->config->policy->acts && !loop->actuator.dry_run &&
	    cagma_foreign_look(&loop->actuator, guest, now_ns))
		cagma_pass_foreign(loop, guest, old);
}

/* C4: an alarm. The store's own thread can't give it while it waits. */
static void look_at_xenstore(struct cagma_loop *loop, uint64_t now_ns)
{
	int was = loop->xenstore;

	if (loop->store)
		loop->xenstore = cagma_store_xenstore(loop->store, now_ns);
	if (loop->xenstore == was)
		return;
	if (loop->xenstore == CAGMA_XENSTORE_OK)
		cagma_log(LOG_NOTICE, "xenstored answers again");
	else
		cagma_log(LOG_ERR, "xenstored %s: guests are served by their pages alone, and new ones have to wait",
			  loop->xenstore == CAGMA_XENSTORE_GONE ?
				  "has ended" : "doesn't answer");
}

/* Reads all that there is, and answers those who ask before anything else. */
static void tick(struct cagma_loop *loop)
{
	uint64_t now_ns = cagma_now_ns();
	bool busy, full;

	atomic_fetch_add(&loop->beats, 1);
	look_at_xenstore(loop, now_ns);
	if (!cagma_pass_refresh(loop))
		return;
	loop->listed = true;
	full = is_refill(loop, now_ns);
	for (size_t i = 0; i < loop->guest_count; i++) {
		if (full)
			refill(loop->guests[i]);
		look_at(loop, loop->guests[i], now_ns);
	}
	answer_all(loop);
	for (size_t i = 0; i < loop->guest_count; i++) {
		look_for_foreign(loop, loop->guests[i], now_ns);
		cagma_track_close(&loop->guests[i]->track, now_ns);
	}
	busy = settle_all(loop, now_ns);
	if (now_ns >= loop->next_pass_ns)
		periodic_pass(loop, now_ns);
	loop->listed = false;
	set_timer(loop, busy ? BUSY_TICK_NS : loop->config->tick_ns);
}

static void on_asked(struct cagma_loop *loop)
{
	struct cds_wfcq_node *node;

	cagma_queue_ack(&loop->asked);
	while (!cagma_queue_pop(&loop->asked, &node)) {
		struct cagma_status *status = cagma_container_of(
			node, struct cagma_status, node);

		cagma_command_run(loop, &status->command);
		cagma_status_fill(status, loop);
		cagma_queue_push(status->reply, &status->node);
	}
}

static void on_event(struct cagma_loop *loop, void *source)
{
	uint64_t expired;

	if (source == loop->attached) {
		adopt_all(loop);
	} else if (source == &loop->asked) {
		on_asked(loop);
	} else if (source == &loop->signal_fd) {
		loop->stop = true;
	} else if (source == &loop->timer_fd) {
		if (read(loop->timer_fd, &expired, sizeof(expired)) > 0)
			loop->due = true;
	} else {
		on_link(loop, source);
	}
}

/* The other threads hear of what there is for them when nobody waits for us. */
static void flush(struct cagma_loop *loop)
{
	cagma_actuate_flush(&loop->actuator);
	cagma_feed_flush(&loop->trace->feed);
	if (loop->journal)
		cagma_feed_flush(&loop->journal->feed);
}

void cagma_loop_once(struct cagma_loop *loop, int timeout_ms)
{
	int count = epoll_wait(loop->epoll_fd, loop->events, EVENTS,
			       timeout_ms);

	cagma_clock_hold();
	for (int i = 0; i < count; i++)
		on_event(loop, loop->events[i].data.ptr);
	if (loop->due)
		tick(loop);
	loop->due = false;
	serve_visits(loop);
	/* Only now: an event of this batch may have named a link. */
	reap(loop);
	cagma_clock_release();
	flush(loop);
}

/* Takes no more kicks. True if a guest hasn't reported its last reaction. */
static bool wind_down(struct cagma_loop *loop)
{
	bool waiting = false;

	for (size_t i = 0; i < loop->guest_count; i++) {
		struct cagma_guest *guest = loop->guests[i];
		struct cagma_link *link = guest->source;

		if (link->armed)
			link->transport->disarm(link);
		link->armed = false;
		read_link(loop, link, cagma_now_ns());
		waiting |= guest->reaction.count < guest->answered;
	}
	return waiting;
}

void cagma_loop_run(struct cagma_loop *loop)
{
	while (!loop->stop)
		cagma_loop_once(loop, -1);
	adopt_all(loop);
	serve_visits(loop);
	for (int i = 0; i < WIND_DOWN_STEPS && wind_down(loop); i++)
		poll(NULL, 0, WIND_DOWN_STEP_MS);
	while (loop->guest_count)
		release_links(loop, loop->guests[loop->guest_count - 1], true);
	flush(loop);
}

/* ---- set-up ---- */

static int watch(struct cagma_loop *loop, int fd, void *source)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return -errno;
	return 0;
}

static int allocate(struct cagma_loop *loop)
{
	size_t n = CAGMA_GUESTS_MAX;

	loop->events = calloc(EVENTS, sizeof(*loop->events));
	loop->domains_max = n + 1;
	loop->domains = calloc(loop->domains_max, sizeof(*loop->domains));
	loop->guests = calloc(n + 1, sizeof(*loop->guests));
	loop->views = calloc(n, sizeof(*loop->views));
	loop->decisions = calloc(n, sizeof(*loop->decisions));
	return loop->events && loop->domains && loop->guests && loop->views &&
	       loop->decisions ? 0 : -ENOMEM;
}

static int open_fds(struct cagma_loop *loop)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	loop->timer_fd = timerfd_create(CLOCK_MONOTONIC,
					TFD_NONBLOCK | TFD_CLOEXEC);
	loop->signal_fd = signalfd(-1, &signals, SFD_NONBLOCK | SFD_CLOEXEC);
	if (loop->epoll_fd < 0 || loop->timer_fd < 0 || loop->signal_fd < 0)
		return -errno;
	return 0;
}

static int watch_all(struct cagma_loop *loop)
{
	int err = watch(loop, loop->timer_fd, &loop->timer_fd);

	if (!err)
		err = watch(loop, loop->signal_fd, &loop->signal_fd);
	if (!err)
		err = watch(loop, loop->attached->fd, loop->attached);
	if (!err)
		err = watch(loop, loop->asked.fd, &loop->asked);
	return err;
}

int cagma_loop_init(struct cagma_loop *loop, const struct cagma_config *config,
		    struct cagma_xen *xen, struct cagma_trace *trace,
		    struct cagma_queue *attached, struct cagma_queue *mirror,
		    struct cagma_queue *released, bool dry_run)
{
	int err;

	*loop = (struct cagma_loop){
		.config = config,
		.actuator = {
			.xen = xen,
			.mirror = mirror,
			.dry_run = dry_run,
			.hard_pages = config->hard_pages,
		},
		.trace = trace,
		.attached = attached,
		.released = released,
		.epoll_fd = -1,
		.timer_fd = -1,
		.signal_fd = -1,
		.start_ns = cagma_now_ns(),
	};
	loop->visits_end = &loop->visits;
	loop->next_pass_ns = loop->start_ns + config->period_ns;
	err = cagma_queue_init(&loop->asked);
	if (err)
		return err;
	err = allocate(loop);
	if (!err)
		err = open_fds(loop);
	if (!err)
		err = watch_all(loop);
	if (err) {
		cagma_loop_destroy(loop);
		return err;
	}
	set_timer(loop, config->tick_ns);
	return 0;
}

void cagma_loop_destroy(struct cagma_loop *loop)
{
	int fds[] = { loop->epoll_fd, loop->timer_fd, loop->signal_fd };
	struct cds_wfcq_node *node;

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	while (!cagma_queue_pop(&loop->asked, &node))
		free(cagma_container_of(node, struct cagma_status, node));
	cagma_queue_destroy(&loop->asked);
	free(loop->events);
	free(loop->domains);
	free(loop->guests);
	free(loop->views);
	free(loop->decisions);
}
