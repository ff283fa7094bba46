// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon while other threads do all they can: read what is published by RCU, and
 * kick. Torture, with real threads; time and everything else are the fake's.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <urcu.h>

/* ---- what store.c has allocated for its readers ---- */

#define LISTS_MAX	64

static void *list_of[LISTS_MAX];	/* NULL: free */
static atomic_uint lists, lists_most;

static void *make_list(size_t bytes)
{
	void *made = malloc(bytes);

	for (size_t i = 0; i < LISTS_MAX; i++) {
		if (list_of[i])
			continue;
		list_of[i] = made;
		if (atomic_fetch_add(&lists, 1) >= atomic_load(&lists_most))
			atomic_store(&lists_most, atomic_load(&lists));
		return made;
	}
	abort();
}

static void free_list(void *made)
{
	for (size_t i = 0; made && i < LISTS_MAX; i++)
		if (list_of[i] == made) {
			list_of[i] = NULL;
			atomic_fetch_sub(&lists, 1);
		}
	free(made);
}

#define malloc make_list
#define free free_list
#define run run_store
#include "store.c"
#undef malloc
#undef free
#undef run

#include "life.h"
#include "sync.h"

#define READERS		3
#define GUESTS		8
#define ROUNDS		1500
#define LINGER_US	200
#define STORMS		2
#define STORM_ROUNDS	2000
#define DESTROYED	50

static atomic_bool over;

/* ---- R11 ---- */

static bool is_whole(const struct cagma_quarantine *q)
{
	for (size_t i = 0; i < q->count; i++)
		if (q->entry[i].domid < 5 || q->entry[i].domid >= 5 + GUESTS ||
		    !q->entry[i].reason || !q->entry[i].refusals ||
		    strncmp(q->entry[i].name, "dom", 3))
			return false;
	return q->count <= GUESTS;
}

/* Its reads, or 0: something was wrong. Now and then it stays with what it reads. */
static void *read_quarantine(void *arg)
{
	uintptr_t reads = 0;
	bool good = true;

	(void)arg;
	rcu_register_thread();
	for (; good && !atomic_load(&over); reads++) {
		const struct cagma_quarantine *q;

		rcu_read_lock();
		q = cagma_store_quarantine(d.store);
		good = !q || is_whole(q);
		if (q && reads % 64 == 0)
			usleep(LINGER_US);
		good = good && (!q || is_whole(q));
		rcu_read_unlock();
		/* The writer waits for pauses, and may share our processor. */
		if (reads % 16 == 0)
			usleep(1);
	}
	rcu_unregister_thread();
	return (void *)(good ? reads : 0);
}

/* In quarantine, and with nothing to be said against it. */
static void toggle(struct fake_guest *g, unsigned int round)
{
	const char *text = round % 2 ? "nonsense" : "1 4000 15 77";

	if (round % 5)
		fake_node_set(g, "data/cagma/offer", text, strlen(text));
	else
		fake_node_remove(g, "data/cagma/offer");
}

/* However fast it changes and whoever reads: one list, and the one before. */
static void test_R11_churn_leaves_no_backlog(void **state)
{
	pthread_t reader[READERS];
	void *reads;

	(void)state;
	d.config.retry_max_ns = S;
	cagma_store_use(d.store, &d.config);
	for (uint16_t i = 0; i < GUESTS; i++)
		add((uint16_t)(5 + i), 512 * MIB)->no_module = true;
	atomic_store(&over, false);
	atomic_store(&lists_most, 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&reader[i], NULL,
						read_quarantine, NULL), 0);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		toggle(guest[round % GUESTS], round);
		run(500 * MS);
	}
	atomic_store(&over, true);
	for (int i = 0; i < READERS; i++) {
		pthread_join(reader[i], &reads);
		assert_true((uintptr_t)reads > 100);
	}
	assert_in_range(atomic_load(&lists_most), 1, 2);
	assert_int_equal(atomic_load(&lists), 1);
}

/* ---- R12 ---- */

static void *kick(void *arg)
{
	while (!atomic_load(&over))
		fake_channel_signal(arg);
	return NULL;
}

/* Rounds of the loop until an emergency of the guest is answered. */
static unsigned int rounds_until_answered(struct fake_guest *g)
{
	unsigned int rounds = 0;

	fake_guest_watch(g, UINT64_MAX);
	assert_true(g->event_open);
	while (g->event_open && ++rounds < 100)
		cagma_loop_once(&d.loop, 0);
	return rounds;
}

