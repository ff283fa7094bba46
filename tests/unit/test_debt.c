// SPDX-License-Identifier: GPL-2.0-only
#include "debt.h"
#include "unit.h"

static struct cagma_debt debt;
static uint64_t now_ns, owed_pages;
static unsigned int asked;

static int begin(void **state)
{
	(void)state;
	debt = (struct cagma_debt){ 0 };
	now_ns = 100 * S;
	asked = 0;
	return 0;
}

/* As the daemon does: four looks a second. Each second `pages` come back. */
static void pay(uint64_t pages, unsigned int seconds)
{
	for (unsigned int i = 0; i < 4 * seconds; i++) {
		uint64_t part = pages / 4 + (i % 4 == 0 ? pages % 4 : 0);

		owed_pages -= part < owed_pages ? part : owed_pages;
		now_ns += 250 * MS;
		asked += cagma_debt_look(&debt, owed_pages, now_ns);
	}
}

static void owe(uint64_t pages)
{
	owed_pages = pages;
	asked += cagma_debt_look(&debt, owed_pages, now_ns);
}

static void test_who_pays_is_not_stuck(void **state)
{
	(void)state;
	owe(400 * MIB);
	pay(25 * MIB, 15);
	assert_false(debt.stuck);
	pay(25 * MIB, 15);
	assert_false(debt.stuck);
	assert_int_equal(asked, 0);
}

static void test_M3_who_pays_nothing_is_stuck_and_asked_again(void **state)
{
	(void)state;
	owe(400 * MIB);
	pay(0, 4);
	assert_false(debt.stuck);
	pay(0, 2);
	assert_true(debt.stuck);
	assert_int_equal(asked, 1);
	pay(0, 600);
	/* At once, and after 10, 30, 70, 150 and 310 s. */
	assert_int_equal(asked, 6);
}

static void test_M4_a_page_now_and_then_does_not_help(void **state)
{
	(void)state;
	owe(400 * MIB);
	for (int i = 0; i < 20; i++) {
		pay(1, 1);
		pay(0, 4);
		assert_true(i == 0 || debt.stuck);
	}
}

/* 19 s of nothing, 1 s of work: too little while it owes much. */
static void test_M4_work_for_show_does_not_help(void **state)
{
	(void)state;
	owe(4096 * MIB);
	for (int i = 0; i < 5; i++) {
		pay(0, 19);
		assert_true(debt.stuck);
		pay(100 * MIB, 1);
		assert_true(debt.stuck);
	}
}

static void test_large_debt_may_take_long(void **state)
{
	(void)state;
	owe(64 * GIB);
	pay(30 * MIB, 600);
	assert_false(debt.stuck);
}

static void test_half_of_it_is_forgiven(void **state)
{
	(void)state;
	owe(400 * MIB);
	pay(0, 6);
	assert_true(debt.stuck);
	pay(30 * MIB, 6);
	assert_true(debt.stuck);
	pay(30 * MIB, 1);
	assert_false(debt.stuck);
	pay(30 * MIB, 10);
	assert_int_equal(debt.window_pages, 0);
}

/* The window begins anew: what is asked for now could not have come before. */
static void test_more_that_is_asked_for_gets_its_time(void **state)
{
	(void)state;
	owe(100 * MIB);
	for (int i = 0; i < 10; i++) {
		pay(0, 4);
		owe(owed_pages + 10 * MIB);
		assert_false(debt.stuck);
	}
}

static void test_what_a_balloon_leaves_over_is_no_debt(void **state)
{
	(void)state;
	owe(2 * MIB);
	pay(0, 60);
	assert_false(debt.stuck);
	assert_int_equal(asked, 0);
}

#define DEBT_TEST(name) cmocka_unit_test_setup(name, begin)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DEBT_TEST(test_who_pays_is_not_stuck),
		DEBT_TEST(test_M3_who_pays_nothing_is_stuck_and_asked_again),
		DEBT_TEST(test_M4_a_page_now_and_then_does_not_help),
		DEBT_TEST(test_M4_work_for_show_does_not_help),
		DEBT_TEST(test_large_debt_may_take_long),
		DEBT_TEST(test_half_of_it_is_forgiven),
		DEBT_TEST(test_more_that_is_asked_for_gets_its_time),
		DEBT_TEST(test_what_a_balloon_leaves_over_is_no_debt),
	};

	return cmocka_run_group_tests_name("debt", tests, NULL, NULL);
}
