// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules and the reasons for their constants are in docs/policy.md.
 */
#include <string.h>

#include "entitle.h"
#include "units.h"

/* Of its target, the most that a guest yields at a time. */
#define YIELD_SHARE	8
/* The least share of its target that is given to who can't have all it wants. */
#define LEAST_SHARE	32
/* After yielding, only as much as could be asked back at once. */
#define CALM_NS		(30 * CAGMA_NS_PER_S)

const char *cagma_why_name(enum cagma_why why)
{
	static const char *const names[CAGMA_WHY_COUNT] = {
		[CAGMA_WHY_KEEP] = "keep",
		[CAGMA_WHY_EMERGENCY] = "emergency",
		[CAGMA_WHY_GROW] = "grow",
		[CAGMA_WHY_PREPARE] = "prepare",
		[CAGMA_WHY_DONATE] = "donate",
		[CAGMA_WHY_YIELD] = "yield",
		[CAGMA_WHY_RELEASE] = "release",
		[CAGMA_WHY_FOREIGN] = "foreign",
		[CAGMA_WHY_REMIND] = "remind",
	};

	return why < CAGMA_WHY_COUNT ? names[why] : "unknown";
}

void cagma_keep_all(const struct cagma_guest_view *guests, size_t count,
		    struct cagma_decision *decisions)
{
	for (size_t i = 0; i < count; i++)
		decisions[i] = (struct cagma_decision){
			.target_pages = guests[i].target_pages,
			.entitled_pages = guests[i].target_pages,
			.memory = guests[i].memory,
		};
}

/* ---- giving ---- */

/* The part of what a guest still needs that it is entitled to. */
static uint64_t due(const struct cagma_decision *decision)
{
	return cagma_min(decision->unmet_pages,
			 cagma_less(decision->entitled_pages,
				    decision->target_pages));
}

/*
 * Who wants more than its entitlement would take every crumb, and yield it to
 * the noise of the others a moment later.
 */
static uint64_t least_due(const struct cagma_tuning *tuning,
			  const struct cagma_guest_view *guest,
			  const struct cagma_decision *decision)
{
	bool limited = decision->entitled_pages <
		       cagma_wish(guest, decision->cma_pages);

	if (guest->yielded_ns < CALM_NS)
		return limited ? guest->target_pages / YIELD_SHARE :
				 tuning->release_pages / 4;
	if (!limited)
		return CAGMA_STEP_PAGES;
	return cagma_clamp(guest->target_pages / LEAST_SHARE, CAGMA_STEP_PAGES,
			   tuning->release_pages / 2);
}

static void note_needs(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guests, size_t count,
		       bool periodic, struct cagma_decision *decisions)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t need;

		if (!cagma_guest_is_known(tuning, &guests[i]) ||
		    (!periodic && !guests[i].emergency))
			continue;
		need = cagma_less(cagma_wanted(&guests[i], guests[i].used_pages,
					 decisions[i].cma_pages),
				  guests[i].target_pages);
		if (need < CAGMA_STEP_PAGES)
			continue;
		decisions[i].unmet_pages = need;
		if (due(&decisions[i]) < least_due(tuning, &guests[i],
						   &decisions[i]))
			decisions[i].entitled_pages = cagma_min(
				decisions[i].entitled_pages,
				guests[i].target_pages);
	}
}

static uint64_t weight_of_needy(const struct cagma_guest_view *guests,
				size_t count, bool emergency,
				const struct cagma_decision *decisions)
{
	uint64_t weight = 0;

	for (size_t i = 0; i < count; i++)
		if (due(&decisions[i]) && guests[i].emergency == emergency)
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
			uint64_t pages_due = due(d), pages_given;

			if (!pages_due || guests[i].emergency != emergency)
				continue;
			pages_given = cagma_min(pages_due, round *
						guests[i].weight / weight);
			d->target_pages += pages_given;
			d->unmet_pages -= pages_given;
			d->why = emergency ? CAGMA_WHY_EMERGENCY :
					     CAGMA_WHY_GROW;
			given += pages_given;
		}
		pages -= given;
		if (!given)
			break;
	}
	return pages;
}

/* What a guest wants to meet another burst like the last and keep its CMA. */
static uint64_t readiness(const struct cagma_guest_view *guest,
			  const struct cagma_decision *decision)
{
	return cagma_wanted(guest, guest->used_donor_pages,
		      decision->cma_pages + guest->burst_pages);
}

