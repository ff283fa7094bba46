// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clock.h"
#include "foreign.h"
#include "invariant.h"
#include "journal.h"
#include "log.h"
#include "state.h"
#include "pass.h"
#include "units.h"

/* ---- facts ---- */

/*
 * The domain's facts, or NULL. Xen lists domains by number, as guests are kept: who
 * looks for one after the other goes on at `*at`, where the last one was found.
 */
static const struct cagma_domain_facts *
find_domain(const struct cagma_state *state, uint16_t domid, size_t *at)
{
	while (*at < state->domain_count && state->domains[*at].domid < domid)
		++*at;
	if (*at < state->domain_count && state->domains[*at].domid == domid)
		return &state->domains[*at];
	return NULL;
}

static void refresh_guest(struct cagma_state *state, struct cagma_guest *guest,
			  size_t *at)
{
	const struct cagma_domain_facts *facts = find_domain(state, guest->domid,
							     at);

	guest->present = facts && !facts->dying && !facts->shut_down &&
			 !memcmp(facts->uuid, guest->uuid, CAGMA_UUID_BYTES);
	state->leaving |= !guest->present;
	if (!guest->present)
		return;
	guest->facts = *facts;
	cagma_foreign_note_limit(guest, cagma_now_ns());
}

/* N4: once, when they become too many. */
static void note_beyond(struct cagma_state *state)
{
	size_t was = state->beyond, count = 0;

	if (state->domain_count > CAGMA_GUESTS_MAX)
		for (size_t i = 0; i < state->domain_count; i++)
			count += state->domains[i].domid &&
				 !state->domains[i].dying &&
				 !state->domains[i].shut_down;
	state->beyond = cagma_less(count, CAGMA_GUESTS_MAX);
	if (state->beyond && !was)
		cagma_log(LOG_WARNING, "there are %zu domains, and room for %u: the others are left as they are",
			  count, CAGMA_GUESTS_MAX);
}

/* N4: memory is locked, and room for all that Xen could have would be 2 MiB. */
static int make_room(struct cagma_state *state)
{
	size_t most = cagma_min(2 * state->domains_max, CAGMA_DOMAINS_MAX);
	struct cagma_domain_facts *domains =
		reallocarray(state->domains, most, sizeof(*domains));

	if (!domains)
		return -ENOMEM;
	state->domains = domains;
	state->domains_max = most;
	return 0;
}

/* How many domains there are, or -errno. */
static int list_domains(struct cagma_state *state)
{
	for (;;) {
		int count = cagma_xen_domains(state->actuator.xen, state->domains,
					      state->domains_max);
		int err;

		if (count < 0 || (size_t)count < state->domains_max ||
		    state->domains_max == CAGMA_DOMAINS_MAX)
			return count;
		err = make_room(state);
		if (err)
			return err;
	}
}

bool cagma_pass_refresh(struct cagma_state *state)
{
	struct cagma_xen *xen = state->actuator.xen;
	int count = list_domains(state);
	int err = count < 0 ? count : cagma_xen_host(xen, &state->host);
	size_t at = 0;

	if (err) {
		if (!state->xen_errors++)
			cagma_log(LOG_ERR, "cannot read Xen's memory: %s",
				  strerror(-err));
		return false;
	}
	state->domain_count = (size_t)count;
	state->actuator.total_pages = state->leases.total_pages =
		state->host.total_pages;
	note_beyond(state);
	state->actuator.spare_pages = cagma_spare(&state->host, state->domains,
						 state->domain_count);
	for (size_t i = 0; i < state->guest_count; i++)
		refresh_guest(state, state->guests[i], &at);
	return true;
}

/* ---- deciding ---- */

