// SPDX-License-Identifier: GPL-2.0-only
/* What the operator says: understood, or refused with a reason. */
#include <string.h>

#include "command.h"
#include "lease.h"
#include "unit.h"

static struct cagma_command command;

static bool parse(const char *request)
{
	return cagma_command_parse(&command, request);
}

/* ---- parsing ---- */

static void test_commands_are_understood(void **state)
{
	(void)state;
	assert_true(parse("pause web\n"));
	assert_int_equal(command.kind, CAGMA_COMMAND_PAUSE);
	assert_string_equal(command.domain, "web");
	assert_true(parse("resume\n"));
	assert_int_equal(command.kind, CAGMA_COMMAND_RESUME);
	assert_string_equal(command.domain, "");
	assert_true(parse("reload\n"));
	assert_int_equal(command.kind, CAGMA_COMMAND_RELOAD);
	assert_true(parse("reserve 1024 60\n"));
	assert_int_equal(command.pages, GIB);
	assert_int_equal(command.lease_ns, 60 * S);
	assert_true(parse("release 7\n"));
	assert_int_equal(command.lease, 7);
	assert_true(parse("set web min=64 max=128 weight=3\n"));
	assert_int_equal(command.min_pages, 64 * MIB);
	assert_int_equal(command.max_pages, 128 * MIB);
	assert_int_equal(command.weight, 3);
	assert_string_equal(command.refusal, "");
}

static void test_O8_pause_may_have_a_timeout(void **state)
{
	(void)state;
	assert_true(parse("pause web timeout=60\n"));
	assert_string_equal(command.refusal, "");
	assert_string_equal(command.domain, "web");
	assert_int_equal(command.timeout_ns, 60 * S);
	assert_true(parse("pause timeout=86400\n"));
	assert_string_equal(command.refusal, "");
	assert_string_equal(command.domain, "");
	assert_int_equal(command.timeout_ns, 86400 * S);
	assert_true(parse("pause 60\n"));
	assert_string_equal(command.domain, "60");
	assert_int_equal(command.timeout_ns, 0);
}

static void test_what_is_no_command_is_left_to_others(void **state)
{
	(void)state;
	assert_false(parse(""));
	assert_false(parse("\n"));
	assert_false(parse("status\n"));
	assert_false(parse("paus\n"));
}

static void test_bad_arguments_are_refused(void **state)
{
	static const char *const bad[] = {
		"set web\n", "set web min=0\n", "set web min=31\n",
		"set web min=-1\n", "set web max=99999999999999999999\n",
		"set web weight=0\n", "set web weight=10001\n",
		"set web colour=1\n", "set web min=64x\n", "set\n",
		"reserve\n", "reserve 0 60\n", "reserve 1G 60\n",
		"reserve 1024\n", "reserve 1024 0\n", "reserve 1024 3601\n",
		"reserve 1024 60 60\n", "release\n", "release 0\n",
		"release x\n", "pause web now\n", "reload now\n",
		"pause web timeout=0\n", "pause web timeout=86401\n",
		"pause web timeout=1h\n", "pause timeout=\n",
		"pause web 60\n", "pause web timeout=60 now\n",
		"pause timeout=60 web\n", "resume web timeout=60\n",
		"pause 0123456789012345678901234567890123456789012345678901234567890123\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_true(parse(bad[i]));
		assert_string_not_equal(command.refusal, "");
	}
}

/* ---- leases ---- */

static struct cagma_leases leases;
static struct cagma_domain_facts domains[8];
static size_t count;

static int begin_leases(void **state)
{
	(void)state;
	memset(&leases, 0, sizeof(leases));
	memset(domains, 0, sizeof(domains));
	count = 2;
	domains[1].domid = 5;
	domains[1].alloc_pages = domains[1].limit_pages = GIB;
	return 0;
}

static uint32_t add(uint64_t pages, uint64_t until_ns)
{
	return cagma_lease_add(&leases, pages, until_ns, domains, count);
}

static uint64_t look(uint64_t now_ns)
{
	return cagma_lease_look(&leases, domains, count, now_ns);
}

static void test_lease_is_kept_until_it_ends(void **state)
{
	(void)state;
	assert_int_equal(add(GIB, 60 * S), 1);
	assert_int_equal(look(0), GIB);
	assert_int_equal(look(60 * S - 1), GIB);
	assert_int_equal(look(60 * S), 0);
	assert_false(cagma_lease_end(&leases, 1));
}

static void test_lease_is_taken_by_a_new_domain(void **state)
{
	(void)state;
	add(GIB, 60 * S);
	domains[count].domid = 6;
	domains[count++].alloc_pages = 300 * MIB;
	assert_int_equal(look(0), GIB - 300 * MIB);
	domains[2].limit_pages = GIB;	/* promised, not yet there */
	assert_int_equal(look(0), 0);
	assert_false(cagma_lease_end(&leases, 1));
}

/* Who reserves rounds up: a sixteenth isn't kept for somebody else to come. */
static void test_M6_lease_ends_when_nearly_all_is_taken(void **state)
{
	(void)state;
	add(256 * MIB, 60 * S);
	domains[count].domid = 6;
	domains[count++].limit_pages = 240 * MIB;
	assert_int_equal(look(0), 16 * MIB);
	domains[2].limit_pages++;
	assert_int_equal(look(0), 0);
	assert_false(cagma_lease_end(&leases, 1));
}

static void test_old_domains_take_no_lease(void **state)
{
	(void)state;
	add(GIB, 60 * S);
	domains[1].alloc_pages = domains[1].limit_pages = 3 * GIB;
	assert_int_equal(look(0), GIB);
}

static void test_first_new_domain_takes_the_oldest_lease(void **state)
{
	(void)state;
	add(GIB, 60 * S);
	add(2 * GIB, 60 * S);
	domains[count].domid = 6;
	domains[count++].limit_pages = GIB;
	assert_int_equal(look(0), 2 * GIB);
	assert_false(cagma_lease_end(&leases, 1));
	assert_true(cagma_lease_end(&leases, 2));
	assert_int_equal(look(0), 0);
}

static void test_leases_are_limited(void **state)
{
	(void)state;
	for (int i = 0; i < CAGMA_LEASES_MAX; i++)
		assert_int_equal(add(MIB, S), i + 1);
	assert_int_equal(add(MIB, S), 0);
	assert_true(cagma_lease_end(&leases, 3));
	assert_int_equal(add(MIB, S), CAGMA_LEASES_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_commands_are_understood),
		cmocka_unit_test(test_O8_pause_may_have_a_timeout),
		cmocka_unit_test(test_what_is_no_command_is_left_to_others),
		cmocka_unit_test(test_bad_arguments_are_refused),
		cmocka_unit_test_setup(test_lease_is_kept_until_it_ends,
				       begin_leases),
		cmocka_unit_test_setup(test_lease_is_taken_by_a_new_domain,
				       begin_leases),
		cmocka_unit_test_setup(test_M6_lease_ends_when_nearly_all_is_taken,
				       begin_leases),
		cmocka_unit_test_setup(test_old_domains_take_no_lease,
				       begin_leases),
		cmocka_unit_test_setup(
			test_first_new_domain_takes_the_oldest_lease,
			begin_leases),
		cmocka_unit_test_setup(test_leases_are_limited, begin_leases),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
