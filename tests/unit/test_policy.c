// SPDX-License-Identifier: GPL-2.0-only
/* The "cagma" policy and the invariants that watch over it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "invariant.h"
#include "policy.h"
#include "unit.h"

#define GUESTS_MAX	4096
#define HOSTS		10000
#define FLOOR		(48 * MIB)

static struct cagma_tuning tuning;
static struct cagma_host_view host;
static struct cagma_guest_view guest[GUESTS_MAX];
static struct cagma_decision decision[GUESTS_MAX];
static size_t count;

/* A host with 1 GiB to spare, past the grace time, without guests. */
static int begin(void **state)
{
	struct cagma_config config;

	(void)state;
	cagma_config_init(&config);
	tuning = config.tuning;
	tuning.shape_pages = tuning.shape_percent = 0;
	host = (struct cagma_host_view){
		.spare_pages = GIB,
		.reserve_pages = config.reserve_pages,
		.hard_pages = config.hard_pages,
		.up_ns = 3600 * S,
	};
	count = 0;
	return 0;
}

/* A guest at rest that has what it wants: target = used + CMA. */
static struct cagma_guest_view *add(uint64_t used_pages)
{
	struct cagma_guest_view *g = &guest[count++];

	*g = (struct cagma_guest_view){
		.alloc_pages = used_pages + FLOOR,
		.target_pages = used_pages + FLOOR,
		.used_pages = used_pages,
		.used_donor_pages = used_pages,
		.used_release_pages = used_pages,
		.min_pages = 96 * MIB,
		.max_pages = 64 * GIB,
		.weight = 1,
		.settled_ns = UINT64_MAX,
		.yielded_ns = UINT64_MAX,
		.quick_pages = UINT64_MAX,
		.steady_pages = UINT64_MAX,
		.covered = true,
	};
	return g;
}

/* One that lacks `pages`, with an emergency open. */
static struct cagma_guest_view *add_needy(uint64_t pages)
{
	struct cagma_guest_view *g = add(256 * MIB);

	g->used_pages += pages;
	g->emergency = true;
	return g;
}

/* One that has `pages` more than it wants. */
static struct cagma_guest_view *add_donor(uint64_t pages)
{
	struct cagma_guest_view *g = add(256 * MIB);

	g->alloc_pages += pages;
	g->target_pages += pages;
	return g;
}

static void decide(bool periodic)
{
	cagma_policy_find("cagma")->decide(&tuning, &host, guest, count,
					   periodic, decision);
}

static int64_t change(size_t i)
{
	return (int64_t)(decision[i].target_pages - guest[i].target_pages);
}

/* What may be given at once; with the hard reserve it makes the spare. */
static void set_usable(uint64_t pages)
{
	host.spare_pages = host.hard_pages + pages;
}

/* ---- names ---- */

static void test_policies_are_found_by_name(void **state)
{
	(void)state;
	assert_true(cagma_policy_find("cagma")->answers_kicks);
	assert_false(cagma_policy_find("static")->answers_kicks);
	assert_null(cagma_policy_find(""));
	assert_null(cagma_policy_find("cagma|static"));
	assert_null(cagma_policy_find("cagma2"));
	assert_string_equal(cagma_policy_names(),
			    "cagma|periodic|proportional|cagma2017|static");
	assert_string_equal(cagma_why_name(CAGMA_WHY_DONATE), "donate");
	assert_string_equal(cagma_why_name(CAGMA_WHY_COUNT), "unknown");
}

static void test_static_keeps_everything(void **state)
{
	(void)state;
	add_needy(100 * MIB);
	add_donor(500 * MIB);
	cagma_policy_find("static")->decide(&tuning, &host, guest, count, true,
					    decision);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(1), 0);
}

/* ---- the critical memory amount ---- */

static void test_cma_is_the_largest_of_its_terms(void **state)
{
	struct cagma_guest_view *g = add(256 * MIB);

	(void)state;
	decide(true);
	assert_int_equal(decision[0].cma_pages, FLOOR);
	assert_int_equal(decision[0].threshold_pages, 36 * MIB);
	g->growth_pages = 60 * MIB;
	decide(true);
	assert_int_equal(decision[0].cma_pages, 60 * MIB);
	g->task_pages = 400 * MIB;
	decide(true);
	assert_int_equal(decision[0].cma_pages, 100 * MIB);
}

static void test_cma_makes_room_for_what_returns_from_swap(void **state)
{
	struct cagma_guest_view *g = add(256 * MIB);

	(void)state;
	g->swapped_pages = 80 * MIB;
	decide(true);
	assert_int_equal(decision[0].cma_pages, FLOOR);
	g->swap_in_pages = 10 * MIB;
	decide(true);
	assert_int_equal(decision[0].cma_pages, FLOOR + 20 * MIB);
	g->swap_in_pages = 70 * MIB;
	decide(true);
	assert_int_equal(decision[0].cma_pages, FLOOR + 80 * MIB);
}

/* ---- giving ---- */

static void test_need_is_met_exactly(void **state)
{
	(void)state;
	add_needy(100 * MIB);
	decide(false);
	assert_int_equal(change(0), 100 * MIB);
	assert_int_equal(decision[0].unmet_pages, 0);
	assert_int_equal(decision[0].why, CAGMA_WHY_EMERGENCY);
}

static void test_emergency_beats_periodic(void **state)
{
	(void)state;
	set_usable(150 * MIB);
	add_needy(100 * MIB)->emergency = false;
	add_needy(100 * MIB);
	decide(true);
	assert_int_equal(change(1), 75 * MIB);	/* its entitlement */
	assert_int_equal(decision[1].why, CAGMA_WHY_EMERGENCY);
	assert_int_equal(change(0), 11 * MIB);	/* beyond the reserve */
	assert_int_equal(decision[0].unmet_pages, 89 * MIB);
}

static void test_emergency_pass_serves_emergencies_only(void **state)
{
	(void)state;
	add_needy(100 * MIB)->emergency = false;
	add_needy(100 * MIB);
	decide(false);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(1), 100 * MIB);
	decide(true);
	assert_int_equal(change(0), 100 * MIB);
	assert_int_equal(decision[0].why, CAGMA_WHY_GROW);
}