static void view_guest(const struct cagma_state *state, struct cagma_guest *guest,
		       uint64_t now_ns, struct cagma_guest_view *view)
{
	const struct cagma_tuning *t = &state->config->tuning;
	const struct cagma_spans spans = { t->donor_ns, t->release_ns,
					   t->window_ns, t->horizon_ns };
	const struct cagma_track *track = &guest->track;
	const struct cagma_past *past = cagma_track_past(&guest->track, now_ns,
							 &spans);
	uint64_t used = cagma_track_used(track);
	int64_t alloc = (int64_t)guest->facts.alloc_pages - guest->offset_pages;
	uint64_t slack = cagma_limit_for(guest, 0);

	*view = (struct cagma_guest_view){
		.alloc_pages = alloc > 0 ? (uint64_t)alloc : 0,
		/* At first dom0 has none. */
		.limit_pages = cagma_less(cagma_min(guest->facts.limit_pages,
						    state->host.total_pages),
					  slack),
		.target_pages = guest->target_pages,
		.available_pages = track->last.available_pages,
		.used_pages = used,
		.used_donor_pages = cagma_max(used, past->used_donor_pages),
		.used_release_pages = cagma_max(used, past->used_release_pages),
		.growth_pages = past->growth_pages,
		.burst_pages = past->burst_pages,
		.task_pages = track->last.task_pages,
		.swapped_pages = cagma_track_swapped(track),
		.swap_in_pages = past->swap_in_pages,
		.firm_pages = cagma_track_firm(
			track, cagma_max(used, past->used_donor_pages)),
		.quick_pages = guest->debt.quick_pages,
		.steady_pages = guest->debt.steady_pages,
		.min_pages = guest->min_pages,
		.max_pages = guest->max_pages,
		.weight = guest->weight,
		.age_ns = track->any ? cagma_less(now_ns, track->seen_ns) :
				       UINT64_MAX,
		.settled_ns = cagma_less(now_ns, cagma_max(guest->raised_ns,
							   track->resumed_ns)),
		.yielded_ns = guest->yielded_ns ?
			      cagma_less(now_ns, guest->yielded_ns) : UINT64_MAX,
		.covered = past->covered,
		.emergency = guest->open_event &&
			     state->config->policy->answers_kicks,
		.held = !guest->present || guest->facts.paused ||
			cagma_state_lets_be(state, guest) ||
			(cagma_foreign_is_likely(guest, now_ns) &&
			 !guest->open_event),
		.stuck = guest->debt.stuck,
		.memory = guest->memory,
	};
}

static void view_guests(const struct cagma_state *state, uint64_t now_ns)
{
	for (size_t i = 0; i < state->guest_count; i++) {
		if (i + 1 < state->guest_count)
			cagma_track_prefetch(&state->guests[i + 1]->track);
		view_guest(state, state->guests[i], now_ns, &state->views[i]);
	}
}

/* What is leased is kept for who comes. */
static struct cagma_host_view view_host(const struct cagma_state *state,
					uint64_t now_ns)
{
	int64_t spare = state->actuator.spare_pages -
			(int64_t)state->leased_pages;

	return (struct cagma_host_view){
		.spare_pages = spare > 0 ? (uint64_t)spare : 0,
		.overdrawn_pages = spare < 0 ? (uint64_t)-spare : 0,
		.reserve_pages = state->config->reserve_pages,
		.hard_pages = state->config->hard_pages,
		.up_ns = now_ns - state->start_ns,
	};
}

/* ---- acting ---- */

bool cagma_pass_answers(const struct cagma_state *state)
{
	return state->config->policy->answers_kicks && !state->actuator.dry_run;
}

/* False: the increase that was decided could not be had. */
static bool act(struct cagma_state *state, struct cagma_guest *guest,
		const struct cagma_decision *decision)
{
	uint64_t old = guest->target_pages;
	int err = 0;

	if (decision->target_pages > old)
		err = cagma_actuate_grow(&state->actuator, guest,
					 decision->target_pages);
	else if (decision->target_pages < old)
		cagma_actuate_shrink(&state->actuator, guest,
				     decision->target_pages);
	else
		return true;
	if (err && err != -ENOSPC && !state->xen_errors++)
		cagma_log(LOG_ERR, "cannot raise the limit of %s: %s",
			  guest->name, strerror(-err));
	if (err)
		return false;
	if (decision->target_pages > old)
		guest->raised_ns = cagma_now_ns();
	else if (decision->why == CAGMA_WHY_YIELD)
		guest->yielded_ns = cagma_now_ns();
	state->target_changes++;
	cagma_trace_event(state->trace, CAGMA_TRACE_TARGET, guest,
			  cagma_why_name(decision->why), cagma_pages_to_kib(old),
			  cagma_pages_to_kib(decision->target_pages), 0, 0);
	return true;
}

static void learn(struct cagma_guest *guest,
		  const struct cagma_decision *decision)
{
	guest->memory = decision->memory;
	guest->cma_pages = decision->cma_pages;
	guest->threshold_pages = decision->threshold_pages;
}

