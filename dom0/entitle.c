// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a guest needs, and what it may have while others want more: docs/policy.md,
 * "The critical memory amount" and "Entitlement".
 */
#include "entitle.h"
#include "units.h"

bool cagma_guest_is_known(const struct cagma_tuning *tuning,
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
		       const struct cagma_guest_view *guest, uint64_t growth)
{
	uint64_t task = guest->task_pages * tuning->task_percent / 100;
	uint64_t returning = cagma_min(guest->swapped_pages,
				       2 * guest->swap_in_pages);
	uint64_t cma = cagma_max(tuning->cma_floor_pages,
				 cagma_max(growth, task));

	return cagma_min(cma + returning, guest->max_pages);
}

/* One that has the floor left swaps for another reason, or brings it back into that. */
uint64_t cagma_sure(const struct cagma_tuning *tuning,
		    const struct cagma_guest_view *guest)
{
	uint64_t least = guest->used_pages + tuning->cma_floor_pages;

	return guest->target_pages >= least ? tuning->cma_floor_pages :
	       cma_of(tuning, guest, 0);
}

uint64_t cagma_wanted(const struct cagma_guest_view *guest, uint64_t used,
		      uint64_t cma)
{
	return cagma_clamp(used + cma, guest->min_pages,
			   cagma_max(guest->min_pages, guest->max_pages));
}

static void estimate(const struct cagma_tuning *tuning,
		     const struct cagma_guest_view *guests, size_t count,
		     struct cagma_decision *decisions)
{
	cagma_keep_all(guests, count, decisions);
	for (size_t i = 0; i < count; i++) {
		uint64_t cma = cma_of(tuning, &guests[i],
				      guests[i].growth_pages);

		decisions[i].cma_pages = cma;
		/* Who can't be given more need not ask. */
		if (guests[i].target_pages + CAGMA_STEP_PAGES <=
		    guests[i].max_pages)
			decisions[i].threshold_pages =
				cma * tuning->threshold_percent / 100;
	}
}

bool cagma_lacks(const struct cagma_tuning *tuning,
		 const struct cagma_guest_view *guest,
		 struct cagma_decision *decision)
{
	uint64_t wanted;

	estimate(tuning, guest, 1, decision);
	wanted = cagma_wanted(guest, guest->used_pages, decision->cma_pages);
	return cagma_guest_is_known(tuning, guest) &&
	       cagma_less(wanted, guest->target_pages) >= CAGMA_STEP_PAGES;
}

/* ---- who may have what ---- */

/* Weights are at most 10,000: a level is in pages per 2^14 of weight. */
#define LEVEL_UNIT	(UINT64_C(1) << 14)

/* What a guest may have at that water level: its minimum, and by weight. */
static uint64_t share(const struct cagma_guest_view *guest, uint64_t wish,
		      uint64_t level)
{
	uint64_t more = cagma_scale(level, guest->weight, LEVEL_UNIT);

	return cagma_min(wish, guest->min_pages + more);
}

bool cagma_is_short(const struct cagma_guest_view *guest, uint64_t cma)
{
	return (guest->emergency ||
		guest->swap_in_pages >= CAGMA_STEP_PAGES) &&
	       guest->target_pages < guest->used_pages + cma;
}

uint64_t cagma_returning(const struct cagma_guest_view *guest)
{
	if (guest->swap_in_pages < CAGMA_STEP_PAGES)
		return 0;
	return cagma_less(guest->swapped_pages, 2 * guest->swap_in_pages);
}

/* So often in a row it is no coincidence. */
#define ELASTIC_TIMES	2
/* Of what it had, what must have gone before its use is looked at. */
#define SHRUNK_SHARE	32

bool cagma_is_elastic(const struct cagma_guest_view *guest)
{
	return guest->memory.followed >= ELASTIC_TIMES;
}

static void mark_use(const struct cagma_guest_view *guest,
		     struct cagma_memory *memory)
{
	memory->had_pages = (uint32_t)cagma_min(guest->alloc_pages, UINT32_MAX);
	memory->used_pages = (uint32_t)cagma_min(guest->used_pages, UINT32_MAX);
}

