// SPDX-License-Identifier: GPL-2.0-only
/* The daemon's log as it is shipped, on a clock that stands still. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define cagma_log_to_syslog	log_to_syslog
#define cagma_log		log_own
#define cagma_log_guest		log_guest
#include "../../dom0/log.c"

#include "fake_host.h"
#include "unit.h"

static char *said;
static size_t size;
static FILE *console;

static int begin(void **state)
{
	(void)state;
	fake_clock_advance(1000 * S);
	atomic_store(&own.left_out, 0);
	atomic_store(&guests.left_out, 0);
	console = stderr;
	stderr = open_memstream(&said, &size);
	return stderr ? 0 : -1;
}

static int end(void **state)
{
	(void)state;
	fclose(stderr);
	stderr = console;
	free(said);
	return 0;
}

static unsigned int lines(void)
{
	unsigned int count = 0;

	fflush(stderr);
	for (size_t i = 0; i < size; i++)
		count += said[i] == '\n';
	return count;
}

static const char *last(void)
{
	const char *line;

	fflush(stderr);
	line = said;
	for (const char *c = said; c[0] && c[1]; c++)
		if (*c == '\n')
			line = c + 1;
	return line;
}

static void flood(void)
{
	for (int i = 0; i < 10 * AT_ONCE; i++)
		log_guest(LOG_WARNING, "guest %d", i);
}

static void test_O6_guests_leave_the_daemons_alarms_their_lines(void **state)
{
	(void)state;
	flood();
	assert_int_equal(lines(), AT_ONCE);
	log_own(LOG_ERR, "an alarm");
	assert_int_equal(lines(), AT_ONCE + 1);
	assert_string_equal(last(), "cagmad: an alarm\n");
}

static void test_O6_alarms_leave_guests_their_lines(void **state)
{
	(void)state;
	for (int i = 0; i < 10 * AT_ONCE; i++)
		log_own(LOG_ERR, "alarm %d", i);
	log_guest(LOG_WARNING, "a guest");
	assert_string_equal(last(), "cagmad: a guest\n");
}

static void test_O6_what_was_left_out_is_said_with_its_kind(void **state)
{
	(void)state;
	flood();
	fake_clock_advance(2 * LINE_NS);
	log_own(LOG_ERR, "an alarm");
	fflush(stderr);
	assert_null(strstr(said, "left out"));
	log_guest(LOG_WARNING, "one more");
	fflush(stderr);
	assert_non_null(strstr(said, "450 lines about guests were left out\n"));
	assert_string_equal(last(), "cagmad: one more\n");
}

static void test_R8_a_line_a_second_after_the_first_fifty(void **state)
{
	unsigned int before;

	(void)state;
	flood();
	before = lines();
	for (int i = 0; i < 100; i++) {
		fake_clock_advance(LINE_NS / 10);
		log_guest(LOG_WARNING, "guest %d", i);
	}
	/* And before each, how many were left out. */
	assert_in_range(lines() - before, 18, 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_O6_guests_leave_the_daemons_alarms_their_lines,
			begin, end),
		cmocka_unit_test_setup_teardown(
			test_O6_alarms_leave_guests_their_lines, begin, end),
		cmocka_unit_test_setup_teardown(
			test_O6_what_was_left_out_is_said_with_its_kind, begin,
			end),
		cmocka_unit_test_setup_teardown(
			test_R8_a_line_a_second_after_the_first_fifty, begin,
			end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