/* Closes the guest's emergency in the orders that the next mail carries. */
static void answer(struct cagma_state *state, struct cagma_guest *guest,
		   const struct cagma_decision *decision)
{
	guest->denied = decision->unmet_pages &&
			decision->target_pages <= guest->target_pages;
	guest->answered_event = guest->open_event;
	guest->open_event = 0;
	if (!guest->denied) {
		guest->answered++;
		state->answered++;
	}
	cagma_trace_event(state->trace, CAGMA_TRACE_EMERGENCY, guest,
			  cagma_reason_name(guest->open_reason),
			  guest->answered_event,
			  cagma_pages_to_kib(guest->track.last.available_pages),
			  cagma_pages_to_kib(guest->target_pages),
			  cagma_pages_to_kib(decision->target_pages));
}

bool cagma_pass_reply(struct cagma_state *state, struct cagma_guest *guest)
{
	const struct cagma_config *config = state->config;
	struct cagma_decision decision;
	struct cagma_guest_view view;

	if (!config->policy->lacks)
		return false;
	view_guest(state, guest, cagma_now_ns(), &view);
	if (config->policy->lacks(&config->tuning, &view, &decision))
		return false;
	learn(guest, &decision);
	answer(state, guest, &decision);
	cagma_actuate_mail(&state->actuator, guest, false);
	return true;
}

/* The answer promised more than could be had. */
static void take_back(struct cagma_state *state, struct cagma_guest *guest)
{
	guest->denied = true;
	guest->answered--;
	state->answered--;
}

/* A policy that doesn't act only counts; the guest stays unanswered. */
static void ignore_event(struct cagma_guest *guest)
{
	guest->answered_event = guest->open_event;
	guest->open_event = 0;
}

static bool threshold_moved(const struct cagma_guest *guest)
{
	uint64_t was = guest->mailed_threshold_pages;
	uint64_t is = guest->threshold_pages;

	return is > was + was / 8 || is < was - was / 8;
}

/* Why, with all that was known; what was carried out may be less. */
static void record(struct cagma_guest *guest, uint32_t event,
		   const struct cagma_host_view *host,
		   const struct cagma_guest_view *view,
		   const struct cagma_decision *decision)
{
	struct cagma_record r = {
		.time_ns = cagma_now_ns(),
		.event = event,
		.reason = event ? guest->open_reason : 0,
		.denied = event && guest->denied,
		.host = *host,
		.guest = *view,
		.decision = *decision,
	};

	r.decision.target_pages = guest->target_pages;
	cagma_records_add(&guest->records, &r);
}

static void carry_out(struct cagma_state *state, size_t index,
		      const struct cagma_host_view *host)
{
	struct cagma_guest *guest = state->guests[index];
	const struct cagma_decision *decision = &state->decisions[index];
	bool asked = guest->open_event && cagma_pass_answers(state);
	uint32_t event = asked ? guest->open_event : 0;
	uint64_t changes = guest->target_changes;

	learn(guest, decision);
	if (asked)
		answer(state, guest, decision);
	else if (guest->open_event)
		ignore_event(guest);
	if (!act(state, guest, decision) && asked && !guest->denied)
		take_back(state, guest);
	if (changes == guest->target_changes) {
		if (asked)
			cagma_actuate_mail(&state->actuator, guest, false);
		else if (threshold_moved(guest))
			cagma_actuate_mail(&state->actuator, guest, true);
	}
	/* Last: the guest is waiting for its mail. */
	if (changes != guest->target_changes || (asked && guest->denied))
		record(guest, event, host, &state->views[index], decision);
}

static void check(struct cagma_state *state, const struct cagma_host_view *host,
		  int64_t before, bool periodic)
{
	static const struct { unsigned int bit; const char *name; } all[] = {
		{ CAGMA_I1, "I1" }, { CAGMA_I2, "I2" },
		{ CAGMA_I3, "I3" }, { CAGMA_I4, "I4" },
		{ CAGMA_I5, "I5" },
	};
	unsigned int broken = cagma_invariant_check(
		&state->config->tuning, host, before,
		state->actuator.spare_pages, state->views, state->decisions,
		state->guest_count, periodic && state->config->policy->acts);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!(broken & all[i].bit))
			continue;
		if (!state->violations++)
			cagma_log(LOG_ERR, "invariant %s is broken",
				  all[i].name);
		cagma_trace_event(state->trace, CAGMA_TRACE_VIOLATION, NULL,
				  all[i].name, 0, 0, 0, 0);
	}
}

static void take_down(struct cagma_state *state, bool periodic, uint64_t now_ns,
		      const struct cagma_host_view *host)
{
	const struct cagma_round round = {
		.time_ns = now_ns,
		.policy = state->config->policy,
		.periodic = periodic,
		.tuning = state->config->tuning,
		.host = *host,
		.count = state->guest_count,
	};

	if (state->journal)
		cagma_journal_add(state->journal, &round, state->guests,
				  state->views, state->decisions);
}