/*
 * What a guest at rest lacks of it. One that grows needs its processors for
 * that: its balloon's work can wait.
 */
static uint64_t unready(const struct cagma_tuning *tuning,
			const struct cagma_guest_view *guest,
			const struct cagma_decision *decision)
{
	uint64_t pages = cagma_less(readiness(guest, decision),
				    guest->target_pages);

	if (!cagma_guest_is_known(tuning, guest) || guest->stuck ||
	    cagma_is_short(guest) || decision->why != CAGMA_WHY_KEEP ||
	    guest->settled_ns < tuning->donor_ns ||
	    guest->yielded_ns < CALM_NS)
		return 0;
	return pages >= tuning->release_pages ? pages : 0;
}

/* What must be spare so that every guest's emergency could be met from it. */
static uint64_t sum_of_cmas(const struct cagma_decision *decisions, size_t count)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < count; i++)
		pages += decisions[i].cma_pages;
	return pages;
}

/* Of `pages`, what isn't needed for emergencies makes guests ready for bursts. */
static void prepare(const struct cagma_tuning *tuning,
		    const struct cagma_guest_view *guests, size_t count,
		    uint64_t pages, struct cagma_decision *decisions)
{
	uint64_t idle = cagma_less(pages, sum_of_cmas(decisions, count));
	uint64_t all = 0, given;

	for (size_t i = 0; i < count; i++)
		all += unready(tuning, &guests[i], &decisions[i]);
	given = cagma_min(all, idle);
	for (size_t i = 0; i < count && given; i++) {
		uint64_t part = cagma_scale(
			unready(tuning, &guests[i], &decisions[i]), given, all);

		if (part < tuning->release_pages)
			continue;
		decisions[i].target_pages += part;
		decisions[i].why = CAGMA_WHY_PREPARE;
	}
}

/* ---- taking ---- */

/* Data to decide on, nothing decided yet, and no debt it doesn't pay. */
static bool may_shrink(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guest,
		       const struct cagma_decision *decision)
{
	return cagma_guest_is_known(tuning, guest) && !guest->stuck &&
	       decision->why == CAGMA_WHY_KEEP;
}

/* What it has beyond both `pages` and its minimum. */
static uint64_t beyond(const struct cagma_guest_view *guest, uint64_t pages)
{
	return cagma_less(guest->target_pages,
			  cagma_max(pages, guest->min_pages));
}

/* The same surplus would have been seen release_ns ago. */
static bool has_lasted(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guest)
{
	return guest->covered && guest->settled_ns >= tuning->release_ns;
}

/* A little surplus isn't taken before it has lasted: it may be noise. */
static uint64_t surplus(const struct cagma_tuning *tuning,
			const struct cagma_guest_view *guest,
			const struct cagma_decision *decision)
{
	uint64_t used = guest->used_donor_pages, pages;

	if (!may_shrink(tuning, guest, decision) || cagma_is_short(guest) ||
	    decision->unmet_pages)
		return 0;
	pages = beyond(guest, used + decision->cma_pages);
	if (pages >= tuning->release_pages &&
	    guest->settled_ns >= tuning->donor_ns)
		return pages;
	used = cagma_max(used, guest->used_release_pages);
	pages = beyond(guest, used + decision->cma_pages);
	return pages >= CAGMA_STEP_PAGES && has_lasted(tuning, guest) ? pages :
									0;
}

/*
 * What a guest has beyond its entitlement, although it uses it. It has to swap
 * to give that back: only a part at a time, none while it still owes some, and
 * not for a little just after it was given more.
 */
static uint64_t excess(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guest,
		       const struct cagma_decision *decision)
{
	uint64_t pages = beyond(guest, decision->entitled_pages);
	uint64_t least = tuning->release_pages /
			 (guest->settled_ns < CALM_NS ? 2 : 4);

	if (!may_shrink(tuning, guest, decision) || pages < least ||
	    cagma_less(guest->alloc_pages, guest->target_pages) > CAGMA_STEP_PAGES)
		return 0;
	return cagma_min(pages, guest->target_pages / YIELD_SHARE);
}

typedef uint64_t (*available_fn)(const struct cagma_tuning *tuning,
				 const struct cagma_guest_view *guest,
				 const struct cagma_decision *decision);

/* Takes up to `deficit` in proportion to what each has; returns the rest. */
static uint64_t collect(const struct cagma_tuning *tuning,
			const struct cagma_guest_view *guests, size_t count,
			uint64_t deficit, available_fn available,
			enum cagma_why why, struct cagma_decision *decisions)
{
	uint64_t all = 0, taken;