static void test_periodic_leaves_the_reserve(void **state)
{
	const uint64_t reserve = host.reserve_pages - host.hard_pages;

	(void)state;
	set_usable(reserve + 30 * MIB);
	add_needy(100 * MIB)->emergency = false;
	decide(true);
	assert_int_equal(change(0), 30 * MIB);
	guest[0].emergency = true;
	decide(true);
	assert_int_equal(change(0), reserve + 30 * MIB);
}

static void test_I1_hard_reserve_is_never_given(void **state)
{
	(void)state;
	add_needy(100 * MIB);
	host.spare_pages = host.hard_pages + 10 * MIB;
	decide(false);
	assert_int_equal(change(0), 10 * MIB);
	assert_int_equal(decision[0].unmet_pages, 90 * MIB);
	host.spare_pages = host.hard_pages;
	decide(false);
	assert_int_equal(change(0), 0);
	host.spare_pages = 0;
	decide(false);
	assert_int_equal(change(0), 0);
}

static void test_M2_below_the_reserve_there_are_only_decreases(void **state)
{
	(void)state;
	host.spare_pages = host.hard_pages / 2;
	add_needy(100 * MIB);
	add_donor(300 * MIB);
	decide(true);
	assert_int_equal(change(0), 0);
	assert_true(change(1) < 0);
}

static void test_M10_shortage_is_shared_by_weight(void **state)
{
	(void)state;
	set_usable(120 * MIB);
	for (uint32_t weight = 1; weight <= 3; weight++) {
		struct cagma_guest_view *g = add_needy(200 * MIB);

		g->min_pages = g->target_pages;
		g->weight = weight;
	}
	decide(false);
	assert_int_equal(change(0), 20 * MIB);
	assert_int_equal(change(1), 40 * MIB);
	assert_int_equal(change(2), 60 * MIB);
}

static void test_M10_what_one_leaves_goes_to_the_others(void **state)
{
	(void)state;
	set_usable(120 * MIB);
	add_needy(10 * MIB);
	add_needy(200 * MIB);
	add_needy(200 * MIB);
	decide(false);
	assert_int_equal(change(0), 10 * MIB);
	assert_int_equal(change(1), 55 * MIB);
	assert_int_equal(change(2), 55 * MIB);
}

static void test_I2_max_is_never_passed(void **state)
{
	struct cagma_guest_view *g = add_needy(100 * MIB);

	(void)state;
	g->max_pages = g->target_pages + 40 * MIB;
	decide(false);
	assert_int_equal(change(0), 40 * MIB);
	g->max_pages = g->target_pages;
	decide(false);
	assert_int_equal(change(0), 0);
	assert_int_equal(decision[0].unmet_pages, 0);
}

static void test_I2_below_min_is_brought_to_min(void **state)
{
	struct cagma_guest_view *g = add(10 * MIB);

	(void)state;
	decide(true);
	assert_int_equal(change(0), g->min_pages - g->target_pages);
}

static void test_little_needs_are_not_worth_a_change(void **state)
{
	(void)state;
	add_needy(2 * MIB - 1);
	add_needy(2 * MIB);
	decide(false);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(1), 2 * MIB);
}

/* ---- taking ---- */

static void test_I3_increase_waits_for_the_donor(void **state)
{
	(void)state;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(100 * MIB);
	add_donor(300 * MIB);
	decide(false);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(1), -(int64_t)(100 * MIB));
	assert_int_equal(decision[1].why, CAGMA_WHY_DONATE);
}

static void test_donors_give_in_proportion(void **state)
{
	(void)state;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(100 * MIB);
	add_donor(300 * MIB);
	add_donor(100 * MIB);
	decide(false);
	assert_int_equal(change(1), -(int64_t)(75 * MIB));
	assert_int_equal(change(2), -(int64_t)(25 * MIB));
}

static void test_I5_donor_keeps_used_and_cma_and_min(void **state)
{
	(void)state;
	set_usable(0);
	add_needy(10 * GIB);
	add_donor(300 * MIB);
	add_donor(300 * MIB)->used_donor_pages += 200 * MIB;
	add_donor(300 * MIB);
	guest[3].min_pages = guest[3].target_pages - 50 * MIB;
	decide(false);
	assert_int_equal(change(1), -(int64_t)(300 * MIB));
	assert_int_equal(change(2), -(int64_t)(100 * MIB));
	assert_int_equal(change(3), -(int64_t)(50 * MIB));
}

static void test_reserve_is_refilled_from_donors(void **state)
{
	(void)state;
	host.spare_pages = host.reserve_pages - 20 * MIB;
	add_donor(300 * MIB);
	decide(false);
	assert_int_equal(change(0), -(int64_t)(20 * MIB));
	assert_int_equal(decision[0].why, CAGMA_WHY_DONATE);
}

static void test_incoming_memory_is_not_asked_for_twice(void **state)
{
	(void)state;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(100 * MIB);
	add_donor(300 * MIB);
	add(256 * MIB)->alloc_pages += 100 * MIB;
	decide(false);
	assert_int_equal(change(1), 0);
	guest[2].alloc_pages -= 30 * MIB;
	decide(false);
	assert_int_equal(change(1), -(int64_t)(30 * MIB));
}

/* Its claim protects what it has, but only up to its entitlement. */
static void test_I5_emergency_protects_the_entitlement_only(void **state)
{
	(void)state;
	set_usable(0);
	add_needy(100 * MIB);
	add_donor(0)->emergency = true;
	guest[1].used_pages = guest[1].used_donor_pages = 300 * MIB;
	decide(true);
	assert_int_equal(change(1), 0);
	guest[1].used_pages = guest[1].used_donor_pages = 600 * MIB;
	guest[1].target_pages = guest[1].alloc_pages = 604 * MIB;
	decide(true);
	assert_int_equal(decision[1].why, CAGMA_WHY_YIELD);
	assert_int_equal(decision[1].entitled_pages, 504 * MIB);
	assert_int_equal(change(1), -(int64_t)(604 * MIB / 8));
}

/* It wants all that there is: what comes back from swap has no end. */
static struct cagma_guest_view *add_swapping(uint64_t used_pages)
{
	struct cagma_guest_view *g = add(used_pages);

	g->swapped_pages = g->swap_in_pages = 10 * GIB;
	g->used_pages += MIB;
	return g;
}

/* Two guests that both want all; the first one has most of it. */
static void begin_unfair(void)
{
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_swapping(952 * MIB);
	add_swapping(152 * MIB);
}

/* ---- guests of every sort ---- */

