// SPDX-License-Identifier: GPL-2.0-only
/*
 * What others do, behind the same interface and with the same safety rules, to
 * compare with: docs/policy.md says what is theirs and what was corrected.
 */
#include "policy.h"
#include "units.h"

/* ---- static ---- */

static void decide_static(const struct cagma_tuning *tuning,
			  const struct cagma_host_view *host,
			  const struct cagma_guest_view *guests, size_t count,
			  bool periodic, struct cagma_decision *decisions)
{
	(void)tuning;
	(void)host;
	(void)periodic;
	cagma_keep_all(guests, count, decisions);
}

const struct cagma_policy cagma_policy_static = {
	.name = "static",
	.decide = decide_static,
};

/* ---- common ---- */

/* Both wish for sizes first; memory that is free decides who grows. */
static bool may_shrink(const struct cagma_tuning *tuning,
		       const struct cagma_host_view *host,
		       const struct cagma_guest_view *guest)
{
	return host->up_ns >= tuning->grace_ns && !guest->stuck &&
	       cagma_guest_is_known(tuning, guest);
}

static void cap(const struct cagma_tuning *tuning,
		const struct cagma_host_view *host,
		const struct cagma_guest_view *guests, size_t count,
		struct cagma_decision *decisions)
{
	if (host->up_ns >= tuning->grace_ns)
		cagma_cap(tuning, guests, count, decisions);
}

static uint64_t in_range(const struct cagma_guest_view *guest, uint64_t pages)
{
	return cagma_clamp(pages, guest->min_pages,
			   cagma_max(guest->min_pages, guest->max_pages));
}

static void shrink(const struct cagma_guest_view *guest, uint64_t pages,
		   struct cagma_decision *decision)
{
	pages = cagma_max(pages, guest->min_pages);
	if (cagma_less(guest->target_pages, pages) < CAGMA_STEP_PAGES)
		return;
	decision->target_pages = pages;
	decision->why = CAGMA_WHY_DONATE;
}

/* Grants `usable` in proportion to what each is noted to lack. */
static void grow_all(size_t count, uint64_t usable, enum cagma_why why,
		     struct cagma_decision *decisions)
{
	uint64_t wanted = 0;

	for (size_t i = 0; i < count; i++)
		wanted += decisions[i].unmet_pages;
	usable = cagma_min(usable, wanted);
	for (size_t i = 0; i < count; i++) {
		struct cagma_decision *d = &decisions[i];
		uint64_t pages;

		if (!d->unmet_pages)
			continue;
		pages = cagma_scale(d->unmet_pages, usable, wanted);
		d->target_pages += pages;
		d->unmet_pages -= pages;
		if (!pages)
			continue;
		d->why = why;
		/* Of entitlements these policies know no more than that. */
		d->entitled_pages = cagma_max(d->entitled_pages,
					      d->target_pages);
	}
}

/* ---- proportional ---- */

/* A guest prefers to have 1.3 times what it uses, and 200 MiB at least. */
#define PREFERRED_TENTHS	13u
#define PREFERRED_MIN_PAGES	cagma_mib_to_pages(200)
/* Smaller changes aren't made: of one guest, and of the whole round. */
#define GUEST_STEP_PAGES	cagma_mib_to_pages(15)
#define ROUND_STEP_PAGES	cagma_mib_to_pages(150)

static uint64_t preferred(const struct cagma_guest_view *guest)
{
	return in_range(guest, cagma_max(guest->used_pages * PREFERRED_TENTHS /
					 10, PREFERRED_MIN_PAGES));
}

/* The size to move to; what all prefer together is `sum`. */
static uint64_t proportional_size(const struct cagma_guest_view *guest,
				  uint64_t pool, uint64_t sum)
{
	uint64_t size = preferred(guest);

	if (sum && pool >= sum)
		return in_range(guest, cagma_scale(size, pool, sum));
	return size;
}

static bool is_short(const struct cagma_guest_view *guest)
{
	return guest->target_pages + GUEST_STEP_PAGES < preferred(guest);
}

static void decide_proportional(const struct cagma_tuning *tuning,
				const struct cagma_host_view *host,
				const struct cagma_guest_view *guests,
				size_t count, bool periodic,
				struct cagma_decision *decisions)
{
	uint64_t usable = cagma_less(host->spare_pages, host->hard_pages);
	uint64_t pool = usable, sum = 0, moved = 0;
	bool needed = false;

