// SPDX-License-Identifier: GPL-2.0-only
/* What an operator is told of settings and guests. */
#include <stdlib.h>
#include <string.h>

#include "advice.h"
#include "unit.h"

#define GUESTS	3

static struct cagma_config config;
static struct cagma_guest_config own[2];
static struct cagma_status *s;
static struct json_object *advice;

/* A host of 16 GiB with three guests, and nothing to be said of it. */
static int begin(void **state)
{
	static const char *const names[GUESTS] = { "web", "db", "mail" };

	(void)state;
	memset(own, 0, sizeof(own));
	cagma_config_init(&config);
	config.guests = own;
	s = calloc(1, sizeof(*s) + GUESTS * sizeof(s->guest[0]));
	s->count = s->capacity = GUESTS;
	s->total_pages = 16 * GIB;
	s->dom0_pages = 2 * GIB;
	for (uint16_t i = 0; i < GUESTS; i++) {
		struct cagma_status_guest *g = &s->guest[i];

		g->domid = (uint16_t)(i + 1);
		strcpy(g->name, names[i]);
		memset(g->uuid, i + 1, sizeof(g->uuid));
		g->target_pages = GIB;
		g->min_pages = 256 * MIB;
		g->max_pages = 2 * GIB;
	}
	return 0;
}

static int end(void **state)
{
	(void)state;
	json_object_put(advice);
	advice = NULL;
	free(s);
	return 0;
}

static struct cagma_guest_config *add_own(const char *name)
{
	struct cagma_guest_config *guest = &own[config.guest_count++];

	strcpy(guest->name, name);
	return guest;
}

static void look(const struct cagma_quarantine *refused)
{
	json_object_put(advice);
	advice = cagma_advice_settings(&config);
	cagma_advice_host(advice, &config, s, refused);
}

/* The only one, with these words. */
static void assert_advice(const char *one, const char *other)
{
	const char *text;

	look(NULL);
	assert_int_equal(json_object_array_length(advice), 1);
	text = json_object_get_string(json_object_array_get_idx(advice, 0));
	assert_non_null(strstr(text, one));
	assert_non_null(strstr(text, other));
}

static void assert_none(void)
{
	look(NULL);
	assert_int_equal(json_object_array_length(advice), 0);
}

static void test_O7_nothing_is_said_without_a_reason(void **state)
{
	(void)state;
	add_own("web")->min_pages = GIB;
	add_own("Domain-0")->min_pages = GIB;
	assert_none();
}

static void test_O7_guest_at_its_maximum_that_swaps(void **state)
{
	(void)state;
	s->guest[0].swapped_pages = 300 * MIB;
	assert_none();
	s->guest[0].target_pages = 2 * GIB;
	assert_advice("web is at its maximum of 2048 MiB, and 300", "maxmem");
	s->guest[0].swapped_pages = MIB;
	assert_none();
}

static void test_O7_guest_at_its_maximum_that_is_denied(void **state)
{
	(void)state;
	s->guest[1].emergencies = 7;
	s->guest[1].answered = 4;
	assert_none();
	s->guest[1].target_pages = 2 * GIB - MIB;
	assert_advice("db is at its maximum", "3 of its emergencies");
}

static void test_O7_minimums_beyond_the_host(void **state)
{
	(void)state;
	s->guest[0].min_pages = 13 * GIB;
	assert_none();
	s->guest[0].min_pages = 14 * GIB;
	assert_advice("the guests' minimums", "lower min_mib");
}

static void test_O7_settings_beyond_the_host(void **state)
{
	(void)state;
	add_own("web")->min_pages = 8 * GIB;
	assert_none();
	add_own("db")->min_pages = 7 * GIB;
	assert_advice("minimums in the configuration", "15360 MiB");
}

static void test_O7_two_domains_of_one_name(void **state)
{
	(void)state;
	strcpy(s->guest[2].name, "web");
	assert_advice("domains 1 and 3 have one name, web", "uuid");
}

