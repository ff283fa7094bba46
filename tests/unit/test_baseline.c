// SPDX-License-Identifier: GPL-2.0-only
/* The policies to compare with. */
#include <string.h>

#include "config.h"
#include "invariant.h"
#include "policy.h"
#include "unit.h"

#define GUESTS_MAX	16

static struct cagma_tuning tuning;
static struct cagma_host_view host;
static struct cagma_guest_view guest[GUESTS_MAX];
static struct cagma_decision decision[GUESTS_MAX];
static size_t count;

static int begin(void **state)
{
	struct cagma_config config;

	(void)state;
	cagma_config_init(&config);
	tuning = config.tuning;
	host = (struct cagma_host_view){
		.spare_pages = config.hard_pages,
		.reserve_pages = config.reserve_pages,
		.hard_pages = config.hard_pages,
		.up_ns = 3600 * S,
	};
	count = 0;
	return 0;
}

static struct cagma_guest_view *add(uint64_t pages, uint64_t used_pages)
{
	struct cagma_guest_view *g = &guest[count++];

	*g = (struct cagma_guest_view){
		.alloc_pages = pages,
		.target_pages = pages,
		.available_pages = pages - used_pages,
		.used_pages = used_pages,
		.used_donor_pages = used_pages,
		.used_release_pages = used_pages,
		.min_pages = 96 * MIB,
		.max_pages = 64 * GIB,
		.weight = 1,
		.settled_ns = UINT64_MAX,
		.yielded_ns = UINT64_MAX,
		.covered = true,
	};
	return g;
}

static void decide(const char *policy, bool periodic)
{
	const struct cagma_policy *p = cagma_policy_find(policy);

	p->decide(&tuning, &host, guest, count, periodic, decision);
	assert_int_equal(cagma_invariant_check(&tuning, &host,
					       (int64_t)host.spare_pages,
					       (int64_t)host.spare_pages, guest,
					       decision, count,
					       periodic && p->acts), 0);
}

static int64_t change(size_t i)
{
	return (int64_t)(decision[i].target_pages - guest[i].target_pages);
}

/* ---- proportional ---- */

static void test_proportional_shares_everything(void **state)
{
	(void)state;
	host.spare_pages = host.hard_pages + 520 * MIB;
	add(520 * MIB, 400 * MIB);
	add(1040 * MIB, 800 * MIB);
	decide("proportional", true);
	assert_int_equal(change(0), 520 * MIB / 3);
	assert_int_equal(change(1), 2 * 520 * MIB / 3);
}

static void test_proportional_cuts_to_what_is_preferred(void **state)
{
	(void)state;
	add(600 * MIB, 600 * MIB);		/* prefers 780 */
	add(700 * MIB, 500 * MIB);		/* prefers 650 */
	decide("proportional", true);
	assert_int_equal(change(1), -(int64_t)(50 * MIB));
	assert_int_equal(change(0), 0);		/* nothing is free yet */
	assert_int_equal(decision[0].unmet_pages, 180 * MIB);
}

static void test_proportional_ignores_little_changes(void **state)
{
	(void)state;
	host.spare_pages = host.hard_pages + 100 * MIB;
	add(520 * MIB, 400 * MIB);
	decide("proportional", true);
	assert_int_equal(change(0), 0);
}

/* ---- cagma2017 ---- */

static void remember(void)
{
	for (size_t i = 0; i < count; i++)
		guest[i].memory = decision[i].memory;
}

static void test_2017_gives_what_is_lacking_of_the_cma(void **state)
{
	struct cagma_guest_view *g = add(500 * MIB, 490 * MIB);

	(void)state;
	host.spare_pages = host.hard_pages + 500 * MIB;
	g->task_pages = 200 * MIB;
	g->emergency = true;
	decide("cagma2017", false);
	assert_int_equal(change(0), 190 * MIB);
	assert_int_equal(decision[0].why, CAGMA_WHY_EMERGENCY);
	host.spare_pages = host.hard_pages + 50 * MIB;
	decide("cagma2017", false);
	assert_int_equal(change(0), 50 * MIB);
}

