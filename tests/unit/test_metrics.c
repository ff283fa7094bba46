// SPDX-License-Identifier: GPL-2.0-only
/* What Prometheus is told, from an answer of the daemon. */
#include <stdlib.h>
#include <string.h>

#include "metrics.c"
#include "unit.h"

static const char answer[] =
	"{\"policy\":\"cagma\",\"paused\":false,\"dry_run\":true,\"uptime_s\":7,"
	"\"total_kib\":4194304,\"free_kib\":1024,\"spare_kib\":-4,"
	"\"hard_reserve_kib\":65536,\"reserve_kib\":131072,\"unattached\":1,\"xenstore_ok\":true,"
	"\"emergencies\":5,\"answered\":4,\"target_changes\":9,"
	"\"invariant_violations\":0,\"guests\":["
	"{\"dom\":3,\"name\":\"web\",\"uuid\":\"u-1\",\"transport\":\"page\","
	"\"state\":\"live\",\"stuck\":true,\"age_ms\":50,\"alloc_kib\":524288,"
	"\"swap_in_pages\":2,\"swap_out_pages\":3,\"kicks\":11,"
	"\"pressure_some_us\":2500000,\"pressure_full_us\":500000,"
	"\"swap_total_kib\":1024,"
	"\"reaction_us\":{\"n\":3,\"sum\":1500,\"p50\":500,\"p99\":900,"
	"\"max\":900,\"below\":{\"64\":0,\"512\":2,\"1024\":3}}},"
	"{\"dom\":4,\"name\":\"db\",\"state\":\"stale\",\"age_ms\":9000}],"
	"\"leases\":[{\"lease\":1,\"size_kib\":2048,\"left_kib\":1024}],"
	"\"quarantined\":[{\"dom\":9,\"name\":\"evil\",\"reason\":\"torn-too-long\","
	"\"transport\":\"vchan\",\"refusals\":6,\"attached\":false}]}";

static char *text;
static size_t length;

static int write_metrics(const char *json)
{
	struct json_object *status = json ? json_tokener_parse(json) : NULL;
	FILE *file = open_memstream(&text, &length);

	if (!file || (json && !status))
		return -1;
	cagma_metrics_write(file, status);
	json_object_put(status);
	return fclose(file);
}

static int begin(void **state)
{
	(void)state;
	return write_metrics(answer);
}

static int end(void **state)
{
	(void)state;
	free(text);
	return 0;
}

static void assert_line(const char *line)
{
	char wanted[256];

	snprintf(wanted, sizeof(wanted), "\n%s\n", line);
	if (!strstr(text, wanted))
		fail_msg("no line \"%s\" in\n%s", line, text);
}

static void test_every_number_is_in_its_base_unit(void **state)
{
	(void)state;
	assert_line("cagma_up 1");
	assert_line("cagma_policy_info{policy=\"cagma\"} 1");
	assert_line("cagma_paused 0");
	assert_line("cagma_dry_run 1");
	assert_line("cagma_host_memory_bytes 4294967296");
	assert_line("cagma_host_spare_bytes -4096");
	assert_line("cagma_emergencies_total 5");
	assert_line("cagma_emergencies_answered_total 4");
	assert_line("cagma_guest_info{domain=\"3\",name=\"web\",uuid=\"u-1\","
		    "transport=\"page\",state=\"live\"} 1");
	assert_line("cagma_guest_allocated_bytes{domain=\"3\",name=\"web\"} "
		    "536870912");
	assert_line("cagma_guest_sample_age_seconds{domain=\"3\",name=\"web\"} "
		    "0.05");
	assert_line("cagma_guest_sample_age_seconds{domain=\"4\",name=\"db\"} 9");
	assert_line("cagma_guest_stuck{domain=\"3\",name=\"web\"} 1");
	assert_line("cagma_guest_swapped_out_bytes_total{domain=\"3\","
		    "name=\"web\"} 12288");
	assert_line("cagma_refusals_total{domain=\"9\",name=\"evil\","
		    "transport=\"vchan\",reason=\"torn-too-long\"} 6");
	assert_line("cagma_lease_left_bytes{lease=\"1\"} 1048576");
}

