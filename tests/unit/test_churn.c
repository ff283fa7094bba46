// SPDX-License-Identifier: GPL-2.0-only
/*
 * The daemon while other threads do all they can: read what is published by RCU, and
 * kick. Torture, with real threads; time and everything else are the fake's.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
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
#define READS		100	/* of each reader, at least */
#define LINGER_US	200
#define STORMS		2
#define STORM_ROUNDS	2000
#define DESTROYED	50

static atomic_bool over;
static atomic_ulong reads_of[READERS];

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

/* NULL: all was well. Now and then it stays with what it reads. */
static void *read_quarantine(void *arg)
{
	atomic_ulong *done = arg;
	bool good = true;

	rcu_register_thread();
	while (good && !atomic_load(&over)) {
		unsigned long reads = atomic_fetch_add(done, 1);
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
	return good ? NULL : done;
}

static bool all_have_read(void)
{
	for (int i = 0; i < READERS; i++)
		if (atomic_load(&reads_of[i]) < READS)
			return false;
	return true;
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
	int64_t start_s = unit_now_s();
	void *bad;

	(void)state;
	d.config.retry_max_ns = S;
	cagma_store_use(d.store, &d.config);
	for (uint16_t i = 0; i < GUESTS; i++)
		add((uint16_t)(5 + i), 512 * MIB)->no_module = true;
	atomic_store(&over, false);
	atomic_store(&lists_most, 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&reader[i], NULL, read_quarantine,
						&reads_of[i]), 0);
	for (unsigned int round = 0; round < ROUNDS ||
	     (!all_have_read() && !unit_is_late(start_s)); round++) {
		toggle(guest[round % GUESTS], round);
		run(500 * MS);
	}
	atomic_store(&over, true);
	for (int i = 0; i < READERS; i++) {
		pthread_join(reader[i], &bad);
		assert_null(bad);
	}
	assert_true(all_have_read());
	assert_in_range(atomic_load(&lists_most), 1, 2);
	assert_int_equal(atomic_load(&lists), 1);
}

/* ---- R12 ---- */

static atomic_ulong kicks_sent;

static void *kick(void *arg)
{
	for (; !atomic_load(&over); atomic_fetch_add(&kicks_sent, 1))
		fake_channel_signal(arg);
	return NULL;
}

/* False: nobody kicks any more. The others may share our processor. */
static bool await_kick(void)
{
	unsigned long sent = atomic_load(&kicks_sent);
	int64_t start_s = unit_now_s();

	/* The first may have been on its way already. */
	while (atomic_load(&kicks_sent) < sent + 2 && !unit_is_late(start_s))
		usleep(50);
	return atomic_load(&kicks_sent) >= sent + 2;
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

/* Other processors do nothing but kick, for a guest that has nothing to say. */
static void test_R12_storm_of_kicks_starves_nobody(void **state)
{
	struct fake_guest *storm = add(5, 512 * MIB), *good = add(6, 512 * MIB);
	unsigned int worst = 0, seconds = STORM_ROUNDS * STEP / S;
	unsigned int takes, most_takes = 0;
	pthread_t thread[STORMS];
	bool stormy = true;
	uint64_t kicks;

	(void)state;
	run(2 * S);
	kicks = served(storm)->kicks;
	atomic_store(&over, false);
	for (int i = 0; i < STORMS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, kick,
						storm->channel), 0);
	for (unsigned int i = 0; stormy && i < STORM_ROUNDS; i++) {
		fake_clock_advance(STEP);
		takes = fake_calls(FAKE_CHANNEL_TAKE);
		cagma_loop_once(&d.loop, 0);
		takes = fake_calls(FAKE_CHANNEL_TAKE) - takes;
		most_takes = (unsigned int)cagma_max(most_takes, takes);
		if (i % 10 == 0)
			fake_guest_step(good);
		stormy = await_kick();
		if (i % 100 == 99)
			worst = (unsigned int)cagma_max(
				worst, rounds_until_answered(good));
	}
	atomic_store(&over, true);
	for (int i = 0; i < STORMS; i++)
		pthread_join(thread[i], NULL);
	assert_true(stormy);
	assert_in_range(worst, 1, 2);
	/* It was a storm, and what was done for it is bounded. */
	assert_in_range(served(storm)->kicks - kicks, 10 * seconds,
			21 * (seconds + 1));
	/* A round looks once at each guest, and doesn't follow who kicks on. */
	assert_in_range(most_takes, 1, 2);
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

/* Goes on when the guest has overtaken the daemon once more: it is at work. */
static bool is_overtaken(struct fake_guest *g)
{
	uint64_t lost = served(g)->source->lost;
	uint32_t head = cagma_head_read(g->page);
	int64_t start_s = unit_now_s();

	while (cagma_head_read(g->page) - head <= CAGMA_SLOT_COUNT &&
	       !unit_is_late(start_s))
		sched_yield();
	kick_and_serve(g);
	return served(g) && served(g)->source->lost > lost;
}

/* Xen keeps the page until dom0 lets go, which it does: nothing is read after that. */
static void test_L4_destroyed_while_its_page_is_copied(void **state)
{
	struct fake_guest *g;
	uint64_t seed = 1, rounds;
	bool overtaken = true;
	pthread_t thread;

	(void)state;
	for (uint16_t i = 0; i < DESTROYED; i++) {
		g = add((uint16_t)(5 + i), 512 * MIB);
		run(S);
		assert_non_null(served(g));
		atomic_store(&over, false);
		assert_int_equal(pthread_create(&thread, NULL, publish, g), 0);
		overtaken = overtaken && is_overtaken(g);
		for (rounds = unit_random_below(&seed, 32); rounds; rounds--)
			kick_and_serve(g);
		fake_guest_destroy(g);
		for (rounds = S / STEP; rounds; rounds--)
			kick_and_serve(g);
		atomic_store(&over, true);
		pthread_join(thread, NULL);
		assert_null(served(g));
		assert_int_equal(fake_mappings(), 0);
	}
	assert_true(overtaken);
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
