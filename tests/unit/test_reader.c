// SPDX-License-Identifier: GPL-2.0-only
/*
 * dom0/reader.c as it is shipped, against guests that lie. Every load of the
 * page passes through hostile_before_load(): it is counted, and a test's guest
 * may change the page at that very moment.
 */
#define CAGMA_SYNC_BACKEND "hostile_sync.h"

#include "reader.c"

#include <string.h>

#include "unit.h"

#define EPOCH		7
#define SEED		10

/* Head, state and epoch; and each slot's two sequences and its body. */
#define LOADS_MAX	(3 + CAGMA_READER_BATCH * TRIES * \
			 (2 + CAGMA_WORDS(cagma_sample)))

static struct cagma_page page;
static struct cagma_reader reader;
static struct cagma_sample samples[CAGMA_READER_BATCH];
static size_t count;

static unsigned int loads;
static void (*attack)(const void *from);
static uint64_t random_state;

void hostile_before_load(const void *from)
{
	loads++;
	if (attack)
		attack(from);
}

static void publish(uint32_t n)
{
	const struct cagma_sample sample = { .time_ns = n };

	cagma_sample_write(&page, n, &sample);
}

static void publish_until(uint32_t head)
{
	for (uint32_t n = page.publication.head; n != head; n++)
		publish(n);
}

static enum cagma_lie drain(void)
{
	loads = 0;
	return cagma_reader_drain(&reader, samples, &count);
}

static enum cagma_lie attach(void)
{
	return cagma_reader_attach(&reader, &page, EPOCH, SEED);
}

static int offer_page(void **state)
{
	(void)state;
	attack = NULL;
	random_state = 1;
	memset(&page, 0, sizeof(page));
	cagma_header_offer(&page, &(struct cagma_header){
		.magic = CAGMA_PAGE_MAGIC,
		.version = CAGMA_PAGE_VERSION,
		.slot_count = CAGMA_SLOT_COUNT,
		.slot_bytes = CAGMA_SLOT_BYTES,
		.epoch = EPOCH,
		.period_ms = 100,
	});
	return 0;
}

static int attach_page(void **state)
{
	offer_page(state);
	return (int)attach();
}

/* ---- attaching ---- */

static void test_good_page_is_attached(void **state)
{
	(void)state;
	publish_until(5);
	assert_int_equal(attach(), CAGMA_LIE_NONE);
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_int_equal(count, 0);
	publish(5);
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_int_equal(count, 1);
	assert_int_equal(samples[0].time_ns, 5);
}

static void test_newest_sample_can_be_looked_at_before(void **state)
{
	struct cagma_sample newest;

	(void)state;
	publish_until(5);
	attach();
	assert_true(cagma_reader_peek(&reader, &newest));
	assert_int_equal(newest.time_ns, 4);
	publish_until(7);
	assert_true(cagma_reader_peek(&reader, &newest));
	assert_int_equal(newest.time_ns, 6);
	drain();
	assert_int_equal(count, 2);
}

static void test_no_sample_or_a_torn_one_is_not_looked_at(void **state)
{
	struct cagma_sample newest;

	(void)state;
	attach();
	assert_false(cagma_reader_peek(&reader, &newest));
	publish_until(5);
	page.slot[4].seq++;
	loads = 0;
	assert_false(cagma_reader_peek(&reader, &newest));
	assert_true(loads <= LOADS_MAX);
}

static void test_G1_wrong_magic(void **state)
{
	(void)state;
	page.header.magic ^= 1;
	assert_int_equal(attach(), CAGMA_LIE_MAGIC);
}

static void test_G1_L13_unknown_version(void **state)
{
	(void)state;
	page.header.version = CAGMA_PAGE_VERSION + 1;
	assert_int_equal(attach(), CAGMA_LIE_VERSION);
	page.header.version = 0;
	assert_int_equal(attach(), CAGMA_LIE_VERSION);
}

static void test_G2_layout_of_another_size(void **state)
{
	static const uint32_t bad[] = { 0, 1, 191, 193, UINT32_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		page.header.slot_bytes = bad[i];
		page.header.slot_count = CAGMA_SLOT_COUNT;
		assert_int_equal(attach(), CAGMA_LIE_LAYOUT);
		page.header.slot_bytes = CAGMA_SLOT_BYTES;
		page.header.slot_count = (uint16_t)bad[i];
		assert_int_equal(attach(), CAGMA_LIE_LAYOUT);
	}
}

static void test_unknown_features_are_ignored(void **state)
{
	(void)state;
	page.header.features = UINT32_MAX;
	memset(page.header.reserved, 0xff, sizeof(page.header.reserved));
	assert_int_equal(attach(), CAGMA_LIE_NONE);
}

