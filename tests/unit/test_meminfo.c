// SPDX-License-Identifier: GPL-2.0-only
/* Guests that only write how much they use to xenstore. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "life.h"
#include "meminfo.h"
#include "store.h"
#include "units.h"

static struct fake_guest *add_plain(uint16_t domid, uint64_t pages)
{
	struct fake_guest *g = add(domid, pages);

	g->no_module = true;
	return g;
}

static void say_used(struct fake_guest *g, uint64_t pages)
{
	char text[24];
	int n = snprintf(text, sizeof(text), "%llu",
			 (unsigned long long)pages * 4);

	fake_node_set(g, CAGMA_MEMINFO_NODE, text, (size_t)n);
}

static bool is_source(const struct fake_guest *g, enum cagma_rank rank)
{
	struct cagma_guest *known = served(g);

	return known && known->link[rank] && known->source == known->link[rank];
}

static int begin_allowed(void **state)
{
	begin(state);
	d.config.meminfo_guests = true;
	return start();
}

#define ALLOWED(name) cmocka_unit_test_setup_teardown(name, begin_allowed, end)

/* A number alone is no wish to be balanced. */
static void test_meminfo_counts_only_if_the_operator_says_so(void **state)
{
	struct fake_guest *g = add_plain(5, 512 * MIB);

	(void)state;
	say_used(g, 100 * MIB);
	run(30 * S);
	assert_null(served(g));
	assert_int_equal(fake_node_reads(g, CAGMA_MEMINFO_NODE), 0);
	assert_int_equal(g->balloon_target_pages, 512 * MIB);
	d.config.meminfo_guests = true;
	cagma_store_use(d.store, &d.config);
	run(5 * S);
	assert_true(is_source(g, CAGMA_RANK_XENSTORE));
	d.config.meminfo_guests = false;
	cagma_store_use(d.store, &d.config);
	run(3 * S);
	assert_null(served(g));
}

/* The number and 30 % of it for the cache, and the CMA; down and up. */
static void test_meminfo_guest_is_balanced(void **state)
{
	struct fake_guest *g = add_plain(5, 1024 * MIB);

	(void)state;
	g->used_pages = 400 * MIB;
	say_used(g, 300 * MIB);
	run(40 * S);
	assert_true(is_source(g, CAGMA_RANK_XENSTORE));
	assert_in_range(g->balloon_target_pages, 430 * MIB, 560 * MIB);
	assert_int_equal(atoi(fake_node_get(g, "memory/target")),
			 g->balloon_target_pages * 4);
	assert_true(g->alloc_pages <= g->balloon_target_pages + MIB);
	g->used_pages = 900 * MIB;
	say_used(g, 700 * MIB);
	run(30 * S);
	assert_true(g->balloon_target_pages >= 910 * MIB + 48 * MIB - MIB);
	assert_int_equal(served(g)->emergencies, 0);
	assert_int_equal(d.state.violations, 0);
}

/* One read in a second, and nobody is woken by its writing. */
static void test_meminfo_is_polled_at_a_pace_of_our_own(void **state)
{
	struct fake_guest *g = add_plain(5, 512 * MIB);
	unsigned int reads;

	(void)state;
	say_used(g, 464 * MIB);
	run(5 * S);
	reads = fake_node_reads(g, CAGMA_MEMINFO_NODE);
	for (int i = 0; i < 1000; i++) {
		say_used(g, 400 * MIB + (uint64_t)i);
		run(20 * MS);
	}
	assert_in_range(fake_node_reads(g, CAGMA_MEMINFO_NODE) - reads, 18, 22);
}

static void test_meminfo_that_is_no_number_is_refused(void **state)
{
	static const char *const bad[] = {
		"", " 1024", "1024 ", "-1", "+1", "0x400", "01", "1e3",
		"MemTotal: 1024 kB\nMemFree: 5 kB\n", "1024\n",
		"99999999999999999999", "1099511627777", "1024,5",
	};
	uint64_t pages;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(cagma_meminfo_parse(bad[i], &pages), -EINVAL);
	assert_int_equal(cagma_meminfo_parse("0", &pages), 0);
	assert_int_equal(pages, 0);
	assert_int_equal(cagma_meminfo_parse("274877906944", &pages), 0);
	assert_int_equal(pages, CAGMA_PAGES_MAX);
}

