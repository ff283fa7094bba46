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
#include "loop.h"
#include "pass.h"
#include "units.h"

/* ---- facts ---- */

/*
 * The domain's facts, or NULL. Xen lists domains by number, as guests are kept: who
 * looks for one after the other goes on at `*at`, where the last one was found.
 */
static const struct cagma_domain_facts *
find_domain(const struct cagma_loop *loop, uint16_t domid, size_t *at)
{
	while (*at < loop->domain_count && loop->domains[*at].domid < domid)
		++*at;
	if (*at < loop->domain_count && loop->domains[*at].domid == domid)
		return &loop->domains[*at];
	return NULL;
}

static void refresh_guest(struct cagma_loop *loop, struct cagma_guest *guest,
			  size_t *at)
{
	const struct cagma_domain_facts *facts = find_domain(loop, guest->domid,
							     at);

	guest->present = facts && !facts->dying && !facts->shut_down &&
			 !memcmp(facts->uuid, guest->uuid, CAGMA_UUID_BYTES);
	loop->leaving |= !guest->present;
	if (!guest->present)
		return;
	guest->facts = *facts;
	cagma_foreign_note_limit(guest, cagma_now_ns());
}

/* N4: once, when they become too many. */
static void note_beyond(struct cagma_loop *loop)
{
	size_t was = loop->beyond, count = 0;

	if (loop->domain_count > CAGMA_GUESTS_MAX)
		for (size_t i = 0; i < loop->domain_count; i++)
			count += loop->domains[i].domid &&
				 !loop->domains[i].dying &&
				 !loop->domains[i].shut_down;
	loop->beyond = cagma_less(count, CAGMA_GUESTS_MAX);
	if (loop->beyond && !was)
		cagma_log(LOG_WARNING, "there are %zu domains, and room for %u: the others are left as they are",
			  count, CAGMA_GUESTS_MAX);
}

/* N4: memory is locked, and room for all that Xen could have would be 2 MiB. */
static int make_room(struct cagma_loop *loop)
{
	size_t most = cagma_min(2 * loop->domains_max, CAGMA_DOMAINS_MAX);
	struct cagma_domain_facts *domains =
		reallocarray(loop->domains, most, sizeof(*domains));

	if (!domains)
		return -ENOMEM;
	loop->domains = domains;
	loop->domains_max = most;
	return 0;
}

/* How many domains there are, or -errno. */
static int list_domains(struct cagma_loop *loop)
{
	for (;;) {
		int count = cagma_xen_domains(loop->actuator.xen, loop->domains,
					      loop->domains_max);
		int err;

		if (count < 0 || (size_t)count < loop->domains_max ||
		    loop->domains_max == CAGMA_DOMAINS_MAX)
			return count;
		err = make_room(loop);
		if (err)
			return err;
	}
}

bool cagma_pass_refresh(struct cagma_loop *loop)
{
	struct cagma_xen *xen = loop->actuator.xen;
	int count = list_domains(loop);
	int err = count < 0 ? count : cagma_xen_host(xen, &loop->host);
	size_t at = 0;

	if (err) {
		if (!loop->xen_errors++)
			cagma_log(LOG_ERR, "cannot read Xen's memory: %s",
				  strerror(-err));
		return false;
	}
	loop->domain_count = (size_t)count;
	loop->actuator.total_pages = loop->leases.total_pages =
		loop->host.total_pages;
	note_beyond(loop);
	loop->actuator.spare_pages = cagma_spare(&loop->host, loop->domains,
						 loop->domain_count);
	for (size_t i = 0; i < loop->guest_count; i++)
		refresh_guest(loop, loop->guests[i], &at);
	return true;
}

/* ---- deciding ---- */

static void view_guest(const struct cagma_loop *loop, struct cagma_guest *guest,
		       uint64_t now_ns, struct cagma_guest_view *view)
{
	const struct cagma_tuning *t = &loop->config->tuning;
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
						    loop->host.total_pages),
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
			     loop->config->policy->answers_kicks,
		.held = !guest->present || guest->facts.paused ||
			cagma_loop_lets_be(loop, guest) ||
			(cagma_foreign_is_likely(guest, now_ns) &&
			 !guest->open_event),
		.stuck = guest->debt.stuck,
		.memory = guest->memory,
	};
}

static void view_guests(const struct cagma_loop *loop, uint64_t now_ns)
{
	for (size_t i = 0; i < loop->guest_count; i++) {
		if (i + 1 < loop->guest_count)
			cagma_track_prefetch(&loop->guests[i + 1]->track);
		view_guest(loop, loop->guests[i], now_ns, &loop->views[i]);
	}
}

/* What is leased is kept for who comes. */
static struct cagma_host_view view_host(const struct cagma_loop *loop,
					uint64_t now_ns)
{
	int64_t spare = loop->actuator.spare_pages -
			(int64_t)loop->leased_pages;

	return (struct cagma_host_view){
		.spare_pages = spare > 0 ? (uint64_t)spare : 0,
		.overdrawn_pages = spare < 0 ? (uint64_t)-spare : 0,
		.reserve_pages = loop->config->reserve_pages,
		.hard_pages = loop->config->hard_pages,
		.up_ns = now_ns - loop->start_ns,
	};
}