static uint64_t thread_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * S + (uint64_t)t.tv_nsec;
}

/* Other processors do nothing but kick, for a guest that has nothing to say. */
static void test_R12_storm_of_kicks_starves_nobody(void **state)
{
	struct fake_guest *storm = add(5, 512 * MIB), *good = add(6, 512 * MIB);
	unsigned int worst = 0, seconds = STORM_ROUNDS * STEP / S;
	uint64_t kicks, worst_ns = 0;
	pthread_t thread[STORMS];

	(void)state;
	run(2 * S);
	kicks = served(storm)->kicks;
	atomic_store(&over, false);
	for (int i = 0; i < STORMS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, kick,
						storm->channel), 0);
	for (unsigned int i = 0; i < STORM_ROUNDS; i++) {
		uint64_t begin_ns = thread_ns();

		fake_clock_advance(STEP);
		cagma_loop_once(&d.loop, 0);
		worst_ns = cagma_max(worst_ns, thread_ns() - begin_ns);
		if (i % 10 == 0)
			fake_guest_step(good);
		usleep(50);	/* the others may share our processor */
		if (i % 100 == 99)
			worst = (unsigned int)cagma_max(
				worst, rounds_until_answered(good));
	}
	atomic_store(&over, true);
	for (int i = 0; i < STORMS; i++)
		pthread_join(thread[i], NULL);
	assert_in_range(worst, 1, 2);
	/* It was a storm, and what was done for it is bounded. */
	assert_in_range(served(storm)->kicks - kicks, 10 * seconds,
			21 * (seconds + 1));
	/* Sanitizers slow it down, and a processor may be taken away. */
	assert_true(worst_ns < 100 * MS);
}

/* ---- L4 ---- */

/* What it publishes is of no use: that it changes while it is copied is. */
static void *publish(void *arg)
{
	struct fake_guest *g = arg;
	struct cagma_sample sample = fake_guest_look(g, CAGMA_REASON_PERIODIC);

	while (!atomic_load(&over))
		cagma_sample_write(g->page, g->head++, &sample);
	return NULL;
}

static void kick_and_serve(struct fake_guest *g)
{
	if (served(g))
		fake_guest_kick(g);
	fake_clock_advance(STEP);
	serve();
}

/* Xen keeps the page until dom0 lets go, which it does: nothing is read after that. */
static void test_L4_destroyed_while_its_page_is_copied(void **state)
{
	struct fake_guest *g;
	uint64_t seed = 1, lost = 0, rounds;
	pthread_t thread;

	(void)state;
	for (uint16_t i = 0; i < DESTROYED; i++) {
		g = add((uint16_t)(5 + i), 512 * MIB);
		run(S);
		assert_non_null(served(g));
		atomic_store(&over, false);
		assert_int_equal(pthread_create(&thread, NULL, publish, g), 0);
		for (rounds = unit_random_below(&seed, 32); rounds; rounds--)
			kick_and_serve(g);
		lost += served(g) ? served(g)->source->lost : 0;
		fake_guest_destroy(g);
		for (rounds = S / STEP; rounds; rounds--)
			kick_and_serve(g);
		atomic_store(&over, true);
		pthread_join(thread, NULL);
		assert_null(served(g));
		assert_int_equal(fake_mappings(), 0);
	}
	assert_true(lost > 0);	/* the guest was at work meanwhile */
}

/* ---- C4 ---- */

/* The store's thread is in a call that doesn't return: the loop sees that. */
static void test_C4_silent_xenstored_is_an_alarm(void **state)
{
	(void)state;
	add(5, 512 * MIB);
	run(2 * S);
	begin_work(d.store);
	fake_clock_advance(4 * S);
	cagma_loop_once(&d.loop, 0);
	assert_int_equal(d.state.xenstore, CAGMA_XENSTORE_OK);
	fake_clock_advance(2 * S);
	cagma_loop_once(&d.loop, 0);
	assert_int_equal(d.state.xenstore, CAGMA_XENSTORE_SILENT);
	assert_non_null(strstr(fake_log_last(), "xenstored doesn't answer"));
	run(S);
	assert_int_equal(d.state.xenstore, CAGMA_XENSTORE_OK);
	assert_non_null(strstr(fake_log_last(), "xenstored answers again"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(test_R11_churn_leaves_no_backlog),
		RUNNING(test_R12_storm_of_kicks_starves_nobody),
		RUNNING(test_L4_destroyed_while_its_page_is_copied),
		RUNNING(test_C4_silent_xenstored_is_an_alarm),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