/* Pages of a container at its limit move, while 300 MiB are available. */
static void test_P1_swap_traffic_pins_only_what_is_in_swap(void **state)
{
	struct cagma_guest_view *g;

	(void)state;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(10 * GIB);
	g = add_donor(300 * MIB);
	g->emergency = true;
	g->swapped_pages = 100 * MIB;
	g->swap_in_pages = 10 * MIB;
	decide(true);
	assert_int_equal(decision[1].cma_pages, FLOOR + 20 * MIB);
	assert_int_equal(change(1), -(int64_t)(200 * MIB));
}

/* While pages return to where they are missed, that room is no surplus. */
static void test_P1_room_of_what_returns_is_kept(void **state)
{
	struct cagma_guest_view *g;

	(void)state;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(10 * GIB);
	g = add_donor(300 * MIB);
	g->weight = 10000;		/* it is entitled to it */
	g->swapped_pages = 400 * MIB;
	g->swap_in_pages = 10 * MIB;
	decide(true);
	assert_int_equal(change(1), 0);
}

static void test_P2_what_cannot_be_swapped_is_not_yielded(void **state)
{
	(void)state;
	begin_unfair();
	guest[0].firm_pages = 952 * MIB;
	decide(true);
	assert_int_equal(change(0), 0);
	guest[0].firm_pages = 852 * MIB;
	decide(true);
	assert_int_equal(change(0), -(int64_t)(100 * MIB));
}

/* Who can swap yields, and it is no more than its part. */
static void test_P2_who_can_swap_yields_first(void **state)
{
	(void)state;
	begin_unfair();
	guest[0].firm_pages = 952 * MIB;
	add_swapping(952 * MIB);
	decide(true);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(2), -(int64_t)(125 * MIB));
}

/* What it keeps beyond its share is missing to all others by weight, not to one. */
static void test_P2_what_one_cannot_give_lowers_all_shares(void **state)
{
	(void)state;
	begin_unfair();
	guest[0].firm_pages = 952 * MIB;
	add_swapping(952 * MIB);
	decide(true);
	assert_int_equal(decision[1].entitled_pages, 600 * MIB);
	assert_int_equal(decision[2].entitled_pages, 600 * MIB);
	assert_int_equal(decision[0].entitled_pages, 600 * MIB);
	assert_int_equal(decision[2].why, CAGMA_WHY_YIELD);
}

static void test_P3_what_strict_overcommit_needs_stays(void **state)
{
	(void)state;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(10 * GIB);
	add_donor(300 * MIB)->firm_pages = 500 * MIB;
	decide(true);
	assert_int_equal(change(1), -(int64_t)(104 * MIB));
}

static void test_P4_shape_is_kept_while_others_have_more(void **state)
{
	(void)state;
	tuning.shape_pages = 200 * MIB;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(100 * MIB);
	add_donor(152 * MIB);		/* 200 MiB are available */
	add_donor(400 * MIB);
	decide(true);
	assert_int_equal(change(1), 0);
	assert_int_equal(change(2), -(int64_t)(100 * MIB));
	guest[0].used_pages += 200 * MIB;
	decide(true);
	assert_int_equal(change(2) + change(1), -(int64_t)(300 * MIB));
	assert_true(change(2) < -(int64_t)(248 * MIB));
	assert_true(change(1) < 0);
}

static void test_P4_shape_is_a_share_of_what_it_has(void **state)
{
	(void)state;
	tuning.shape_percent = 10;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(100 * MIB);
	add_donor(4 * GIB)->used_donor_pages += 4 * GIB - 352 * MIB;
	guest[1].used_release_pages = guest[1].used_donor_pages;
	add_donor(400 * MIB);
	decide(true);
	assert_int_equal(change(1), 0);
	assert_int_equal(change(2), -(int64_t)(100 * MIB));
}

/* One that grew has its shape again as soon as there is memory for it. */
static void test_P4_grown_guest_gets_its_shape(void **state)
{
	(void)state;
	tuning.shape_pages = 200 * MIB;
	add(256 * MIB);
	add(256 * MIB)->memory.grown = 1;
	decide(true);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(1), 152 * MIB);
	assert_int_equal(decision[1].why, CAGMA_WHY_PREPARE);
}

static void test_P4_P9_nothing_is_taken_without_a_need(void **state)
{
	(void)state;
	add_donor(10 * GIB);
	decide(true);
	assert_int_equal(change(0), 0);
	tuning.idle_host = true;
	decide(true);
	assert_int_equal(change(0), -(int64_t)(10 * GIB));
}

static void test_P5_use_that_follows_is_no_surplus(void **state)
{
	struct cagma_guest_view *g;
	uint64_t had = 2 * GIB;

	(void)state;
	add(256 * MIB);
	g = add(0);
	g->weight = 10000;		/* it is entitled to it */
	for (int i = 0; i < 4; i++, had -= had / 16) {
		g->alloc_pages = g->target_pages = had;
		g->used_pages = g->used_donor_pages = had / 5 * 4;
		g->used_release_pages = g->used_pages;
		decide(true);
		g->memory = decision[1].memory;
	}
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	guest[0].used_pages += 200 * MIB;
	decide(true);
	assert_int_equal(change(1), 0);
	g->memory.followed = 1;
	decide(true);
	assert_true(change(1) < 0);
}

static void test_P6_I2_maximum_is_enforced_downwards(void **state)
{
	(void)state;
	add(952 * MIB)->max_pages = 512 * MIB;
	decide(false);
	assert_int_equal(change(0), 0);
	decide(true);
	assert_int_equal(change(0), -(int64_t)(125 * MIB));
	assert_int_equal(decision[0].why, CAGMA_WHY_CAP);
	guest[0].alloc_pages += 3 * MIB;	/* it still owes some */
	decide(true);
	assert_int_equal(change(0), 0);
	guest[0].target_pages = guest[0].alloc_pages = 515 * MIB;
	decide(true);
	assert_int_equal(decision[0].target_pages, 512 * MIB);
}

static void test_P7_slow_payer_is_expected_at_its_pace(void **state)
{
	(void)state;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(100 * MIB);
	add(256 * MIB)->alloc_pages += 2 * GIB;
	guest[1].quick_pages = 27 * MIB;
	add_donor(300 * MIB);
	decide(true);
	assert_int_equal(change(1), 0);
	assert_int_equal(change(2), -(int64_t)(73 * MIB));
}