static void test_O7_dom0_holds_most_of_the_memory(void **state)
{
	(void)state;
	s->dom0_pages = 8 * GIB;
	assert_none();
	s->dom0_pages = 15 * GIB;
	assert_advice("dom0 has 15360 of the host's 16384 MiB", "dom0_mem");
}

static void test_O7_dom0_has_another_name(void **state)
{
	(void)state;
	add_own("dom0")->min_pages = GIB;
	assert_advice("\"dom0\"", "\"Domain-0\"");
	strcpy(own[0].name, "domain-0");
	assert_advice("\"domain-0\"", "\"Domain-0\"");
}

static void test_O7_settings_that_name_no_domain(void **state)
{
	(void)state;
	add_own("wbe");
	assert_advice("\"wbe\": no such guest", "\"web\" meant");
	strcpy(own[0].name, "mial2");
	assert_advice("mial2: no such guest", "when it is");
	memset(own, 0, sizeof(own));
	memset(own[0].uuid, 2, sizeof(own[0].uuid));
	assert_none();
	memset(own[0].uuid, 9, sizeof(own[0].uuid));
	assert_advice("a guest of a uuid", "no such guest");
}

static void test_O7_size_that_is_none_in_mib(void **state)
{
	(void)state;
	add_own("web")->max_pages = 256 * GIB - MIB;
	assert_none();
	own[0].max_pages = 512 * GIB;
	assert_advice("web: max_mib = 524288 is 512 GiB", "MiB");
}

static void test_O7_minimum_that_no_host_has(void **state)
{
	(void)state;
	add_own("web")->min_pages = 20 * GIB;
	look(NULL);
	assert_int_equal(json_object_array_length(advice), 2);
	assert_non_null(strstr(json_object_get_string(
		json_object_array_get_idx(advice, 0)), "more than the host has"));
}

static void test_O7_maximum_below_the_minimum_of_all(void **state)
{
	(void)state;
	config.min_pages = 128 * MIB;
	add_own("web")->max_pages = 100 * MIB;
	assert_advice("web: max_mib = 100", "a min_mib of its own");
	own[0].min_pages = 64 * MIB;
	assert_none();
}

static void test_O7_populate_on_demand_without_a_balloon(void **state)
{
	struct cagma_quarantine *q = calloc(1, sizeof(*q) + sizeof(q->entry[0]));

	(void)state;
	q->count = 1;
	strcpy(q->entry[0].name, "pod");
	q->entry[0].reason = "writable-limits";
	add_own("pod");
	look(q);
	assert_int_equal(json_object_array_length(advice), 0);
	q->entry[0].reason = "populate-on-demand";
	look(q);
	free(q);
	assert_int_equal(json_object_array_length(advice), 1);
	assert_non_null(strstr(json_object_get_string(
		json_object_array_get_idx(advice, 0)), "balloon driver"));
}

#define ADVICE(test)	cmocka_unit_test_setup_teardown(test, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ADVICE(test_O7_nothing_is_said_without_a_reason),
		ADVICE(test_O7_guest_at_its_maximum_that_swaps),
		ADVICE(test_O7_guest_at_its_maximum_that_is_denied),
		ADVICE(test_O7_minimums_beyond_the_host),
		ADVICE(test_O7_settings_beyond_the_host),
		ADVICE(test_O7_two_domains_of_one_name),
		ADVICE(test_O7_dom0_holds_most_of_the_memory),
		ADVICE(test_O7_dom0_has_another_name),
		ADVICE(test_O7_settings_that_name_no_domain),
		ADVICE(test_O7_size_that_is_none_in_mib),
		ADVICE(test_O7_minimum_that_no_host_has),
		ADVICE(test_O7_maximum_below_the_minimum_of_all),
		ADVICE(test_O7_populate_on_demand_without_a_balloon),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
