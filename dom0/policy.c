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
/* What others yield is to be kept for so long, or the next time has to wait. */
#define WAIT_MIN_S	600
#define WAIT_MAX_S	14400

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
		[CAGMA_WHY_CAP] = "cap",
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
			d->memory.grown = 1;
			given += pages_given;
		}
		pages -= given;
		if (!given)
			break;
	}
	return pages;
}

/* What programs in the guest judge by: so much stays available if it can. */
static uint64_t shape(const struct cagma_tuning *tuning,
		      const struct cagma_guest_view *guest)
{
	if (tuning->idle_host)
		return 0;
	return cagma_max(tuning->shape_pages, guest->target_pages *
					      tuning->shape_percent / 100);
}

/*
 * What a guest wants to meet another burst like the last and have its CMA then; and
 * to have its shape, if it ever asked: one that is content with what it was created
 * with leaves the rest to domains that come.
 */
static uint64_t readiness(const struct cagma_tuning *tuning,
			  const struct cagma_guest_view *guest,
			  const struct cagma_decision *decision)
{
	uint64_t cushion = decision->cma_pages + guest->burst_pages;

	if (decision->memory.grown)
		cushion = cagma_max(cushion, shape(tuning, guest));
	return cagma_wanted(guest, guest->used_donor_pages, cushion);
}

/*
 * What a guest at rest lacks of it. One that grows needs its processors for
 * that: its balloon's work can wait.
 */
static uint64_t unready(const struct cagma_tuning *tuning,
			const struct cagma_guest_view *guest,
			const struct cagma_decision *decision)
{
	uint64_t pages = cagma_less(readiness(tuning, guest, decision),
				    guest->target_pages);

	if (!cagma_guest_is_known(tuning, guest) || guest->stuck ||
	    cagma_is_short(guest, decision->cma_pages) ||
	    decision->why != CAGMA_WHY_KEEP ||
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

/* What it was asked for and hasn't given yet. */
static uint64_t owed(const struct cagma_guest_view *guest)
{
	return cagma_less(guest->alloc_pages, guest->target_pages);
}

static bool owes(const struct cagma_guest_view *guest)
{
	return owed(guest) > CAGMA_STEP_PAGES;
}

/* What it has beyond `pages`, its minimum and what it can't give. */
static uint64_t beyond(const struct cagma_guest_view *guest, uint64_t pages)
{
	return cagma_less(guest->target_pages,
			  cagma_max(pages, cagma_max(guest->min_pages,
						     guest->firm_pages)));
}

/* The same surplus would have been seen release_ns ago. */
static bool has_lasted(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guest)
{
	return guest->covered && guest->settled_ns >= tuning->release_ns;
}

/*
 * What it has beyond its use and `cushion`, of which it may have given a part
 * already; nothing if it pays more slowly than it
 * was asked to. A little isn't taken before it has lasted: it may be noise.
 */
static uint64_t idle_beyond(const struct cagma_tuning *tuning,
			    const struct cagma_guest_view *guest,
			    const struct cagma_decision *decision,
			    uint64_t cushion)
{
	uint64_t given = cagma_less(guest->target_pages, decision->target_pages);
	uint64_t used = guest->used_donor_pages, pages;

	if ((decision->why != CAGMA_WHY_DONATE &&
	     !may_shrink(tuning, guest, decision)) || decision->unmet_pages ||
	    cagma_is_elastic(guest) || owed(guest) > guest->quick_pages)
		return 0;
	cushion += cagma_returning(guest);
	pages = beyond(guest, used + cushion);
	if (pages >= tuning->release_pages &&
	    guest->settled_ns >= tuning->donor_ns)
		return cagma_less(pages, given);
	used = cagma_max(used, guest->used_release_pages);
	pages = beyond(guest, used + cushion);
	return pages >= CAGMA_STEP_PAGES && has_lasted(tuning, guest) ?
	       cagma_less(pages, given) : 0;
}

/* What it can give and keep its shape. */
static uint64_t plenty(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guest,
		       const struct cagma_decision *decision)
{
	return idle_beyond(tuning, guest, decision,
			   cagma_max(decision->cma_pages,
				     shape(tuning, guest)));
}

/* What it can give and keep its CMA. */
static uint64_t surplus(const struct cagma_tuning *tuning,
			const struct cagma_guest_view *guest,
			const struct cagma_decision *decision)
{
	return idle_beyond(tuning, guest, decision, decision->cma_pages);
}

/*
 * What a guest has beyond its entitlement, although it uses it. It has to swap
 * to give that back: only a part at a time, none while it still owes some, and
 * not for a little just after it was given more. What can't be swapped isn't asked
 * for: one that would have to kill for it comes after those that swap.
 */
static uint64_t excess(const struct cagma_tuning *tuning,
		       const struct cagma_guest_view *guest,
		       const struct cagma_decision *decision)
{
	uint64_t pages = beyond(guest, cagma_max(decision->entitled_pages,
						 cagma_firm(tuning, guest)));
	uint64_t least = tuning->release_pages /
			 (guest->settled_ns < CALM_NS ? 2 : 4);

	if (!may_shrink(tuning, guest, decision) || pages < least ||
	    owes(guest))
		return 0;
	return cagma_min(pages, guest->target_pages / YIELD_SHARE);
}

void cagma_cap(const struct cagma_tuning *tuning,
	       const struct cagma_guest_view *guests, size_t count,
	       struct cagma_decision *decisions)
{
	for (size_t i = 0; i < count; i++) {
		const struct cagma_guest_view *guest = &guests[i];
		struct cagma_decision *d = &decisions[i];
		uint64_t pages = beyond(guest, guest->max_pages);

		if (!pages || !may_shrink(tuning, guest, d) || owes(guest))
			continue;
		d->target_pages -= cagma_min(pages, cagma_max(CAGMA_STEP_PAGES,
					guest->target_pages / YIELD_SHARE));
		d->why = CAGMA_WHY_CAP;
	}
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
					  d->cma_pages + cagma_returning(guest),
					  readiness(tuning, guest, d));
		uint64_t pages = beyond(guest, keep);

		if (!may_shrink(tuning, guest, d) ||
		    cagma_is_short(guest, d->cma_pages) ||
		    !has_lasted(tuning, guest) ||
		    pages < tuning->release_pages)
			continue;
		d->target_pages -= pages;
		d->why = CAGMA_WHY_RELEASE;
	}
}