static void test_P7_nobody_swaps_before_the_pace_is_steady(void **state)
{
	(void)state;
	begin_unfair();
	guest[1].used_pages += 100 * MIB;
	add(256 * MIB)->alloc_pages += 4 * GIB;
	guest[2].quick_pages = 0;
	decide(true);
	assert_int_equal(change(0), 0);
	guest[2].steady_pages = 0;
	guest[0].max_pages = 64 * GIB;
	host.overdrawn_pages = 4 * GIB;	/* it isn't in the pool, either */
	decide(true);
	assert_int_equal(change(0), -(int64_t)(125 * MIB));
}

/* A second later the claim is over; what others yielded was in vain. */
static void claim_in_vain(void)
{
	decide(true);
	assert_int_equal(decision[0].why, CAGMA_WHY_YIELD);
	guest[1].memory = decision[1].memory;
	guest[1].target_pages = guest[1].alloc_pages += 125 * MIB;
	guest[1].swapped_pages = guest[1].swap_in_pages = 0;
	guest[1].used_pages = guest[1].used_donor_pages = 100 * MIB;
	host.up_ns += S;
	decide(true);
	guest[1].memory = decision[1].memory;
	count = 0;
	guest[2] = guest[1];
	begin_unfair();
	guest[1].memory = guest[2].memory;
}

static void test_P8_who_gave_back_waits_twice_as_long(void **state)
{
	uint32_t until_s;

	(void)state;
	begin_unfair();
	claim_in_vain();
	until_s = guest[1].memory.until_s;
	assert_int_equal(guest[1].memory.wait_s, 600);
	decide(true);
	assert_int_equal(change(0), 0);
	host.up_ns = until_s * S;
	claim_in_vain();
	assert_int_equal(guest[1].memory.wait_s, 1200);
	decide(true);
	assert_int_equal(change(0), 0);
}

/* Its minimum is its own, and what nobody has. */
static void test_P8_who_waits_has_its_minimum_and_what_is_spare(void **state)
{
	(void)state;
	begin_unfair();
	claim_in_vain();
	set_usable(50 * MIB);
	decide(true);
	assert_int_equal(change(1), 50 * MIB);
	assert_int_equal(change(0), 0);
	set_usable(0);
	guest[1].min_pages = 300 * MIB;
	decide(true);
	assert_int_equal(decision[0].why, CAGMA_WHY_YIELD);
}

static void test_P8_who_keeps_it_has_a_clean_slate(void **state)
{
	(void)state;
	begin_unfair();
	decide(true);
	guest[1].memory = decision[1].memory;
	assert_int_not_equal(guest[1].memory.yielded_s, 0);
	guest[1].target_pages = guest[1].alloc_pages = 600 * MIB;
	guest[0].target_pages = guest[0].alloc_pages = 600 * MIB;
	host.up_ns += 601 * S;
	decide(true);
	assert_int_equal(decision[1].memory.yielded_s, 0);
	assert_int_equal(decision[1].memory.until_s, 0);
}

/* It asked, and wants no more when it comes: others swapped all the same. */
static void test_P8_what_came_too_late_was_yielded_in_vain(void **state)
{
	(void)state;
	begin_unfair();
	decide(true);
	assert_int_equal(decision[0].why, CAGMA_WHY_YIELD);
	guest[1].memory = decision[1].memory;
	decide(true);
	assert_int_equal(decision[1].memory.wait_s, 0);
	guest[1].swapped_pages = guest[1].swap_in_pages = 0;
	guest[1].used_pages = guest[1].used_donor_pages = 100 * MIB;
	decide(true);
	assert_int_equal(decision[1].memory.wait_s, 600);
}

/* It had to yield it to another: it didn't give it back. */
static void test_P8_what_was_taken_again_was_not_in_vain(void **state)
{
	(void)state;
	begin_unfair();
	guest[0].memory = (struct cagma_memory){
		.yielded_s = 3601, .before_pages = 900 * MIB,
		.most_pages = 1000 * MIB, .asked_pages = 100 * MIB,
	};
	decide(true);
	assert_int_equal(change(0), -(int64_t)(125 * MIB));
	assert_int_equal(decision[0].memory.yielded_s, 0);
	guest[0].memory.before_pages = 500 * MIB;
	guest[0].memory.asked_pages = 500 * MIB;
	decide(true);
	assert_int_equal(decision[0].memory.yielded_s, 3601);
	assert_int_equal(decision[0].memory.most_pages, 875 * MIB);
	assert_int_equal(decision[0].memory.asked_pages, 375 * MIB);
}

/* What it grew by is no reason to believe that it still uses it. */
static void test_P8_growth_is_not_use(void **state)
{
	(void)state;
	begin_unfair();
	decide(true);
	guest[1].memory = decision[1].memory;
	guest[1].target_pages = guest[1].alloc_pages += 125 * MIB;
	guest[1].swapped_pages = guest[1].swap_in_pages = 0;
	guest[1].used_pages = guest[1].used_donor_pages = 100 * MIB;
	guest[1].growth_pages = 10 * GIB;
	decide(true);
	assert_int_equal(decision[1].memory.wait_s, 600);
}

/* What it lacks now is sure, and the growth only likely. */
static void test_P8_nobody_yields_for_growth_that_may_come(void **state)
{
	(void)state;
	begin_unfair();
	guest[1].swapped_pages = guest[1].swap_in_pages = 0;
	guest[1].growth_pages = 10 * GIB;
	guest[1].emergency = true;
	decide(true);
	assert_int_equal(change(0), -(int64_t)MIB);
	guest[1].used_pages += 19 * MIB;
	decide(true);
	assert_int_equal(change(0), -(int64_t)(20 * MIB));
}

/* Who has its CMA's floor left swaps for another reason than its memory. */
static void test_P1_nobody_yields_for_traffic_beside_plenty(void **state)
{
	(void)state;
	begin_unfair();
	guest[1].used_pages -= MIB;
	decide(true);
	assert_int_equal(change(0), 0);
	guest[1].used_pages += MIB;
	decide(true);
	assert_int_equal(decision[0].why, CAGMA_WHY_YIELD);
}