/* Increases go out first: they are urgent and spend only what is free. */
static void evaluate(struct cagma_state *state, bool periodic)
{
	uint64_t now_ns = cagma_now_ns();
	struct cagma_host_view host;
	int64_t before;

	/* A tick's passes have the tick's, and what was done since. */
	if (!state->listed && !cagma_pass_refresh(state))
		return;
	before = state->actuator.spare_pages;
	state->leased_pages = cagma_lease_look(&state->leases, state->domains,
					      state->domain_count, now_ns);
	host = view_host(state, now_ns);
	view_guests(state, now_ns);
	state->config->policy->decide(&state->config->tuning, &host, state->views,
				     state->guest_count, periodic,
				     state->decisions);
	for (int shrink = 0; shrink < 2; shrink++)
		for (size_t i = 0; i < state->guest_count; i++)
			if (shrink == (state->decisions[i].target_pages <
				       state->views[i].target_pages))
				carry_out(state, i, &host);
	check(state, &host, before, periodic);
	take_down(state, periodic, now_ns, &host);
}

void cagma_pass_emergency(struct cagma_state *state)
{
	evaluate(state, false);
}

/* A change that no policy decided has its record as well. */
static void note_change(struct cagma_state *state, struct cagma_guest *guest,
			uint64_t old_pages, enum cagma_why why)
{
	const struct cagma_decision decision = {
		.target_pages = guest->target_pages,
		.cma_pages = guest->cma_pages,
		.why = why,
	};
	uint64_t now_ns = cagma_now_ns();
	const struct cagma_host_view host = view_host(state, now_ns);
	struct cagma_guest_view view;

	view_guest(state, guest, now_ns, &view);
	view.target_pages = old_pages;
	state->target_changes++;
	cagma_trace_event(state->trace, CAGMA_TRACE_TARGET, guest,
			  cagma_why_name(why), cagma_pages_to_kib(old_pages),
			  cagma_pages_to_kib(guest->target_pages), 0, 0);
	record(guest, 0, &host, &view, &decision);
}

void cagma_pass_foreign(struct cagma_state *state, struct cagma_guest *guest,
			uint64_t old_pages)
{
	guest->target_changes++;
	note_change(state, guest, old_pages, CAGMA_WHY_FOREIGN);
}

void cagma_pass_remind(struct cagma_state *state, struct cagma_guest *guest)
{
	uint64_t old_pages = guest->target_pages;

	if (cagma_actuate_again(&state->actuator, guest))
		note_change(state, guest, old_pages, CAGMA_WHY_REMIND);
}

/* ---- what the trace says of a periodic pass ---- */

static void trace_host(struct cagma_state *state, uint64_t now_ns)
{
	struct cagma_trace_record *r =
		cagma_trace_begin(state->trace, CAGMA_TRACE_HOST, now_ns, NULL);

	if (!r)
		return;
	r->value[0] = (int64_t)cagma_pages_to_kib(state->host.free_pages);
	r->value[1] = cagma_signed_pages_to_kib(state->actuator.spare_pages);
	r->value[2] = (int64_t)cagma_pages_to_kib(state->config->reserve_pages);
	cagma_trace_commit(state->trace, r);
}

static void trace_guest(struct cagma_state *state,
			const struct cagma_guest *guest, uint64_t now_ns)
{
	const struct cagma_sample *last = &guest->track.last;
	struct cagma_trace_record *r =
		cagma_trace_begin(state->trace, CAGMA_TRACE_GUEST, now_ns, guest);

	if (!r)
		return;
	r->value[0] = (int64_t)cagma_pages_to_kib(guest->facts.alloc_pages);
	r->value[1] = (int64_t)cagma_pages_to_kib(last->available_pages);
	r->value[2] = (int64_t)cagma_pages_to_kib(guest->target_pages);
	r->value[3] = (int64_t)cagma_pages_to_kib(guest->cma_pages);
	r->value[4] = (int64_t)last->swap_in_pages;
	r->value[5] = (int64_t)last->swap_out_pages;
	r->value[6] = (int64_t)guest->kicks;
	cagma_trace_commit(state->trace, r);
}

void cagma_pass_periodic(struct cagma_state *state, uint64_t now_ns)
{
	evaluate(state, true);
	trace_host(state, now_ns);
	for (size_t i = 0; i < state->guest_count; i++)
		trace_guest(state, state->guests[i], now_ns);
}
