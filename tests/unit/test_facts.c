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
	assert_int_equal(d.state.actuator.spare_pages, fake_free_pages());
}

static void test_N1_guest_that_resumes_is_served_again(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->shut_down = true;
	run(2 * S);
	assert_null(served(g));
	assert_int_equal(d.state.actuator.spare_pages,
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
	assert_true(d.state.actuator.spare_pages >= (int64_t)(390 * MIB));
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
	assert_int_equal(d.state.domain_count, MANY + 1);
	assert_int_equal(d.state.actuator.spare_pages,
			 (int64_t)fake_free_pages() - (int64_t)promised);
	cagma_status_fill(&status, &d.state);
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

/* ---- a guest's word about its own aim ---- */

static struct fake_guest *hog;

/* As honest as it is, but for what it aims at. */
static void run_with_liar(uint64_t ns, uint64_t aim_pages)
{
	for (uint64_t end_ns = cagma_now_ns() + ns; cagma_now_ns() < end_ns;) {
		fake_clock_advance(STEP);
		if (cagma_now_ns() % PERIOD == 0) {
			fake_guest_live(hog);
			if (aim_pages)
				hog->balloon_target_pages = aim_pages;
			fake_guest_sample(hog);
			step_guests();
		}
		serve();
	}
}

static bool was_taken_over(const struct fake_guest *g)
{
	const struct cagma_records *r = &served(g)->records;

	for (uint32_t i = 0; i < cagma_records_kept(r); i++)
		if (cagma_records_get(r, i)->decision.why == CAGMA_WHY_FOREIGN)
			return true;
	return false;
}

static int begin_liar(void **state)
{
	begin(state);
	hog = fake_guest_add(5, 4 * GIB, 4 * GIB);
	hog->used_pages = 3 * GIB;
	if (start())
		return -1;
	run_with_liar(3 * S, 0);
	hog->used_pages = 200 * MIB;
	hog->balloon_rate_pages = 0;
	return 0;
}

static void test_N7_word_of_an_aim_forgives_no_debt(void **state)
{
	unsigned int asked;

	(void)state;
	run_with_liar(60 * S, 4 * GIB);
	assert_false(was_taken_over(hog));
	assert_true(served(hog)->target_pages < GIB);
	assert_true(served(hog)->debt.stuck);
	/* And it keeps nobody at work: xenstore is asked less and less. */
	asked = fake_node_reads(hog, "memory/target");
	run_with_liar(120 * S, 4 * GIB);
	assert_in_range(fake_node_reads(hog, "memory/target") - asked, 1, 3);
}

/* Of 60 s, in tenths; it is honest in every `rest`th. */
static unsigned int tenths_held(unsigned int rest)
{
	unsigned int held = 0;

	for (unsigned int i = 0; i < 600; i++) {
		run_with_liar(100 * MS, i % rest ? 4 * GIB :
						   served(hog)->target_pages);
		held += cagma_foreign_is_likely(served(hog), cagma_now_ns());
	}
	return held;
}

/*
 * Who says so all the time, or now and then, is held for a fifth of it at most.
 */
static void test_N7_word_of_an_aim_holds_nobody_up_for_long(void **state)
{
	(void)state;
	run_with_liar(30 * S, 0);
	assert_in_range(tenths_held(600), 1, 150);
	assert_in_range(tenths_held(8), 1, 150);
	assert_true(served(hog)->target_pages < GIB);
}

static void test_N7_xenstore_that_says_nothing_confirms_nothing(void **state)
{
	(void)state;
	run_with_liar(3 * S, 0);
	fake_fail_always(FAKE_XS_READ, -EIO);
	run_with_liar(30 * S, 4 * GIB);
	assert_false(was_taken_over(hog));
	fake_fail_always(FAKE_XS_READ, 0);
}

/*
 * What xenstore has is our own target from before it failed, and the guest's
 * aim.
 */
static void test_N7_our_own_old_target_confirms_nothing(void **state)
{
	(void)state;
	fake_fail_always(FAKE_XS_REPLACE, -EIO);
	run_with_liar(30 * S, 4 * GIB);
	assert_true(served(hog)->target_pages < GIB);
	assert_int_equal(strtoull(fake_node_get(hog, "memory/target"), NULL,
				  10), 4 * 4 * GIB);
	assert_false(was_taken_over(hog));
	fake_fail_always(FAKE_XS_REPLACE, 0);
}

/* The loop alone: the store has other work, or waits for xenstore. */
static void look_at_liar(uint64_t aim_pages)
{
	fake_clock_advance(250 * MS);
	fake_guest_live(hog);
	hog->balloon_target_pages = aim_pages;
	fake_guest_sample(hog);
	cagma_loop_once(&d.loop, 0);
}

/* What xenstore told was our target when it was asked, and isn't any more. */
static void test_N7_our_own_target_of_before_confirms_nothing(void **state)
{
	uint64_t old_pages;

	(void)state;
	run_with_liar(30 * S, 0);
	for (int i = 0; i < 8 && !served(hog)->foreign.asked; i++)
		look_at_liar(4 * GIB);
	assert_true(served(hog)->foreign.asked);
	old_pages = served(hog)->target_pages;
	cagma_store_step(d.store, cagma_now_ns());
	cagma_actuate_shrink(&d.state.actuator, served(hog), old_pages - MIB);
	look_at_liar(old_pages);
	assert_false(was_taken_over(hog));
	assert_int_equal(served(hog)->target_pages, old_pages - MIB);
}

/* An answer to a question from before, when xenstore had another target. */
static void test_N7_late_answer_confirms_nothing(void **state)
{
	struct cagma_guest *g;

	(void)state;
	run_with_liar(30 * S, 0);
	g = served(hog);
	for (int i = 0; i < 8 && !g->foreign.asked; i++)
		look_at_liar(4 * GIB);
	look_at_liar(g->target_pages);		/* it is honest again */
	assert_false(g->foreign.asked);
	for (int i = 0; i < 8 && !g->foreign.asked; i++)
		look_at_liar(3 * GIB);
	assert_true(g->foreign.asked);
	/* Only now the store has read for the first question. */
	atomic_store(&g->told_pages, 3 * GIB);
	atomic_store(&g->told_seq, atomic_load(&g->ask_seq) - 1);
	look_at_liar(3 * GIB);
	assert_false(was_taken_over(hog));
	cagma_store_step(d.store, cagma_now_ns());
	look_at_liar(3 * GIB);
	assert_false(was_taken_over(hog));
}

/* With a new page it would be believed as after a restart of the daemon. */
static void test_N7_coming_again_forgives_no_debt(void **state)
{
	(void)state;
	run_with_liar(30 * S, 4 * GIB);
	assert_true(served(hog)->debt.stuck);
	fake_guest_close(hog);
	run(1 * S);
	assert_null(served(hog));
	hog->offered = hog->mute = hog->deaf = false;
	run_with_liar(3 * S, 4 * GIB);
	assert_non_null(served(hog));
	assert_true(served(hog)->target_pages < GIB);
}

/* The mail of the daemon that was killed is newer than what xenstore has. */
static void test_N7_after_a_restart_the_guest_is_believed_once(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	g->balloon_target_pages = 500 * MIB;
	g->alloc_pages = 500 * MIB;
	g->used_pages = 452 * MIB;
	assert_int_equal(start(), 0);
	run(1 * S);
	assert_int_equal(served(g)->target_pages, 500 * MIB);
	assert_int_equal(strtoull(fake_node_get(g, "memory/target"), NULL, 10),
			 4 * 500 * MIB);
}

static void test_N7_what_the_operator_sets_is_taken_over(void **state)
{
	(void)state;
	hog->balloon_rate_pages = 4 * GIB;
	run_with_liar(30 * S, 4 * GIB);		/* it lied before */
	hog->used_pages = 900 * MIB;
	run_with_liar(5 * S, 0);
	fake_guest_mem_set(hog, 2 * GIB);
	run_with_liar(70 * S, 0);
	assert_true(was_taken_over(hog));
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
		cmocka_unit_test_setup_teardown(
			test_N7_word_of_an_aim_forgives_no_debt, begin_liar,
			end),
		cmocka_unit_test_setup_teardown(
			test_N7_word_of_an_aim_holds_nobody_up_for_long,
			begin_liar, end),
		cmocka_unit_test_setup_teardown(
			test_N7_xenstore_that_says_nothing_confirms_nothing,
			begin_liar, end),
		cmocka_unit_test_setup_teardown(
			test_N7_our_own_old_target_confirms_nothing,
			begin_liar, end),
		cmocka_unit_test_setup_teardown(
			test_N7_our_own_target_of_before_confirms_nothing,
			begin_liar, end),
		cmocka_unit_test_setup_teardown(
			test_N7_late_answer_confirms_nothing, begin_liar,
			end),
		cmocka_unit_test_setup_teardown(
			test_N7_coming_again_forgives_no_debt, begin_liar,
			end),
		STOPPED(test_N7_after_a_restart_the_guest_is_believed_once),
		cmocka_unit_test_setup_teardown(
			test_N7_what_the_operator_sets_is_taken_over,
			begin_liar, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
