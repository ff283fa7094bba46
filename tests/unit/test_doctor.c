// SPDX-License-Identifier: GPL-2.0-only
/* What cagmactl doctor complains of. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.c"
#include "unit.h"

#define GOOD "\"policy\":\"cagma\",\"xenstore\":\"ok\",\"spare_kib\":300000,\"reserve_kib\":131072"
#define GUEST "\"name\":\"web\",\"min_kib\":100,\"max_kib\":200,\"state\":"

static char path[] = "/tmp/cagma-test-doctor-XXXXXX";

static int write_conf(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}

static int remove_conf(void **state)
{
	(void)state;
	json_object_put(findings);
	return unlink(path);
}

static void set_conf(const char *line)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(line, file);
	fclose(file);
}

static void begin_looking(void)
{
	json_object_put(findings);
	findings = json_object_new_array();
	complaints = 0;
}

/* Complaints of the daemon's state alone. */
static int look(const char *json)
{
	struct json_object *s = json_tokener_parse(json);

	assert_non_null(s);
	begin_looking();
	look_at_daemon(s);
	look_at_guests(s);
	json_object_put(s);
	return complaints;
}

/* Complaints of one look at a file with that text. */
static int complaints_of(void (*look_at)(const char *path), const char *text)
{
	set_conf(text);
	begin_looking();
	look_at(path);
	return complaints;
}

static void test_M8_autoballoon_is_found(void **state)
{
	(void)state;
	assert_int_equal(complaints_of(look_at_xl, "autoballoon=\"off\"\n"), 0);
	assert_int_equal(complaints_of(look_at_xl, "autoballoon = 0\n"), 0);
	assert_int_equal(complaints_of(look_at_xl, "autoballoon=\"auto\"\n"), 1);
	assert_int_equal(complaints_of(look_at_xl, "autoballoon=1\n"), 1);
	assert_int_equal(complaints_of(look_at_xl, "#autoballoon=\"off\"\n"), 1);
	assert_int_equal(complaints_of(look_at_xl, ""), 1);
	begin_looking();
	look_at_xl("/nonexistent");
	assert_int_equal(complaints, 1);
}

static void test_healthy_daemon_gets_no_complaint(void **state)
{
	(void)state;
	assert_int_equal(look("{" GOOD "}"), 0);
	assert_int_equal(look("{" GOOD ",\"guests\":[{" GUEST "\"live\"}],"
			      "\"quarantined\":[]}"), 0);
}

static void test_each_trouble_is_named(void **state)
{
	static const char *const troubles[] = {
		"{" GOOD ",\"dry_run\":true}",
		"{" GOOD ",\"paused\":true}",
		"{" GOOD ",\"invariant_violations\":1}",
		"{" GOOD ",\"unattached\":2}",
		"{" GOOD ",\"beyond\":7}",
		"{\"policy\":\"cagma\",\"xenstore\":\"gone\"}",
		"{\"policy\":\"static\",\"xenstore\":\"ok\",\"spare_kib\":1,\"reserve_kib\":1}",
		"{\"policy\":\"cagma\",\"xenstore\":\"ok\",\"spare_kib\":-5,\"reserve_kib\":1}",
		"{" GOOD ",\"guests\":[{" GUEST "\"stale\"}]}",
		"{" GOOD ",\"guests\":[{" GUEST "\"live\",\"stuck\":true}]}",
		"{" GOOD ",\"guests\":[{\"state\":\"live\",\"min_kib\":5,\"max_kib\":5}]}",
		"{" GOOD ",\"guests\":[{" GUEST "\"live\",\"trouble\":\"unexplained-offset\"}]}",
		"{" GOOD ",\"quarantined\":[{\"name\":\"x\",\"reason\":\"y\"}]}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(troubles); i++)
		assert_int_equal(look(troubles[i]), 1);
}

static void test_missing_daemon_is_a_trouble(void **state)
{
	struct json_object *all;
	int of_the_host;

	(void)state;
	set_conf("autoballoon=\"off\"\n");
	begin_looking();
	look_at_devices();
	look_at_preemption(PREEMPT);
	of_the_host = complaints;
	json_object_put(findings);
	all = cagma_doctor_look(NULL, NULL, path, "/nonexistent");
	assert_int_equal(cagma_number(all, "complaints"), of_the_host + 1);
	assert_true(cagma_count(all, "findings") > (size_t)of_the_host);
	findings = NULL;
	json_object_put(all);
}

static void test_kernel_that_is_not_preemptible_is_found(void **state)
{
	(void)state;
	assert_int_equal(complaints_of(look_at_preemption, "none (voluntary) full\n"), 1);
	assert_int_equal(complaints_of(look_at_preemption, "(none) voluntary full lazy\n"), 1);
	assert_int_equal(complaints_of(look_at_preemption, "none voluntary (full)\n"), 0);
	assert_int_equal(json_object_array_length(findings), 1);
	assert_int_equal(complaints_of(look_at_preemption, "full (lazy)\n"), 0);
	assert_int_equal(complaints_of(look_at_preemption, ""), 0);
	begin_looking();
	look_at_preemption("/nonexistent");
	assert_int_equal(complaints, 0);
	assert_int_equal(json_object_array_length(findings), 0);
}

/* Who can write to them can give himself all memory. */
static void test_files_that_others_may_write_are_found(void **state)
{
	char dir[] = "/tmp/cagma-test-doctor-XXXXXX";
	int own = getuid() ? 1 : 0;	/* not root: not root's files */

	(void)state;
	assert_non_null(mkdtemp(dir));
	set_conf("");
	chmod(path, 0644);
	begin_looking();
	look_at_permissions(path, dir);
	assert_int_equal(complaints, 2 * own);
	chmod(path, 0664);
	chmod(dir, 0703);
	begin_looking();
	look_at_permissions(path, dir);
	assert_int_equal(complaints, 2);
	begin_looking();
	look_at_permissions("", "/nonexistent");
	assert_int_equal(complaints, 0);
	rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_M8_autoballoon_is_found),
		cmocka_unit_test(test_healthy_daemon_gets_no_complaint),
		cmocka_unit_test(test_each_trouble_is_named),
		cmocka_unit_test(test_missing_daemon_is_a_trouble),
		cmocka_unit_test(test_kernel_that_is_not_preemptible_is_found),
		cmocka_unit_test(test_files_that_others_may_write_are_found),
	};

	return cmocka_run_group_tests(tests, write_conf, remove_conf);
}