/* A guest that doesn't tell has no line, not one that says 0. */
static void test_pressure_is_shown_where_it_is_known(void **state)
{
	(void)state;
	assert_line("cagma_guest_pressure_seconds_total{domain=\"3\","
		    "name=\"web\",kind=\"some\"} 2.5");
	assert_line("cagma_guest_pressure_seconds_total{domain=\"3\","
		    "name=\"web\",kind=\"full\"} 0.5");
	assert_line("cagma_guest_swap_bytes{domain=\"3\",name=\"web\"} "
		    "1048576");
	assert_null(strstr(text, "pressure_seconds_total{domain=\"4\""));
	assert_null(strstr(text, "swap_bytes{domain=\"4\""));
}

static void test_reaction_times_are_a_histogram(void **state)
{
	(void)state;
	assert_line("# TYPE cagma_guest_reaction_seconds histogram");
#define WEB "{domain=\"3\",name=\"web\""
	assert_line("cagma_guest_reaction_seconds_bucket" WEB
		    ",le=\"6.4e-05\"} 0\n"
		    "cagma_guest_reaction_seconds_bucket" WEB
		    ",le=\"0.000512\"} 2\n"
		    "cagma_guest_reaction_seconds_bucket" WEB
		    ",le=\"0.001024\"} 3\n"
		    "cagma_guest_reaction_seconds_bucket" WEB
		    ",le=\"+Inf\"} 3\n"
		    "cagma_guest_reaction_seconds_sum" WEB "} 0.0015\n"
		    "cagma_guest_reaction_seconds_count" WEB "} 3");
	assert_null(strstr(text, "reaction_seconds_count{domain=\"4\""));
}

/* The metric that a line is a sample of; histograms have three kinds. */
static size_t family(const char *line)
{
	static const char *const suffix[] = { "_bucket{", "_sum{", "_count{" };
	size_t size = strcspn(line, "{ ");

	for (size_t i = 0; i < ARRAY_SIZE(suffix); i++) {
		size_t tail = strlen(suffix[i]) - 1;

		if (size > tail && strstr(line, "_seconds_") &&
		    !strncmp(line + size - tail, suffix[i], tail + 1))
			return size - tail;
	}
	return size;
}

/* HELP, TYPE, samples: each metric once, and nothing in between. */
static void test_each_metric_is_one_group_with_a_head(void **state)
{
	char *line, *rest = text, type[512] = "", seen[8192] = "";

	(void)state;
	while ((line = strsep(&rest, "\n")) && *line) {
		char name[128];

		if (!strncmp(line, "# HELP ", 7)) {
			snprintf(name, sizeof(name), " %.*s ",
				 (int)strcspn(line + 7, " "), line + 7);
			assert_null(strstr(seen, name));
			strcat(seen, name);
			line = strsep(&rest, "\n");
			assert_int_equal(strncmp(line, "# TYPE ", 7), 0);
			snprintf(type, sizeof(type), "%.*s",
				 (int)strcspn(line + 7, " "), line + 7);
			assert_int_equal(strncmp(name + 1, type, strlen(type)),
					 0);
			continue;
		}
		assert_int_equal(family(line), strlen(type));
		assert_int_equal(strncmp(line, type, strlen(type)), 0);
	}
}

static void test_counters_and_only_they_end_in_total(void **state)
{
	static const struct {
		const struct metric *metric;
		size_t count;
	} tables[] = {
		{ of_daemon, ARRAY_SIZE(of_daemon) },
		{ of_guest, ARRAY_SIZE(of_guest) },
	};

	(void)state;
	for (size_t t = 0; t < ARRAY_SIZE(tables); t++)
		for (size_t i = 0; i < tables[t].count; i++) {
			const struct metric *m = &tables[t].metric[i];
			size_t size = strlen(m->name);
			bool total = size > 6 &&
				     !strcmp(m->name + size - 6, "_total");

			assert_int_equal(total, !strcmp(m->type, "counter"));
		}
}

static void test_without_a_daemon_only_that_is_said(void **state)
{
	(void)state;
	free(text);
	assert_int_equal(write_metrics(NULL), 0);
	assert_string_equal(text, "# HELP cagma_up 1 if cagmad answers.\n"
				  "# TYPE cagma_up gauge\ncagma_up 0\n");
}

#define METRICS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		METRICS_TEST(test_every_number_is_in_its_base_unit),
		METRICS_TEST(test_pressure_is_shown_where_it_is_known),
		METRICS_TEST(test_reaction_times_are_a_histogram),
		METRICS_TEST(test_each_metric_is_one_group_with_a_head),
		METRICS_TEST(test_counters_and_only_they_end_in_total),
		METRICS_TEST(test_without_a_daemon_only_that_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
