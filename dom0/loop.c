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
#define EVENTS		64
/* A guest that runs and says nothing is let go after this many stale_ms. */
#define SILENT_TIMES	10
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

/*
 * The difference between Xen's count and memory/target, when the balloon is
 * at rest. Xen's extra pages are few; a larger difference is a guest's lie.
 */
static void note_offset(struct cagma_guest *guest,
			const struct cagma_sample *sample)
{
	const int64_t most = (int64_t)cagma_mib_to_pages(16);
	int64_t offset = (int64_t)guest->facts.alloc_pages -
			 (int64_t)sample->balloon_pages;

	if (sample->balloon_pages == sample->balloon_target_pages &&
	    sample->balloon_pages == guest->target_pages &&
	    offset >= -most && offset <= most)
		guest->offset_pages = offset;
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

/*
 * Reads a link, answers its guest's emergency, and asks for the next kick. A
 * guest whose emergency could not be answered isn't asked to repeat it before
 * the next tick.
 */
static void serve_link(struct cagma_loop *loop, struct cagma_link *link)
{
	const struct cagma_transport *by = link->transport;
	bool more = link->lie == CAGMA_LIE_NONE;

	for (int i = 0; more && i < REDRAINS; i++) {
		if (link->armed)
			by->disarm(link);
		link->armed = false;
		if (!read_link(loop, link, cagma_now_ns()))
			return;
		if (link->guest->open_event && cagma_pass_answers(loop))
			cagma_pass_emergency(loop);
		if (!cagma_pass_answers(loop) || link->guest->denied)
			return;
		link->armed = by->disarm;
		more = by->arm && by->arm(link);
	}
}

/* ---- links, and with them guests, come and go ---- */

static size_t index_of(const struct cagma_loop *loop, uint16_t domid)
{
	size_t i = 0;

	while (i < loop->guest_count && loop->guests[i]->domid < domid)
		i++;
	return i;
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
static void greet(struct cagma_loop *loop, struct cagma_guest *guest)
{
	struct cagma_link *source = guest->source;
	struct cagma_sample sample;

	if (source->transport->peek)
		begin_orders(loop, guest,
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
	cagma_config_apply(loop->config, guest);
	cagma_pass_refresh(loop);
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

static void adopt(struct cagma_loop *loop, struct cagma_link *link)
{
	struct cagma_guest *guest = find_guest(loop, link);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = link };
	bool new = guest && guest == link->guest;

	if (!guest) {
		cagma_queue_push(loop->released, &link->handover_node);
		return;
	}
	link->guest = guest;
	link->tokens = TOKENS_PER_S;
	link->excused_ns = cagma_now_ns();
	guest->link[link->transport->rank] = link;
	if (link->fd >= 0)
		epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, link->fd, &event);
	if (new) {
		insert_guest(loop, guest);
		cagma_trace_event(loop->trace, CAGMA_TRACE_ATTACH, guest, NULL,
				  0, 0, 0, 0);
	}
	turn(loop, guest);
	if (new)
		greet(loop, guest);
	serve_link(loop, link);
}

static void adopt_all(struct cagma_loop *loop)
{
	struct cds_wfcq_node *node;

	cagma_queue_ack(loop->attached);
	while ((node = cagma_queue_pop(loop->attached)))
		adopt(loop, cagma_container_of(node, struct cagma_link,
					       handover_node));
}

/* ---- events ---- */

/* A channel that fails is of no use, or wakes us for ever: another is needed. */
static void expect_event(struct cagma_loop *loop, struct cagma_link *link)
{
	link->masked = false;
	if (link->transport->unmask(link))
		let_go(loop, link, CAGMA_LIE_CHANNEL);
}

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
	if (!link->tokens) {
		link->masked = true;	/* no event until the next tick */
		return;
	}
	link->tokens--;
	serve_link(loop, link);
	expect_event(loop, link);
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
	int64_t owed = (int64_t)guest->facts.alloc_pages -
		       guest->offset_pages - (int64_t)guest->target_pages;
	bool was_stuck = guest->debt.stuck;

	if (guest->facts.paused)
		return;
	if (cagma_debt_look(&guest->debt, owed > 0 ? (uint64_t)owed : 0,
			    now_ns))
		cagma_pass_remind(loop, guest);
	if (guest->debt.stuck != was_stuck)
		cagma_trace_event(loop->trace, CAGMA_TRACE_DEBT, guest,
				  was_stuck ? "settled" : "stuck",
				  cagma_pages_to_kib(owed > 0 ? (uint64_t)owed :
								0), 0, 0, 0);
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
		note_offset(guest, &guest->track.last);
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

/* The regular look at a link, whether it had an event or not. */
static void look_at(struct cagma_loop *loop, struct cagma_link *link,
		    uint64_t now_ns, bool refill)
{
	if (refill)
		link->tokens = TOKENS_PER_S;
	serve_link(loop, link);
	judge_silence(loop, link, now_ns);
	if (link->masked && link->tokens)
		expect_event(loop, link);
}

/* Somebody else's target is the target now; we plan anew, later. */
static void look_for_foreign(struct cagma_loop *loop, struct cagma_guest *guest,
			     uint64_t now_ns)
{
	uint64_t old = guest->target_pages;

	if (loop->config->policy->acts && !loop->actuator.dry_run &&
	    cagma_foreign_look(guest, now_ns))
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

static void tick(struct cagma_loop *loop)
{
	uint64_t now_ns = cagma_now_ns();
	bool busy, refill;

	atomic_fetch_add(&loop->beats, 1);
	look_at_xenstore(loop, now_ns);
	cagma_command_end_pauses(loop, now_ns);
	if (!cagma_pass_refresh(loop))
		return;
	refill = is_refill(loop, now_ns);
	for (size_t i = 0; i < loop->guest_count; i++) {
		struct cagma_guest *guest = loop->guests[i];

		guest->denied = false;
		for (int rank = 0; rank < CAGMA_RANKS; rank++)
			if (guest->link[rank])
				look_at(loop, guest->link[rank], now_ns,
					refill);
		look_for_foreign(loop, guest, now_ns);
		cagma_track_close(&guest->track, now_ns);
	}
	busy = settle_all(loop, now_ns);
	if (now_ns >= loop->next_pass_ns)
		periodic_pass(loop, now_ns);
	set_timer(loop, busy ? BUSY_TICK_NS : loop->config->tick_ns);
}

static void on_asked(struct cagma_loop *loop)
{
	struct cds_wfcq_node *node;

	cagma_queue_ack(&loop->asked);
	while ((node = cagma_queue_pop(&loop->asked))) {
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
			tick(loop);
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
	struct epoll_event events[EVENTS];
	int count = epoll_wait(loop->epoll_fd, events, EVENTS, timeout_ms);

	for (int i = 0; i < count; i++) {
		cagma_clock_hold();
		on_event(loop, events[i].data.ptr);
	}
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

	loop->domains = calloc(n, sizeof(*loop->domains));
	loop->guests = calloc(n + 1, sizeof(*loop->guests));
	loop->views = calloc(n, sizeof(*loop->views));
	loop->decisions = calloc(n, sizeof(*loop->decisions));
	return loop->domains && loop->guests && loop->views &&
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
	while ((node = cagma_queue_pop(&loop->asked)))
		free(cagma_container_of(node, struct cagma_status, node));
	cagma_queue_destroy(&loop->asked);
	free(loop->domains);
	free(loop->guests);
	free(loop->views);
	free(loop->decisions);
}
