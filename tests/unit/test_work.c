// SPDX-License-Identifier: GPL-2.0-only
/*
 * What an event costs: how often Xen is asked and everybody is judged, and what
 * the loop and the store do with what they hand each other.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "entitle.h"
#include "fake_queue.h"
#include "life.h"
#include "sync.h"
#include "units.h"

/* ---- how many passes there are ---- */

/* A pass, or a look of the tick, asks Xen for the host's memory once. */
static unsigned int looks_at_xen(void)
{
	return fake_calls(FAKE_XEN_HOST);
}

static void raise(struct fake_guest *g, enum cagma_reason reason)
{
	if (!g->event_open) {
		g->event++;
		g->event_open = true;
		g->raised_ns = cagma_now_ns();
	}
	fake_guest_publish(g, reason);
	if (cagma_kick_wanted(g->page))
		fake_guest_kick(g);
}

static void add_many(size_t count, uint64_t pages)
{
	for (size_t i = 0; i < count; i++)
		add((uint16_t)(i + 1), pages);
	run(3 * S);
	assert_int_equal(d.state.guest_count, count);
}

/* On a host that has as much again. */
static int begin_with_spare(void **state)
{
	begin(state);
	fake_xen_reset(2 * GIB + 400 * 256 * MIB, 2 * GIB);
	return start();
}

/* On a host that has nothing to spare: who is denied asks again and again. */
static int begin_without_spare(void **state)
{
	begin(state);
	fake_xen_reset(2 * GIB + 200 * 129 * MIB + 64 * MIB, 2 * GIB);
	return start();
}

static void test_W1_all_guests_short_at_once(void **state)
{
	unsigned int looks;

	(void)state;
	add_many(200, 128 * MIB);
	for (size_t i = 0; i < guest_count; i++) {
		guest[i]->used_pages += 30 * MIB;
		fake_guest_sample(guest[i]);
	}
	looks = looks_at_xen();
	cagma_loop_once(&d.loop, 0);
	assert_int_equal(looks_at_xen() - looks, 1);
	for (size_t i = 0; i < guest_count; i++) {
		assert_false(guest[i]->event_open);
		assert_int_equal(guest[i]->denials, 0);
		assert_true(guest[i]->balloon_target_pages > 128 * MIB);
	}
}

static void test_W1_tick_with_all_short_is_one_pass(void **state)
{
	unsigned int looks;

	(void)state;
	add_many(200, 128 * MIB);
	for (size_t i = 0; i < guest_count; i++)
		guest[i]->used_pages += 30 * MIB;
	step_guests();
	cagma_loop_once(&d.loop, 0);
	for (int i = 0; i < 8; i++) {
		step_guests();
		looks = looks_at_xen();
		fake_clock_advance(d.loop.tick_ns);
		cagma_loop_once(&d.loop, 0);
		assert_int_equal(looks_at_xen() - looks, 1);
	}
	for (size_t i = 0; i < guest_count; i++)
		assert_in_range(guest[i]->denials, 8, 10);
}

static void test_W1_many_that_come_at_once_are_listed_once(void **state)
{
	unsigned int looks = looks_at_xen();

	(void)state;
	for (uint16_t domid = 1; domid <= 200; domid++)
		add(domid, 24 * MIB)->used_pages = 0;
	step_guests();
	cagma_store_step(d.store, cagma_now_ns());
	cagma_loop_once(&d.loop, 0);
	assert_int_equal(d.state.guest_count, 200);
	assert_int_equal(looks_at_xen() - looks, 1);
}

/* The guest next to it isn't kept waiting, and is no cause for more. */
static void test_W1_guest_has_a_share_of_passes(void **state)
{
	const unsigned int seconds = 10;
	unsigned int looks, ticks = 4 * seconds;

	(void)state;
	add_many(400, 128 * MIB);
	looks = looks_at_xen();
	for (uint64_t i = 0; i < seconds * 100; i++) {
		fake_clock_advance(STEP);
		raise(guest[7], CAGMA_REASON_REQUEST);
		cagma_loop_once(&d.loop, 0);
	}
	looks = looks_at_xen() - looks;
	assert_in_range(looks, ticks + 4096 * seconds / 400,
			ticks + 4096 * (seconds + 4) / 400 + 1);
	guest[8]->used_pages += 30 * MIB;
	fake_guest_sample(guest[8]);
	cagma_loop_once(&d.loop, 0);
	assert_false(guest[8]->event_open);
	assert_true(guest[8]->balloon_target_pages > 128 * MIB);
}

