// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "unit.h"

static char path[] = "/tmp/cagma-test-config-XXXXXX";
static char error[256];
static struct cagma_config config;
static const uint8_t no_uuid[CAGMA_UUID_BYTES];

static int make_file(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	return fd < 0 ? fd : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(path);
}

static int init(void **state)
{
	(void)state;
	cagma_config_init(&config);
	return 0;
}

static int destroy(void **state)
{
	(void)state;
	cagma_config_destroy(&config);
	return 0;
}

static int read_text(const char *text)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	error[0] = '\0';
	return cagma_config_read(&config, path, error, sizeof(error));
}

static void test_defaults(void **state)
{
	(void)state;
	assert_string_equal(config.policy->name, "cagma");
	assert_int_equal(config.hard_pages, 64 * MIB);
	assert_int_equal(config.reserve_pages, 128 * MIB);
	assert_int_equal(config.period_ns, S);
	assert_int_equal(config.tick_ns, 250 * MS);
	assert_int_equal(config.min_pages, 96 * MIB);
	assert_int_equal(config.tuning.cma_floor_pages, 48 * MIB);
	assert_int_equal(config.tuning.release_pages, 32 * MIB);
	assert_int_equal(config.tuning.task_percent, 25);
	assert_int_equal(config.tuning.threshold_percent, 75);
	assert_int_equal(config.tuning.horizon_ns, 500 * MS);
	assert_int_equal(config.tuning.window_ns, 10 * S);
	assert_int_equal(config.tuning.release_ns, 10 * S);
	assert_int_equal(config.tuning.donor_ns, S);
	assert_int_equal(config.tuning.grace_ns, 10 * S);
	assert_int_equal(config.tuning.stale_ns, 3 * S);
	assert_int_equal(config.guest_count, 0);
}

static void test_empty_file_is_the_defaults(void **state)
{
	struct cagma_config before = config;

	(void)state;
	assert_int_equal(read_text("# nothing\n"), 0);
	assert_memory_equal(&config, &before, sizeof(config));
}

static void test_every_setting_is_read(void **state)
{
	(void)state;
	assert_int_equal(read_text(
		"policy = \"static\"; hard_reserve_mib = 100;\n"
		"reserve_mib = 200; period_ms = 500; tick_ms = 50;\n"
		"min_mib = 64; cma_floor_mib = 5; release_mib = 6;\n"
		"task_percent = 7; threshold_percent = 80; horizon_ms = 900;\n"
		"window_ms = 1100; release_ms = 1200; donor_ms = 1300;\n"
		"grace_ms = 0; stale_ms = 1500;\n"), 0);
	assert_string_equal(config.policy->name, "static");
	assert_int_equal(config.hard_pages, 100 * MIB);
	assert_int_equal(config.reserve_pages, 200 * MIB);
	assert_int_equal(config.period_ns, 500 * MS);
	assert_int_equal(config.tick_ns, 50 * MS);
	assert_int_equal(config.min_pages, 64 * MIB);
	assert_int_equal(config.tuning.cma_floor_pages, 5 * MIB);
	assert_int_equal(config.tuning.release_pages, 6 * MIB);
	assert_int_equal(config.tuning.task_percent, 7);
	assert_int_equal(config.tuning.threshold_percent, 80);
	assert_int_equal(config.tuning.horizon_ns, 900 * MS);
	assert_int_equal(config.tuning.window_ns, 1100 * MS);
	assert_int_equal(config.tuning.release_ns, 1200 * MS);
	assert_int_equal(config.tuning.donor_ns, 1300 * MS);
	assert_int_equal(config.tuning.grace_ns, 0);
	assert_int_equal(config.tuning.stale_ns, 1500 * MS);
}