static void test_epoch_of_another_offer(void **state)
{
	(void)state;
	page.header.epoch = EPOCH + 1;
	assert_int_equal(attach(), CAGMA_LIE_EPOCH);
	page.header.epoch = 0;
	assert_int_equal(cagma_reader_attach(&reader, &page, 0, SEED),
			 CAGMA_LIE_EPOCH);
}

static void test_closing_page_is_not_attached(void **state)
{
	(void)state;
	cagma_header_close(&page);
	assert_int_equal(attach(), CAGMA_LIE_CLOSED);
}

static void test_period_is_clamped(void **state)
{
	(void)state;
	page.header.period_ms = 0;
	attach();
	assert_int_equal(reader.period_ms, PERIOD_MIN_MS);
	page.header.period_ms = UINT32_MAX;
	attach();
	assert_int_equal(reader.period_ms, PERIOD_MAX_MS);
}

static void test_every_lie_has_a_name(void **state)
{
	(void)state;
	for (int i = 0; i < CAGMA_LIE_COUNT; i++) {
		assert_non_null(cagma_lie_name((enum cagma_lie)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(
				cagma_lie_name((enum cagma_lie)i),
				cagma_lie_name((enum cagma_lie)j));
	}
	assert_string_equal(cagma_lie_name(CAGMA_LIE_COUNT), "unknown");
}

/* ---- reading ---- */

static void test_batch_is_oldest_first(void **state)
{
	(void)state;
	publish_until(CAGMA_SLOT_COUNT);
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_int_equal(count, CAGMA_SLOT_COUNT);
	for (size_t i = 0; i < count; i++)
		assert_int_equal(samples[i].time_ns, i);
	assert_int_equal(reader.lost, 0);
}

static void hold_slots_odd(uint32_t head)
{
	publish_until(head);
	for (size_t i = 0; i < CAGMA_SLOT_COUNT; i++)
		page.slot[i].seq |= 1;
}

static void test_G3_sequence_odd_for_ever(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= TORN_LIMIT; i++) {
		hold_slots_odd(i * CAGMA_SLOT_COUNT);
		assert_int_equal(drain(), CAGMA_LIE_NONE);
		assert_int_equal(count, 0);
		assert_in_range(loads, 1, LOADS_MAX);
	}
	assert_int_equal(reader.torn, TORN_LIMIT * CAGMA_SLOT_COUNT);
	hold_slots_odd((TORN_LIMIT + 1) * CAGMA_SLOT_COUNT);
	assert_int_equal(drain(), CAGMA_LIE_TORN);
}

static void test_G3_one_good_sample_forgives(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 3 * TORN_LIMIT; i++) {
		hold_slots_odd(i * CAGMA_SLOT_COUNT);
		if (i % TORN_LIMIT == 0)
			publish(page.publication.head - 1);
		assert_int_equal(drain(), CAGMA_LIE_NONE);
	}
}

/* The guest is always in the middle of another sample. */
static void move_sequence(const void *from)
{
	for (size_t i = 0; i < CAGMA_SLOT_COUNT; i++)
		if (from == &page.slot[i].seq)
			page.slot[i].seq += 2 * CAGMA_SLOT_COUNT;
}

static void test_G4_sequence_changes_at_every_look(void **state)
{
	(void)state;
	publish_until(CAGMA_SLOT_COUNT);
	attack = move_sequence;
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_int_equal(count, 0);
	assert_in_range(loads, 1, LOADS_MAX);
	assert_int_equal(reader.torn, CAGMA_SLOT_COUNT);
}

static void test_G8_overrun_counts_what_is_lost(void **state)
{
	(void)state;
	publish_until(1000);
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_int_equal(count, CAGMA_SLOT_COUNT);
	assert_int_equal(samples[0].time_ns, 1000 - CAGMA_SLOT_COUNT);
	assert_int_equal(reader.lost, 1000 - CAGMA_SLOT_COUNT);
}

static void test_G8_head_beyond_what_was_published(void **state)
{
	(void)state;
	publish_until(3);
	page.publication.head = 500;
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_int_equal(count, 0);
	assert_int_equal(reader.torn, CAGMA_SLOT_COUNT);
	assert_in_range(loads, 1, LOADS_MAX);
}

static void test_G9_head_goes_back(void **state)
{
	(void)state;
	publish_until(5);
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	page.publication.head = 4;
	assert_int_equal(drain(), CAGMA_LIE_HEAD);
	assert_int_equal(count, 0);
}

