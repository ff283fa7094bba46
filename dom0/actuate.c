// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "actuate.h"
#include "clock.h"
#include "foreign.h"
#include "units.h"

/* What libxl adds to a domain's limit (LIBXL_MAXMEM_CONSTANT, 1024 KiB). */
#define SLACK_PAGES	256u

static uint64_t untaken(const struct cagma_domain_facts *domain)
{
	return cagma_less(domain->limit_pages, domain->alloc_pages);
}

/*
 * A limit beyond the host's memory is no promise, and neither is what Xen calls
 * none, which a host of 16 TiB could keep.
 */
static bool is_promise(uint64_t limit_pages, uint64_t total_pages)
{
	return limit_pages <= total_pages && limit_pages < UINT32_MAX;
}

uint64_t cagma_promised(const struct cagma_domain_facts *domain,
			uint64_t total_pages)
{
	uint64_t pages = 0;

	if (domain->dying)
		return 0;
	if (is_promise(domain->limit_pages, total_pages))
		pages = untaken(domain);
	return cagma_max(pages, domain->claim_pages);
}

int64_t cagma_spare(const struct cagma_host_facts *host,
		    const struct cagma_domain_facts *domains, size_t count)
{
	uint64_t promised = 0;

	for (size_t i = 0; i < count; i++)
		promised += cagma_promised(&domains[i], host->total_pages);
	return (int64_t)host->free_pages - (int64_t)promised;
}

uint64_t cagma_limit_for(const struct cagma_guest *guest, uint64_t target_pages)
{
	int64_t limit = (int64_t)target_pages + guest->offset_pages +
			SLACK_PAGES;

	return limit > 0 ? (uint64_t)limit : 0;
}

uint64_t cagma_owed(const struct cagma_guest *guest)
{
	int64_t owed = (int64_t)guest->facts.alloc_pages -
		       guest->offset_pages - (int64_t)guest->target_pages;

	return owed > 0 ? (uint64_t)owed : 0;
}

static int set_limit(struct cagma_actuator *actuator, struct cagma_guest *guest,
		     uint64_t pages)
{
	uint64_t before = cagma_promised(&guest->facts, actuator->total_pages);
	int err;

	if (actuator->dry_run)
		return 0;
	err = cagma_xen_set_limit(actuator->xen, guest->domid, pages);
	if (err)
		return err;
	guest->facts.limit_pages = guest->own_limit_pages = pages;
	actuator->spare_pages += (int64_t)before -
		(int64_t)cagma_promised(&guest->facts, actuator->total_pages);
	return 0;
}

/* The store looks at what is wanted when it has taken the node. */
static void call_store(struct cagma_actuator *actuator,
		       struct cagma_guest *guest)
{
	if (atomic_exchange(&guest->mirror_queued, true))
		return;
	cagma_queue_put(actuator->mirror, &guest->mirror_node);
	actuator->unwoken = true;
}

void cagma_actuate_mirror(struct cagma_actuator *actuator,
			  struct cagma_guest *guest)
{
	atomic_store(&guest->mirror_kib,
		     cagma_pages_to_kib(guest->target_pages));
	atomic_store(&guest->mirror_wanted, true);
	call_store(actuator, guest);
}

void cagma_actuate_ask(struct cagma_actuator *actuator,
		       struct cagma_guest *guest)
{
	atomic_fetch_add(&guest->ask_seq, 1);
	call_store(actuator, guest);
}

void cagma_actuate_flush(struct cagma_actuator *actuator)
{
	if (!actuator->unwoken)
		return;
	actuator->unwoken = false;
	cagma_queue_wake(actuator->mirror);
}

void cagma_actuate_mail(struct cagma_actuator *actuator,
			struct cagma_guest *guest, bool quiet)
{
	const struct cagma_order order = {
		.target_pages = guest->target_pages,
		.threshold_pages = guest->threshold_pages,
		.answered_event = guest->answered_event,
		.denied = guest->denied,
	};

	if (actuator->dry_run || !guest->aims)
		return;
	guest->source->transport->mail(guest->source, &order, quiet);
	guest->mailed_threshold_pages = guest->threshold_pages;
}

static void set_target(struct cagma_actuator *actuator,
		       struct cagma_guest *guest, uint64_t target_pages)
{
	guest->target_changes++;
	if (actuator->dry_run)
		return;
	guest->target_pages = target_pages;
	cagma_actuate_mail(actuator, guest, false);
	cagma_actuate_mirror(actuator, guest);
}

/* What may be promised to this guest beyond its present limit. */
static uint64_t affordable(const struct cagma_actuator *actuator,
			   const struct cagma_guest *guest, uint64_t limit)
{
	uint64_t more = cagma_less(limit, cagma_max(guest->facts.limit_pages,
						    guest->facts.alloc_pages));
	int64_t usable = actuator->spare_pages - (int64_t)actuator->hard_pages;

	return cagma_min(more, usable > 0 ? (uint64_t)usable : 0) +
	       (limit - more);
}

int cagma_actuate_grow(struct cagma_actuator *actuator,
		       struct cagma_guest *guest, uint64_t target_pages)
{
	uint64_t limit = cagma_limit_for(guest, target_pages);
	uint64_t allowed = affordable(actuator, guest, limit);
	int err;

	target_pages -= cagma_min(target_pages, limit - allowed);
	if (target_pages <= guest->target_pages)
		return -ENOSPC;
	if (allowed > guest->facts.limit_pages) {
		err = set_limit(actuator, guest, allowed);
		if (err)
			return err;
	}
	set_target(actuator, guest, target_pages);
	return 0;
}

void cagma_actuate_shrink(struct cagma_actuator *actuator,
			  struct cagma_guest *guest, uint64_t target_pages)
{
	set_target(actuator, guest, target_pages);
}

bool cagma_actuate_again(struct cagma_actuator *actuator,
			 struct cagma_guest *guest)
{
	uint64_t other = guest->target_pages ^ 1;

	if (other < guest->min_pages || other > guest->max_pages)
		return false;
	set_target(actuator, guest, other);
	return true;
}

bool cagma_actuate_settle(struct cagma_actuator *actuator,
			  struct cagma_guest *guest)
{
	uint64_t goal = cagma_limit_for(guest, guest->target_pages);
	uint64_t limit = cagma_max(goal, guest->facts.alloc_pages);

	if (limit < guest->facts.limit_pages &&
	    !cagma_foreign_is_limit_new(guest, cagma_now_ns()))
		set_limit(actuator, guest, limit);
	return cagma_owed(guest) > CAGMA_REST_PAGES;
}
