// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "state.h"
#include "status.h"
#include "units.h"

static bool is_stale(const struct cagma_state *state,
		     const struct cagma_guest *guest, uint64_t now_ns)
{
	return !guest->track.any ||
	       cagma_less(now_ns, guest->track.seen_ns) >
		       state->config->tuning.stale_ns;
}

/* False: no transport of the guest brings it. */
static bool find_pressure(const struct cagma_guest *guest,
			  struct cagma_pressure *pressure)
{
	for (int rank = 0; rank < CAGMA_RANKS; rank++) {
		const struct cagma_link *link = guest->link[rank];

		if (!link || !link->pressure)
			continue;
		*pressure = *link->pressure;
		pressure->swap_total_pages =
			cagma_min(pressure->swap_total_pages, CAGMA_PAGES_MAX);
		return true;
	}
	return false;
}

static void fill_guest(const struct cagma_state *state,
		       const struct cagma_guest *guest, uint64_t now_ns,
		       struct cagma_status_guest *to)
{
	const struct cagma_sample *last = &guest->track.last;

	*to = (struct cagma_status_guest){
		.domid = guest->domid,
		.stale = is_stale(state, guest, now_ns),
		.stuck = guest->debt.stuck,
		.age_ns = cagma_less(now_ns, guest->track.seen_ns),
		.period_ms = guest->source->period_ms,
		.alloc_pages = guest->facts.alloc_pages,
		.limit_pages = guest->facts.limit_pages,
		.target_pages = guest->target_pages,
		.available_pages = last->available_pages,
		.cma_pages = guest->cma_pages,
		.min_pages = guest->min_pages,
		.max_pages = guest->max_pages,
		.swapped_pages = cagma_track_swapped(&guest->track),
		.swap_in_pages = last->swap_in_pages,
		.swap_out_pages = last->swap_out_pages,
		.emergencies = guest->emergencies,
		.answered = guest->answered,
		.kicks = guest->kicks,
		.lost_samples = guest->source->lost,
		.reaction = guest->reaction,
	};
	to->source = guest->source->transport->rank;
	for (int rank = 0; rank < CAGMA_RANKS; rank++)
		to->linked[rank] = guest->link[rank];
	to->has_pressure = find_pressure(guest, &to->pressure);
	to->offset_pages = guest->offset_pages;
	to->unexplained = guest->offset.unexplained;
	to->unexplained_pages = guest->offset.unexplained_pages;
	to->exempt = guest->exempt;
	to->paused = guest->paused;
	to->resumes_ns = cagma_less(guest->paused_until_ns, now_ns);
	memcpy(to->uuid, guest->uuid, sizeof(to->uuid));
	memcpy(to->name, guest->name, sizeof(to->name));
}

static void explain(struct cagma_explanation *to, const char *wanted,
		    struct cagma_state *state)
{
	const struct cagma_guest *guest = cagma_state_find(state, wanted);

	to->found = guest != NULL;
	if (!guest)
		return;
	to->domid = guest->domid;
	memcpy(to->name, guest->name, sizeof(to->name));
	to->has_pressure = find_pressure(guest, &to->pressure);
	to->records = guest->records;
}

/* Domains that run, or wait, and aren't attached. */
static size_t domains_beside(const struct cagma_state *state)
{
	size_t count = 0;

	for (size_t i = 0; i < state->domain_count; i++)
		count += state->domains[i].domid && !state->domains[i].dying &&
			 !state->domains[i].shut_down;
	for (size_t i = 0; i < state->guest_count; i++)
		count -= count && state->guests[i]->domid &&
			 state->guests[i]->present;
	return count;
}

static void count_domains(const struct cagma_state *state,
			  struct cagma_status *status)
{
	status->beyond = state->beyond;
	status->unattached = domains_beside(state);
	status->dying = status->shut_down = 0;
	status->dom0_pages = 0;
	status->claimed_pages = 0;
	for (size_t i = 0; i < state->domain_count; i++) {
		const struct cagma_domain_facts *domain = &state->domains[i];

		if (!domain->domid)
			status->dom0_pages = domain->alloc_pages;
		status->dying += domain->dying;
		status->shut_down += domain->shut_down && !domain->dying;
		status->claimed_pages += domain->dying ? 0 :
						 domain->claim_pages;
	}
}

void cagma_status_fill(struct cagma_status *status, struct cagma_state *state)
{
	uint64_t now_ns = cagma_now_ns();

	if (*status->wanted) {
		explain(&status->explanation, status->wanted, state);
		return;
	}
	status->paused = state->paused;
	status->resumes_ns = cagma_less(state->paused_until_ns, now_ns);
	memcpy(status->lease, state->leases.lease, sizeof(status->lease));
	status->xenstore = state->xenstore;
	status->policy = state->config->policy->name;
	status->dry_run = state->actuator.dry_run;
	status->up_ns = now_ns - state->start_ns;
	status->total_pages = state->host.total_pages;
	status->free_pages = state->host.free_pages;
	status->spare_pages = state->actuator.spare_pages;
	status->hard_pages = state->config->hard_pages;
	status->reserve_pages = state->config->reserve_pages;
	status->emergencies = state->emergencies;
	status->answered = state->answered;
	status->target_changes = state->target_changes;
	status->invariant_violations = state->violations;
	count_domains(state, status);
	status->count = state->guest_count;
	for (size_t i = 0; i < state->guest_count && i < status->capacity; i++)
		fill_guest(state, state->guests[i], now_ns, &status->guest[i]);
}