/* Its limit is lowered a moment after the memory came back. */
static void test_what_has_come_back_is_not_asked_for_again(void **state)
{
	(void)state;
	begin_unfair();
	guest[1].swapped_pages = guest[1].swap_in_pages = 25 * MIB;
	guest[1].growth_pages = 10 * GIB;
	guest[0].limit_pages = guest[0].target_pages + 26 * MIB;
	decide(true);
	assert_int_equal(change(0), 0);
	guest[0].limit_pages = guest[0].target_pages;
	decide(true);
	assert_int_equal(change(0), -(int64_t)(26 * MIB));
}

/* ---- ready for a burst ---- */

static void test_guest_at_rest_is_made_ready_for_a_burst(void **state)
{
	struct cagma_guest_view *g = add(256 * MIB);

	(void)state;
	g->burst_pages = 100 * MIB;
	decide(false);
	assert_int_equal(change(0), 0);
	decide(true);
	assert_int_equal(change(0), 100 * MIB);
	assert_int_equal(decision[0].why, CAGMA_WHY_PREPARE);
	g->max_pages = g->target_pages + 60 * MIB;
	decide(true);
	assert_int_equal(change(0), 60 * MIB);
	g->burst_pages = tuning.release_pages - 1;
	decide(true);
	assert_int_equal(change(0), 0);
}

static void test_guest_that_grows_is_not_prepared_meanwhile(void **state)
{
	struct cagma_guest_view *g = add(256 * MIB);

	(void)state;
	g->burst_pages = 100 * MIB;
	g->settled_ns = tuning.donor_ns - 1;
	decide(true);
	assert_int_equal(change(0), 0);
	g->settled_ns = UINT64_MAX;
	g->yielded_ns = 29 * S;
	decide(true);
	assert_int_equal(change(0), 0);
	g->yielded_ns = UINT64_MAX;
	g->stuck = true;
	decide(true);
	assert_int_equal(change(0), 0);
}

/* What everybody's next emergency may need is kept, beside the reserve. */
static void test_nobody_is_prepared_from_what_emergencies_need(void **state)
{
	(void)state;
	add(256 * MIB)->burst_pages = 100 * MIB;
	add(256 * MIB)->burst_pages = 300 * MIB;
	host.spare_pages = host.reserve_pages + 2 * FLOOR;
	decide(true);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(1), 0);
	host.spare_pages += 200 * MIB;
	decide(true);
	assert_int_equal(change(0), 50 * MIB);
	assert_int_equal(change(1), 150 * MIB);
}

/* It is kept for as long as the burst is remembered, unless another needs it. */
static void test_readiness_is_kept_and_given_to_the_needy(void **state)
{
	(void)state;
	add_donor(100 * MIB)->burst_pages = 100 * MIB;
	decide(true);
	assert_int_equal(change(0), 0);
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(40 * MIB);
	decide(true);
	assert_int_equal(change(0), -(int64_t)(40 * MIB));
	assert_int_equal(decision[0].why, CAGMA_WHY_DONATE);
}

static void test_readiness_that_outlived_its_burst_is_released(void **state)
{
	(void)state;
	add_donor(100 * MIB)->burst_pages = 20 * MIB;
	tuning.idle_host = true;
	decide(true);
	assert_int_equal(change(0), -(int64_t)(80 * MIB));
	assert_int_equal(decision[0].why, CAGMA_WHY_RELEASE);
}

/* ---- too little for all ---- */

static void test_G15_claimer_yields_what_others_are_entitled_to(void **state)
{
	(void)state;
	begin_unfair();
	guest[0].emergency = true;
	guest[1].emergency = true;
	decide(false);
	assert_int_equal(decision[0].entitled_pages, 600 * MIB);
	assert_int_equal(decision[1].entitled_pages, 600 * MIB);
	assert_int_equal(change(0), -(int64_t)(125 * MIB));
	assert_int_equal(decision[0].why, CAGMA_WHY_YIELD);
	assert_int_equal(change(1), 0);
}

static void test_yielding_goes_on_when_the_last_part_has_come(void **state)
{
	(void)state;
	begin_unfair();
	guest[0].alloc_pages += 3 * MIB;
	decide(true);
	assert_int_equal(change(0), 0);
	guest[0].alloc_pages -= 3 * MIB;
	decide(true);
	assert_int_equal(change(0), -(int64_t)(125 * MIB));
}

static void test_nobody_yields_for_more_than_an_entitlement(void **state)
{
	(void)state;
	begin_unfair();
	for (int i = 0; i < 2; i++)
		guest[i].target_pages = guest[i].alloc_pages = 600 * MIB;
	guest[1].emergency = true;
	decide(true);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(1), 0);
	assert_true(decision[1].unmet_pages > GIB);
}

static void test_nobody_yields_for_the_reserve(void **state)
{
	(void)state;
	begin_unfair();
	for (int i = 0; i < 2; i++)
		guest[i].target_pages = guest[i].alloc_pages = 600 * MIB;
	host.reserve_pages = host.hard_pages + GIB;
	decide(true);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(1), 0);
}

static void test_entitlement_is_the_min_and_then_by_weight(void **state)
{
	(void)state;
	begin_unfair();
	guest[0].min_pages = 700 * MIB;
	guest[0].weight = 1;
	guest[1].min_pages = 100 * MIB;
	guest[1].weight = 3;
	decide(true);
	assert_int_equal(decision[0].entitled_pages, 800 * MIB);
	assert_int_equal(decision[1].entitled_pages, 400 * MIB);
	guest[0].min_pages = 1000 * MIB;
	decide(true);
	assert_int_equal(change(0), 0);		/* min is sacred */
}

static void test_memory_in_use_is_safe_while_others_have_surplus(void **state)
{
	(void)state;
	begin_unfair();
	guest[1].swapped_pages = guest[1].swap_in_pages = 0;
	guest[1].used_pages += 100 * MIB;
	add_donor(200 * MIB);
	decide(true);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(2), -(int64_t)(200 * MIB));
}

static void test_release_needs_a_long_and_large_surplus(void **state)
{
	struct cagma_guest_view *g = add_donor(tuning.release_pages);

	(void)state;
	tuning.idle_host = true;
	decide(false);
	assert_int_equal(change(0), 0);
	decide(true);
	assert_int_equal(change(0), -(int64_t)tuning.release_pages);
	assert_int_equal(decision[0].why, CAGMA_WHY_RELEASE);
	g->covered = false;
	decide(true);
	assert_int_equal(change(0), 0);
	g->covered = true;
	g->settled_ns = tuning.release_ns - 1;
	decide(true);
	assert_int_equal(change(0), 0);
	g->settled_ns++;
	g->used_release_pages++;
	decide(true);
	assert_int_equal(change(0), 0);
}

