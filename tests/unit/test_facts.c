// SPDX-License-Identifier: GPL-2.0-only
/*
 * What Xen and xenstore say of the host's domains, and what guests say against
 * it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "life.h"
#include "status.h"

/* ---- zombies and claims ---- */

static void grow(struct fake_guest *g, uint64_t pages)
{
	for (uint64_t i = 0; i < pages / (10 * MIB); i++) {
		g->used_pages += 10 * MIB;
		run(200 * MS);
	}
}

static void test_N1_guest_grows_beside_a_zombie(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB), *z;

	(void)state;
	run(2 * S);
	z = fake_domain_add(7, 0);
	z->limit_pages = fake_free_pages();
	fake_guest_leave_zombie(z);
	grow(g, 200 * MIB);
	assert_int_equal(g->swap_out_pages, 0);
	assert_int_equal(g->denials, 0);
}

/* It ends while it is a guest of ours. */
static void test_N1_guest_that_becomes_a_zombie_is_let_go(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	assert_non_null(served(g));
	fake_guest_leave_zombie(g);
	run(2 * S);
	assert_null(served(g));
	assert_int_equal(d.loop.actuator.spare_pages, fake_free_pages());
}

static void test_N1_guest_that_resumes_is_served_again(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->shut_down = true;
	run(2 * S);
	assert_null(served(g));
	assert_int_equal(d.loop.actuator.spare_pages,
			 fake_free_pages() - MIB);
	g->shut_down = false;
	run(5 * S);
	assert_non_null(served(g));
}

static void test_N2_guest_is_answered_during_a_build(void **state)
{
	struct fake_guest *a = add(5, 1500 * MIB), *b = add(6, 512 * MIB), *n;
	uint64_t size;

	(void)state;
	run(15 * S);
	size = fake_free_pages() - 400 * MIB;
	n = fake_domain_add(9, 0);
	n->paused = true;
	n->limit_pages = size + MIB;
	assert_true(fake_domain_claim(n, size));
	run(1 * S);
	assert_true(d.loop.actuator.spare_pages >= (int64_t)(390 * MIB));
	grow(b, 200 * MIB);
	fake_domain_build(n, size);
	run(5 * S);
	assert_int_equal(n->alloc_pages, size);
	assert_int_equal(a->swap_out_pages + b->swap_out_pages, 0);
	assert_int_equal(b->denials, 0);
}

/* ---- very many domains ---- */

#define MANY	4200u

static void test_N4_domains_beyond_the_table_are_counted_and_said(void **state)
{
	struct fake_guest *last = NULL;
	struct cagma_status status = { 0 };
	uint64_t promised = 0;

	(void)state;
	fake_xen_reset(16 * GIB, 2 * GIB);
	for (uint16_t i = 1; i <= MANY; i++)
		last = fake_domain_add(i, MIB);
	last->limit_pages = 3 * GIB;
	promised = (MANY - 1) * MIB + 3 * GIB - MIB;
	assert_int_equal(start(), 0);
	run(2 * S);
	assert_int_equal(d.loop.domain_count, MANY + 1);
	assert_int_equal(d.loop.actuator.spare_pages,
			 (int64_t)fake_free_pages() - (int64_t)promised);
	cagma_status_fill(&status, &d.loop);
	assert_int_equal(status.beyond, MANY - CAGMA_GUESTS_MAX);
	assert_int_equal(status.unattached, MANY);
}

/* Xen tells of so many at a time. */
static void test_N4_guest_behind_many_domains_is_found(void **state)
{
	struct fake_guest *g;

	(void)state;
	for (uint16_t i = 1; i < 1023; i++)
		fake_domain_add(i, MIB);
	g = add(2000, 512 * MIB);
	assert_int_equal(start(), 0);
	run(2 * S);
	assert_non_null(served(g));
	fake_domain_add(1999, MIB);
	g = add(32751, 512 * MIB);
	run(2 * S);
	assert_non_null(served(g));
}

/* ---- what Xen counts beyond the balloon ---- */

