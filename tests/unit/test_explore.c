// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every order in which two sides can run through shared/sync.h, on a machine
 * with store buffers and early loads, one order after the other: what a stress
 * test on x86 cannot show. `make check` also builds this file with each MUTANT_* of
 * explore_sync.h and expects those programs to fail.
 */
#define CAGMA_SYNC_BACKEND "explore_sync.h"

#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "paths.h"
#include "sync.h"
#include "unit.h"

#define STACK_BYTES	(256 * 1024)
#define BUFFER_MAX	16
#define WRITES_MAX	32

/* ---- the machine ---- */

struct pending {
	void *to;		/* NULL: a barrier between stores */
	uint64_t value;
	size_t size;
};

/* What has reached memory. The time of this machine is their number. */
static struct {
	void *to;
	uint64_t before;
} written[WRITES_MAX];
static size_t now;

struct side {
	ucontext_t context;
	void (*run)(void);
	char *stack;
	bool done;
	struct pending pending[BUFFER_MAX];
	size_t pending_count;
	size_t floor;		/* no load happens before this time */
	size_t latest_load;	/* and this is the latest of those done */
	size_t seen[WRITES_MAX];	/* of `written` */
	size_t seen_count;
};

static struct side side[2];
static struct side *running;
static ucontext_t scheduler;

static void remove_pending(struct side *s, size_t i)
{
	s->pending_count--;
	memmove(&s->pending[i], &s->pending[i + 1],
		(s->pending_count - i) * sizeof(s->pending[0]));
}

/* May the i-th store reach memory before the stores that came earlier? */
static bool may_flush(const struct side *s, size_t i)
{
	for (size_t j = 0; j < i; j++)
		if (!s->pending[j].to || s->pending[j].to == s->pending[i].to)
			return false;
	return s->pending[i].to != NULL;
}

static void remember_seen(struct side *s, size_t w)
{
	if (s->seen_count == WRITES_MAX)
		abort();
	s->seen[s->seen_count++] = w;
}

static void flush(struct side *s, size_t i)
{
	const struct pending *p = &s->pending[i];

	if (now == WRITES_MAX)
		abort();
	written[now].to = p->to;
	written[now].before = 0;
	memcpy(&written[now].before, p->to, p->size);
	memcpy(p->to, &p->value, p->size);
	remember_seen(s, now++);
	remove_pending(s, i);
	while (s->pending_count && !s->pending[0].to)
		remove_pending(s, 0);
}

static void flush_all(struct side *s)
{
	while (s->pending_count)
		flush(s, 0);
}

static void push(struct side *s, void *to, uint64_t value, size_t size)
{
	if (s->pending_count == BUFFER_MAX)
		abort();
	s->pending[s->pending_count++] = (struct pending){ to, value, size };
}

static void let_others_run(void)
{
	swapcontext(&running->context, &scheduler);
}

/* The earliest time at which a load of `from` may happen. */
static size_t earliest(const struct side *s, const void *from)
{
	size_t time = s->floor;

	/* A word never goes back for who has seen it. */
	for (size_t i = 0; i < s->seen_count; i++)
		if (written[s->seen[i]].to == from && s->seen[i] + 1 > time)
			time = s->seen[i] + 1;
	return time;
}

/*
 * Writes to `from` since the earliest time; the load misses so many of them.
 * It happens as early as it can with that value: that binds later loads least.
 */
static size_t load_time(const struct side *s, const void *from)
{
	size_t first = earliest(s, from), missed, i;
	unsigned int versions = 1;

	for (i = first; i < now; i++)
		versions += written[i].to == from;
	missed = choose(versions);
	for (i = now; i > first && missed; i--)
		missed -= written[i - 1].to == from;
	/* The value holds from the write before on. */
	while (i > first && written[i - 1].to != from)
		i--;
	return i;
}

static uint64_t value_at(size_t time, const void *from, size_t size)
{
	uint64_t value = 0;

	memcpy(&value, from, size);
	for (size_t i = now; i-- > time;)
		if (written[i].to == from)
			value = written[i].before;
	return value;
}

