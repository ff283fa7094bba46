// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules and the reasons for their constants are in docs/policy.md.
 */
#include <string.h>

#include "policy.h"
#include "units.h"

/* Less than this isn't worth a balloon's batch of 512 pages. */
#define STEP_PAGES	cagma_mib_to_pages(2)

const char *cagma_why_name(enum cagma_why why)
{
	static const char *const names[CAGMA_WHY_COUNT] = {
		[CAGMA_WHY_KEEP] = "keep",
		[CAGMA_WHY_EMERGENCY] = "emergency",
		[CAGMA_WHY_GROW] = "grow",
		[CAGMA_WHY_DONATE] = "donate",
		[CAGMA_WHY_RELEASE] = "release",
	};

	return why < CAGMA_WHY_COUNT ? names[why] : "unknown";
}

static bool is_known(const struct cagma_tuning *tuning,
		     const struct cagma_guest_view *guest)
{
	return !guest->held && guest->age_ns <= tuning->stale_ns;
}

/*
 * The critical memory amount: the largest of the floor, the growth to be
 * expected and a share of the task that ran short; and on top of it room for
 * what is coming back from swap.
 */
static uint64_t cma_of(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guest)
{
	uint64_t task = guest->task_pages * tuning->task_percent / 100;
	uint64_t returning = cagma_min(guest->swapped_pages,
				       2 * guest->swap_in_pages);
	uint64_t cma = cagma_max(tuning->cma_floor_pages,
				 cagma_max(guest->growth_pages, task));

	return cagma_min(cma + returning, guest->max_pages);
}

static uint64_t wanted(const struct cagma_guest_view *guest, uint64_t cma)
{
	return cagma_clamp(guest->used_pages + cma, guest->min_pages,
			   cagma_max(guest->min_pages, guest->max_pages));
}

static void keep_all(const struct cagma_tuning *tuning,
		     const struct cagma_guest_view *guests, size_t count,
		     struct cagma_decision *decisions)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t cma = cma_of(tuning, &guests[i]);

		decisions[i] = (struct cagma_decision){
			.target_pages = guests[i].target_pages,
			.cma_pages = cma,
			.threshold_pages =
				cma * tuning->threshold_percent / 100,
		};
	}
}

static bool may_grow(const struct cagma_guest_view *guest, bool emergency)
{
	return guest->emergency == emergency;
}

static void note_needs(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guests, size_t count,
		       bool periodic, struct cagma_decision *decisions)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t need;

		if (!is_known(tuning, &guests[i]) ||
		    (!periodic && !guests[i].emergency))
			continue;
		need = cagma_less(wanted(&guests[i], decisions[i].cma_pages),
				  guests[i].target_pages);
		if (need >= STEP_PAGES)
			decisions[i].unmet_pages = need;
	}
}

static uint64_t weight_of_needy(const struct cagma_guest_view *guests,
				size_t count, bool emergency,
				const struct cagma_decision *decisions)
{
	uint64_t weight = 0;

	for (size_t i = 0; i < count; i++)
		if (decisions[i].unmet_pages && may_grow(&guests[i], emergency))
			weight += guests[i].weight;
	return weight;
}

/*
 * Pours `pages` over the needy by weight. A round fills at least one guest or
 * spends everything, so there are at most `count` rounds. Returns what is left.
 */
static uint64_t pour(const struct cagma_guest_view *guests, size_t count,
		     bool emergency, uint64_t pages,
		     struct cagma_decision *decisions)
{
	uint64_t weight;

	while (pages && (weight = weight_of_needy(guests, count, emergency,
						  decisions))) {
		uint64_t round = pages, given = 0;

		for (size_t i = 0; i < count; i++) {
			struct cagma_decision *d = &decisions[i];
			uint64_t share;

			if (!d->unmet_pages || !may_grow(&guests[i], emergency))
				continue;
			share = cagma_min(d->unmet_pages,
					  round * guests[i].weight / weight);
			d->target_pages += share;
			d->unmet_pages -= share;
			d->why = emergency ? CAGMA_WHY_EMERGENCY :
					     CAGMA_WHY_GROW;
			given += share;
		}
		pages -= given;
		if (!given)
			break;
	}
	return pages;
}

/*
 * Shrinks under way bring memory that need not be asked for again, unless the
 * guest is known not to give it.
 */