static void test_release_keeps_min(void **state)
{
	struct cagma_guest_view *g = add(10 * MIB);

	(void)state;
	g->target_pages = g->alloc_pages = 500 * MIB;
	tuning.idle_host = true;
	decide(true);
	assert_int_equal(decision[0].target_pages, g->min_pages);
}

static void test_nothing_is_released_in_a_shortage(void **state)
{
	(void)state;
	set_usable(0);
	add_needy(50 * MIB);
	add_donor(300 * MIB);
	decide(true);
	assert_int_equal(decision[1].why, CAGMA_WHY_DONATE);
	assert_true(change(1) > -(int64_t)(300 * MIB));
}

static void test_C1_nobody_is_shrunk_in_the_grace_time(void **state)
{
	(void)state;
	set_usable(20 * MIB);
	host.up_ns = tuning.grace_ns - 1;
	add_needy(100 * MIB);
	add_donor(300 * MIB);
	decide(true);
	assert_int_equal(change(0), 20 * MIB);
	assert_int_equal(change(1), 0);
	host.up_ns++;
	decide(true);
	assert_true(change(1) < 0);
}

static void test_I4_stale_or_held_guests_are_left_alone(void **state)
{
	(void)state;
	set_usable(50 * MIB);
	add_needy(100 * MIB)->age_ns = tuning.stale_ns + 1;
	add_needy(100 * MIB)->held = true;
	add_donor(300 * MIB)->age_ns = UINT64_MAX;
	add_donor(300 * MIB)->held = true;
	decide(true);
	for (size_t i = 0; i < count; i++) {
		assert_int_equal(change(i), 0);
		assert_int_equal(decision[i].unmet_pages, 0);
	}
	guest[0].age_ns = tuning.stale_ns;
	decide(true);
	assert_int_equal(change(0), 50 * MIB);
}

/* ---- any host ---- */

static uint64_t random_state;

static uint64_t below(uint64_t n)
{
	return unit_random_below(&random_state, n);
}

static bool one_in(uint64_t n)
{
	return below(n) == 0;
}

static void random_guest(struct cagma_guest_view *g, uint64_t scale)
{
	uint64_t used = below(scale), target = below(scale);
	uint64_t min = below(scale), max = min + below(scale);

	*g = (struct cagma_guest_view){
		.alloc_pages = one_in(4) ? below(scale) : target,
		.target_pages = target,
		.used_pages = used,
		.used_donor_pages = used + (one_in(2) ? below(scale) : 0),
		.used_release_pages = used + (one_in(2) ? below(scale) : 0),
		.growth_pages = one_in(2) ? below(scale / 4) : 0,
		.burst_pages = one_in(2) ? below(scale / 4) : 0,
		.task_pages = one_in(4) ? below(scale) : 0,
		.swapped_pages = one_in(4) ? below(scale) : 0,
		.swap_in_pages = one_in(4) ? below(scale) : 0,
		.min_pages = min,
		.max_pages = max,
		.weight = (uint32_t)(1 + below(10000)),
		.age_ns = one_in(4) ? below(6 * S) : below(S),
		.settled_ns = below(20 * S),
		.yielded_ns = below(60 * S),
		.covered = !one_in(3),
		.emergency = one_in(3),
		.held = one_in(8),
		.firm_pages = one_in(4) ? below(used + 1) : 0,
		.quick_pages = one_in(2) ? below(scale) : UINT64_MAX,
		.steady_pages = one_in(2) ? below(scale) : UINT64_MAX,
		.memory = {
			.grown = one_in(2),
			.yielded_s = one_in(4) ? (uint32_t)below(4000) : 0,
			.until_s = one_in(4) ? (uint32_t)below(8000) : 0,
			.had_pages = (uint32_t)below(scale),
			.used_pages = (uint32_t)below(scale),
			.followed = (uint32_t)below(4),
		},
	};
}

static void random_host(void **state)
{
	const uint64_t scale = one_in(10) ? UINT64_C(1) << 36 : 4 * GIB;
	size_t guests = one_in(20) ? 100 : 12;

	begin(state);
	host.spare_pages = one_in(3) ? below(host.reserve_pages) :
				       below(scale);
	host.up_ns = one_in(4) ? below(20 * S) : 3600 * S;
	count = below(guests);
	for (size_t i = 0; i < count; i++)
		random_guest(&guest[i], scale);
}

static uint64_t granted(void)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < count; i++)
		if (change(i) > 0)
			pages += (uint64_t)change(i);
	return pages;
}

static void check_invariants(bool periodic)
{
	int64_t before = (int64_t)host.spare_pages;

	assert_int_equal(cagma_invariant_check(&tuning, &host, before,
					       before - (int64_t)granted(),
					       guest, decision, count,
					       periodic), 0);
}

/* A change has a reason of its own direction. */
static bool is_explained(size_t i)
{
	enum cagma_why why = decision[i].why;

	if (change(i) > 0)
		return why == CAGMA_WHY_EMERGENCY || why == CAGMA_WHY_GROW ||
		       why == CAGMA_WHY_PREPARE;
	if (change(i) < 0)
		return why == CAGMA_WHY_DONATE || why == CAGMA_WHY_RELEASE ||
		       why == CAGMA_WHY_YIELD || why == CAGMA_WHY_CAP;
	return true;
}

/* What the policy promises beyond the invariants. */
static void check_promises(bool periodic)
{
	for (size_t i = 0; i < count; i++) {
		const struct cagma_guest_view *g = &guest[i];
		uint64_t used;

		assert_true(is_explained(i));
		if (g->held || g->age_ns > tuning.stale_ns)
			assert_int_equal(change(i), 0);
		if (change(i) > 0)
			assert_true(periodic || g->emergency);
		if (change(i) >= 0)
			continue;
		assert_true(host.up_ns >= tuning.grace_ns);
		assert_true(decision[i].target_pages >= g->firm_pages);
		if (decision[i].why == CAGMA_WHY_CAP) {
			assert_true(decision[i].target_pages >= g->max_pages);
			continue;
		}
		if (decision[i].why == CAGMA_WHY_YIELD) {
			assert_true(decision[i].target_pages >=
				    decision[i].entitled_pages);
			continue;
		}
		used = decision[i].why == CAGMA_WHY_DONATE ?
			g->used_donor_pages : g->used_release_pages;
		assert_true(decision[i].target_pages >=
			    used + decision[i].cma_pages);
	}
}

