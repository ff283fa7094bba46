// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two threads on one page, through shared/sync.h as it is shipped. The words
 * of a record are tied to its number by arithmetic; a reader that accepts a
 * mixture is caught. `make check` also builds this file with each MUTANT_* of
 * torture_sync.h and expects those programs to fail.
 */
#define CAGMA_SYNC_BACKEND "torture_sync.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#include "sync.h"
#include "unit.h"

#define READS		100000
#define READS_MIN	1000	/* if the machine is busy */
#define SECONDS_MAX	2
#define PAUSE		1024	/* of a writer, so that readers succeed */
#define FACTOR		UINT64_C(0x9e3779b97f4a7c15)

_Thread_local uint32_t torture_acquired;
_Thread_local bool torture_checking;
static _Thread_local uint64_t seed;	/* 0: this thread is never delayed */

static struct cagma_page page;
static atomic_bool stop;

static void spin(uint64_t turns)
{
	for (volatile uint64_t i = 0; i < turns; i++)
		;
}

void torture_delay(void)
{
	uint64_t dice;

	if (!seed)
		return;
	dice = unit_random_below(&seed, 4096);
	if (dice < 64)
		spin(dice);
	else if (dice == 64)
		sched_yield();
}

static void tie(void *body, size_t words, uint64_t number)
{
	uint64_t *word = body;

	for (size_t i = 0; i < words; i++)
		word[i] = number * FACTOR + i;
}

static bool is_tied(const void *body, size_t words, uint64_t number)
{
	const uint64_t *word = body;

	for (size_t i = 0; i < words; i++)
		if (word[i] != number * FACTOR + i)
			return false;
	return true;
}

static void *write_samples(void *arg)
{
	struct cagma_sample sample;

	(void)arg;
	seed = 1;
	for (uint32_t n = 0; !atomic_load(&stop); n++) {
		tie(&sample, sizeof(sample) / 8, n);
		cagma_sample_write(&page, n, &sample);
		spin(unit_random_below(&seed, PAUSE));
	}
	return NULL;
}

static void *write_mails(void *arg)
{
	struct cagma_mail mail;

	(void)arg;
	seed = 1;
	for (uint32_t seq = 2; !atomic_load(&stop); seq += 2) {
		tie(&mail, sizeof(mail) / 8, seq);
		cagma_mail_write(&page, seq, &mail);
		spin(unit_random_below(&seed, PAUSE));
	}
	return NULL;
}

static pthread_t start(void *(*run)(void *))
{
	pthread_t thread;

	memset(&page, 0, sizeof(page));
	atomic_store(&stop, false);
	assert_int_equal(pthread_create(&thread, NULL, run, NULL), 0);
	return thread;
}

static void finish(pthread_t thread)
{
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
	seed = 0;
}

/* Has the reader tortured itself enough, or long enough? */
static bool is_enough(unsigned int good, time_t start_s)
{
	return good == READS || time(NULL) - start_s > SECONDS_MAX;
}

/* Anywhere in the ring, the slot that is being written included. */
static uint32_t some_sample(void)
{
	uint32_t head = cagma_head_read(&page);

	return head - (uint32_t)unit_random_below(&seed, CAGMA_SLOT_COUNT + 1);
}

static void test_D3_sample_is_never_torn(void **state)
{
	pthread_t writer = start(write_samples);
	unsigned int good = 0, torn = 0;
	time_t start_s = time(NULL);
	struct cagma_sample sample;

	(void)state;
	while (cagma_head_read(&page) < CAGMA_SLOT_COUNT)
		sched_yield();
	seed = 2;
	while (!is_enough(good, start_s)) {
		uint32_t n = some_sample();

		if (cagma_sample_read(&page, n, &sample)) {
			sched_yield();
			continue;
		}
		good++;
		torn += !is_tied(&sample, sizeof(sample) / 8, n);
	}
	finish(writer);
	assert_int_equal(torn, 0);
	assert_true(good >= READS_MIN);
}

static void test_D3_mail_is_never_torn(void **state)
{
	pthread_t writer = start(write_mails);
	unsigned int good = 0, torn = 0;
	time_t start_s = time(NULL);
	struct cagma_mail mail;
	uint32_t seq;

	(void)state;
	seed = 2;
	while (!is_enough(good, start_s)) {
		if (cagma_mail_read(&page, &seq, &mail) || !seq) {
			sched_yield();
			continue;
		}
		good++;
		torn += !is_tied(&mail, sizeof(mail) / 8, seq);
	}
	finish(writer);
	assert_int_equal(torn, 0);
	assert_true(good >= READS_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_D3_sample_is_never_torn),
		cmocka_unit_test(test_D3_mail_is_never_torn),
	};

	return cmocka_run_group_tests_name("torture", tests, NULL, NULL);
}