/* Whether use fell by the same share as what it has, give or take a quarter. */
static bool has_followed(const struct cagma_guest_view *guest,
			 const struct cagma_memory *memory)
{
	uint64_t lost = memory->had_pages - guest->alloc_pages;
	uint64_t due = cagma_scale(memory->used_pages, lost, memory->had_pages);
	uint64_t fell = cagma_less(memory->used_pages, guest->used_pages);

	return fell > due - due / 4 && fell < due + due / 4;
}

void cagma_note_use(const struct cagma_guest_view *guest,
		    struct cagma_memory *memory)
{
	uint64_t lost = cagma_less(memory->had_pages, guest->alloc_pages);
	bool shrunk = lost > memory->had_pages / SHRUNK_SHARE;
	uint64_t used = memory->used_pages;
	bool dropped = guest->used_pages < used / 4 * 3;

	if (!shrunk && dropped)
		memory->followed = 0;	/* by itself */
	if (!shrunk) {
		if (dropped || guest->alloc_pages > memory->had_pages)
			mark_use(guest, memory);
		return;
	}
	memory->followed = has_followed(guest, memory) ? memory->followed + 1 : 0;
	mark_use(guest, memory);
}

static uint64_t wish(const struct cagma_guest_view *guest, uint64_t used_pages,
		     uint64_t cma)
{
	uint64_t used = cagma_max(guest->used_pages, used_pages);
	uint64_t all = cagma_wanted(guest, used, cagma_is_elastic(guest) ?
				    guest->target_pages :
				    cma + cagma_returning(guest));

	return cagma_max(cagma_wanted(guest, used, cma),
			 cagma_min(all, guest->target_pages));
}

uint64_t cagma_wish(const struct cagma_guest_view *guest, uint64_t cma)
{
	return wish(guest, guest->used_donor_pages, cma);
}

uint64_t cagma_firm(const struct cagma_tuning *tuning,
		    const struct cagma_guest_view *guest)
{
	uint64_t firm = guest->firm_pages, floor = tuning->cma_floor_pages;

	return firm ? cagma_clamp(guest->used_donor_pages + floor, firm,
				  firm + floor) : 0;
}

/* What a guest keeps that has such a share: what it can't give is nobody else's. */
static uint64_t keeps(const struct cagma_tuning *tuning,
		      const struct cagma_guest_view *guest, uint64_t pages)
{
	return cagma_max(pages, cagma_min(guest->target_pages,
					  cagma_firm(tuning, guest)));
}

/* All shares at a level, and who would have more at a higher one. */
struct shares {
	uint64_t pages;
	uint64_t thirsty;
	uint64_t weight;	/* theirs */
};

static struct shares sum_up(const struct cagma_tuning *tuning,
			    const struct cagma_guest_view *guests, size_t count,
			    uint64_t level,
			    const struct cagma_decision *decisions)
{
	struct shares all = { 0 };

	for (size_t i = 0; i < count; i++) {
		uint64_t wished = decisions[i].entitled_pages, pages;

		if (!cagma_guest_is_known(tuning, &guests[i]))
			continue;
		pages = share(&guests[i], wished, level);
		all.pages += keeps(tuning, &guests[i], pages);
		if (pages < wished) {
			all.thirsty++;
			all.weight += guests[i].weight;
		}
	}
	return all;
}

/*
 * What there is for those who are known: all that they have or may take, and what
 * is spare. Limits, not targets: they fall when pages have come back, by the amount
 * that spare memory rises, so that memory on its way is in the pool at every moment.
 * Of a guest that gives nothing back there is only what it wishes for itself.
 */