static void assert_same(const struct cagma_decision *a,
			const struct cagma_decision *b)
{
	assert_int_equal(a->target_pages, b->target_pages);
	assert_int_equal(a->cma_pages, b->cma_pages);
	assert_int_equal(a->threshold_pages, b->threshold_pages);
	assert_int_equal(a->entitled_pages, b->entitled_pages);
	assert_int_equal(a->unmet_pages, b->unmet_pages);
	assert_int_equal(a->why, b->why);
}

/* The same guests in another order get the same. */
static void check_order(bool periodic)
{
	static struct cagma_guest_view other[GUESTS_MAX];
	static struct cagma_decision result[GUESTS_MAX];
	size_t shift = count ? below(count) : 0;

	for (size_t i = 0; i < count; i++)
		other[i] = guest[count - 1 - (i + shift) % count];
	cagma_policy_find("cagma")->decide(&tuning, &host, other, count,
					   periodic, result);
	for (size_t i = 0; i < count; i++)
		assert_same(&result[i],
			    &decision[count - 1 - (i + shift) % count]);
}

static uint64_t choose_seed(void)
{
	const char *text = getenv("CAGMA_SEED");
	uint64_t seed = text ? strtoull(text, NULL, 0) : 20260724;

	print_message("# CAGMA_SEED=%llu\n", (unsigned long long)seed);
	return seed ? seed : 1;
}

static void test_I1_to_I6_hold_on_any_host(void **state)
{
	random_state = choose_seed();
	for (int i = 0; i < HOSTS; i++) {
		bool periodic = one_in(2);

		random_host(state);
		decide(periodic);
		check_invariants(periodic);
		check_promises(periodic);
		check_order(periodic);
	}
}

/* Given time, the needy are served and nobody moves to and fro. */
static void test_M10_decisions_settle(void **state)
{
	(void)state;
	host.spare_pages = host.reserve_pages;
	add_needy(100 * MIB);
	add_donor(300 * MIB);
	add_donor(50 * MIB);
	for (int round = 0; round < 10; round++) {
		decide(true);
		for (size_t i = 0; i < count; i++) {
			host.spare_pages -= (uint64_t)change(i);
			guest[i].target_pages = decision[i].target_pages;
			guest[i].alloc_pages = decision[i].target_pages;
		}
	}
	assert_int_equal(guest[0].target_pages, 356 * MIB + FLOOR);
	decide(true);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(change(i), 0);
	assert_true(host.spare_pages >= host.reserve_pages);
}

static void test_M12_huge_host_with_4096_guests(void **state)
{
	(void)state;
	set_usable(16 * 1024 * GIB);
	for (size_t i = 0; i < GUESTS_MAX; i++) {
		struct cagma_guest_view *g = add_needy(i * GIB);

		g->used_pages = UINT64_C(1) << 36;
		g->growth_pages = g->swapped_pages = UINT64_C(1) << 36;
		g->task_pages = UINT64_C(1) << 36;
		g->swap_in_pages = UINT64_MAX;
		g->max_pages = UINT64_C(1) << 36;
		g->weight = 10000;
	}
	decide(true);
	check_invariants(false);
	assert_in_range(granted(), 16 * 1024 * GIB - GUESTS_MAX,
			16 * 1024 * GIB);
}

static void test_M12_4096_different_needs_are_met(void **state)
{
	(void)state;
	set_usable(17 * 1024 * GIB);
	for (size_t i = 0; i < GUESTS_MAX; i++)
		add_needy((i + 1) * 2 * MIB);
	decide(false);
	check_invariants(false);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(change(i), (i + 1) * 2 * MIB);
}

static void test_M12_donors_of_a_huge_host(void **state)
{
	const uint64_t huge = UINT64_C(1) << 35;

	(void)state;
	set_usable(0);
	host.reserve_pages = host.hard_pages;
	add_needy(huge)->max_pages = 2 * huge;
	add_donor(huge);
	add_donor(3 * huge);
	decide(false);
	assert_int_equal(change(1), -(int64_t)(huge / 4));
	assert_int_equal(change(2), -(int64_t)(huge / 4 * 3));
}

static void test_M12_guest_of_one_page(void **state)
{
	struct cagma_guest_view *g = add(0);

	(void)state;
	g->alloc_pages = g->target_pages = 1;
	g->min_pages = g->max_pages = 1;
	decide(true);
	assert_int_equal(change(0), 0);
}

/* ---- the watchman ---- */

static unsigned int check(int64_t before, int64_t after)
{
	return cagma_invariant_check(&tuning, &host, before, after, guest,
				     decision, count, false);
}

static void test_I1_violation_is_found(void **state)
{
	const int64_t hard = (int64_t)host.hard_pages;

	(void)state;
	assert_int_equal(check(hard + 5, hard), 0);
	assert_int_equal(check(hard + 5, hard - 1), CAGMA_I1);
	assert_int_equal(check(hard - 5, hard - 5), 0);
	assert_int_equal(check(hard - 5, hard - 6), CAGMA_I1);
	assert_int_equal(check(-7, -8), CAGMA_I1);
	assert_int_equal(check(-7, 0), 0);
}

static void test_I2_violation_is_found(void **state)
{
	struct cagma_guest_view *g = add(256 * MIB);

	(void)state;
	decide(true);
	decision[0].target_pages = g->max_pages + 1;
	assert_true(check(0, 0) & CAGMA_I2);
	decision[0].target_pages = g->min_pages - 1;
	assert_int_equal(check(0, 0), CAGMA_I2);
	decision[0].target_pages = g->min_pages;
	assert_int_equal(check(0, 0), 0);
}

static void test_I3_violation_is_found(void **state)
{
	(void)state;
	set_usable(10 * MIB);
	add(256 * MIB);
	add(256 * MIB);
	decide(true);
	decision[0].entitled_pages = UINT64_MAX;
	decision[0].target_pages += 10 * MIB;
	assert_int_equal(check(0, 0), 0);
	decision[0].target_pages++;
	decision[1].target_pages--;
	assert_int_equal(check(0, 0), CAGMA_I3);
}