static void test_head_wraps(void **state)
{
	(void)state;
	page.publication.head = UINT32_MAX - 1;
	assert_int_equal(attach(), CAGMA_LIE_NONE);
	publish_until(2);
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_int_equal(count, 4);
	assert_int_equal(reader.lost, 0);
}

/* Every word of a sample changes as soon as it was loaded once. */
static void scribble(const void *from)
{
	const uint8_t *byte = from, *slots = (const uint8_t *)page.slot;

	if (byte >= slots && byte < (const uint8_t *)(&page + 1) &&
	    (byte - slots) % CAGMA_SLOT_BYTES >= 8)
		page.slot[0].sample.total_pages++;
}

static void test_G10_copy_is_private(void **state)
{
	struct cagma_sample before;

	(void)state;
	publish_until(1);
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	before = samples[0];
	memset(&page.slot, 0xff, sizeof(page.slot));
	assert_memory_equal(&samples[0], &before, sizeof(before));
}

static void test_G10_every_word_is_loaded_once(void **state)
{
	(void)state;
	attack = scribble;
	publish_until(1);
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_int_equal(count, 1);
	assert_int_equal(page.slot[0].sample.total_pages,
			 CAGMA_WORDS(cagma_sample));
	assert_int_equal(loads, 3 + 2 + CAGMA_WORDS(cagma_sample));
}

static void test_G12_unknown_reason_and_flags_pass(void **state)
{
	const struct cagma_sample sample = {
		.reason = 4711,
		.flags = UINT32_MAX,
		.swap_total_pages = UINT32_MAX,
		.active_file_pages = UINT32_MAX,
	};

	(void)state;
	cagma_sample_write(&page, 0, &sample);
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_int_equal(count, 1);
	assert_int_equal(samples[0].reason, 4711);
}

static void test_G21_sequence_moves_without_samples(void **state)
{
	(void)state;
	publish_until(1);
	drain();
	for (int i = 0; i < 100; i++) {
		page.slot[0].seq += 2;
		assert_int_equal(drain(), CAGMA_LIE_NONE);
		assert_int_equal(count, 0);
	}
}

static void test_closing_page_is_left(void **state)
{
	(void)state;
	publish_until(1);
	cagma_header_close(&page);
	assert_int_equal(drain(), CAGMA_LIE_CLOSED);
	assert_int_equal(count, 1);
}

static void test_zeroed_page_is_left(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	assert_int_equal(drain(), CAGMA_LIE_CLOSED);
}

static void test_L6_epoch_changes(void **state)
{
	(void)state;
	page.header.epoch++;
	assert_int_equal(drain(), CAGMA_LIE_EPOCH);
}

/* Somewhere in the page, some bits. */
static void scramble(const void *from)
{
	uint8_t *byte = (uint8_t *)&page;

	(void)from;
	if (unit_random_below(&random_state, 4) == 0)
		byte[unit_random_below(&random_state, sizeof(page))] ^=
			(uint8_t)unit_random(&random_state);
}

static void test_G7_G10_random_page_costs_no_more(void **state)
{
	size_t whole = 0;

	(void)state;
	attack = scramble;
	for (int i = 0; i < 20000; i++) {
		drain();
		assert_true(count <= CAGMA_READER_BATCH);
		assert_in_range(loads, 1, LOADS_MAX);
		whole += count;
		publish(reader.next);
		reader.next -= (uint32_t)unit_random_below(&random_state, 20);
	}
	assert_true(whole > 0);
}

/* ---- writing ---- */

static void test_mail_carries_the_order(void **state)
{
	const struct cagma_order order = { 1000, 200, 3, true };
	struct cagma_mail mail;
	uint32_t seq;

	(void)state;
	cagma_reader_mail(&reader, &order);
	assert_int_equal(cagma_mail_read(&page, &seq, &mail), 0);
	assert_int_equal(seq, SEED + 2);
	assert_int_equal(mail.target_pages, 1000);
	assert_int_equal(mail.threshold_pages, 200);
	assert_int_equal(mail.answered_event, 3);
	assert_int_equal(mail.flags, CAGMA_MAIL_DENIED);
	assert_int_equal(mail.epoch, EPOCH);
}

/* What isn't told is zero, and nothing else of the page is written. */
static void test_D12_mail_has_no_leftovers(void **state)
{
	const struct cagma_order order = { 1000, 200, 3, true };
	struct cagma_page before;
	struct cagma_mail mail;
	uint32_t seq;

	(void)state;
	memset(&page.mailbox, 0xa5, sizeof(page.mailbox));
	before = page;
	cagma_reader_mail(&reader, &order);
	assert_int_equal(cagma_mail_read(&page, &seq, &mail), 0);
	for (size_t i = 0; i < sizeof(mail.reserved) / sizeof(*mail.reserved); i++)
		assert_int_equal(mail.reserved[i], 0);
	page.mailbox = before.mailbox;
	assert_memory_equal(&page, &before, sizeof(page));
}

