// SPDX-License-Identifier: GPL-2.0-only
/* What a daemon records is decided again, to the last page. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../bench/sim/replay.c"
#include "clock.h"
#include "fake_daemon.h"
#include "fake_host.h"
#include "fake_xen.h"
#include "unit.h"

static struct fake_daemon d;
static struct fake_guest *guest;
static char path[] = "/tmp/cagma-test-journal-XXXXXX";

/* ---- fields ---- */

static size_t size_of(const struct cagma_field *field)
{
	return field->type == CAGMA_BOOL ? sizeof(bool) :
	       field->type == CAGMA_U64	 ? sizeof(uint64_t) :
					   sizeof(uint32_t);
}

/* What lies between two fields is what alignment needs, and no field. */
static void assert_complete(const struct cagma_field *fields, size_t size)
{
	size_t end = 0;

	for (const struct cagma_field *f = fields; f->name; f++) {
		size_t align = size_of(f);

		assert_int_equal(f->offset, (end + align - 1) / align * align);
		end = f->offset + size_of(f);
	}
	assert_int_equal((end + 7) / 8 * 8, size);
}

static void test_every_field_of_what_a_policy_sees_is_known(void **state)
{
	(void)state;
	assert_int_equal(sizeof(enum cagma_why), sizeof(uint32_t));
	assert_complete(cagma_tuning_fields, sizeof(struct cagma_tuning));
	assert_complete(cagma_host_view_fields, sizeof(struct cagma_host_view));
	assert_complete(cagma_guest_view_fields,
			sizeof(struct cagma_guest_view));
	assert_complete(cagma_decision_fields, sizeof(struct cagma_decision));
}

static void fill(const struct cagma_field *fields, void *object, uint64_t *seed)
{
	for (const struct cagma_field *f = fields; f->name; f++) {
		char *at = (char *)object + f->offset;
		uint64_t value = unit_random(seed);

		if (f->type == CAGMA_BOOL)
			*(bool *)at = value & 1;
		else if (f->type == CAGMA_WHY)
			*(enum cagma_why *)at =
				(enum cagma_why)(value % CAGMA_WHY_COUNT);
		else
			memcpy(at, &value, size_of(f));
	}
}

static struct json_object *written(const struct cagma_field *fields,
				   const void *object)
{
	char *text = NULL;
	size_t size;
	FILE *file = open_memstream(&text, &size);
	struct json_object *json;

	assert_non_null(file);
	cagma_fields_write(file, fields, object);
	fclose(file);
	json = json_tokener_parse(text);
	free(text);
	assert_non_null(json);
	return json;
}

static void test_values_are_read_as_they_were_written(void **state)
{
	struct cagma_guest_view a, b;
	struct cagma_decision x, y;
	uint64_t seed = 1;

	(void)state;
	for (int i = 0; i < 1000; i++) {
		struct json_object *json;

		fill(cagma_guest_view_fields, &a, &seed);
		json = written(cagma_guest_view_fields, &a);
		assert_null(cagma_fields_read(json, cagma_guest_view_fields,
					      &b));
		assert_null(cagma_fields_differ(cagma_guest_view_fields, &a,
						&b));
		json_object_put(json);
		fill(cagma_decision_fields, &x, &seed);
		json = written(cagma_decision_fields, &x);
		assert_null(cagma_fields_read(json, cagma_decision_fields, &y));
		assert_null(cagma_fields_differ(cagma_decision_fields, &x, &y));
		json_object_put(json);
	}
}

static void assert_refused(const char *key, const char *value)
{
	struct cagma_decision any = { .target_pages = 1 };
	struct cagma_guest_view view = { .weight = 1 };
	struct json_object *decision = written(cagma_decision_fields, &any);
	struct json_object *seen = written(cagma_guest_view_fields, &view);
	struct json_object *json = strcmp(key, "why") ? seen : decision;

	if (value)
		json_object_object_add(json, key, json_tokener_parse(value));
	else
		json_object_object_del(json, key);
	assert_string_equal(cagma_fields_read(json, json == seen ?
		cagma_guest_view_fields : cagma_decision_fields,
		json == seen ? (void *)&view : (void *)&any), key);
	json_object_put(decision);
	json_object_put(seen);
}

static void test_values_that_no_field_can_have_are_refused(void **state)
{
	(void)state;
	assert_refused("used_pages", NULL);
	assert_refused("used_pages", "-1");
	assert_refused("used_pages", "\"7\"");
	assert_refused("used_pages", "1.5");
	assert_refused("weight", "4294967296");
	assert_refused("held", "1");
	assert_refused("why", "\"whim\"");
	assert_refused("why", "null");
}

/* ---- recording ---- */

static int begin(void **state)
{
	int fd;

	(void)state;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	if (fd < 0)
		return -1;
	close(fd);
	fake_host_reset();
	fake_xen_reset(8 * GIB, 2 * GIB);
	memset(&d, 0, sizeof(d));
	cagma_config_init(&d.config);
	return 0;
}

static int end(void **state)
{
	(void)state;
	cagma_config_destroy(&d.config);
	fake_xen_reset(0, 0);
	return unlink(path);
}

static void start(const char *record)
{
	assert_int_equal(fake_daemon_start(&d, NULL, record), 0);
	guest = fake_guest_add(5, 512 * MIB, 4 * GIB);
	guest->used_pages = 464 * MIB;
}

static void stop(void)
{
	cagma_journal_write(&d.journal);
	fake_daemon_stop(&d);
}