static uint64_t load(const void *from, size_t size, bool acquire)
{
	size_t time;

	let_others_run();
	for (size_t i = running->pending_count; i-- > 0;)
		if (running->pending[i].to == from)
			return running->pending[i].value;
	time = load_time(running, from);
	if (time && written[time - 1].to == from)
		remember_seen(running, time - 1);
	if (time > running->latest_load)
		running->latest_load = time;
	if (acquire && time > running->floor)
		running->floor = time;
	return value_at(time, from, size);
}

uint64_t explore_load(const void *from, size_t size)
{
	return load(from, size, false);
}

uint64_t explore_load_acquire(const void *from, size_t size)
{
	return load(from, size, true);
}

/* Nobody sees it before it leaves the buffer: not a point to switch at. */
void explore_store(void *to, uint64_t value, size_t size)
{
	push(running, to, value, size);
}

void explore_store_barrier(void)
{
	if (running->pending_count)
		push(running, NULL, 0, 0);
}

void explore_load_barrier(void)
{
	running->floor = running->latest_load;
}

void explore_full_barrier(void)
{
	let_others_run();
	flush_all(running);
	running->floor = running->latest_load = now;
}

/* ---- all orders, depth first ---- */

/* Counts what can happen next; lets the `pick`-th of these happen. */
static unsigned int happen(unsigned int pick)
{
	unsigned int count = 0;

	for (size_t i = 0; i < ARRAY_SIZE(side); i++) {
		struct side *s = &side[i];

		if (!s->done && count++ == pick) {
			running = s;
			swapcontext(&scheduler, &s->context);
			return count;
		}
		for (size_t j = 0; j < s->pending_count; j++) {
			if (!may_flush(s, j) || count++ != pick)
				continue;
			flush(s, j);
			return count;
		}
	}
	return count;
}

static void run_side(void)
{
	running->run();
	running->done = true;
}

static void prepare(struct side *s, void (*run)(void))
{
	s->run = run;
	s->done = false;
	s->pending_count = s->seen_count = 0;
	s->floor = s->latest_load = 0;
	getcontext(&s->context);
	s->context.uc_stack.ss_sp = s->stack;
	s->context.uc_stack.ss_size = STACK_BYTES;
	s->context.uc_link = &scheduler;
	makecontext(&s->context, run_side, 0);
}

static void run_path(void (*first)(void), void (*second)(void))
{
	unsigned int count;

	now = 0;
	prepare(&side[0], first);
	prepare(&side[1], second);
	while ((count = happen(UINT32_MAX)))
		happen(choose(count));
}

/* Paths at whose end `holds` holds, up to `enough`; *paths that were gone. */
static unsigned int explore(void (*reset)(void), void (*first)(void),
			    void (*second)(void), bool (*holds)(void),
			    unsigned int enough, unsigned int *paths)
{
	unsigned int found = 0;

	*paths = 0;
	side[0].stack = malloc(STACK_BYTES);
	side[1].stack = malloc(STACK_BYTES);
	do {
		reset();
		run_path(first, second);
		found += holds();
		++*paths;
	} while (found < enough && paths_next());
	paths_end();
	free(side[0].stack);
	free(side[1].stack);
	print_message("# %u of %u paths\n", found, *paths);
	return found;
}

/* ---- a record of two words ---- */

static struct {
	uint32_t seq;
	cagma_word body[2];
} record;
static cagma_word copy[2];
static uint32_t copied_seq;
static int read_result;

static void reset_record(void)
{
	record.seq = 2;
	record.body[0] = record.body[1] = 2;
	read_result = -EINVAL;
}

static void write_record(void)
{
	static const cagma_word body[2] = { 4, 4 };

	cagma_record_write(&record.seq, 4, record.body, body, 2);
}

static void read_record(void)
{
	read_result = cagma_record_read(&record.seq, &copied_seq, copy,
					record.body, 2);
}

static bool is_torn(void)
{
	return !read_result && (copy[0] != copied_seq || copy[1] != copied_seq);
}

static bool is_read_whole(void)
{
	return !read_result;
}

static void test_D3_no_order_tears_a_record(void **state)
{
	unsigned int paths;

	(void)state;
	assert_int_equal(explore(reset_record, write_record, read_record,
				 is_torn, 1, &paths), 0);
	assert_true(paths > 100);
}

/* Or the test above would be satisfied by a reader that never succeeds. */
static void test_some_orders_read_a_record(void **state)
{
	unsigned int paths, read;

	(void)state;
	read = explore(reset_record, write_record, read_record, is_read_whole,
		       UINT_MAX, &paths);
	assert_in_range(read, 2, paths - 1);
}