static void test_mail_sequence_is_even_and_never_0(void **state)
{
	const struct cagma_order order = { 0 };

	(void)state;
	cagma_reader_attach(&reader, &page, EPOCH, UINT32_MAX);
	cagma_reader_mail(&reader, &order);
	assert_int_equal(page.mailbox.seq, 2);
	cagma_reader_mail(&reader, &order);
	assert_int_equal(page.mailbox.seq, 4);
}

static void test_G11_what_dom0_wrote_is_not_read_back(void **state)
{
	const struct cagma_order order = { 1000, 200, 3, false };
	struct cagma_mail mail;
	uint32_t seq;

	(void)state;
	cagma_reader_mail(&reader, &order);
	memset(&page.mailbox, 0xff, sizeof(page.mailbox));
	memset(&page.doorbell, 0xff, sizeof(page.doorbell));
	cagma_reader_mail(&reader, &order);
	assert_int_equal(cagma_mail_read(&page, &seq, &mail), 0);
	assert_int_equal(seq, SEED + 4);
	assert_int_equal(mail.target_pages, 1000);
	assert_false(cagma_reader_arm(&reader));
	assert_true(cagma_kick_wanted(&page));
}

static void test_kick_arming_tells_what_came_meanwhile(void **state)
{
	(void)state;
	assert_false(cagma_reader_arm(&reader));
	cagma_reader_disarm(&reader);
	assert_false(cagma_kick_wanted(&page));
	publish(0);
	assert_true(cagma_reader_arm(&reader));
	assert_int_equal(drain(), CAGMA_LIE_NONE);
	assert_false(cagma_reader_arm(&reader));
}

static void test_C13_dead_byte_is_dom0_alive(void **state)
{
	(void)state;
	cagma_reader_announce(&reader);
	assert_true(cagma_dom0_is_alive(&page));
	((uint8_t *)&page)[cagma_reader_dead_offset()] = 0;
	assert_false(cagma_dom0_is_alive(&page));
	cagma_reader_announce(&reader);
	cagma_reader_arm(&reader);
	cagma_reader_leave(&reader);
	assert_false(cagma_dom0_is_alive(&page));
	assert_false(cagma_kick_wanted(&page));
}

#define OFFERED(name) cmocka_unit_test_setup(name, offer_page)
#define ATTACHED(name) cmocka_unit_test_setup(name, attach_page)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OFFERED(test_good_page_is_attached),
		OFFERED(test_newest_sample_can_be_looked_at_before),
		OFFERED(test_no_sample_or_a_torn_one_is_not_looked_at),
		OFFERED(test_G1_wrong_magic),
		OFFERED(test_G1_L13_unknown_version),
		OFFERED(test_G2_layout_of_another_size),
		OFFERED(test_unknown_features_are_ignored),
		OFFERED(test_epoch_of_another_offer),
		OFFERED(test_closing_page_is_not_attached),
		OFFERED(test_period_is_clamped),
		OFFERED(test_every_lie_has_a_name),
		ATTACHED(test_batch_is_oldest_first),
		ATTACHED(test_G3_sequence_odd_for_ever),
		ATTACHED(test_G3_one_good_sample_forgives),
		ATTACHED(test_G4_sequence_changes_at_every_look),
		ATTACHED(test_G8_overrun_counts_what_is_lost),
		ATTACHED(test_G8_head_beyond_what_was_published),
		ATTACHED(test_G9_head_goes_back),
		OFFERED(test_head_wraps),
		ATTACHED(test_G10_copy_is_private),
		ATTACHED(test_G10_every_word_is_loaded_once),
		ATTACHED(test_G12_unknown_reason_and_flags_pass),
		ATTACHED(test_G21_sequence_moves_without_samples),
		ATTACHED(test_closing_page_is_left),
		ATTACHED(test_zeroed_page_is_left),
		ATTACHED(test_L6_epoch_changes),
		ATTACHED(test_G7_G10_random_page_costs_no_more),
		ATTACHED(test_mail_carries_the_order),
		ATTACHED(test_D12_mail_has_no_leftovers),
		ATTACHED(test_mail_sequence_is_even_and_never_0),
		ATTACHED(test_G11_what_dom0_wrote_is_not_read_back),
		ATTACHED(test_kick_arming_tells_what_came_meanwhile),
		ATTACHED(test_C13_dead_byte_is_dom0_alive),
	};

	return cmocka_run_group_tests_name("reader", tests, NULL, NULL);
}
