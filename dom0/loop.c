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
#include "session.h"
#include "state.h"
#include "status.h"
#include "store.h"
#include "units.h"

/* Reading while memory moves: limits follow the pages at this pace. */
#define BUSY_TICK_NS	(25 * CAGMA_NS_PER_MS)
/* A guest that publishes faster than we read is left for the next tick. */
#define REDRAINS	3
/* All that wait are heard before anybody is judged. */
#define EVENTS		CAGMA_GUESTS_MAX
/* At the end, reactions to the last answers are waited for this long. */
#define WIND_DOWN_STEPS	20
#define WIND_DOWN_STEP_MS 20

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
	cagma_session_read(loop->state, link, cagma_now_ns());
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
	if (!guest->open_event || !cagma_pass_answers(loop->state))
		return false;
	if (guest->looks > 0 && is_request(guest))
		return true;
	return !cagma_pass_reply(loop->state, guest) && guest->looks > 0;
}

/* A pass looks at all guests; those who ask for it share that. */
static void charge(struct cagma_loop *loop, size_t asking)
{
	struct cagma_state *state = loop->state;
	int32_t looks = (int32_t)((state->guest_count + asking - 1) / asking);

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
	cagma_pass_emergency(loop->state);
}

/*
 * Asks for the next kick. A guest whose emergency could not be answered isn't
 * asked to repeat it before the next tick. True: there is more to be read.
 */