static void test_guests_are_read(void **state)
{
	const struct cagma_guest_config *guest;

	(void)state;
	assert_int_equal(read_text(
		"guests = ( { name = \"web\"; min_mib = 128; max_mib = 1024;\n"
		"             weight = 3; }, { name = \"db\"; } );\n"), 0);
	assert_int_equal(config.guest_count, 2);
	guest = cagma_config_guest(&config, "web", no_uuid);
	assert_non_null(guest);
	assert_int_equal(guest->min_pages, 128 * MIB);
	assert_int_equal(guest->max_pages, 1024 * MIB);
	assert_int_equal(guest->weight, 3);
	guest = cagma_config_guest(&config, "db", no_uuid);
	assert_non_null(guest);
	assert_int_equal(guest->min_pages, 0);
	assert_int_equal(guest->weight, 0);
	assert_null(cagma_config_guest(&config, "we", no_uuid));
	assert_null(cagma_config_guest(&config, "", no_uuid));
}

#define UUID "0f3c9A1e-0000-4b00-8000-a1b2c3d4e5f6"

static const uint8_t uuid[CAGMA_UUID_BYTES] = {
	0x0f, 0x3c, 0x9a, 0x1e, 0, 0, 0x4b, 0,
	0x80, 0, 0xa1, 0xb2, 0xc3, 0xd4, 0xe5, 0xf6
};

/* A name may be another domain's tomorrow; a UUID is not. */
static void test_guest_is_found_by_its_uuid_first(void **state)
{
	const struct cagma_guest_config *guest;

	(void)state;
	assert_int_equal(read_text(
		"guests = ( { name = \"web\"; weight = 3; },\n"
		"           { uuid = \"" UUID "\"; weight = 5; } );\n"), 0);
	guest = cagma_config_guest(&config, "web", uuid);
	assert_non_null(guest);
	assert_int_equal(guest->weight, 5);
	guest = cagma_config_guest(&config, "web", no_uuid);
	assert_non_null(guest);
	assert_int_equal(guest->weight, 3);
	assert_null(cagma_config_guest(&config, "other", no_uuid));
}

static void test_guest_can_be_exempt(void **state)
{
	struct cagma_guest *guest = calloc(1, sizeof(*guest));

	(void)state;
	assert_non_null(guest);
	guest->domid = 5;
	strcpy(guest->name, "web");
	guest->static_max_pages = 1024 * MIB;
	assert_int_equal(read_text(
		"guests = ( { name = \"web\"; exempt = true; } );\n"), 0);
	cagma_config_apply(&config, guest);
	assert_true(guest->exempt);
	assert_int_equal(read_text(
		"guests = ( { name = \"web\"; exempt = false; } );\n"), 0);
	cagma_config_apply(&config, guest);
	assert_false(guest->exempt);
	free(guest);
}

/* The operator has to say so. */
static void test_meminfo_guests_are_left_alone_by_default(void **state)
{
	(void)state;
	assert_int_equal(read_text("tick_ms = 100;\n"), 0);
	assert_false(config.meminfo_guests);
	assert_int_equal(read_text("meminfo_guests = true;\n"), 0);
	assert_true(config.meminfo_guests);
	assert_int_equal(read_text("meminfo_guests = 1;\n"), -EINVAL);
}

/* dom0 is left alone unless it has a floor. */
static void test_dom0_needs_a_minimum_of_its_own(void **state)
{
	struct cagma_guest *dom0 = calloc(1, sizeof(*dom0));

	(void)state;
	assert_non_null(dom0);
	strcpy(dom0->name, "Domain-0");
	dom0->static_max_pages = 1024 * MIB;
	cagma_config_apply(&config, dom0);
	assert_true(dom0->exempt);
	assert_false(cagma_config_manages_dom0(&config));
	assert_int_equal(read_text(
		"guests = ( { name = \"Domain-0\"; min_mib = 512; } );\n"), 0);
	assert_true(cagma_config_manages_dom0(&config));
	cagma_config_apply(&config, dom0);
	assert_false(dom0->exempt);
	assert_int_equal(dom0->min_pages, 512 * MIB);
	assert_int_equal(read_text("guests = ( { name = \"Domain-0\"; "
				   "exempt = true; } );\n"), 0);
	assert_false(cagma_config_manages_dom0(&config));
	free(dom0);
}