/* It lacks something and has had its share: the periodic pass serves it. */
static void test_W1_share_that_is_used_up_delays_a_second(void **state)
{
	struct fake_guest *g = add(5, 128 * MIB);

	(void)state;
	run(3 * S);
	g->used_pages += 30 * MIB;
	served(g)->looks = INT32_MIN / 2;
	fake_guest_sample(g);
	cagma_loop_once(&d.loop, 0);
	assert_true(g->event_open);
	assert_false(served(g)->source->armed);
	run(d.config.period_ns);
	assert_false(g->event_open);
	assert_true(g->balloon_target_pages > 128 * MIB);
	assert_true(served(g)->source->armed);
}

/* Nobody is so poor that another's pass passes it by. */
static void test_W1_pass_of_another_serves_it_too(void **state)
{
	struct fake_guest *g = add(5, 128 * MIB), *other = add(6, 128 * MIB);

	(void)state;
	run(3 * S);
	g->used_pages += 30 * MIB;
	served(g)->looks = INT32_MIN / 2;
	fake_guest_sample(g);
	cagma_loop_once(&d.loop, 0);
	assert_true(g->event_open);
	other->used_pages += 30 * MIB;
	fake_guest_sample(other);
	cagma_loop_once(&d.loop, 0);
	assert_false(g->event_open);
	assert_false(other->event_open);
}

/* ---- events that lack nothing ---- */

/* A container at its limit, zram: there is swap traffic, and memory. */
static void test_W2_event_that_lacks_nothing_is_no_pass(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);
	unsigned int looks;

	(void)state;
	g->used_pages = 100 * MIB;
	run(3 * S);
	looks = looks_at_xen();
	for (uint64_t i = 1; i <= 10; i++) {
		raise(g, CAGMA_REASON_SWAP);
		cagma_loop_once(&d.loop, 0);
		assert_false(g->event_open);
		assert_int_equal(served(g)->answered, i);
		assert_true(served(g)->source->armed);
	}
	assert_int_equal(looks_at_xen(), looks);
	assert_int_equal(g->denials, 0);
}

static void test_W2_memory_that_is_on_its_way_is_not_lacking(void **state)
{
	struct fake_guest *g = add(5, 128 * MIB);
	unsigned int looks;

	(void)state;
	run(3 * S);
	g->balloon_rate_pages = 0;
	g->used_pages += 30 * MIB;
	fake_guest_sample(g);
	cagma_loop_once(&d.loop, 0);
	assert_true(g->balloon_target_pages > g->alloc_pages);
	looks = looks_at_xen();
	raise(g, CAGMA_REASON_DIRECT);
	cagma_loop_once(&d.loop, 0);
	assert_false(g->event_open);
	assert_int_equal(looks_at_xen(), looks);
}

static void test_W2_request_is_a_pass_within_its_share(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);
	unsigned int looks;

	(void)state;
	g->used_pages = 100 * MIB;
	run(3 * S);
	looks = looks_at_xen();
	raise(g, CAGMA_REASON_REQUEST);
	cagma_loop_once(&d.loop, 0);
	raise(g, CAGMA_REASON_OOM);
	cagma_loop_once(&d.loop, 0);
	assert_false(g->event_open);
	assert_int_equal(looks_at_xen() - looks, 2);
	served(g)->looks = 0;
	raise(g, CAGMA_REASON_REQUEST);
	cagma_loop_once(&d.loop, 0);
	assert_false(g->event_open);
	assert_int_equal(looks_at_xen() - looks, 2);
}

/* ---- how much a pass reckons ---- */

#define MANY	300

static struct cagma_guest_view view[MANY];
static struct cagma_decision decision[MANY];

static uint32_t random_state = 1;

static uint64_t below(uint64_t most)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 4) * most >> 28;
}

/* A host, mostly in a shortage; of every sort of guest. */
static struct cagma_host_view make_host(size_t count)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t target = (100 + below(900)) * MIB + below(MIB);
		uint64_t used = below(target + 100 * MIB);

		view[i] = (struct cagma_guest_view){
			.alloc_pages = target,
			.limit_pages = target,
			.target_pages = target,
			.available_pages = target - cagma_min(used, target),
			.used_pages = used,
			.used_donor_pages = used + below(50 * MIB),
			.used_release_pages = used + 50 * MIB +
					      below(500 * MIB),
			.growth_pages = below(200 * MIB),
			.task_pages = below(4) ? 0 : below(GIB),
			.swapped_pages = below(4) ? 0 : below(100 * MIB),
			.swap_in_pages = below(8) ? 0 : below(20 * MIB),
			.min_pages = below(200 * MIB),
			.max_pages = below(8) ? 2 * GIB : target,
			.weight = below(3) ? 256 : 1 + (uint32_t)below(10000),
			.settled_ns = UINT64_MAX,
			.yielded_ns = UINT64_MAX,
			.covered = below(2),
			.emergency = below(2),
			.held = !below(8),
		};
	}
	return (struct cagma_host_view){
		.spare_pages = below(3) ? below(100 * MIB) : below(100 * GIB),
		.overdrawn_pages = below(4) ? 0 : below(GIB),
		.reserve_pages = 128 * MIB,
		.hard_pages = 64 * MIB,
		.up_ns = UINT64_MAX,
	};
}