static uint64_t pool_of(const struct cagma_tuning *tuning,
			const struct cagma_host_view *host,
			const struct cagma_guest_view *guests, size_t count,
			const struct cagma_decision *decisions)
{
	uint64_t pages = host->spare_pages;

	for (size_t i = 0; i < count; i++) {
		const struct cagma_guest_view *g = &guests[i];
		uint64_t has = cagma_max(g->target_pages,
					 cagma_max(g->alloc_pages,
						   g->limit_pages));

		if (!cagma_guest_is_known(tuning, g))
			continue;
		pages += g->stuck ? cagma_min(has,
					decisions[i].entitled_pages) : has;
	}
	return cagma_less(pages, host->hard_pages + host->overdrawn_pages);
}

/*
 * Where there is too little, what one guest doesn't use for a moment would be
 * another's until it uses it again: wishes are those of a longer time.
 */
static void wish_for_longer(const struct cagma_tuning *tuning,
			    const struct cagma_guest_view *guests, size_t count,
			    struct cagma_decision *decisions)
{
	for (size_t i = 0; i < count; i++)
		if (cagma_guest_is_known(tuning, &guests[i]))
			decisions[i].entitled_pages =
				wish(&guests[i], guests[i].used_release_pages,
				     decisions[i].cma_pages);
}

/*
 * Steps that come close to the level; halving finds what is left, however much.
 */
#define CLOSE_STEPS	16

/*
 * A level that is not too high. What the pool has left at one is given to the
 * thirsty, by weight: at most one page for each of them is lost or won by
 * rounding, and who has enough on the way takes less.
 */
static uint64_t close_level(const struct cagma_tuning *tuning,
			    const struct cagma_guest_view *guests, size_t count,
			    uint64_t pool,
			    const struct cagma_decision *decisions)
{
	uint64_t level = 0;

	for (int i = 0; i < CLOSE_STEPS; i++) {
		struct shares all = sum_up(tuning, guests, count, level,
					   decisions);

		if (!all.weight || all.pages + 2 * all.thirsty >= pool)
			break;
		level += cagma_scale(pool - all.pages - all.thirsty,
				     LEVEL_UNIT, all.weight);
	}
	return level;
}

/* The highest level at which all shares are no more than the pool, or 0. */
static uint64_t water_level(const struct cagma_tuning *tuning,
			    const struct cagma_guest_view *guests, size_t count,
			    uint64_t pool,
			    const struct cagma_decision *decisions)
{
	uint64_t low = close_level(tuning, guests, count, pool, decisions);
	uint64_t most = (pool + 1) * LEVEL_UNIT, step = 1;
	bool up = true;

	while (step) {
		if (low + step < most &&
		    sum_up(tuning, guests, count, low + step,
			   decisions).pages <= pool)
			low += step;
		else
			up = false;
		step = up ? 2 * step : step / 2;
	}
	return low;
}

/*
 * Entitlements: what everybody wants if there is that much, else the minimum
 * and beyond it by weight, as high as the water level that fills the pool.
 */
static void entitle(const struct cagma_tuning *tuning,
		    const struct cagma_host_view *host,
		    const struct cagma_guest_view *guests, size_t count,
		    struct cagma_decision *decisions)
{
	uint64_t wishes = 0, low, pool;

	for (size_t i = 0; i < count; i++) {
		if (!cagma_guest_is_known(tuning, &guests[i]))
			continue;
		decisions[i].entitled_pages = cagma_wish(&guests[i],
						   decisions[i].cma_pages);
		wishes += keeps(tuning, &guests[i],
				decisions[i].entitled_pages);
	}
	pool = pool_of(tuning, host, guests, count, decisions);
	if (wishes <= pool)
		return;
	wish_for_longer(tuning, guests, count, decisions);
	low = water_level(tuning, guests, count, pool, decisions);
	for (size_t i = 0; i < count; i++)
		if (cagma_guest_is_known(tuning, &guests[i]))
			decisions[i].entitled_pages = share(
				&guests[i], decisions[i].entitled_pages, low);
}

void cagma_assess(const struct cagma_tuning *tuning,
		  const struct cagma_host_view *host,
		  const struct cagma_guest_view *guests, size_t count,
		  struct cagma_decision *decisions)
{
	estimate(tuning, guests, count, decisions);
	entitle(tuning, host, guests, count, decisions);
}