static void test_file_replaces_what_was_read_before(void **state)
{
	(void)state;
	assert_int_equal(read_text("min_mib = 64; guests = "
				   "( { name = \"a\"; } );"), 0);
	assert_int_equal(read_text("tick_ms = 50;"), 0);
	assert_int_equal(config.guest_count, 0);
	assert_int_equal(config.min_pages, 96 * MIB);
}

/* One line: the file, the number of a line of it, what is wrong. */
static void assert_error(const char *text, int line, const char *what)
{
	char prefix[sizeof(path) + 16];

	snprintf(prefix, sizeof(prefix), "%s:%d: ", path, line);
	if (strncmp(error, prefix, strlen(prefix)) || strchr(error, '\n') ||
	    !strstr(error, what))
		fail_msg("%s: error is \"%s\"", text, error);
}

static void test_C9_bad_file_is_refused_whole(void **state)
{
	static const struct {
		const char *text;
		int line;
		const char *what;
	} bad[] = {
		{ "tick_ms = ", 1, "syntax error" },
		{ "\n\ntick_ms == 3;", 3, "syntax error" },
		{ "tick_ms = 50\n}", 2, "syntax error" },
		{ "tick_ms = 50; tick_ms = 60;", 1, "duplicate" },
		{ "min_mib = 64;\ntik_ms = 50;", 2, "\"tik_ms\"" },
		{ "guests = ( { name = \"Domain-0\"; weight = 2; } );", 1,
		  "dom0 needs a min_mib" },
		{ "min_mib = 64;\ntick_ms = \"50\";", 2, "whole number" },
		{ "tick_ms = 50.5;", 1, "whole number" },
		{ "tick_ms = true;", 1, "whole number" },
		{ "tick_ms = 19;", 1, "between 20 and 1000" },
		{ "tick_ms = 1001;", 1, "between 20 and 1000" },
		{ "tick_ms = -50;", 1, "between" },
		{ "min_mib = 9223372036854775807L;", 1, "between" },
		{ "policy = 1;", 1, "quotes" },
		{ "policy = \"best\";", 1, "cagma|periodic" },
		{ "\nhard_reserve_mib = 200;", 2, "reserve_mib" },
		{ "tick_ms = 500;\nperiod_ms = 400;", 2, "period_ms" },
		{ "guests = 3;", 1, "list" },
		{ "guests = [ 1, 2 ];", 1, "list" },
		{ "guests = ( 1 );", 1, "group" },
		{ "guests = ( { } );", 1, "no name" },
		{ "guests = ( { name = \"\"; } );", 1, "empty" },
		{ "guests = ( { name = 3; } );", 1, "quotes" },
		{ "guests = ( { name = \"a b\"; } );", 1, "character" },
		{ "guests = ( { name = \"a\\n\"; } );", 1, "character" },
		{ "guests = ( { name = \"a\\x7f\"; } );", 1, "character" },
		{ "guests = ( { name = \"\xc3\xa4\"; } );", 1, "character" },
		{ "guests = (\n{ name = \"a\"; },\n{ name = \"a\"; } );", 3,
		  "twice" },
		{ "guests = ( { uuid = \"" UUID "\"; },\n{ uuid = \"" UUID
		  "\"; } );", 2, "twice" },
		{ "guests = ( { uuid = \"" UUID "0\"; } );", 1, "uuid" },
		{ "guests = ( { uuid = \"0f3c9a1e00004b008000a1b2c3d4e5f6\"; }"
		  " );", 1, "uuid" },
		{ "guests = ( { uuid = \"0f3c9a1e-0000-4b00-8000-a1b2c3d4e5fg"
		  "\"; } );", 1, "uuid" },
		{ "guests = ( { uuid = \"00000000-0000-0000-0000-000000000000"
		  "\"; } );", 1, "uuid" },
		{ "guests = ( { uuid = 3; } );", 1, "quotes" },
		{ "guests = ( { name = \"a\"; uuid = \"" UUID "\"; } );", 1,
		  "one is enough" },
		{ "guests = ( { name = \"a\"; exempt = 1; } );", 1,
		  "true or false" },
		{ "guests = ( { name = \"a\"; cpus = 3; } );", 1, "\"cpus\"" },
		{ "guests = ( { name = \"a\"; weight = 0; } );", 1, "between" },
		{ "guests = ( { name = \"a\";\nmin_mib = 31; } );", 2,
		  "between" },
		{ "guests = ( { name = \"a\"; min_mib = 64;\n"
		  "max_mib = 32; } );", 1, "above max_mib" },
		{ "guests = ( { name = \"0123456789012345678901234567890123456"
		  "789012345678901234567890123\"; } );", 1, "too long" },
	};
	struct cagma_config before;

	(void)state;
	assert_int_equal(read_text("min_mib = 99; guests = "
				   "( { name = \"kept\"; } );"), 0);
	before = config;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (read_text(bad[i].text) != -EINVAL)
			fail_msg("accepted: %s", bad[i].text);
		assert_error(bad[i].text, bad[i].line, bad[i].what);
		assert_memory_equal(&config, &before, sizeof(config));
	}
	assert_string_equal(config.guests[0].name, "kept");
}