static struct fake_guest *add_with_offset(uint16_t domid, uint64_t pages,
					  uint64_t offset_pages)
{
	struct fake_guest *g = add(domid, pages);

	g->offset_pages = offset_pages;
	g->alloc_pages += offset_pages;
	g->limit_pages += offset_pages;
	return g;
}

static void test_N5_large_offset_is_learnt(void **state)
{
	struct fake_guest *g = add_with_offset(5, 600 * MIB, 68 * MIB);

	(void)state;
	run(2 * S);
	assert_int_equal(served(g)->offset_pages, 68 * MIB);
	grow(g, 300 * MIB);
	assert_int_equal(g->swap_out_pages, 0);
	run(2 * S);
	assert_int_equal(g->alloc_pages, g->balloon_target_pages + 68 * MIB);
	assert_int_equal(g->limit_pages, g->alloc_pages + MIB);
	assert_false(served(g)->offset.unexplained);
}

/* The page of a daemon that was killed in a growth: the guest isn't at rest. */
static void test_N5_offset_is_presumed_from_the_limit(void **state)
{
	struct fake_guest *g = add_with_offset(5, 600 * MIB, 68 * MIB);

	(void)state;
	fake_guest_mem_set(g, 800 * MIB);
	g->balloon_rate_pages = MIB;
	assert_int_equal(start(), 0);
	run(3 * S);
	assert_true(g->alloc_pages < 700 * MIB);
	assert_int_equal(served(g)->offset_pages, 68 * MIB);
	assert_false(served(g)->offset.known);
	g->balloon_rate_pages = GIB;
	run(2 * S);
	assert_true(served(g)->offset.known);
	assert_int_equal(g->alloc_pages, 868 * MIB);
}

static void test_N5_video_memory_explains_an_offset(void **state)
{
	struct fake_guest *g = add_with_offset(5, 512 * MIB, 129 * MIB);

	(void)state;
	fake_node_set(g, "memory/videoram", "131072", 6);
	run(3 * S);
	assert_int_equal(served(g)->offset_pages, 129 * MIB);
	assert_false(served(g)->offset.unexplained);
}

static void test_N5_video_memory_that_is_none(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	fake_node_set(g, "memory/videoram", "-1", 2);
	run(2 * S);
	assert_int_equal(served(g)->offset_pages, 0);
}

static void test_N5_unexplained_offset_has_a_name(void **state)
{
	struct fake_guest *g = add_with_offset(5, 512 * MIB, 129 * MIB);

	(void)state;
	run(1 * S);
	assert_false(served(g)->offset.unexplained);
	run(3 * S);
	assert_true(served(g)->offset.unexplained);
	assert_int_equal(served(g)->offset.unexplained_pages, 129 * MIB);
	assert_int_equal(served(g)->offset_pages, 0);
	/* Its video memory is there now. */
	g->alloc_pages -= 120 * MIB;
	g->offset_pages -= 120 * MIB;
	run(3 * S);
	assert_false(served(g)->offset.unexplained);
	assert_int_equal(served(g)->offset_pages, 9 * MIB);
}

/* It keeps what it was asked for, and says that it has given it. */
static void boast(struct fake_guest *g, uint64_t pages)
{
	g->used_pages -= pages;
	g->balloon_rate_pages = 0;
	g->boasts = true;
	run(90 * S);
	assert_true(g->balloon_target_pages <= g->alloc_pages - pages);
}

static void assert_kept_nothing(struct fake_guest *g, uint64_t pages)
{
	assert_int_equal(served(g)->offset_pages, 0);
	assert_int_equal(g->limit_pages, g->alloc_pages);
	assert_true(served(g)->debt.stuck);
	/* A reminder moves the target by a page. */
	assert_true(g->alloc_pages + MIB >= served(g)->target_pages + pages);
}

static void test_N5_I5_who_was_asked_for_memory_gains_no_offset(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	boast(g, 60 * MIB);
	assert_kept_nothing(g, 60 * MIB);
	assert_true(served(g)->offset.unexplained);
}