static bool rearm(struct cagma_loop *loop, struct cagma_link *link)
{
	const struct cagma_transport *by = link->transport;

	if (link->lie != CAGMA_LIE_NONE || !cagma_pass_answers(loop->state) ||
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
		cagma_session_mark(loop->state, link, CAGMA_LIE_CHANNEL);
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

static void adopt_all(struct cagma_loop *loop)
{
	struct cagma_link *adopted = NULL, **end = &adopted;
	struct cds_wfcq_node *node;

	cagma_queue_ack(loop->attached);
	while (!cagma_queue_pop(loop->attached, &node)) {
		struct cagma_link *link = cagma_container_of(
			node, struct cagma_link, handover_node);

		link->next = NULL;
		if (!cagma_session_join(loop->state, link))
			continue;
		*end = link;
		end = &link->next;
	}
	if (adopted)
		cagma_pass_refresh(loop->state);
	while (adopted) {
		struct cagma_link *link = adopted;

		adopted = link->next;
		cagma_session_begin(loop->state, link);
		begin_visit(loop, link);
	}
}

/* ---- events ---- */

static void on_link(struct cagma_loop *loop, struct cagma_link *link)
{
	int err = link->transport->take(link);

	if (err == -EAGAIN)
		return;
	if (err) {
		cagma_session_mark(loop->state, link, CAGMA_LIE_CHANNEL);
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
static void collect_debt(struct cagma_state *state, struct cagma_guest *guest,
			 uint64_t now_ns)
{
	uint64_t owed = cagma_owed(guest);
	bool was_stuck = guest->debt.stuck;

	if (guest->facts.paused)
		return;
	if (cagma_debt_look(&guest->debt, owed, now_ns))
		cagma_pass_remind(state, guest);
	if (guest->debt.stuck != was_stuck)
		cagma_trace_event(state->trace, CAGMA_TRACE_DEBT, guest,
				  was_stuck ? "settled" : "stuck",
				  cagma_pages_to_kib(owed), 0, 0, 0);
}

/*
 * Limits follow the pages that came back. True while some are on the way; what
 * a stuck guest owes isn't.
 */
static bool settle_all(struct cagma_state *state, uint64_t now_ns)
{
	bool busy = false;

	for (size_t i = 0; i < state->guest_count; i++) {
		struct cagma_guest *guest = state->guests[i];

		if (!guest->present || !state->config->policy->acts ||
		    cagma_state_lets_be(state, guest))
			continue;
		cagma_session_look_at_offset(state, guest, now_ns);
		busy |= cagma_actuate_settle(&state->actuator, guest) &&
			!guest->debt.stuck;
		collect_debt(state, guest, now_ns);
	}
	return busy;
}

/* After a long stop there is one pass, not one for each that was missed. */
static void periodic_pass(struct cagma_loop *loop, uint64_t now_ns)
{
	struct cagma_state *state = loop->state;

	cagma_pass_periodic(state, now_ns);
	loop->next_pass_ns += state->config->period_ns;
	if (loop->next_pass_ns <= now_ns)
		loop->next_pass_ns = now_ns + state->config->period_ns;
}

/* True once a second: every link has its tokens again. */
static bool is_refill(struct cagma_loop *loop, uint64_t now_ns)
{
	if (now_ns < loop->next_refill_ns)
		return false;
	loop->next_refill_ns = now_ns + CAGMA_NS_PER_S;
	return true;
}

/* The regular look at its links, whether they had events or not. */
static void look_at(struct cagma_loop *loop, struct cagma_guest *guest,
		    uint64_t now_ns)
{
	guest->denied = false;
	for (int rank = 0; rank < CAGMA_RANKS; rank++)
		if (guest->link[rank]) {
			begin_visit(loop, guest->link[rank]);
			cagma_session_judge_silence(loop->state,
						    guest->link[rank], now_ns);
		}
}

/* Somebody else's target is the target now; we plan anew, later. */
static void look_for_foreign(struct cagma_state *state, struct cagma_guest *guest,
			     uint64_t now_ns)
{
	uint64_t old = guest->target_pages;

	if (state->config->policy->acts && !state->actuator.dry_run &&
	    cagma_foreign_look(&state->actuator, guest, now_ns))
		cagma_pass_foreign(state, guest, old);
}

/* C4: an alarm. The store's own thread can't give it while it waits. */
static void look_at_xenstore(struct cagma_state *state, uint64_t now_ns)
{
	int was = state->xenstore;

	if (state->store)
		state->xenstore = cagma_store_xenstore(state->store, now_ns);
	if (state->xenstore == was)
		return;
	if (state->xenstore == CAGMA_XENSTORE_OK)
		cagma_log(LOG_NOTICE, "xenstored answers again");
	else
		cagma_log(LOG_ERR, "xenstored %s: guests are served by their pages alone, and new ones have to wait",
			  state->xenstore == CAGMA_XENSTORE_GONE ?
				  "has ended" : "doesn't answer");
}

/* Reads all that there is, and answers those who ask before anything else. */
static void tick(struct cagma_loop *loop)
{
	struct cagma_state *state = loop->state;
	uint64_t now_ns = cagma_now_ns();
	bool busy, full;

	atomic_fetch_add(&state->beats, 1);
	look_at_xenstore(state, now_ns);
	cagma_command_end_pauses(state, now_ns);
	if (!cagma_pass_refresh(state))
		return;
	state->listed = true;
	full = is_refill(loop, now_ns);
	for (size_t i = 0; i < state->guest_count; i++) {
		if (full)
			cagma_session_refill(state->guests[i]);
		look_at(loop, state->guests[i], now_ns);
	}
	answer_all(loop);
	for (size_t i = 0; i < state->guest_count; i++) {
		look_for_foreign(state, state->guests[i], now_ns);
		cagma_track_close(&state->guests[i]->track, now_ns);
	}
	busy = settle_all(state, now_ns);
	if (now_ns >= loop->next_pass_ns)
		periodic_pass(loop, now_ns);
	state->listed = false;
	set_timer(loop, busy ? BUSY_TICK_NS : state->config->tick_ns);
}

static void on_asked(struct cagma_loop *loop)
{
	struct cagma_state *state = loop->state;
	struct cds_wfcq_node *node;

	cagma_queue_ack(&state->asked);
	while (!cagma_queue_pop(&state->asked, &node)) {
		struct cagma_status *status = cagma_container_of(
			node, struct cagma_status, node);

		cagma_command_run(state, &status->command);
		cagma_status_fill(status, state);
		cagma_queue_push(status->reply, &status->node);
	}
}

static void on_event(struct cagma_loop *loop, void *source)
{
	struct cagma_state *state = loop->state;
	uint64_t expired;

	if (source == loop->attached) {
		adopt_all(loop);
	} else if (source == &state->asked) {
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
	struct cagma_state *state = loop->state;

	cagma_actuate_flush(&state->actuator);
	cagma_feed_flush(&state->trace->feed);
	if (state->journal)
		cagma_feed_flush(&state->journal->feed);
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
	cagma_session_reap(loop->state);
	cagma_clock_release();
	flush(loop);
}

/* Takes no more kicks. True if a guest hasn't reported its last reaction. */
static bool wind_down(struct cagma_loop *loop)
{
	struct cagma_state *state = loop->state;
	bool waiting = false;

	for (size_t i = 0; i < state->guest_count; i++) {
		struct cagma_guest *guest = state->guests[i];
		struct cagma_link *link = guest->source;

		if (link->armed)
			link->transport->disarm(link);
		link->armed = false;
		cagma_session_read(state, link, cagma_now_ns());
		waiting |= guest->reaction.count < guest->answered;
	}
	return waiting;
}

void cagma_loop_run(struct cagma_loop *loop)
{
	struct cagma_state *state = loop->state;

	while (!loop->stop)
		cagma_loop_once(loop, -1);
	adopt_all(loop);
	serve_visits(loop);
	for (int i = 0; i < WIND_DOWN_STEPS && wind_down(loop); i++)
		poll(NULL, 0, WIND_DOWN_STEP_MS);
	while (state->guest_count)
		cagma_session_release(state, state->guests[state->guest_count - 1], true);
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

static int open_fds(struct cagma_loop *loop)
{
	struct cagma_state *state = loop->state;
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
	state->links_fd = loop->epoll_fd;
	return 0;
}

static int watch_all(struct cagma_loop *loop)
{
	struct cagma_state *state = loop->state;
	int err = watch(loop, loop->timer_fd, &loop->timer_fd);

	if (!err)
		err = watch(loop, loop->signal_fd, &loop->signal_fd);
	if (!err)
		err = watch(loop, loop->attached->fd, loop->attached);
	if (!err)
		err = watch(loop, state->asked.fd, &state->asked);
	return err;
}

int cagma_loop_init(struct cagma_loop *loop, struct cagma_state *state,
		    struct cagma_queue *attached)
{
	int err;

	*loop = (struct cagma_loop){
		.state = state,
		.attached = attached,
		.epoll_fd = -1,
		.timer_fd = -1,
		.signal_fd = -1,
		.next_pass_ns = state->start_ns + state->config->period_ns,
	};
	loop->visits_end = &loop->visits;
	loop->events = calloc(EVENTS, sizeof(*loop->events));
	err = loop->events ? open_fds(loop) : -ENOMEM;
	if (!err)
		err = watch_all(loop);
	if (err) {
		cagma_loop_destroy(loop);
		return err;
	}
	set_timer(loop, state->config->tick_ns);
	return 0;
}

void cagma_loop_destroy(struct cagma_loop *loop)
{
	int fds[] = { loop->epoll_fd, loop->timer_fd, loop->signal_fd };
	struct cds_wfcq_node *node;

	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	while (!cagma_queue_pop(&loop->state->asked, &node))
		free(cagma_container_of(node, struct cagma_status, node));
	free(loop->events);
}
