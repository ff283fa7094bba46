// SPDX-License-Identifier: GPL-2.0-only
/*
 * Every order in which two sides can run through shared/sync.h, on a machine
 * with store buffers, one order after the other: what a stress test on x86
 * cannot show. `make check` also builds this file with each MUTANT_* of
 * explore_sync.h and expects those programs to fail.
 */
#define CAGMA_SYNC_BACKEND "explore_sync.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include "sync.h"
#include "unit.h"

#define STACK_BYTES	(256 * 1024)
#define BUFFER_MAX	16
#define DEPTH_MAX	128

/* ---- the machine ---- */

struct pending {
	void *to;		/* NULL: a barrier between stores */
	uint64_t value;
	size_t size;
};

struct side {
	ucontext_t context;
	void (*run)(void);
	char *stack;
	bool done;
	struct pending pending[BUFFER_MAX];
	size_t pending_count;
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

static void flush(struct side *s, size_t i)
{
	memcpy(s->pending[i].to, &s->pending[i].value, s->pending[i].size);
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

uint64_t explore_load(const void *from, size_t size)
{
	uint64_t value = 0;

	let_others_run();
	for (size_t i = running->pending_count; i-- > 0;)
		if (running->pending[i].to == from)
			return running->pending[i].value;
	memcpy(&value, from, size);
	return value;
}

void explore_store(void *to, uint64_t value, size_t size)
{
	let_others_run();
	push(running, to, value, size);
}

void explore_store_barrier(void)
{
	if (running->pending_count)
		push(running, NULL, 0, 0);
}

void explore_full_barrier(void)
{
	let_others_run();
	flush_all(running);
}

/* ---- all orders, depth first ---- */

static struct {
	unsigned int taken;
	unsigned int among;
} choice[DEPTH_MAX];
static size_t depth;

/* The next of `among` alternatives on the path that is being explored. */
static unsigned int choose(unsigned int among)
{
	if (depth == DEPTH_MAX)
		abort();
	if (!choice[depth].among)
		choice[depth].among = among;
	return choice[depth++].taken;
}

/* Moves on to the next path; false when there is none. */
static bool next_path(void)
{
	size_t i = DEPTH_MAX;

	while (i-- > 0) {
		if (choice[i].taken + 1 < choice[i].among) {
			choice[i].taken++;
			return true;
		}
		choice[i].taken = choice[i].among = 0;
	}
	return false;
}

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
	s->pending_count = 0;
	getcontext(&s->context);
	s->context.uc_stack.ss_sp = s->stack;
	s->context.uc_stack.ss_size = STACK_BYTES;
	s->context.uc_link = &scheduler;
	makecontext(&s->context, run_side, 0);
}

static void run_path(void (*first)(void), void (*second)(void))
{
	unsigned int count;

	depth = 0;
	prepare(&side[0], first);
	prepare(&side[1], second);
	while ((count = happen(UINT32_MAX)))
		happen(choose(count));
}

/* The number of paths at whose end `broken` holds; *paths of all. */
static unsigned int explore(void (*reset)(void), void (*first)(void),
			    void (*second)(void), bool (*broken)(void),
			    unsigned int *paths)
{
	unsigned int found = 0;

	*paths = 0;
	side[0].stack = malloc(STACK_BYTES);
	side[1].stack = malloc(STACK_BYTES);
	do {
		reset();
		run_path(first, second);
		found += broken();
		++*paths;
	} while (next_path());
	free(side[0].stack);
	free(side[1].stack);
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
				 is_torn, &paths), 0);
	assert_true(paths > 100);
}

/* Or the test above would be satisfied by a reader that never succeeds. */
static void test_some_orders_read_a_record(void **state)
{
	unsigned int paths, read;

	(void)state;
	read = explore(reset_record, write_record, read_record, is_read_whole,
		       &paths);
	assert_in_range(read, 2, paths - 1);
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
				 is_lost, &paths), 0);
	assert_true(paths > 10);
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
				 is_announced_empty, &paths), 0);
	assert_true(paths > 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_D3_no_order_tears_a_record),
		cmocka_unit_test(test_some_orders_read_a_record),
		cmocka_unit_test(test_kick_no_order_loses_a_kick),
		cmocka_unit_test(test_F0_announcement_follows_the_mail),
	};

	return cmocka_run_group_tests_name("explore", tests, NULL, NULL);
}
