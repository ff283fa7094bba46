// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "loop.h"
#include "status.h"
#include "units.h"

static bool is_stale(const struct cagma_loop *loop,
		     const struct cagma_guest *guest, uint64_t now_ns)
{
	return !guest->track.any ||
	       cagma_less(now_ns, guest->track.seen_ns) >
		       loop->config->tuning.stale_ns;
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

static void fill_guest(const struct cagma_loop *loop,
		       const struct cagma_guest *guest, uint64_t now_ns,
		       struct cagma_status_guest *to)
{
	const struct cagma_sample *last = &guest->track.last;

	*to = (struct cagma_status_guest){
		.domid = guest->domid,
		.stale = is_stale(loop, guest, now_ns),
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
	to->exempt = guest->exempt;
	to->paused = guest->paused;
	to->resumes_ns = cagma_less(guest->paused_until_ns, now_ns);
	memcpy(to->uuid, guest->uuid, sizeof(to->uuid));
	memcpy(to->name, guest->name, sizeof(to->name));
}

static void explain(struct cagma_explanation *to, const char *wanted,
		    struct cagma_loop *loop)
{
	const struct cagma_guest *guest = cagma_loop_find(loop, wanted);

	to->found = guest != NULL;
	if (!guest)
		return;
	to->domid = guest->domid;
	memcpy(to->name, guest->name, sizeof(to->name));
	to->has_pressure = find_pressure(guest, &to->pressure);
	to->records = guest->records;
}

static size_t domains_beside(const struct cagma_loop *loop)
{
	size_t count = 0;

	for (size_t i = 0; i < loop->domain_count; i++)
		count += loop->domains[i].domid && !loop->domains[i].dying;
	for (size_t i = 0; i < loop->guest_count; i++)
		count -= count && loop->guests[i]->domid &&
			 loop->guests[i]->present;
	return count;
}

void cagma_status_fill(struct cagma_status *status, struct cagma_loop *loop)
{
	uint64_t now_ns = cagma_now_ns();

	if (*status->wanted) {
		explain(&status->explanation, status->wanted, loop);
		return;
	}
	status->paused = loop->paused;
	status->resumes_ns = cagma_less(loop->paused_until_ns, now_ns);
	status->leases = loop->leases;
	status->xenstore = loop->xenstore;
	status->policy = loop->config->policy->name;
	status->dry_run = loop->actuator.dry_run;
	status->up_ns = now_ns - loop->start_ns;
	status->total_pages = loop->host.total_pages;
	status->free_pages = loop->host.free_pages;
	status->spare_pages = loop->actuator.spare_pages;
	status->hard_pages = loop->config->hard_pages;
	status->reserve_pages = loop->config->reserve_pages;
	status->emergencies = loop->emergencies;
	status->answered = loop->answered;
	status->target_changes = loop->target_changes;
	status->invariant_violations = loop->violations;
	status->unattached = domains_beside(loop);
	status->count = loop->guest_count;
	for (size_t i = 0; i < loop->guest_count && i < status->capacity; i++)
		fill_guest(loop, loop->guests[i], now_ns, &status->guest[i]);
}