/*
 * Shrinks under way bring memory that need not be asked for again: what each guest
 * pays within a second, which is nothing of one that is stuck. What has come back is
 * there when the guest's limit has followed it, a moment later.
 */
static uint64_t incoming(const struct cagma_guest_view *guests, size_t count,
			 bool steady)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < count; i++) {
		pages += cagma_min(owed(&guests[i]),
				   steady ? guests[i].steady_pages :
					    guests[i].quick_pages);
		pages += cagma_less(guests[i].limit_pages,
				    cagma_max(guests[i].alloc_pages,
					      guests[i].target_pages));
	}
	return pages;
}

/* ---- who asks in vain ---- */

static uint32_t in_s(const struct cagma_host_view *host)
{
	return (uint32_t)(host->up_ns / CAGMA_NS_PER_S) + 1;
}

/*
 * Others have to swap for what they yield. A guest that doesn't keep it, by malice or
 * because its use is like that, has others swap again and again, and costs them more
 * than one that never gives back: it waits, each time twice as long, and swaps itself
 * meanwhile. What is nobody's, and its minimum, it gets all the same.
 */
static bool waits(const struct cagma_host_view *host,
		  const struct cagma_guest_view *guest)
{
	return in_s(host) < guest->memory.until_s;
}

/*
 * For that much of what is due to the guest, others yield what they use: what it uses
 * itself, brings back, or allocates now, and not what it may grow by.
 */
static uint64_t worth_yielding(const struct cagma_tuning *tuning,
			       const struct cagma_host_view *host,
			       const struct cagma_guest_view *guest,
			       const struct cagma_decision *decision)
{
	uint64_t pages = cagma_min(due(decision), cagma_less(
		cagma_wanted(guest, guest->used_pages, cagma_sure(tuning, guest)),
		decision->target_pages));

	if (!waits(host, guest))
		return pages;
	return cagma_min(pages, cagma_less(guest->min_pages,
					   decision->target_pages));
}

static void note_yielded(const struct cagma_host_view *host,
			 const struct cagma_guest_view *guest, uint64_t pages,
			 struct cagma_memory *m)
{
	if (!m->yielded_s) {
		m->before_pages = m->most_pages = (uint32_t)cagma_min(
			guest->target_pages, UINT32_MAX);
		m->asked_pages = 0;
	}
	m->asked_pages = (uint32_t)cagma_min(m->asked_pages + pages,
					     UINT32_MAX);
	m->yielded_s = in_s(host);
}

/* What it has to yield itself it doesn't give back in vain. */
static void note_taken(struct cagma_decision *decision)
{
	struct cagma_memory *m = &decision->memory;

	if (m->most_pages > decision->target_pages)
		m->most_pages = (uint32_t)decision->target_pages;
	if (m->most_pages <= m->before_pages)
		m->yielded_s = 0;
	else if (m->asked_pages > m->most_pages - m->before_pages)
		m->asked_pages = m->most_pages - m->before_pages;
}

/* What it gained, or would have if it had gone on asking until that came. */
static uint32_t gain_of(const struct cagma_memory *m)
{
	uint32_t gained = m->most_pages - m->before_pages;

	return gained > m->asked_pages ? gained : m->asked_pages;
}

