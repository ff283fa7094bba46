// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an event costs: how often Xen is asked and everybody is judged, and what the loop
 * and the store do with what they hand each other.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "fake_queue.h"
#include "life.h"
#include "sync.h"

/* ---- the queues between loop and store ---- */

static void test_W3_empty_and_not_yet_are_two_answers(void **state)
{
	struct cds_wfcq_node first, second, *before, *got;
	struct cagma_queue queue;

	(void)state;
	assert_int_equal(cagma_queue_init(&queue), 0);
	assert_int_equal(cagma_queue_pop(&queue, &got), -ENOENT);
	before = fake_queue_begin(&queue.tail, &first);
	assert_int_equal(cagma_queue_pop(&queue, &got), -EAGAIN);
	fake_queue_end(before, &first);
	/* What is complete can be out of reach, too. */
	before = fake_queue_begin(&queue.tail, &second);
	assert_int_equal(cagma_queue_pop(&queue, &got), -EAGAIN);
	fake_queue_end(before, &second);
	assert_int_equal(cagma_queue_pop(&queue, &got), 0);
	assert_ptr_equal(got, &first);
	assert_int_equal(cagma_queue_pop(&queue, &got), 0);
	assert_ptr_equal(got, &second);
	assert_int_equal(cagma_queue_pop(&queue, &got), -ENOENT);
	cagma_queue_destroy(&queue);
}

/* Its target changes, and it leaves, in one round of the loop. */
static void change_and_close(struct fake_guest *g)
{
	struct cagma_guest *s = served(g);

	cagma_actuate_shrink(&d.loop.actuator, s, s->target_pages - 10 * MIB);
	fake_guest_close(g);
	cagma_loop_once(&d.loop, 0);
	assert_null(served(g));
}

static void test_W3_guest_behind_a_push_that_is_not_done(void **state)
{
	struct fake_guest *a = add(5, 512 * MIB), *b = add(6, 512 * MIB);
	struct cds_wfcq_node *node, *before;
	struct cagma_queue *mirror;

	(void)state;
	run(2 * S);
	node = &served(b)->mirror_node;
	mirror = cagma_store_mirror(d.store);
	atomic_store(&served(b)->mirror_queued, true);
	atomic_store(&served(b)->mirror_kib, 400 * 1024);
	change_and_close(a);
	before = fake_queue_begin(&mirror->tail, node);
	cagma_store_step(d.store, cagma_now_ns());
	assert_int_equal(fake_mappings(), 1);
	fake_queue_end(before, node);
	cagma_store_step(d.store, cagma_now_ns());
	assert_string_equal(fake_node_get(a, "memory/target"), "514048");
	assert_string_equal(fake_node_get(b, "memory/target"), "409600");
}

/* Such a target isn't written again later: nobody has that guest any more. */
static void test_W3_guest_that_is_gone_is_not_mirrored_again(void **state)
{
	struct fake_guest *a = add(5, 512 * MIB), *b = add(6, 512 * MIB);
	struct cds_wfcq_node *node, *before;
	struct cagma_queue *mirror;

	(void)state;
	run(2 * S);
	node = &served(b)->mirror_node;
	mirror = cagma_store_mirror(d.store);
	atomic_store(&served(b)->mirror_queued, true);
	change_and_close(a);
	before = fake_queue_begin(&mirror->tail, node);
	cagma_store_step(d.store, cagma_now_ns());
	fake_queue_end(before, node);
	fake_fail_always(FAKE_XS_REPLACE, -EIO);
	cagma_store_step(d.store, cagma_now_ns());
	fake_fail_always(FAKE_XS_REPLACE, 0);
	run(5 * S);
}

/* What was attached when the loop had ended is closed as well. */
static void test_W3_link_that_the_loop_never_took(void **state)
{
	(void)state;
	run(2 * S);
	add(5, 512 * MIB);
	step_guests();
	fake_clock_advance(S);
	stop();
}

/* ---- the same with two threads ---- */