static void test_2017_asks_nobody_to_give(void **state)
{
	struct cagma_guest_view *g = add(500 * MIB, 490 * MIB);

	(void)state;
	g->emergency = true;
	add(2000 * MIB, 100 * MIB);
	decide("cagma2017", false);
	assert_int_equal(change(0), 0);
	assert_int_equal(change(1), 0);
}

static void test_2017_releases_the_mean_of_5_after_10_rounds(void **state)
{
	(void)state;
	add(1000 * MIB, 100 * MIB);
	for (int round = 1; round <= 10; round++) {
		guest[0].available_pages = (548 + round) * MIB;
		decide("cagma2017", true);
		assert_int_equal(change(0), 0);
		remember();
	}
	guest[0].available_pages = 559 * MIB;
	decide("cagma2017", true);	/* 507 to 511 beyond the floor of 48 */
	assert_int_equal(change(0), -(int64_t)(509 * MIB));
	remember();
	decide("cagma2017", true);
	assert_int_equal(change(0), 0);
}

static void test_2017_one_lack_begins_anew(void **state)
{
	(void)state;
	add(1000 * MIB, 100 * MIB);
	for (int round = 0; round < 20; round++) {
		guest[0].available_pages = round % 10 ? 900 * MIB : 40 * MIB;
		decide("cagma2017", true);
		assert_true(change(0) >= 0);
		remember();
	}
}

static void test_2017_emergency_pass_is_no_round(void **state)
{
	(void)state;
	add(1000 * MIB, 100 * MIB);
	for (int round = 0; round < 20; round++) {
		decide("cagma2017", false);
		assert_int_equal(change(0), 0);
		remember();
	}
}

static void test_2017_has_a_period_of_its_own(void **state)
{
	struct cagma_config config;

	(void)state;
	cagma_config_init(&config);
	assert_int_equal(config.period_ns, S);
	cagma_config_use(&config, cagma_policy_find("cagma2017"));
	assert_int_equal(config.period_ns, 3 * S);
}

/* ---- all ---- */

static uint64_t random_state = 20261123;

static uint64_t below(uint64_t n)
{
	return unit_random_below(&random_state, n);
}

static void test_I1_to_I4_hold_for_every_policy(void **state)
{
	static const char *const names[] = { "periodic", "proportional",
					     "cagma2017", "static" };

	for (int i = 0; i < 10000; i++) {
		begin(state);
		host.spare_pages = below(2 * GIB);
		host.up_ns = below(20 * S);
		for (uint64_t n = below(GUESTS_MAX); count < n;) {
			uint64_t pages = below(2 * GIB) + 1;
			struct cagma_guest_view *g = add(pages, below(pages));

			g->task_pages = below(GIB);
			g->emergency = below(3) == 0;
			g->age_ns = below(6 * S);
			g->held = below(8) == 0;
			g->stuck = below(8) == 0;
			g->min_pages = below(GIB);
			g->max_pages = g->min_pages + below(GIB);
			g->memory.rounds = (uint32_t)below(20);
			g->memory.surplus_pages[0] = (uint32_t)below(5 * GIB);
		}
		decide(names[below(4)], below(2));
		for (size_t j = 0; j < count; j++)
			if (guest[j].held)
				assert_int_equal(change(j), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_proportional_shares_everything,
				       begin),
		cmocka_unit_test_setup(
			test_proportional_cuts_to_what_is_preferred, begin),
		cmocka_unit_test_setup(test_proportional_ignores_little_changes,
				       begin),
		cmocka_unit_test_setup(
			test_2017_gives_what_is_lacking_of_the_cma, begin),
		cmocka_unit_test_setup(test_2017_asks_nobody_to_give, begin),
		cmocka_unit_test_setup(
			test_2017_releases_the_mean_of_5_after_10_rounds,
			begin),
		cmocka_unit_test_setup(test_2017_one_lack_begins_anew, begin),
		cmocka_unit_test_setup(test_2017_emergency_pass_is_no_round,
				       begin),
		cmocka_unit_test(test_2017_has_a_period_of_its_own),
		cmocka_unit_test(test_I1_to_I4_hold_for_every_policy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