/* It has given back half of what it gained, sooner than it may. */
static void begin_wait(const struct cagma_tuning *tuning,
		       const struct cagma_host_view *host,
		       struct cagma_memory *m)
{
	m->vain_pages += gain_of(m);
	m->yielded_s = 0;
	if (m->vain_pages < tuning->release_pages)
		return;
	m->vain_pages = 0;
	m->wait_s = (uint32_t)cagma_clamp(2 * (uint64_t)m->wait_s, WAIT_MIN_S,
					  WAIT_MAX_S);
	m->until_s = in_s(host) + m->wait_s;
}

/* Looks at what became of memory that others yielded for the guest. */
static void judge_gain(const struct cagma_tuning *tuning,
		       const struct cagma_host_view *host,
		       const struct cagma_guest_view *guest,
		       struct cagma_decision *decision)
{
	struct cagma_memory *m = &decision->memory;
	uint64_t wish = cagma_wish(guest, cagma_sure(tuning, guest));
	uint32_t kept_s = in_s(host) - m->yielded_s;

	if (!m->yielded_s || !cagma_guest_is_known(tuning, guest))
		return;
	m->most_pages = (uint32_t)cagma_clamp(guest->target_pages,
					      m->most_pages, UINT32_MAX);
	if (kept_s > cagma_max(WAIT_MIN_S, m->wait_s)) {
		m->yielded_s = m->wait_s = m->vain_pages = 0;
		return;
	}
	if (wish < m->before_pages + (m->most_pages - m->before_pages) / 2)
		begin_wait(tuning, host, m);
}

/* Worth that another one swaps for it: what isn't worth a kick is not. */
static bool is_urgent(const struct cagma_guest_view *guest,
		      const struct cagma_decision *decision)
{
	return cagma_is_short(guest, decision->cma_pages) ||
	       decision->unmet_pages > cagma_less(decision->cma_pages,
						  decision->threshold_pages);
}

static uint64_t urgently_due(const struct cagma_tuning *tuning,
			     const struct cagma_host_view *host,
			     const struct cagma_guest_view *guest,
			     const struct cagma_decision *decision)
{
	return is_urgent(guest, decision) ?
	       worth_yielding(tuning, host, guest, decision) : 0;
}

/* Of all that is `urgent`, `pages` are yielded: by whom, and for whom. */
static void note_yields(const struct cagma_tuning *tuning,
			const struct cagma_host_view *host,
			const struct cagma_guest_view *guests, size_t count,
			uint64_t pages, uint64_t urgent,
			struct cagma_decision *decisions)
{
	for (size_t i = 0; i < count; i++) {
		struct cagma_decision *d = &decisions[i];
		uint64_t part = urgently_due(tuning, host, &guests[i], d);

		if (d->why == CAGMA_WHY_YIELD)
			note_taken(d);
		else if (part)
			note_yielded(host, &guests[i],
				     cagma_scale(part, pages, urgent),
				     &d->memory);
	}
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
	uint64_t all_due = 0, urgent = 0, coming = incoming(guests, count, false);
	uint64_t deficit, rest, left;

	for (size_t i = 0; i < count; i++) {
		all_due += due(&decisions[i]);
		urgent += urgently_due(tuning, host, &guests[i],
				       &decisions[i]);
	}
	deficit = cagma_less(all_due + lacking, coming);
	if (!deficit) {
		if (periodic && tuning->idle_host)
			release(tuning, guests, count, decisions);
		return;
	}
	rest = collect(tuning, guests, count, deficit, plenty,
		       CAGMA_WHY_DONATE, decisions);
	if (rest)
		rest = collect(tuning, guests, count, rest, surplus,
			       CAGMA_WHY_DONATE, decisions);
	/* Nobody has to swap for what comes a moment later. */
	rest = cagma_min(rest, cagma_less(urgent, incoming(guests, count, true) +
						  deficit - rest));
	left = collect(tuning, guests, count, rest, excess, CAGMA_WHY_YIELD,
		       decisions);
	if (left < rest)
		note_yields(tuning, host, guests, count, rest - left, urgent,
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
	for (size_t i = 0; i < count; i++) {
		judge_gain(tuning, host, &guests[i], &decisions[i]);
		if (periodic && cagma_guest_is_known(tuning, &guests[i]))
			cagma_note_use(&guests[i], &decisions[i].memory);
	}
	note_needs(tuning, guests, count, periodic, decisions);
	usable = pour(guests, count, true, usable, decisions);
	kept = cagma_min(kept, usable);
	idle = pour(guests, count, false, usable - kept, decisions);
	if (periodic)
		prepare(tuning, guests, count, idle, decisions);
	usable = kept + idle;
	if (host->up_ns < tuning->grace_ns)
		return;
	if (periodic)
		cagma_cap(tuning, guests, count, decisions);
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