static void test_missing_file(void **state)
{
	struct cagma_config before = config;

	(void)state;
	assert_int_equal(cagma_config_read(&config, "/nowhere/cagma.conf",
					   error, sizeof(error)), -ENOENT);
	assert_string_equal(error,
			    "/nowhere/cagma.conf: No such file or directory");
	assert_memory_equal(&config, &before, sizeof(config));
}

static void test_C9_random_bytes_are_no_file(void **state)
{
	const struct cagma_config before = config;
	uint64_t random = 1;
	char text[64];

	(void)state;
	for (int i = 0; i < 500; i++) {
		for (size_t j = 0; j < sizeof(text) - 1; j++)
			text[j] = (char)(33 + unit_random_below(&random, 94));
		text[0] = '=';
		text[sizeof(text) - 1] = '\0';
		assert_int_equal(read_text(text), -EINVAL);
		assert_memory_equal(&config, &before, sizeof(config));
	}
}

static void test_long_error_is_cut(void **state)
{
	char small[8];

	(void)state;
	read_text("tik_ms = 1;");
	assert_int_equal(cagma_config_read(&config, path, small,
					   sizeof(small)), -EINVAL);
	assert_int_equal(strlen(small), sizeof(small) - 1);
}

static void test_description_names_every_default(void **state)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	(void)state;
	assert_non_null(out);
	cagma_config_describe(out);
	fclose(out);
	assert_non_null(strstr(text, "  tick_ms  "));
	assert_non_null(strstr(text, "   250  (20 to 1000)"));
	assert_non_null(strstr(text, "stale_ms"));
	free(text);
}

#define CONFIG_TEST(name) cmocka_unit_test_setup_teardown(name, init, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CONFIG_TEST(test_defaults),
		CONFIG_TEST(test_empty_file_is_the_defaults),
		CONFIG_TEST(test_every_setting_is_read),
		CONFIG_TEST(test_guests_are_read),
		CONFIG_TEST(test_guest_is_found_by_its_uuid_first),
		CONFIG_TEST(test_guest_can_be_exempt),
		CONFIG_TEST(test_meminfo_guests_are_left_alone_by_default),
		CONFIG_TEST(test_dom0_needs_a_minimum_of_its_own),
		CONFIG_TEST(test_file_replaces_what_was_read_before),
		CONFIG_TEST(test_C9_bad_file_is_refused_whole),
		CONFIG_TEST(test_missing_file),
		CONFIG_TEST(test_C9_random_bytes_are_no_file),
		CONFIG_TEST(test_long_error_is_cut),
		CONFIG_TEST(test_description_names_every_default),
	};

	return cmocka_run_group_tests_name("config", tests, make_file,
					   remove_file);
}