static uint64_t incoming(const struct cagma_guest_view *guests, size_t count)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < count; i++)
		if (!guests[i].stuck)
			pages += cagma_less(guests[i].alloc_pages,
					    guests[i].target_pages);
	return pages;
}

static uint64_t giveable(const struct cagma_tuning *tuning,
			 const struct cagma_guest_view *guest,
			 const struct cagma_decision *decision)
{
	uint64_t keep, pages;

	if (!is_known(tuning, guest) || guest->emergency || guest->stuck ||
	    decision->unmet_pages || decision->why != CAGMA_WHY_KEEP)
		return 0;
	keep = cagma_max(guest->used_donor_pages + decision->cma_pages,
			 guest->min_pages);
	pages = cagma_less(guest->target_pages, keep);
	return pages >= STEP_PAGES ? pages : 0;
}

/* Takes `deficit` from those with more than their CMA, in proportion. */
static void collect(const struct cagma_tuning *tuning,
		    const struct cagma_guest_view *guests, size_t count,
		    uint64_t deficit, struct cagma_decision *decisions)
{
	uint64_t surplus = 0;

	for (size_t i = 0; i < count; i++)
		surplus += giveable(tuning, &guests[i], &decisions[i]);
	if (!surplus)
		return;
	deficit = cagma_min(deficit, surplus);
	for (size_t i = 0; i < count; i++) {
		uint64_t pages = giveable(tuning, &guests[i], &decisions[i]);

		pages = (uint64_t)((__extension__ (unsigned __int128)pages *
				    deficit + surplus - 1) / surplus);
		if (!pages)
			continue;
		decisions[i].target_pages -= pages;
		decisions[i].why = CAGMA_WHY_DONATE;
	}
}

/* Gives back what was surplus for long, although nobody needs it yet. */
static void release(const struct cagma_tuning *tuning,
		    const struct cagma_guest_view *guests, size_t count,
		    struct cagma_decision *decisions)
{
	for (size_t i = 0; i < count; i++) {
		const struct cagma_guest_view *guest = &guests[i];
		struct cagma_decision *d = &decisions[i];
		uint64_t keep = cagma_max(guest->used_release_pages +
					  d->cma_pages, guest->min_pages);

		if (!is_known(tuning, guest) || guest->emergency ||
		    guest->stuck || !guest->covered || d->why != CAGMA_WHY_KEEP ||
		    cagma_less(guest->target_pages, keep) <
			tuning->release_pages)
			continue;
		d->target_pages = keep;
		d->why = CAGMA_WHY_RELEASE;
	}
}

static void decide_cagma(const struct cagma_tuning *tuning,
			 const struct cagma_host_view *host,
			 const struct cagma_guest_view *guests, size_t count,
			 bool periodic, struct cagma_decision *decisions)
{
	uint64_t usable = cagma_less(host->spare_pages, host->hard_pages);
	uint64_t kept = cagma_less(host->reserve_pages, host->hard_pages);
	uint64_t deficit;

	keep_all(tuning, guests, count, decisions);
	note_needs(tuning, guests, count, periodic, decisions);
	usable = pour(guests, count, true, usable, decisions);
	kept = cagma_min(kept, usable);
	usable = kept + pour(guests, count, false, usable - kept, decisions);

	if (host->up_ns < tuning->grace_ns)
		return;
	deficit = cagma_less(host->reserve_pages, host->hard_pages + usable);
	for (size_t i = 0; i < count; i++)
		deficit += decisions[i].unmet_pages;
	deficit = cagma_less(deficit, incoming(guests, count));
	if (deficit)
		collect(tuning, guests, count, deficit, decisions);
	else if (periodic)
		release(tuning, guests, count, decisions);
}

static void decide_static(const struct cagma_tuning *tuning,
			  const struct cagma_host_view *host,
			  const struct cagma_guest_view *guests, size_t count,
			  bool periodic, struct cagma_decision *decisions)
{
	(void)host;
	(void)periodic;
	keep_all(tuning, guests, count, decisions);
}

static const struct cagma_policy policies[] = {
	{ "cagma", true, decide_cagma },
	{ "static", false, decide_static },
};

const struct cagma_policy *cagma_policy_find(const char *name)
{
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		if (!strcmp(policies[i].name, name))
			return &policies[i];
	return NULL;
}

const char *cagma_policy_names(void)
{
	return "cagma|static";
}