static uint64_t share_at(size_t i, uint64_t level)
{
	struct cagma_guest_view longer = view[i];
	uint64_t more = level * view[i].weight >> 14;

	longer.used_donor_pages = view[i].used_release_pages;
	return cagma_min(cagma_wish(&longer, decision[i].cma_pages),
			 view[i].min_pages + more);
}

/* By trial of every bit. */
static uint64_t level_for(size_t count, uint64_t pool)
{
	uint64_t level = 0;

	for (uint64_t bit = UINT64_C(1) << 50; bit; bit /= 2) {
		uint64_t sum = 0;

		for (size_t i = 0; i < count; i++)
			sum += view[i].held ? 0 : share_at(i, level + bit);
		level += sum <= pool ? bit : 0;
	}
	return level;
}

static void test_W1_entitlements_are_those_of_the_highest_level(void **state)
{
	unsigned int short_hosts = 0;

	(void)state;
	for (int round = 0; round < 1000; round++) {
		size_t count = 1 + below(round % 50 ? 20 : MANY);
		struct cagma_host_view host = make_host(count);
		uint64_t pool = host.spare_pages, wishes = 0, level;

		cagma_assess(&d.config.tuning, &host, view, count, decision);
		for (size_t i = 0; i < count; i++) {
			pool += view[i].held ? 0 : view[i].target_pages;
			wishes += view[i].held ? 0 :
				cagma_wish(&view[i], decision[i].cma_pages);
		}
		pool = cagma_less(pool, host.hard_pages + host.overdrawn_pages);
		if (wishes <= pool)
			continue;
		short_hosts++;
		level = level_for(count, pool);
		for (size_t i = 0; i < count; i++)
			assert_int_equal(decision[i].entitled_pages,
					 view[i].held ? view[i].target_pages :
						share_at(i, level));
	}
	assert_in_range(short_hosts, 100, 900);
}

/* An answer without a pass is no other than that of a pass. */
static void test_W2_who_lacks_nothing_is_given_nothing(void **state)
{
	const struct cagma_policy *policy = &cagma_policy_cagma;
	struct cagma_decision reply;
	unsigned int found = 0;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		size_t count = 1 + below(20);
		struct cagma_host_view host = make_host(count);

		policy->decide(&d.config.tuning, &host, view, count, false,
			       decision);
		for (size_t i = 0; i < count; i++) {
			if (!view[i].emergency ||
			    policy->lacks(&d.config.tuning, &view[i], &reply))
				continue;
			found++;
			assert_true(decision[i].target_pages <=
				    reply.target_pages);
			assert_int_equal(reply.target_pages,
					 view[i].target_pages);
			assert_int_equal(decision[i].unmet_pages, 0);
			assert_int_equal(reply.unmet_pages, 0);
			assert_int_equal(decision[i].cma_pages,
					 reply.cma_pages);
			assert_int_equal(decision[i].threshold_pages,
					 reply.threshold_pages);
		}
	}
	assert_true(found > 1000);
}

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

	cagma_actuate_shrink(&d.state.actuator, s, s->target_pages - 10 * MIB);
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
	atomic_store(&served(b)->mirror_wanted, true);
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
		cagma_actuate_mirror(&d.state.actuator, (*one)->guest);
		cagma_actuate_flush(&d.state.actuator);
		if (chance() % 2)
			continue;
		cagma_queue_push(d.state.released, &(*one)->handover_node);
		*one = NULL;
	}
	for (size_t i = 0; i < TOGETHER; i++)
		if (link[i])
			cagma_queue_push(d.state.released,
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

/*
 * Either memory is on its way, and it is seen whether it comes, or it is not.
 */
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
		cmocka_unit_test_setup_teardown(
			test_W1_all_guests_short_at_once,
			begin_with_spare, end),
		cmocka_unit_test_setup_teardown(
			test_W1_tick_with_all_short_is_one_pass,
			begin_without_spare, end),
		RUNNING(test_W1_many_that_come_at_once_are_listed_once),
		cmocka_unit_test_setup_teardown(
			test_W1_guest_has_a_share_of_passes,
			begin_with_spare, end),
		RUNNING(test_W1_share_that_is_used_up_delays_a_second),
		RUNNING(test_W1_pass_of_another_serves_it_too),
		RUNNING(test_W2_event_that_lacks_nothing_is_no_pass),
		RUNNING(test_W2_memory_that_is_on_its_way_is_not_lacking),
		RUNNING(test_W2_request_is_a_pass_within_its_share),
		STOPPED(test_W1_entitlements_are_those_of_the_highest_level),
		STOPPED(test_W2_who_lacks_nothing_is_given_nothing),
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
