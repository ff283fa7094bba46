// SPDX-License-Identifier: GPL-2.0-only
#include <stdbool.h>

#include "track.h"
#include "unit.h"
#include "units.h"

#define ALLOC	(512 * MIB)

static struct cagma_track track;
static struct cagma_sample sample;
static uint64_t now_ns;

/* A guest of 512 MiB that uses 300 and swaps nothing. */
static int begin(void **state)
{
	(void)state;
	track = (struct cagma_track){ 0 };
	now_ns = 100 * S;
	sample = (struct cagma_sample){
		.total_pages = 500 * MIB,
		.free_pages = 100 * MIB,
		.available_pages = 212 * MIB,
		.swap_free_pages = 1024 * MIB,
		.balloon_pages = ALLOC,
		.balloon_target_pages = ALLOC,
	};
	return 0;
}

static bool add(void)
{
	return cagma_track_add(&track, &sample, ALLOC, now_ns);
}

static void use(uint64_t used_pages)
{
	sample.available_pages = ALLOC - used_pages;
	assert_true(add());
}

/* One batch with a single sample, `later_ns` after the one before. */
static void point(uint64_t used_pages, uint64_t later_ns)
{
	now_ns += later_ns;
	use(used_pages);
	cagma_track_close(&track, now_ns);
}

/* ---- plausibility ---- */

static void test_nothing_is_known_at_first(void **state)
{
	(void)state;
	assert_false(track.any);
	assert_int_equal(cagma_track_used(&track), 0);
	assert_int_equal(cagma_track_growth(&track, now_ns, 10 * S, S), 0);
	assert_int_equal(cagma_track_used_max(&track, now_ns, 10 * S), 0);
	assert_false(cagma_track_covers(&track, now_ns, 0));
}

static void test_used_is_balloon_less_available(void **state)
{
	(void)state;
	assert_true(add());
	assert_int_equal(cagma_track_used(&track), 300 * MIB);
	assert_int_equal(track.seen_ns, now_ns);
}

static void test_more_available_than_the_balloon_has(void **state)
{
	(void)state;
	sample.balloon_pages = 100 * MIB;
	assert_true(add());
	assert_int_equal(cagma_track_used(&track), 0);
}

/* Each makes a possible sample impossible. */
static void lie_free(void)
{
	sample.free_pages = sample.total_pages + 1;
}

static void lie_available(void)
{
	sample.available_pages = sample.total_pages + 1;
}

static void lie_balloon(void)
{
	sample.balloon_pages = ALLOC + 64 * MIB + 1;
}

static void lie_total(void)
{
	sample.total_pages = CAGMA_PAGES_MAX + 1;
}

static void lie_swap(void)
{
	sample.swap_free_pages = CAGMA_PAGES_MAX + 1;
}

static void lie_task(void)
{
	sample.task_pages = CAGMA_PAGES_MAX + 1;
}

static void lie_target(void)
{
	sample.balloon_target_pages = CAGMA_PAGES_MAX + 1;
}

static void lie_everywhere(void)
{
	uint64_t *word = (uint64_t *)&sample;

	for (size_t i = 0; i < sizeof(sample) / sizeof(*word); i++)
		word[i] = UINT64_MAX;
}

static void test_G5_G7_impossible_sample_is_rejected_whole(void **state)
{
	static void (*const lies[])(void) = {
		lie_free, lie_available, lie_balloon, lie_total, lie_swap,
		lie_task, lie_target, lie_everywhere,
	};
	struct cagma_track before;

	for (size_t i = 0; i < ARRAY_SIZE(lies); i++) {
		begin(state);
		assert_true(add());
		before = track;
		now_ns += S;
		lies[i]();
		assert_false(add());
		before.impossible = 1;
		before.last_impossible = true;
		assert_memory_equal(&track, &before, sizeof(track));
	}
}

static void test_G5_largest_possible_sample_is_taken(void **state)
{
	(void)state;
	sample.free_pages = sample.available_pages = sample.total_pages;
	sample.balloon_pages = ALLOC + 64 * MIB;
	sample.swap_free_pages = CAGMA_PAGES_MAX;
	assert_true(add());
	assert_int_equal(track.impossible, 0);
}

/* ---- counters ---- */

static void test_swap_in_is_counted_within_the_window(void **state)
{
	(void)state;
	sample.swap_in_pages = 5000;
	point(300 * MIB, S);
	sample.swap_in_pages += 70;
	point(300 * MIB, S);
	sample.swap_in_pages += 7;
	point(300 * MIB, S);
	assert_int_equal(cagma_track_swap_in(&track, now_ns, S), 77);
	assert_int_equal(cagma_track_swap_in(&track, now_ns, S - 1), 7);
	assert_int_equal(cagma_track_swap_in(&track, now_ns, 10 * S), 77);
}