static void test_I4_violation_is_found(void **state)
{
	(void)state;
	add_donor(100 * MIB);
	decide(true);
	decision[0].target_pages = guest[0].target_pages - 1;
	guest[0].age_ns = tuning.stale_ns;
	assert_int_equal(check(0, 0), 0);
	guest[0].age_ns++;
	assert_int_equal(check(0, 0), CAGMA_I4);
	decision[0].target_pages = guest[0].target_pages;
	assert_int_equal(check(0, 0), 0);
}

static void test_I5_violation_is_found(void **state)
{
	(void)state;
	set_usable(100 * MIB);
	add(256 * MIB);
	decide(true);
	decision[0].entitled_pages = guest[0].target_pages + 5;
	decision[0].target_pages = guest[0].target_pages + 5;
	decision[0].why = CAGMA_WHY_EMERGENCY;
	assert_int_equal(check(0, 0), 0);
	decision[0].target_pages++;
	assert_int_equal(check(0, 0), CAGMA_I5);
	/* That is a guess of ours, and no claim of its. */
	decision[0].why = CAGMA_WHY_PREPARE;
	assert_int_equal(check(0, 0), 0);
}

#define POLICY_TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POLICY_TEST(test_policies_are_found_by_name),
		POLICY_TEST(test_static_keeps_everything),
		POLICY_TEST(test_cma_is_the_largest_of_its_terms),
		POLICY_TEST(test_cma_makes_room_for_what_returns_from_swap),
		POLICY_TEST(test_need_is_met_exactly),
		POLICY_TEST(test_emergency_beats_periodic),
		POLICY_TEST(test_emergency_pass_serves_emergencies_only),
		POLICY_TEST(test_periodic_leaves_the_reserve),
		POLICY_TEST(test_I1_hard_reserve_is_never_given),
		POLICY_TEST(test_M2_below_the_reserve_there_are_only_decreases),
		POLICY_TEST(test_M10_shortage_is_shared_by_weight),
		POLICY_TEST(test_M10_what_one_leaves_goes_to_the_others),
		POLICY_TEST(test_I2_max_is_never_passed),
		POLICY_TEST(test_I2_below_min_is_brought_to_min),
		POLICY_TEST(test_little_needs_are_not_worth_a_change),
		POLICY_TEST(test_I3_increase_waits_for_the_donor),
		POLICY_TEST(test_donors_give_in_proportion),
		POLICY_TEST(test_I5_donor_keeps_used_and_cma_and_min),
		POLICY_TEST(test_reserve_is_refilled_from_donors),
		POLICY_TEST(test_incoming_memory_is_not_asked_for_twice),
		POLICY_TEST(test_I5_emergency_protects_the_entitlement_only),
		POLICY_TEST(test_P1_swap_traffic_pins_only_what_is_in_swap),
		POLICY_TEST(test_P1_room_of_what_returns_is_kept),
		POLICY_TEST(test_P2_what_cannot_be_swapped_is_not_yielded),
		POLICY_TEST(test_P2_who_can_swap_yields_first),
		POLICY_TEST(test_P1_nobody_yields_for_traffic_beside_plenty),
		POLICY_TEST(test_P2_what_one_cannot_give_lowers_all_shares),
		POLICY_TEST(test_P3_what_strict_overcommit_needs_stays),
		POLICY_TEST(test_P4_shape_is_kept_while_others_have_more),
		POLICY_TEST(test_P4_shape_is_a_share_of_what_it_has),
		POLICY_TEST(test_P4_grown_guest_gets_its_shape),
		POLICY_TEST(test_P4_P9_nothing_is_taken_without_a_need),
		POLICY_TEST(test_P5_use_that_follows_is_no_surplus),
		POLICY_TEST(test_P6_I2_maximum_is_enforced_downwards),
		POLICY_TEST(test_P7_slow_payer_is_expected_at_its_pace),
		POLICY_TEST(test_P7_nobody_swaps_before_the_pace_is_steady),
		POLICY_TEST(test_P8_who_gave_back_waits_twice_as_long),
		POLICY_TEST(test_P8_who_waits_has_its_minimum_and_what_is_spare),
		POLICY_TEST(test_P8_who_keeps_it_has_a_clean_slate),
		POLICY_TEST(test_P8_what_came_too_late_was_yielded_in_vain),
		POLICY_TEST(test_P8_what_was_taken_again_was_not_in_vain),
		POLICY_TEST(test_P8_growth_is_not_use),
		POLICY_TEST(test_P8_nobody_yields_for_growth_that_may_come),
		POLICY_TEST(test_what_has_come_back_is_not_asked_for_again),
		POLICY_TEST(test_guest_at_rest_is_made_ready_for_a_burst),
		POLICY_TEST(test_guest_that_grows_is_not_prepared_meanwhile),
		POLICY_TEST(test_nobody_is_prepared_from_what_emergencies_need),
		POLICY_TEST(test_readiness_is_kept_and_given_to_the_needy),
		POLICY_TEST(test_readiness_that_outlived_its_burst_is_released),
		POLICY_TEST(test_G15_claimer_yields_what_others_are_entitled_to),
		POLICY_TEST(test_yielding_goes_on_when_the_last_part_has_come),
		POLICY_TEST(test_nobody_yields_for_more_than_an_entitlement),
		POLICY_TEST(test_nobody_yields_for_the_reserve),
		POLICY_TEST(test_entitlement_is_the_min_and_then_by_weight),
		POLICY_TEST(test_memory_in_use_is_safe_while_others_have_surplus),
		POLICY_TEST(test_release_needs_a_long_and_large_surplus),
		POLICY_TEST(test_release_keeps_min),
		POLICY_TEST(test_nothing_is_released_in_a_shortage),
		POLICY_TEST(test_C1_nobody_is_shrunk_in_the_grace_time),
		POLICY_TEST(test_I4_stale_or_held_guests_are_left_alone),
		POLICY_TEST(test_I1_to_I6_hold_on_any_host),
		POLICY_TEST(test_M10_decisions_settle),
		POLICY_TEST(test_M12_huge_host_with_4096_guests),
		POLICY_TEST(test_M12_4096_different_needs_are_met),
		POLICY_TEST(test_M12_donors_of_a_huge_host),
		POLICY_TEST(test_M12_guest_of_one_page),
		POLICY_TEST(test_I1_violation_is_found),
		POLICY_TEST(test_I5_violation_is_found),
		POLICY_TEST(test_I2_violation_is_found),
		POLICY_TEST(test_I3_violation_is_found),
		POLICY_TEST(test_I4_violation_is_found),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
