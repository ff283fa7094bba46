// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "offer.h"
#include "unit.h"

static void test_good_offers_are_parsed(void **state)
{
	struct cagma_offer offer;

	(void)state;
	assert_int_equal(cagma_offer_parse("1 23 45 678", &offer), 0);
	assert_int_equal(offer.version, 1);
	assert_int_equal(offer.gref, 23);
	assert_int_equal(offer.port, 45);
	assert_int_equal(offer.epoch, 678);
	assert_int_equal(cagma_offer_parse("4294967295 4294967295 4294967295 "
					   "18446744073709551615", &offer), 0);
	assert_int_equal(offer.gref, UINT32_MAX);
	assert_int_equal(offer.epoch, UINT64_MAX);
	assert_int_equal(cagma_offer_parse("0 0 0 1", &offer), 0);
}

static void test_S1_bad_offers_are_refused(void **state)
{
	static const char *const bad[] = {
		"", " ", "abc", "1", "1 2", "1 2 3", "1 2 3 ", "1 2 3 4 ",
		"1 2 3 4 5", " 1 2 3 4", "1  2 3 4", "1\t2 3 4", "1 2 3 4\n",
		"-1 2 3 4", "+1 2 3 4", "1 -2 3 4", "0x10 2 3 4", "1 0x2 3 4",
		"01 2 3 4", "1 2 3 04", "1 2 3 0", "1 2 3 00", "12abc 2 3 4",
		"1 2 3 4abc", "1,2,3,4", "1.0 2 3 4", "1e3 2 3 4",
		"4294967296 2 3 4", "1 4294967296 3 4", "1 2 4294967296 4",
		"1 2 3 18446744073709551616", "1 2 3 99999999999999999999999",
		"\xc2\xb9 2 3 4", "%n %n %n %n",
	};
	const struct cagma_offer untouched = { 9, 9, 9, 9 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct cagma_offer offer = untouched;

		if (cagma_offer_parse(bad[i], &offer) != -EINVAL)
			fail_msg("\"%s\" is taken for an offer", bad[i]);
		assert_memory_equal(&offer, &untouched, sizeof(offer));
	}
}

static void test_decimal_stops_behind_the_number(void **state)
{
	const char *text = "120 rest";
	uint64_t value;

	(void)state;
	assert_int_equal(cagma_decimal_parse(&text, 120, &value), 0);
	assert_int_equal(value, 120);
	assert_string_equal(text, " rest");
}

static void test_decimal_keeps_its_range(void **state)
{
	static const struct {
		const char *text;
		uint64_t max;
		int result;
	} all[] = {
		{ "0", 0, 0 }, { "1", 0, -ERANGE }, { "9", 9, 0 },
		{ "10", 9, -ERANGE }, { "5", 3, -ERANGE },
		{ "18446744073709551615", UINT64_MAX, 0 },
		{ "18446744073709551616", UINT64_MAX, -ERANGE },
		{ "28446744073709551615", UINT64_MAX, -ERANGE },
		{ "", 9, -EINVAL }, { "-1", 9, -EINVAL }, { "07", 9, -EINVAL },
		{ "00", 9, -EINVAL }, { "x", 9, -EINVAL },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		const char *text = all[i].text;
		uint64_t value = 4711;
		int result = cagma_decimal_parse(&text, all[i].max, &value);

		if (result != all[i].result)
			fail_msg("\"%s\" up to %llu: %d", all[i].text,
				 (unsigned long long)all[i].max, result);
		if (result) {
			assert_int_equal(value, 4711);
			assert_ptr_equal(text, all[i].text);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good_offers_are_parsed),
		cmocka_unit_test(test_S1_bad_offers_are_refused),
		cmocka_unit_test(test_decimal_stops_behind_the_number),
		cmocka_unit_test(test_decimal_keeps_its_range),
	};

	return cmocka_run_group_tests_name("offer", tests, NULL, NULL);
}