/* With emergencies now and then. */
static void run(unsigned int tenths)
{
	for (unsigned int i = 0; i < tenths; i++) {
		fake_clock_advance(100 * MS);
		if (i % 7 == 3)
			guest->used_pages += 40 * MIB;
		fake_guest_step(guest);
		fake_daemon_serve(&d);
	}
}

static struct replay replayed(void)
{
	char error[256] = "";
	struct replay r;

	if (!replay_file(&r, path, NULL, error, sizeof(error)))
		fail_msg("%s", error);
	return r;
}

static void record_some(void)
{
	start(path);
	for (int i = 0; i < 10; i++) {
		run(20);
		cagma_journal_write(&d.journal);
	}
	assert_true(d.state.answered >= 10);
	stop();
}

static void test_recorded_rounds_are_decided_again(void **state)
{
	struct replay r;

	(void)state;
	record_some();
	r = replayed();
	assert_true(r.rounds >= 30);
	assert_int_equal(r.decisions, r.rounds);
	assert_int_equal(r.differ, 0);
	assert_int_equal(r.lost + r.cut_short, 0);
}

/* Overwrites what comes after the last `key` in the file. */
static void forge(const char *key, char with)
{
	char *text = NULL, *at, *last = NULL;
	size_t size = 0;
	FILE *file = fopen(path, "r+");

	assert_non_null(file);
	assert_true(getdelim(&text, &size, 0, file) > 0);
	for (at = text; (at = strstr(at, key)); at++)
		last = at;
	assert_non_null(last);
	fseek(file, last - text + (long)strlen(key), SEEK_SET);
	fputc(with, file);
	fclose(file);
	free(text);
}

static void test_decision_that_is_another_one_is_found(void **state)
{
	struct replay r;

	(void)state;
	record_some();
	forge("\"decision\":{\"target_pages\":", '9');
	r = replayed();
	assert_int_equal(r.differ, 1);
	assert_non_null(strstr(r.first, "dom5, periodic: target_pages was 9"));
}

static void test_view_that_is_another_one_is_found(void **state)
{
	(void)state;
	record_some();
	forge("\"target_pages\":", '9');	/* of the decision */
	forge("\"view\":{\"alloc_pages\":", '9');
	assert_int_equal(replayed().differ, 1);
}

static void test_line_that_says_nothing_is_an_error(void **state)
{
	char error[256];
	struct replay r;

	(void)state;
	record_some();
	forge("\"used_page", 'x');
	assert_false(replay_file(&r, path, NULL, error, sizeof(error)));
	assert_non_null(strstr(error, "\"used_pages\" is missing or wrong"));
	assert_false(replay_file(&r, "/nowhere", NULL, error, sizeof(error)));
	assert_string_equal(error, "/nowhere: No such file or directory");
}

/* The line ends in the middle, and the next daemon appends to it. */
static void test_C1_killed_while_it_wrote(void **state)
{
	struct replay before, after;
	FILE *file;

	(void)state;
	record_some();
	before = replayed();
	file = fopen(path, "a");
	assert_non_null(file);
	fputs("{\"t_ms\":77,\"policy\":\"cag", file);
	fclose(file);
	fake_xen_reset(8 * GIB, 2 * GIB);
	record_some();
	after = replayed();
	assert_true(after.rounds >= 2 * before.rounds);
	assert_int_equal(after.cut_short, 1);
	assert_int_equal(after.differ, 0);
}

static void test_rounds_are_lost_whole_when_nobody_writes(void **state)
{
	struct replay r;

	(void)state;
	start(path);
	run(1);
	/* Each round needs two entries of the pool. */
	for (int i = 0; i < CAGMA_GUESTS_MAX + 10; i++) {
		fake_clock_advance(S);
		fake_guest_step(guest);
		fake_daemon_serve(&d);
	}
	cagma_journal_write(&d.journal);
	fake_clock_advance(S);
	fake_daemon_serve(&d);
	stop();
	r = replayed();
	assert_true(r.lost >= 9);
	assert_true(r.rounds >= CAGMA_GUESTS_MAX);
	assert_int_equal(r.differ + r.cut_short, 0);
}

static void test_R10_full_disk_ends_the_recording_only(void **state)
{
	unsigned int lines;
	uint64_t answered;

	(void)state;
	start("/dev/full");
	run(20);
	lines = fake_log_lines();
	cagma_journal_write(&d.journal);
	assert_int_equal(fake_log_lines(), lines + 1);
	assert_string_equal(fake_log_last(),
			    "recording ends: No space left on device");
	answered = d.state.answered;
	run(20);
	cagma_journal_write(&d.journal);
	assert_true(d.state.answered > answered);
	assert_int_equal(fake_log_lines(), lines + 1);
	stop();
}

#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			test_every_field_of_what_a_policy_sees_is_known),
		cmocka_unit_test(test_values_are_read_as_they_were_written),
		cmocka_unit_test(
			test_values_that_no_field_can_have_are_refused),
		JOURNAL_TEST(test_recorded_rounds_are_decided_again),
		JOURNAL_TEST(test_decision_that_is_another_one_is_found),
		JOURNAL_TEST(test_view_that_is_another_one_is_found),
		JOURNAL_TEST(test_line_that_says_nothing_is_an_error),
		JOURNAL_TEST(test_C1_killed_while_it_wrote),
		JOURNAL_TEST(test_rounds_are_lost_whole_when_nobody_writes),
		JOURNAL_TEST(test_R10_full_disk_ends_the_recording_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