/* It was never at rest before. */
static void test_N5_I5_late_word_of_a_balloon_gains_no_offset(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	g->used_pages -= 60 * MIB;
	g->balloon_rate_pages = 0;
	g->offset_pages = 1;	/* in its own books only */
	run(60 * S);
	assert_false(served(g)->offset.seen_ns);
	g->offset_pages = 0;
	g->boasts = true;
	run(60 * S);
	assert_kept_nothing(g, 60 * MIB);
}

static void test_N5_I5_coming_again_gains_no_offset(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	boast(g, 60 * MIB);
	fake_guest_close(g);
	run(1 * S);
	assert_null(served(g));
	g->offered = g->mute = g->deaf = false;
	run(60 * S);
	assert_non_null(served(g));
	assert_kept_nothing(g, 60 * MIB);
}

static void test_N5_offset_moves_by_what_xen_adds(void **state)
{
	struct fake_guest *g = add_with_offset(5, 600 * MIB, 40 * MIB);

	(void)state;
	run(2 * S);
	for (int i = 0; i < 4; i++) {
		g->offset_pages += 5 * MIB;
		g->alloc_pages += 5 * MIB;
		run(5 * S);
	}
	assert_int_equal(served(g)->offset_pages, 55 * MIB);
	assert_true(served(g)->offset.unexplained);
}

/* ---- memory that is plugged in later ---- */

static void test_N6_hotplug_max_is_the_maximum(void **state)
{
	struct fake_guest *g = add(5, 400 * MIB);

	(void)state;
	fake_node_set(g, "memory/static-max", "409600", 6);
	fake_node_set(g, "memory/hotplug-max", "4096000", 7);
	run(2 * S);
	assert_int_equal(served(g)->static_max_pages, 4000 * MIB);
	grow(g, 540 * MIB);
	assert_int_equal(g->swap_out_pages, 0);
}

static void test_N6_maximum_is_the_larger_one(void **state)
{
	struct fake_guest *g = add(5, 400 * MIB), *h = add(6, 400 * MIB);

	(void)state;
	fake_node_set(g, "memory/hotplug-max", "409600", 6);
	fake_node_set(h, "memory/hotplug-max", "much", 4);
	run(2 * S);
	assert_int_equal(served(g)->static_max_pages, 4 * GIB);
	assert_int_equal(served(h)->static_max_pages, 4 * GIB);
}

static void test_S4_N6_maximum_of_the_guests_own_is_refused(void **state)
{
	static const char *const nodes[] = { "memory/hotplug-max",
					     "memory/videoram" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(nodes); i++) {
		struct fake_guest *g = add((uint16_t)(5 + i), 400 * MIB);

		g->writes = nodes[i];
		fake_node_set(g, nodes[i], "409600", 6);
		run(2 * S);
		assert_null(served(g));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(test_N1_guest_grows_beside_a_zombie),
		RUNNING(test_N1_guest_that_becomes_a_zombie_is_let_go),
		RUNNING(test_N1_guest_that_resumes_is_served_again),
		RUNNING(test_N2_guest_is_answered_during_a_build),
		STOPPED(test_N4_domains_beyond_the_table_are_counted_and_said),
		STOPPED(test_N4_guest_behind_many_domains_is_found),
		RUNNING(test_N5_large_offset_is_learnt),
		STOPPED(test_N5_offset_is_presumed_from_the_limit),
		RUNNING(test_N5_video_memory_explains_an_offset),
		RUNNING(test_N5_video_memory_that_is_none),
		RUNNING(test_N5_unexplained_offset_has_a_name),
		RUNNING(test_N5_I5_who_was_asked_for_memory_gains_no_offset),
		RUNNING(test_N5_I5_late_word_of_a_balloon_gains_no_offset),
		RUNNING(test_N5_I5_coming_again_gains_no_offset),
		RUNNING(test_N5_offset_moves_by_what_xen_adds),
		RUNNING(test_N6_hotplug_max_is_the_maximum),
		RUNNING(test_N6_maximum_is_the_larger_one),
		RUNNING(test_S4_N6_maximum_of_the_guests_own_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