static void test_G6_counter_that_goes_back_is_a_restart(void **state)
{
	(void)state;
	sample.swap_in_pages = UINT64_MAX;
	point(300 * MIB, S);
	sample.swap_in_pages = 3;
	point(300 * MIB, S);
	assert_int_equal(track.restarts, 1);
	assert_int_equal(cagma_track_swap_in(&track, now_ns, 10 * S), 0);
	sample.swap_in_pages = 5;
	point(300 * MIB, S);
	assert_int_equal(cagma_track_swap_in(&track, now_ns, 10 * S), 2);
	assert_int_equal(track.restarts, 1);
}

static void test_G7_enormous_steps_of_a_counter_do_not_wrap(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		sample.swap_in_pages = i % 2 ? UINT64_MAX / 2 + 1 : 0;
		use(300 * MIB);
		point(300 * MIB, S);
	}
	/* Four steps of 2^63 are 0 to who adds them up. */
	assert_in_range(cagma_track_swap_in(&track, now_ns, 10 * S),
			CAGMA_PAGES_MAX, 8 * CAGMA_PAGES_MAX);
}

/* The daemon was stopped for a minute, in which the guest swapped; now it is calm. */
static void test_C2_swapping_while_nobody_looked_is_past(void **state)
{
	(void)state;
	point(300 * MIB, S);
	sample.swap_in_pages += 5000;
	point(300 * MIB, 60 * S);
	sample.swap_in_pages += 7;
	point(300 * MIB, S);
	assert_int_equal(cagma_track_swap_in(&track, now_ns, 8 * S), 7);
}

static void test_swapped_is_the_most_free_swap_less_the_present(void **state)
{
	(void)state;
	sample.swap_free_pages = 1000;
	assert_true(add());
	assert_int_equal(cagma_track_swapped(&track), 0);
	sample.swap_free_pages = 400;
	assert_true(add());
	assert_int_equal(cagma_track_swapped(&track), 600);
	sample.swap_free_pages = 2000;
	assert_true(add());
	assert_int_equal(cagma_track_swapped(&track), 0);
	assert_int_equal(track.swap_total_pages, 2000);
}

/* ---- history ---- */

static void test_growth_is_the_largest_within_any_horizon(void **state)
{
	static const uint64_t used_mib[] = { 100, 110, 150, 160, 160, 120 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(used_mib); i++)
		point(used_mib[i] * MIB, S / 4);
	assert_int_equal(cagma_track_growth(&track, now_ns, 10 * S, S / 4),
			 40 * MIB);
	assert_int_equal(cagma_track_growth(&track, now_ns, 10 * S, S / 2),
			 50 * MIB);
	assert_int_equal(cagma_track_growth(&track, now_ns, 10 * S, S),
			 60 * MIB);
}

static void test_burst_is_the_growth_at_any_pace(void **state)
{
	static const uint64_t used_mib[] = { 130, 100, 110, 150, 140, 180, 160 };

	(void)state;
	assert_int_equal(cagma_track_burst(&track, now_ns, 10 * S), 0);
	for (size_t i = 0; i < ARRAY_SIZE(used_mib); i++)
		point(used_mib[i] * MIB, S);
	assert_int_equal(cagma_track_burst(&track, now_ns, 10 * S), 80 * MIB);
	assert_int_equal(cagma_track_burst(&track, now_ns, 3 * S), 40 * MIB);
	now_ns += 10 * S;
	assert_int_equal(cagma_track_burst(&track, now_ns, 10 * S), 0);
}

static void test_growth_leaves_the_window(void **state)
{
	(void)state;
	point(100 * MIB, S);
	point(200 * MIB, S / 4);
	assert_int_equal(cagma_track_growth(&track, now_ns, S, S), 100 * MIB);
	now_ns += S;
	assert_int_equal(cagma_track_growth(&track, now_ns, S, S), 0);
}

static void test_growth_into_swap_is_growth(void **state)
{
	(void)state;
	sample.swap_free_pages = 1000 * MIB;
	point(500 * MIB, S);
	sample.swap_free_pages = 700 * MIB;
	sample.swap_out_pages = 300 * MIB;
	point(500 * MIB, S / 4);
	assert_int_equal(cagma_track_growth(&track, now_ns, 10 * S, S),
			 300 * MIB);
}

