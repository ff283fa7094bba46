// SPDX-License-Identifier: GPL-2.0-only
/*
 * The collector's queue, as the module has it: writers and readers at once on
 * few slots. Every record arrives once, whole and in its writer's order, or is
 * counted as lost. `make check` also builds this file with each MUTANT_* of
 * ring_backend.h and expects those programs to fail.
 */
#define CAGMA_RING_BACKEND "ring_backend.h"

#include "../../bench/collector/ring.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "unit.h"

#define SLOTS		16
#define WRITERS		3
#define READERS		2
#define RECORDS		60000	/* of each writer */
#define RECORDS_MIN	3000	/* if the machine is busy */
#define SECONDS_MAX	3

_Thread_local unsigned int ring_turn;
_Thread_local struct late_copy ring_late;

static struct cagma_ring_slot slots[SLOTS];
static struct cagma_ring ring;

static struct {
	atomic_uint writing;	/* writers that are not done */
	atomic_ulong tried, lost, taken, broken, disordered;
	atomic_uchar seen[WRITERS][RECORDS];
} test;

static void make_record(struct cagma_record *record, uint32_t writer,
			uint64_t number)
{
	record->pid = writer;
	record->time_ns = number;
	record->length = 1 + (uint32_t)(number % CAGMA_RECORD_BYTES);
	memset(record->text, (int)(' ' + (writer + number) % 90),
	       sizeof(record->text));
}

static bool is_whole(const struct cagma_record *record)
{
	struct cagma_record expected;

	if (record->pid >= WRITERS || record->time_ns >= RECORDS)
		return false;
	make_record(&expected, record->pid, record->time_ns);
	return !memcmp(record, &expected, sizeof(expected));
}

static void *writer(void *id)
{
	const uint32_t me = (uint32_t)(uintptr_t)id;
	const int64_t end_s = unit_now_s() + SECONDS_MAX;
	struct cagma_record record = { 0 };

	for (uint64_t n = 0; n < RECORDS; n++) {
		if (n >= RECORDS_MIN && !(n % 256) && unit_now_s() > end_s)
			break;
		make_record(&record, me, n);
		test.tried++;
		if (!cagma_ring_put(&ring, &record)) {
			test.lost++;
			sched_yield();
		}
	}
	test.writing--;
	return NULL;
}

static void note(const struct cagma_record *record, uint64_t *newest)
{
	if (!is_whole(record)) {
		test.broken++;
		return;
	}
	test.seen[record->pid][record->time_ns]++;
	if (record->time_ns < newest[record->pid])
		test.disordered++;
	newest[record->pid] = record->time_ns;
}

static void *reader(void *unused)
{
	uint64_t newest[WRITERS] = { 0 };
	struct cagma_record record;
	uint32_t position;

	(void)unused;
	for (;;) {
		bool last = !test.writing;

		while (cagma_ring_take(&ring, &record, &position)) {
			test.taken++;
			note(&record, newest);
		}
		if (last)
			return NULL;
		sched_yield();
	}
}

static void run_threads(void)
{
	pthread_t thread[WRITERS + READERS];

	memset(&test, 0, sizeof(test));
	test.writing = WRITERS;
	cagma_ring_init(&ring, slots, SLOTS);
	for (uintptr_t i = 0; i < WRITERS + READERS; i++)
		assert_int_equal(0, pthread_create(&thread[i], NULL,
						   i < WRITERS ? writer : reader,
						   (void *)i));
	for (size_t i = 0; i < WRITERS + READERS; i++)
		pthread_join(thread[i], NULL);
}

static void test_every_record_arrives_once_or_is_lost(void **state)
{
	unsigned long twice = 0;

	(void)state;
	run_threads();
	for (size_t w = 0; w < WRITERS; w++)
		for (size_t n = 0; n < RECORDS; n++)
			twice += test.seen[w][n] > 1;
	assert_int_equal(0, test.broken);
	assert_int_equal(0, test.disordered);
	assert_int_equal(0, twice);
	assert_int_equal(test.tried, test.taken + test.lost);
	assert_true(test.taken > 0);
	assert_true(cagma_ring_is_empty(&ring));
}

static void test_full_and_empty_are_said(void **state)
{
	struct cagma_record record = { .length = 1 };
	uint32_t position;

	(void)state;
	cagma_ring_init(&ring, slots, SLOTS);
	assert_true(cagma_ring_is_empty(&ring));
	assert_false(cagma_ring_take(&ring, &record, &position));
	for (uint64_t i = 0; i < SLOTS; i++) {
		assert_false(cagma_ring_is_full(&ring));
		make_record(&record, 0, i);
		assert_true(cagma_ring_put(&ring, &record));
	}
	assert_true(cagma_ring_is_full(&ring));
	assert_false(cagma_ring_put(&ring, &record));
	for (uint64_t i = 0; i < SLOTS; i++) {
		assert_true(cagma_ring_take(&ring, &record, &position));
		assert_int_equal(i, position);
		assert_int_equal(i, record.time_ns);
		assert_true(is_whole(&record));
	}
	assert_false(cagma_ring_take(&ring, &record, &position));
}

/* Positions are 32 bits: 20 slots before they wrap, and on. */
static void test_positions_wrap(void **state)
{
	struct cagma_record record = { 0 };
	uint32_t position, start = -20u;

	(void)state;
	cagma_ring_init(&ring, slots, SLOTS);
	ring.head = ring.tail = start;
	for (uint32_t i = 0; i < SLOTS; i++)
		cagma_ring_slot(&ring, start + i)->seq = start + i;
	for (uint32_t i = 0; i < 4 * SLOTS; i++) {
		make_record(&record, 1, i);
		assert_true(cagma_ring_put(&ring, &record));
		make_record(&record, 2, i);
		assert_true(cagma_ring_put(&ring, &record));
		assert_true(cagma_ring_take(&ring, &record, &position));
		assert_int_equal(start + 2 * i, position);
		assert_int_equal(1, record.pid);
		assert_true(cagma_ring_take(&ring, &record, &position));
		assert_int_equal(2, record.pid);
	}
	assert_true(cagma_ring_is_empty(&ring));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_full_and_empty_are_said),
		cmocka_unit_test(test_positions_wrap),
		cmocka_unit_test(test_every_record_arrives_once_or_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