/* The writer laps the reader: more than one change of the sequence. */
static void write_twice(void)
{
	static const cagma_word body[2][2] = { { 4, 4 }, { 6, 6 } };

	cagma_record_write(&record.seq, 4, record.body, body[0], 2);
	cagma_record_write(&record.seq, 6, record.body, body[1], 2);
}

static void test_D3_no_order_of_two_writes_tears_a_record(void **state)
{
	unsigned int paths;

	(void)state;
	assert_int_equal(explore(reset_record, write_twice, read_record,
				 is_torn, 1, &paths), 0);
	assert_true(paths > 1000);
}

/* ---- head and doorbell ---- */

static struct cagma_page page;
static bool kicked, seen;

static void reset_page(void)
{
	memset(&page, 0, sizeof(page));
}

/* The end of cagma_sample_write(); the slot itself is explored above. */
static void publish_and_kick(void)
{
	cagma_store_release(&page.publication.head, 1);
	kicked = cagma_kick_wanted(&page);
}

static void arm_and_look(void)
{
	cagma_arm(&page);
	seen = cagma_head_read(&page) == 1;
}

static bool is_lost(void)
{
	return !kicked && !seen;
}

static void test_kick_no_order_loses_a_kick(void **state)
{
	unsigned int paths;

	(void)state;
	assert_int_equal(explore(reset_page, publish_and_kick, arm_and_look,
				 is_lost, 1, &paths), 0);
	assert_true(paths > 10);
}

/* ---- a sample and the head that is moved past it ---- */

static uint32_t head_seen, slot_seq;
static uint64_t slot_word;

static void publish_sample(void)
{
	static const cagma_word body = 7;

	cagma_record_write(&page.slot[0].seq, 2,
			   &page.slot[0].sample.time_ns, &body, 1);
	/* As at the end of cagma_sample_write(). */
	cagma_store_release(&page.publication.head, 1);
}

static void look_for_sample(void)
{
	cagma_word body = 0;

	head_seen = cagma_head_read(&page);
	slot_seq = 0;
	if (cagma_record_read(&page.slot[0].seq, &slot_seq, &body,
			      &page.slot[0].sample.time_ns, 1))
		slot_seq = 0;
	slot_word = body;
}

static bool is_below_head_and_missing(void)
{
	return head_seen == 1 && (slot_seq != 2 || slot_word != 7);
}

static void test_sample_below_the_head_is_whole(void **state)
{
	unsigned int paths;

	(void)state;
	assert_int_equal(explore(reset_page, publish_sample, look_for_sample,
				 is_below_head_and_missing, 1, &paths), 0);
	assert_true(paths > 100);
}

/* ---- the first mail and the announcement ---- */

static uint32_t mail_seq;
static uint64_t mail_target;
static bool alive;

static void write_and_announce(void)
{
	static const cagma_word body = 7;

	cagma_record_write(&page.mailbox.seq, 2,
			   &page.mailbox.mail.target_pages, &body, 1);
	cagma_dom0_announce(&page);
}

static void look_for_mail(void)
{
	cagma_word body = 0;

	alive = cagma_dom0_is_alive(&page);
	mail_seq = 0;
	if (cagma_record_read(&page.mailbox.seq, &mail_seq, &body,
			      &page.mailbox.mail.target_pages, 1))
		mail_seq = 0;
	mail_target = body;
}

static bool is_announced_empty(void)
{
	return alive && (mail_seq != 2 || mail_target != 7);
}

static void test_F0_announcement_follows_the_mail(void **state)
{
	unsigned int paths;

	(void)state;
	assert_int_equal(explore(reset_page, write_and_announce, look_for_mail,
				 is_announced_empty, 1, &paths), 0);
	assert_true(paths > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_D3_no_order_tears_a_record),
		cmocka_unit_test(test_D3_no_order_of_two_writes_tears_a_record),
		cmocka_unit_test(test_some_orders_read_a_record),
		cmocka_unit_test(test_kick_no_order_loses_a_kick),
		cmocka_unit_test(test_sample_below_the_head_is_whole),
		cmocka_unit_test(test_F0_announcement_follows_the_mail),
	};

	return cmocka_run_group_tests_name("explore", tests, NULL, NULL);
}