static void test_meminfo_that_becomes_nonsense_ends_it(void **state)
{
	static const char *const bad[] = {
		"nonsense", "", "12345678901234567890123456789012345678901234",
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fake_guest *g;
		const struct cagma_quarantine *q;

		begin_allowed(state);
		g = add_plain(5, 512 * MIB);
		say_used(g, 464 * MIB);
		run(5 * S);
		assert_true(is_source(g, CAGMA_RANK_XENSTORE));
		fake_node_set(g, CAGMA_MEMINFO_NODE, bad[i], strlen(bad[i]));
		run(3 * S);
		assert_null(served(g));
		q = cagma_store_quarantine(d.store);
		assert_int_equal(q->count, 1);
		assert_string_equal(q->entry[0].reason, "bad-meminfo");
		assert_int_equal(q->entry[0].rank, CAGMA_RANK_XENSTORE);
		end(state);
	}
	begin(state);
}

/* A guest's lie gets it what any lie gets: at most its maximum. */
static void test_meminfo_of_a_liar_is_bounded(void **state)
{
	struct fake_guest *liar = add_plain(5, 512 * MIB);
	struct fake_guest *good = add(6, 512 * MIB);

	(void)state;
	say_used(liar, CAGMA_PAGES_MAX);
	run(30 * S);
	assert_true(liar->balloon_target_pages <= 4 * GIB);
	say_used(liar, 0);
	run(60 * S);
	assert_true(liar->balloon_target_pages >= served(liar)->min_pages);
	good->used_pages += 30 * MIB;
	run(S);
	assert_true(good->balloon_target_pages >= good->used_pages + 40 * MIB);
	assert_int_equal(d.state.violations, 0);
}

/* page > vchan > xenstore. */
static void test_G30_xenstore_is_the_last_resort(void **state)
{
	struct fake_guest *g = add_plain(5, 512 * MIB);
	struct cagma_guest *was;
	unsigned int reads;

	(void)state;
	say_used(g, 464 * MIB);
	run(5 * S);
	assert_true(is_source(g, CAGMA_RANK_XENSTORE));
	was = served(g);
	fake_agent_start(g);
	run(6 * S);
	assert_ptr_equal(served(g), was);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	assert_null(was->link[CAGMA_RANK_XENSTORE]);
	g->no_module = false;
	run(6 * S);
	assert_true(is_source(g, CAGMA_RANK_PAGE));
	run(60 * S);
	reads = fake_calls(FAKE_XS_READ);
	run(60 * S);
	assert_int_equal(fake_calls(FAKE_XS_READ), reads);
	/* And back. */
	fake_agent_stop(g);
	fake_guest_close(g);
	g->no_module = true;
	run(6 * S);
	assert_true(is_source(g, CAGMA_RANK_XENSTORE));
}

/* What can't be read is no lie of the guest. */
static void test_C8_xenstore_that_fails_is_no_lie(void **state)
{
	struct fake_guest *g = add_plain(5, 512 * MIB);

	(void)state;
	say_used(g, 464 * MIB);
	run(5 * S);
	fake_fail_always(FAKE_XS_READ, -EIO);
	run(20 * S);
	assert_true(is_source(g, CAGMA_RANK_XENSTORE));
	assert_true(cagma_now_ns() - served(g)->track.seen_ns > 15 * S);
	fake_fail_always(FAKE_XS_READ, 0);
	run(3 * S);
	assert_true(cagma_now_ns() - served(g)->track.seen_ns < 2 * S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(test_meminfo_counts_only_if_the_operator_says_so),
		ALLOWED(test_meminfo_guest_is_balanced),
		ALLOWED(test_meminfo_is_polled_at_a_pace_of_our_own),
		cmocka_unit_test(test_meminfo_that_is_no_number_is_refused),
		STOPPED(test_meminfo_that_becomes_nonsense_ends_it),
		ALLOWED(test_meminfo_of_a_liar_is_bounded),
		ALLOWED(test_G30_xenstore_is_the_last_resort),
		ALLOWED(test_C8_xenstore_that_fails_is_no_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