static void test_swapoff_is_no_growth(void **state)
{
	(void)state;
	sample.swap_free_pages = 1000 * MIB;
	point(500 * MIB, S);
	sample.swap_free_pages = 800 * MIB;
	sample.swap_out_pages = 200 * MIB;
	point(500 * MIB, S);
	sample.swap_free_pages = 0;
	point(500 * MIB, S);
	assert_int_equal(cagma_track_growth(&track, now_ns, S, S), 0);
	assert_int_equal(cagma_track_swapped(&track), 200 * MIB);
	sample.swap_free_pages = 1000 * MIB;
	point(500 * MIB, S);
	assert_int_equal(cagma_track_swapped(&track), 0);
	assert_int_equal(cagma_track_growth(&track, now_ns, S, S), 0);
}

static void test_used_max_is_the_peak_within_the_window(void **state)
{
	(void)state;
	point(100 * MIB, S);
	now_ns += S / 8;
	use(400 * MIB);
	point(150 * MIB, S / 8);
	point(120 * MIB, S);
	assert_int_equal(cagma_track_used_max(&track, now_ns, S / 2),
			 120 * MIB);
	assert_int_equal(cagma_track_used_max(&track, now_ns, S), 400 * MIB);
	now_ns += S / 8;
	use(130 * MIB);
	assert_int_equal(cagma_track_used_max(&track, now_ns, S / 4),
			 130 * MIB);
}

static void test_points_without_samples_are_none(void **state)
{
	(void)state;
	point(100 * MIB, S);
	now_ns += S;
	cagma_track_close(&track, now_ns);
	assert_int_equal(track.count, 1);
}

static void test_covers_needs_a_point_that_old(void **state)
{
	(void)state;
	point(100 * MIB, S);
	assert_false(cagma_track_covers(&track, now_ns, 5 * S));
	for (int i = 0; i < 4; i++)
		point(100 * MIB, S);
	assert_false(cagma_track_covers(&track, now_ns, 5 * S));
	point(100 * MIB, S);
	assert_true(cagma_track_covers(&track, now_ns, 5 * S));
}

/* Frequent reading, while memory moves, may not shorten the memory of it. */
static void test_history_is_long_whatever_the_reading_pace(void **state)
{
	static const uint64_t pace_ns[] = { 20 * MS, 25 * MS, 100 * MS,
					    250 * MS, 1000 * MS };

	for (size_t i = 0; i < ARRAY_SIZE(pace_ns); i++) {
		begin(state);
		point(400 * MIB, S);
		for (uint64_t t = 0; t < 15 * S; t += pace_ns[i])
			point(100 * MIB, pace_ns[i]);
		assert_true(cagma_track_covers(&track, now_ns, 15 * S));
		assert_int_equal(cagma_track_used_max(&track, now_ns, 15 * S),
				 400 * MIB);
	}
}

static void test_oldest_points_are_overwritten(void **state)
{
	(void)state;
	for (int i = 0; i < 3 * CAGMA_TRACK_POINTS; i++)
		point((uint64_t)(100 + i) * MIB / 2, S);
	assert_int_equal(track.count, 3 * CAGMA_TRACK_POINTS);
	assert_true(cagma_track_covers(&track, now_ns, 15 * S));
	assert_int_equal(cagma_track_growth(&track, now_ns, 15 * S, S),
			 MIB / 2);
}

static void test_K3_clock_stands_still(void **state)
{
	(void)state;
	point(100 * MIB, 0);
	point(200 * MIB, 0);
	assert_in_range(cagma_track_growth(&track, now_ns, 10 * S, S), 0,
			100 * MIB);
	assert_int_equal(cagma_track_used_max(&track, now_ns, 10 * S),
			 200 * MIB);
}

static void test_K3_K5_clock_near_its_ends(void **state)
{
	static const uint64_t starts[] = { 0, 1, UINT64_MAX - 20 * S };

	for (size_t i = 0; i < ARRAY_SIZE(starts); i++) {
		begin(state);
		now_ns = starts[i];
		point(100 * MIB, 0);
		point(130 * MIB, S);
		assert_int_equal(cagma_track_growth(&track, now_ns, 10 * S, S),
				 30 * MIB);
		assert_int_equal(cagma_track_used_max(&track, now_ns, 10 * S),
				 130 * MIB);
	}
}

static void test_K3_clock_goes_back(void **state)
{
	(void)state;
	point(100 * MIB, S);
	now_ns -= S / 2;
	use(120 * MIB);
	cagma_track_close(&track, now_ns);
	assert_in_range(cagma_track_growth(&track, now_ns, 10 * S, S), 0,
			20 * MIB);
	assert_int_equal(cagma_track_used(&track), 120 * MIB);
}

#define TRACK_TEST(name) cmocka_unit_test_setup(name, begin)

/* ---- what is worked out once ---- */

