// SPDX-License-Identifier: GPL-2.0-only
#include "histogram.h"
#include "unit.h"

static void test_empty_has_no_quantiles(void **state)
{
	const struct cagma_histogram h = { 0 };

	(void)state;
	assert_int_equal(cagma_histogram_quantile(&h, 50), 0);
	assert_int_equal(cagma_histogram_quantile(&h, 100), 0);
}

static void test_small_values_are_exact(void **state)
{
	struct cagma_histogram h = { 0 };

	(void)state;
	for (uint64_t us = 1; us <= 4; us++)
		cagma_histogram_add(&h, us);
	assert_int_equal(h.count, 4);
	assert_int_equal(cagma_histogram_quantile(&h, 25), 1);
	assert_int_equal(cagma_histogram_quantile(&h, 50), 2);
	assert_int_equal(cagma_histogram_quantile(&h, 75), 3);
	assert_int_equal(cagma_histogram_quantile(&h, 100), 4);
}

/* A single value below a far larger one: its bucket's edge is reported. */
static void test_quantile_is_at_most_an_eighth_too_high(void **state)
{
	(void)state;
	for (uint64_t us = 1; us < UINT32_MAX / 2; us += 1 + us / 13) {
		struct cagma_histogram h = { 0 };
		uint64_t median;

		cagma_histogram_add(&h, us);
		cagma_histogram_add(&h, UINT64_C(1) << 40);
		median = cagma_histogram_quantile(&h, 50);
		assert_in_range(median, us, us + us / 8);
	}
}

static void test_quantile_is_never_above_the_maximum(void **state)
{
	struct cagma_histogram h = { 0 };

	(void)state;
	for (int i = 0; i < 99; i++)
		cagma_histogram_add(&h, 100);
	cagma_histogram_add(&h, 1000);
	assert_int_equal(h.max_us, 1000);
	assert_in_range(cagma_histogram_quantile(&h, 99), 100, 112);
	assert_int_equal(cagma_histogram_quantile(&h, 100), 1000);
}

static void test_edges_of_powers_of_two_are_exact(void **state)
{
	struct cagma_histogram h = { 0 };

	(void)state;
	for (uint64_t us = 1; us <= 2048; us++)
		cagma_histogram_add(&h, us);
	for (unsigned int power = 3; power <= 11; power++)
		assert_int_equal(cagma_histogram_below(&h, power),
				 (1 << power) - 1);
	assert_int_equal(cagma_histogram_below(&h, 12), 2048);
	assert_int_equal(h.sum_us, 2048 * 2049 / 2);
}

static void test_G7_enormous_values_are_counted(void **state)
{
	struct cagma_histogram h = { 0 };

	(void)state;
	cagma_histogram_add(&h, UINT64_MAX);
	cagma_histogram_add(&h, 0);
	assert_int_equal(h.count, 2);
	assert_int_equal(h.max_us, UINT64_MAX);
	assert_int_equal(h.sum_us, 3600000000);
	assert_int_equal(cagma_histogram_quantile(&h, 50), 0);
	assert_true(cagma_histogram_quantile(&h, 100) > UINT32_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty_has_no_quantiles),
		cmocka_unit_test(test_small_values_are_exact),
		cmocka_unit_test(test_quantile_is_at_most_an_eighth_too_high),
		cmocka_unit_test(test_quantile_is_never_above_the_maximum),
		cmocka_unit_test(test_edges_of_powers_of_two_are_exact),
		cmocka_unit_test(test_G7_enormous_values_are_counted),
	};

	return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