#define LIVES	20000
#define TOGETHER 8	/* guests at a time */

static atomic_uint closed;
static atomic_bool ended;

static void close_link(struct cagma_link *link)
{
	atomic_fetch_add(&closed, 1);
	free(link);
}

static const struct cagma_transport nothing = { .close = close_link };

static unsigned int chance(void)
{
	static _Thread_local uint32_t x = 1;

	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return x;
}

/* Sometimes the other one runs meanwhile, sometimes it runs for long. */
static void dawdle(void)
{
	unsigned int turns = chance() % 8 ? 0 : 1 + chance() % 4;

	while (turns--)
		sched_yield();
}

static struct cagma_link *make_link(void)
{
	struct cagma_link *link = calloc(1, sizeof(*link));

	assert_non_null(link);
	link->guest = calloc(1, sizeof(*link->guest));
	assert_non_null(link->guest);
	link->transport = &nothing;
	link->domid = 5;
	return link;
}

static void *serve_as_store(void *arg)
{
	uint64_t now_ns = cagma_now_ns();

	(void)arg;
	while (!atomic_load(&ended)) {
		cagma_store_step(d.store, now_ns);
		dawdle();
	}
	return NULL;
}

static void test_W3_loop_and_store_at_once(void **state)
{
	struct cagma_link *link[TOGETHER] = { NULL };
	pthread_t store;

	(void)state;
	atomic_store(&closed, 0);
	atomic_store(&ended, false);
	fake_queue_between = dawdle;
	assert_int_equal(pthread_create(&store, NULL, serve_as_store, NULL), 0);
	for (unsigned int i = 0; i < LIVES; i++) {
		struct cagma_link **one = &link[chance() % TOGETHER];

		if (!*one)
			*one = make_link();
		cagma_actuate_mirror(&d.loop.actuator, (*one)->guest);
		cagma_actuate_flush(&d.loop.actuator);
		if (chance() % 2)
			continue;
		cagma_queue_push(d.loop.released, &(*one)->handover_node);
		*one = NULL;
	}
	for (size_t i = 0; i < TOGETHER; i++)
		if (link[i])
			cagma_queue_push(d.loop.released,
					 &link[i]->handover_node);
	fake_queue_between = NULL;
	atomic_store(&ended, true);
	pthread_join(store, NULL);
	cagma_store_step(d.store, cagma_now_ns());
	assert_in_range(atomic_load(&closed), LIVES / 4, LIVES);
}

/* ---- a balloon at rest ---- */

static void test_W4_balloon_at_rest_short_of_its_target(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(5 * S);
	g->alloc_pages = g->balloon_target_pages + 3 * MIB / 2;
	g->limit_pages = g->alloc_pages;
	g->balloon_rate_pages = 0;
	run(2 * S);
	assert_int_equal(d.loop.tick_ns, d.config.tick_ns);
	assert_false(served(g)->debt.stuck);
}

/* Either memory is on its way, and it is seen whether it comes, or it is not. */
static void test_W4_on_its_way_is_what_is_owed(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(5 * S);
	g->balloon_rate_pages = 0;
	for (uint64_t pages = 0; pages <= 4 * MIB; pages += 64) {
		g->alloc_pages = g->balloon_target_pages + pages;
		g->limit_pages = g->alloc_pages;
		run(300 * MS);
		assert_int_equal(d.loop.tick_ns < d.config.tick_ns,
				 served(g)->debt.window_pages != 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(test_W3_empty_and_not_yet_are_two_answers),
		RUNNING(test_W3_guest_behind_a_push_that_is_not_done),
		RUNNING(test_W3_guest_that_is_gone_is_not_mirrored_again),
		RUNNING(test_W3_link_that_the_loop_never_took),
		RUNNING(test_W3_loop_and_store_at_once),
		RUNNING(test_W4_balloon_at_rest_short_of_its_target),
		RUNNING(test_W4_on_its_way_is_what_is_owed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