static bool newest_first(uint32_t i, uint64_t since_ns,
			     const struct cagma_point **point)
{
	if (i >= CAGMA_TRACK_POINTS - 1 || i >= track.count)
		return false;
	*point = &track.point[(track.count - 1 - i) % CAGMA_TRACK_POINTS];
	return (*point)->time_ns >= since_ns;
}

/* The largest of all pairs. */
static uint64_t growth_of_pairs(uint64_t window_ns, uint64_t horizon_ns)
{
	uint64_t since_ns = now_ns - window_ns, growth = 0;
	const struct cagma_point *end, *start;

	for (uint32_t i = 0; newest_first(i, since_ns, &end); i++)
		for (uint32_t j = i + 1; newest_first(j, since_ns, &start); j++)
			if (end->time_ns - start->time_ns <= horizon_ns)
				growth = cagma_max(growth,
					cagma_less(end->demand_pages,
						   start->demand_pages));
	return growth;
}

static void assert_past_is_true(const struct cagma_spans *s)
{
	const struct cagma_past *past = cagma_track_past(&track, now_ns, s);
	uint64_t used = cagma_track_used(&track);

	assert_int_equal(cagma_max(used, past->used_donor_pages),
			 cagma_track_used_max(&track, now_ns, s->donor_ns));
	assert_int_equal(cagma_max(used, past->used_release_pages),
			 cagma_track_used_max(&track, now_ns, s->release_ns));
	assert_int_equal(past->growth_pages,
			 growth_of_pairs(s->window_ns, s->horizon_ns));
	assert_int_equal(past->growth_pages,
			 cagma_track_growth(&track, now_ns, s->window_ns,
					    s->horizon_ns));
	assert_int_equal(past->burst_pages,
			 cagma_track_burst(&track, now_ns, s->window_ns));
	assert_int_equal(past->swap_in_pages,
			 cagma_track_swap_in(&track, now_ns, s->horizon_ns));
	assert_int_equal(past->covered,
			 cagma_track_covers(&track, now_ns, s->release_ns));
}

static void test_W1_past_is_what_the_points_say(void **state)
{
	struct cagma_spans spans = { S, 10 * S, 15 * S, S };
	uint32_t x = 1;

	(void)state;
	for (int i = 0; i < 20000; i++) {
		x = x * 1664525 + 1013904223;
		now_ns += 1 + (x >> 8) % (400 * MS);
		if (x >> 24 < 4)
			now_ns += 4 * S;
		sample.swap_in_pages += x >> 28;
		if (x >> 16 & 1)
			use((100 + (x >> 17) % 300) * MIB);
		if (x >> 18 & 1)
			cagma_track_close(&track, now_ns);
		if (!(x >> 20 & 1023))
			spans.horizon_ns = S + (x >> 8) % (4 * S);
		assert_past_is_true(&spans);
	}
	assert_true(track.count > 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TRACK_TEST(test_nothing_is_known_at_first),
		TRACK_TEST(test_used_is_balloon_less_available),
		TRACK_TEST(test_more_available_than_the_balloon_has),
		TRACK_TEST(test_G5_G7_impossible_sample_is_rejected_whole),
		TRACK_TEST(test_G5_largest_possible_sample_is_taken),
		TRACK_TEST(test_swap_in_is_counted_within_the_window),
		TRACK_TEST(test_G6_counter_that_goes_back_is_a_restart),
		TRACK_TEST(test_G7_enormous_steps_of_a_counter_do_not_wrap),
		TRACK_TEST(test_C2_swapping_while_nobody_looked_is_past),
		TRACK_TEST(test_swapped_is_the_most_free_swap_less_the_present),
		TRACK_TEST(test_growth_is_the_largest_within_any_horizon),
		TRACK_TEST(test_burst_is_the_growth_at_any_pace),
		TRACK_TEST(test_growth_leaves_the_window),
		TRACK_TEST(test_growth_into_swap_is_growth),
		TRACK_TEST(test_swapoff_is_no_growth),
		TRACK_TEST(test_used_max_is_the_peak_within_the_window),
		TRACK_TEST(test_points_without_samples_are_none),
		TRACK_TEST(test_covers_needs_a_point_that_old),
		TRACK_TEST(test_history_is_long_whatever_the_reading_pace),
		TRACK_TEST(test_oldest_points_are_overwritten),
		TRACK_TEST(test_K3_clock_stands_still),
		TRACK_TEST(test_K3_K5_clock_near_its_ends),
		TRACK_TEST(test_K3_clock_goes_back),
		TRACK_TEST(test_W1_past_is_what_the_points_say),
	};

	return cmocka_run_group_tests_name("track", tests, NULL, NULL);
}