	for (size_t i = 0; i < count; i++)
		all += available(tuning, &guests[i], &decisions[i]);
	if (!all)
		return deficit;
	taken = cagma_min(deficit, all);
	for (size_t i = 0; i < count; i++) {
		uint64_t pages = available(tuning, &guests[i], &decisions[i]);

		pages = cagma_scale_up(pages, taken, all);
		if (!pages)
			continue;
		decisions[i].target_pages -= pages;
		decisions[i].why = why;
	}
	return deficit - taken;
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
					  d->cma_pages,
					  readiness(guest, d));

		if (!may_shrink(tuning, guest, d) || cagma_is_short(guest) ||
		    !has_lasted(tuning, guest) ||
		    cagma_less(guest->target_pages, keep) <
			tuning->release_pages)
			continue;
		d->target_pages = keep;
		d->why = CAGMA_WHY_RELEASE;
	}
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

/* Worth that another one swaps for it: what isn't worth a kick is not. */
static bool is_urgent(const struct cagma_guest_view *guest,
		      const struct cagma_decision *decision)
{
	return cagma_is_short(guest) ||
	       decision->unmet_pages > cagma_less(decision->cma_pages,
						  decision->threshold_pages);
}

/*
 * Surplus serves every need and the reserve; what is in use serves only those
 * who lack what they are entitled to, and lack much.
 */
static void take(const struct cagma_tuning *tuning,
		 const struct cagma_host_view *host,
		 const struct cagma_guest_view *guests, size_t count,
		 uint64_t usable, bool periodic,
		 struct cagma_decision *decisions)
{
	uint64_t lacking = host->overdrawn_pages +
			   cagma_less(host->reserve_pages,
				      host->hard_pages + usable);
	uint64_t owed = 0, urgent = 0, coming = incoming(guests, count);
	uint64_t deficit, rest;

	for (size_t i = 0; i < count; i++) {
		owed += due(&decisions[i]);
		if (is_urgent(&guests[i], &decisions[i]))
			urgent += due(&decisions[i]);
	}
	deficit = cagma_less(owed + lacking, coming);
	if (!deficit) {
		if (periodic)
			release(tuning, guests, count, decisions);
		return;
	}
	rest = collect(tuning, guests, count, deficit, surplus,
		       CAGMA_WHY_DONATE, decisions);
	rest = cagma_min(rest, cagma_less(urgent, coming + deficit - rest));
	if (rest)
		collect(tuning, guests, count, rest, excess, CAGMA_WHY_YIELD,
			decisions);
}

static void decide_cagma(const struct cagma_tuning *tuning,
			 const struct cagma_host_view *host,
			 const struct cagma_guest_view *guests, size_t count,
			 bool periodic, struct cagma_decision *decisions)
{
	uint64_t usable = cagma_less(host->spare_pages, host->hard_pages);
	uint64_t kept = cagma_less(host->reserve_pages, host->hard_pages);
	uint64_t idle;

	cagma_assess(tuning, host, guests, count, decisions);
	note_needs(tuning, guests, count, periodic, decisions);
	usable = pour(guests, count, true, usable, decisions);
	kept = cagma_min(kept, usable);
	idle = pour(guests, count, false, usable - kept, decisions);
	if (periodic)
		prepare(tuning, guests, count, idle, decisions);
	usable = kept + idle;
	if (host->up_ns >= tuning->grace_ns)
		take(tuning, host, guests, count, usable, periodic, decisions);
}

const struct cagma_policy cagma_policy_cagma = {
	.name = "cagma",
	.acts = true,
	.answers_kicks = true,
	.lacks = cagma_lacks,
	.decide = decide_cagma,
};

const struct cagma_policy cagma_policy_periodic = {
	.name = "periodic",
	.acts = true,
	.decide = decide_cagma,
};

/* ---- by name ---- */

static const struct cagma_policy *const policies[] = {
	&cagma_policy_cagma,
	&cagma_policy_periodic,
	&cagma_policy_proportional,
	&cagma_policy_2017,
	&cagma_policy_static,
};

const struct cagma_policy *cagma_policy_find(const char *name)
{
	for (size_t i = 0; i < sizeof(policies) / sizeof(policies[0]); i++)
		if (!strcmp(policies[i]->name, name))
			return policies[i];
	return NULL;
}

const char *cagma_policy_names(void)
{
	return "cagma|periodic|proportional|cagma2017|static";
}