/* ---- acting ---- */

bool cagma_pass_answers(const struct cagma_loop *loop)
{
	return loop->config->policy->answers_kicks && !loop->actuator.dry_run;
}

/* False: the increase that was decided could not be had. */
static bool act(struct cagma_loop *loop, struct cagma_guest *guest,
		const struct cagma_decision *decision)
{
	uint64_t old = guest->target_pages;
	int err = 0;

	if (decision->target_pages > old)
		err = cagma_actuate_grow(&loop->actuator, guest,
					 decision->target_pages);
	else if (decision->target_pages < old)
		cagma_actuate_shrink(&loop->actuator, guest,
				     decision->target_pages);
	else
		return true;
	if (err && err != -ENOSPC && !loop->xen_errors++)
		cagma_log(LOG_ERR, "cannot raise the limit of %s: %s",
			  guest->name, strerror(-err));
	if (err)
		return false;
	if (decision->target_pages > old)
		guest->raised_ns = cagma_now_ns();
	else if (decision->why == CAGMA_WHY_YIELD)
		guest->yielded_ns = cagma_now_ns();
	loop->target_changes++;
	cagma_trace_event(loop->trace, CAGMA_TRACE_TARGET, guest,
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
static void answer(struct cagma_loop *loop, struct cagma_guest *guest,
		   const struct cagma_decision *decision)
{
	guest->denied = decision->unmet_pages &&
			decision->target_pages <= guest->target_pages;
	guest->answered_event = guest->open_event;
	guest->open_event = 0;
	if (!guest->denied) {
		guest->answered++;
		loop->answered++;
	}
	cagma_trace_event(loop->trace, CAGMA_TRACE_EMERGENCY, guest,
			  cagma_reason_name(guest->open_reason),
			  guest->answered_event,
			  cagma_pages_to_kib(guest->track.last.available_pages),
			  cagma_pages_to_kib(guest->target_pages),
			  cagma_pages_to_kib(decision->target_pages));
}

bool cagma_pass_reply(struct cagma_loop *loop, struct cagma_guest *guest)
{
	const struct cagma_config *config = loop->config;
	struct cagma_decision decision;
	struct cagma_guest_view view;

	if (!config->policy->lacks)
		return false;
	view_guest(loop, guest, cagma_now_ns(), &view);
	if (config->policy->lacks(&config->tuning, &view, &decision))
		return false;
	learn(guest, &decision);
	answer(loop, guest, &decision);
	cagma_actuate_mail(&loop->actuator, guest, false);
	return true;
}

/* The answer promised more than could be had. */
static void take_back(struct cagma_loop *loop, struct cagma_guest *guest)
{
	guest->denied = true;
	guest->answered--;
	loop->answered--;
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

static void carry_out(struct cagma_loop *loop, size_t index,
		      const struct cagma_host_view *host)
{
	struct cagma_guest *guest = loop->guests[index];
	const struct cagma_decision *decision = &loop->decisions[index];
	bool asked = guest->open_event && cagma_pass_answers(loop);
	uint32_t event = asked ? guest->open_event : 0;
	uint64_t changes = guest->target_changes;

	learn(guest, decision);
	if (asked)
		answer(loop, guest, decision);
	else if (guest->open_event)
		ignore_event(guest);
	if (!act(loop, guest, decision) && asked && !guest->denied)
		take_back(loop, guest);
	if (changes == guest->target_changes) {
		if (asked)
			cagma_actuate_mail(&loop->actuator, guest, false);
		else if (threshold_moved(guest))
			cagma_actuate_mail(&loop->actuator, guest, true);
	}
	/* Last: the guest is waiting for its mail. */
	if (changes != guest->target_changes || (asked && guest->denied))
		record(guest, event, host, &loop->views[index], decision);
}

static void check(struct cagma_loop *loop, const struct cagma_host_view *host,
		  int64_t before, bool periodic)
{
	static const struct { unsigned int bit; const char *name; } all[] = {
		{ CAGMA_I1, "I1" }, { CAGMA_I2, "I2" },
		{ CAGMA_I3, "I3" }, { CAGMA_I4, "I4" },
		{ CAGMA_I5, "I5" },
	};
	unsigned int broken = cagma_invariant_check(
		&loop->config->tuning, host, before,
		loop->actuator.spare_pages, loop->views, loop->decisions,
		loop->guest_count, periodic && loop->config->policy->acts);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (!(broken & all[i].bit))
			continue;
		if (!loop->violations++)
			cagma_log(LOG_ERR, "invariant %s is broken",
				  all[i].name);
		cagma_trace_event(loop->trace, CAGMA_TRACE_VIOLATION, NULL,
				  all[i].name, 0, 0, 0, 0);
	}
}

static void take_down(struct cagma_loop *loop, bool periodic, uint64_t now_ns,
		      const struct cagma_host_view *host)
{
	const struct cagma_round round = {
		.time_ns = now_ns,
		.policy = loop->config->policy,
		.periodic = periodic,
		.tuning = loop->config->tuning,
		.host = *host,
		.count = loop->guest_count,
	};

	if (loop->journal)
		cagma_journal_add(loop->journal, &round, loop->guests,
				  loop->views, loop->decisions);
}

/* Increases go out first: they are urgent and spend only what is free. */
static void evaluate(struct cagma_loop *loop, bool periodic)
{
	uint64_t now_ns = cagma_now_ns();
	struct cagma_host_view host;
	int64_t before;

	/* A tick's passes have the tick's, and what was done since. */
	if (!loop->listed && !cagma_pass_refresh(loop))
		return;
	before = loop->actuator.spare_pages;
	loop->leased_pages = cagma_lease_look(&loop->leases, loop->domains,
					      loop->domain_count, now_ns);
	host = view_host(loop, now_ns);
	view_guests(loop, now_ns);
	loop->config->policy->decide(&loop->config->tuning, &host, loop->views,
				     loop->guest_count, periodic,
				     loop->decisions);
	for (int shrink = 0; shrink < 2; shrink++)
		for (size_t i = 0; i < loop->guest_count; i++)
			if (shrink == (loop->decisions[i].target_pages <
				       loop->views[i].target_pages))
				carry_out(loop, i, &host);
	check(loop, &host, before, periodic);
	take_down(loop, periodic, now_ns, &host);
}

void cagma_pass_emergency(struct cagma_loop *loop)
{
	evaluate(loop, false);
}

/* A change that no policy decided has its record as well. */
static void note_change(struct cagma_loop *loop, struct cagma_guest *guest,
			uint64_t old_pages, enum cagma_why why)
{
	const struct cagma_decision decision = {
		.target_pages = guest->target_pages,
		.cma_pages = guest->cma_pages,
		.why = why,
	};
	uint64_t now_ns = cagma_now_ns();
	const struct cagma_host_view host = view_host(loop, now_ns);
	struct cagma_guest_view view;

	view_guest(loop, guest, now_ns, &view);
	view.target_pages = old_pages;
	loop->target_changes++;
	cagma_trace_event(loop->trace, CAGMA_TRACE_TARGET, guest,
			  cagma_why_name(why), cagma_pages_to_kib(old_pages),
			  cagma_pages_to_kib(guest->target_pages), 0, 0);
	record(guest, 0, &host, &view, &decision);
}

void cagma_pass_foreign(struct cagma_loop *loop, struct cagma_guest *guest,
			uint64_t old_pages)
{
	guest->target_changes++;
	note_change(loop, guest, old_pages, CAGMA_WHY_FOREIGN);
}

void cagma_pass_remind(struct cagma_loop *loop, struct cagma_guest *guest)
{
	uint64_t old_pages = guest->target_pages;

	if (cagma_actuate_again(&loop->actuator, guest))
		note_change(loop, guest, old_pages, CAGMA_WHY_REMIND);
}

/* ---- what the trace says of a periodic pass ---- */

static void trace_host(struct cagma_loop *loop, uint64_t now_ns)
{
	struct cagma_trace_record *r =
		cagma_trace_begin(loop->trace, CAGMA_TRACE_HOST, now_ns, NULL);

	if (!r)
		return;
	r->value[0] = (int64_t)cagma_pages_to_kib(loop->host.free_pages);
	r->value[1] = cagma_signed_pages_to_kib(loop->actuator.spare_pages);
	r->value[2] = (int64_t)cagma_pages_to_kib(loop->config->reserve_pages);
	cagma_trace_commit(loop->trace, r);
}

static void trace_guest(struct cagma_loop *loop,
			const struct cagma_guest *guest, uint64_t now_ns)
{
	const struct cagma_sample *last = &guest->track.last;
	struct cagma_trace_record *r =
		cagma_trace_begin(loop->trace, CAGMA_TRACE_GUEST, now_ns, guest);

	if (!r)
		return;
	r->value[0] = (int64_t)cagma_pages_to_kib(guest->facts.alloc_pages);
	r->value[1] = (int64_t)cagma_pages_to_kib(last->available_pages);
	r->value[2] = (int64_t)cagma_pages_to_kib(guest->target_pages);
	r->value[3] = (int64_t)cagma_pages_to_kib(guest->cma_pages);
	r->value[4] = (int64_t)last->swap_in_pages;
	r->value[5] = (int64_t)last->swap_out_pages;
	r->value[6] = (int64_t)guest->kicks;
	cagma_trace_commit(loop->trace, r);
}

void cagma_pass_periodic(struct cagma_loop *loop, uint64_t now_ns)
{
	evaluate(loop, true);
	trace_host(loop, now_ns);
	for (size_t i = 0; i < loop->guest_count; i++)
		trace_guest(loop, loop->guests[i], now_ns);
}