	(void)periodic;
	cagma_keep_all(guests, count, decisions);
	for (size_t i = 0; i < count; i++) {
		if (!cagma_guest_is_known(tuning, &guests[i]))
			continue;
		pool += guests[i].target_pages;
		sum += preferred(&guests[i]);
		needed |= is_short(&guests[i]);
	}
	for (size_t i = 0; i < count; i++)
		if (cagma_guest_is_known(tuning, &guests[i]))
			moved += cagma_less(proportional_size(&guests[i], pool,
							      sum),
					    guests[i].target_pages);
	if (!needed && moved < ROUND_STEP_PAGES) {
		cap(tuning, host, guests, count, decisions);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		uint64_t size;

		if (!cagma_guest_is_known(tuning, &guests[i]))
			continue;
		size = proportional_size(&guests[i], pool, sum);
		if (size < guests[i].target_pages) {
			if (may_shrink(tuning, host, &guests[i]))
				shrink(&guests[i], size, &decisions[i]);
		} else if (size - guests[i].target_pages >= CAGMA_STEP_PAGES) {
			decisions[i].unmet_pages = size -
						   guests[i].target_pages;
		}
	}
	grow_all(count, usable, CAGMA_WHY_GROW, decisions);
	cap(tuning, host, guests, count, decisions);
}

const struct cagma_policy cagma_policy_proportional = {
	.name = "proportional",
	.acts = true,
	.decide = decide_proportional,
};

/* ---- cagma2017 ---- */

#define RELEASE_ROUNDS	10u

/* The task that ran short, times an allocation rate of 1.0. */
static uint64_t cma_2017(const struct cagma_tuning *tuning,
			 const struct cagma_guest_view *guest)
{
	return cagma_max(guest->task_pages, tuning->cma_floor_pages);
}

/*
 * After more than 10 rounds in a row with a surplus it returns the mean of the
 * last 5. One round without begins anew.
 */
static void release_2017(const struct cagma_guest_view *guest, uint64_t pages,
			 bool allowed, struct cagma_decision *decision)
{
	struct cagma_memory *m = &decision->memory;
	uint64_t sum = 0;

	m->surplus_pages[m->rounds++ % CAGMA_MEMORY_ROUNDS] =
		(uint32_t)cagma_min(pages, UINT32_MAX);
	if (m->rounds <= RELEASE_ROUNDS || !allowed)
		return;
	for (size_t i = 0; i < CAGMA_MEMORY_ROUNDS; i++)
		sum += m->surplus_pages[i];
	shrink(guest, cagma_less(guest->target_pages,
				 sum / CAGMA_MEMORY_ROUNDS), decision);
	m->rounds = 0;
}

static void look_2017(const struct cagma_tuning *tuning,
		      const struct cagma_host_view *host,
		      const struct cagma_guest_view *guest, bool periodic,
		      struct cagma_decision *decision)
{
	uint64_t cma = cma_2017(tuning, guest);
	uint64_t lack = cagma_less(cma, guest->available_pages);
	uint64_t room = cagma_less(in_range(guest, guest->target_pages + lack),
				   guest->target_pages);

	decision->cma_pages = cma;
	decision->threshold_pages = cma * tuning->threshold_percent / 100;
	/* What was granted and hasn't arrived is no lack any more. */
	room = cagma_less(room, cagma_less(guest->target_pages,
					   guest->alloc_pages));
	if (lack)
		decision->memory.rounds = 0;
	if (!cagma_guest_is_known(tuning, guest))
		return;
	if (room >= CAGMA_STEP_PAGES && (periodic || guest->emergency))
		decision->unmet_pages = room;
	else if (!lack && periodic)
		release_2017(guest, guest->available_pages - cma,
			     may_shrink(tuning, host, guest), decision);
}

static void decide_2017(const struct cagma_tuning *tuning,
			const struct cagma_host_view *host,
			const struct cagma_guest_view *guests, size_t count,
			bool periodic, struct cagma_decision *decisions)
{
	cagma_keep_all(guests, count, decisions);
	for (size_t i = 0; i < count; i++)
		look_2017(tuning, host, &guests[i], periodic, &decisions[i]);
	grow_all(count, cagma_less(host->spare_pages, host->hard_pages),
		 periodic ? CAGMA_WHY_GROW : CAGMA_WHY_EMERGENCY, decisions);
	if (periodic)
		cap(tuning, host, guests, count, decisions);
}

const struct cagma_policy cagma_policy_2017 = {
	.name = "cagma2017",
	.acts = true,
	.answers_kicks = true,
	.period_ns = 3 * CAGMA_NS_PER_S,
	.decide = decide_2017,
};
