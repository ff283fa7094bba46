// SPDX-License-Identifier: GPL-2.0-only
/*
 * dom0/reader.c as it is shipped, against every guest there can be, within
 * bounds: whatever a load of the page brings is chosen, and all choices are
 * tried. There is no page, so nothing can depend on a second look at it.
 */
#define CAGMA_SYNC_BACKEND "lying_sync.h"

#include "reader.c"

#include <limits.h>
#include <string.h>

#include "paths.h"
#include "unit.h"

#define EPOCH		UINT64_C(7)
#define WORDS		CAGMA_WORDS(cagma_sample)
#define HEADER_LOADS	(CAGMA_WORDS(cagma_header) + 2)
#define TRIES_PROMISED	4	/* docs/page-abi.md */
#define SLOT_LOADS	(TRIES_PROMISED * (2 + WORDS))
#define DRAIN_LOADS	(3 + CAGMA_READER_BATCH * SLOT_LOADS)
#define OFFSET(field)	offsetof(struct cagma_page, field)

static struct cagma_page page;		/* addresses; never looked at */
static struct cagma_reader reader;
static struct cagma_sample samples[CAGMA_READER_BATCH];
static size_t count;

/* Of the present call. */
static struct {
	size_t offset;
	uint64_t value;
} loaded[DRAIN_LOADS];
static size_t loads, loads_max;

/* ---- the guest ---- */

static uint32_t head;		/* what an honest guest has published */
static unsigned int lies_left;	/* on this path */
/* Or those about slots that differ in what they cause; none about the head. */
static bool all_lies;

static uint64_t one_of(uint64_t honest, const uint64_t *lies, size_t n)
{
	unsigned int taken = lies_left ? choose((unsigned int)n + 1) : 0;

	if (!taken)
		return honest;
	lies_left--;
	return lies[taken - 1];
}

static uint64_t any_u32(uint32_t honest)
{
	const uint64_t lies[] = {
		(uint32_t)(honest + 1), 0, UINT32_MAX,
		(uint32_t)(honest + 2 * CAGMA_SLOT_COUNT),
		1, (uint32_t)(honest - 1), (uint32_t)(honest + 2),
		CAGMA_SLOT_COUNT - 1, CAGMA_SLOT_COUNT, CAGMA_SLOT_COUNT + 1,
		INT32_MAX, UINT64_C(1) << 31, honest ^ UINT64_C(1) << 31,
	};

	if (!lies_left)
		return honest;
	return one_of(honest, lies, all_lies ? ARRAY_SIZE(lies) : 4);
}

static uint64_t any_state(void)
{
	static const uint64_t lies[] = {
		CAGMA_STATE_GONE, CAGMA_STATE_CLOSING, UINT32_MAX
	};

	return one_of(CAGMA_STATE_LIVE, lies, ARRAY_SIZE(lies));
}

static uint64_t any_epoch(void)
{
	static const uint64_t lies[] = { 0, EPOCH + 1, UINT64_MAX };

	return one_of(EPOCH, lies, ARRAY_SIZE(lies));
}

static uint64_t layout_word(uint32_t magic, uint32_t version, uint32_t slots)
{
	return magic | (uint64_t)version << 32 | (uint64_t)slots << 48;
}

static uint64_t any_layout(void)
{
	const uint64_t lies[] = {
		0, UINT64_MAX,
		layout_word(CAGMA_PAGE_MAGIC ^ 1, 1, CAGMA_SLOT_COUNT),
		layout_word(CAGMA_PAGE_MAGIC, 0, CAGMA_SLOT_COUNT),
		layout_word(CAGMA_PAGE_MAGIC, 2, CAGMA_SLOT_COUNT),
		layout_word(CAGMA_PAGE_MAGIC, 1, 0),
		layout_word(CAGMA_PAGE_MAGIC, 1, CAGMA_SLOT_COUNT + 1),
		layout_word(CAGMA_PAGE_MAGIC, 1, UINT16_MAX),
	};

	return one_of(layout_word(CAGMA_PAGE_MAGIC, CAGMA_PAGE_VERSION,
				  CAGMA_SLOT_COUNT),
		      lies, ARRAY_SIZE(lies));
}

static uint64_t any_slot_bytes(void)
{
	static const uint64_t lies[] = {
		0, UINT64_MAX, CAGMA_SLOT_BYTES - 1, CAGMA_SLOT_BYTES + 1,
		CAGMA_SLOT_BYTES | UINT64_C(0xffffffff) << 32,	/* features */
	};

	return one_of(CAGMA_SLOT_BYTES, lies, ARRAY_SIZE(lies));
}

static uint64_t any_period(void)
{
	static const uint64_t lies[] = { 0, 9, 1001, UINT32_MAX, UINT64_MAX };

	return one_of(100, lies, ARRAY_SIZE(lies));
}

static bool is_body(size_t offset)
{
	return offset >= OFFSET(slot) &&
	       (offset - OFFSET(slot)) % CAGMA_SLOT_BYTES;
}

static uint64_t any_sequence(size_t offset)
{
	uint32_t slot = (uint32_t)(offset - OFFSET(slot)) / CAGMA_SLOT_BYTES;
	uint32_t newest = head - 1 - (head - 1 - slot) % CAGMA_SLOT_COUNT;

	return any_u32(2 * newest + 2);
}

static uint64_t answer(size_t offset)
{
	/* Only copied, nothing depends on it: each load brings another word. */
	if (is_body(offset))
		return UINT64_C(0x5a5a000000000000) + loads;
	switch (offset) {
	case OFFSET(header.magic):
		return any_layout();
	case OFFSET(header.slot_bytes):
		return any_slot_bytes();
	case OFFSET(header.epoch):
		return any_epoch();
	case OFFSET(header.period_ms):
		return any_period();
	case OFFSET(publication.head):
		return all_lies ? any_u32(head) : head;
	case OFFSET(publication.state):
		return any_state();
	default:
		return offset < OFFSET(slot) ? UINT64_MAX : any_sequence(offset);
	}
}

/* ---- what the daemon touches ---- */

static size_t offset_of(const void *address, size_t size)
{
	uintptr_t offset = (uintptr_t)address - (uintptr_t)&page;

	if (offset > sizeof(page) - size)
		fail_msg("access outside the page, at %zd", (ssize_t)offset);
	return offset;
}

static bool is_dom0s(size_t offset)
{
	return offset >= OFFSET(mailbox) && offset < OFFSET(reserved);
}

uint64_t lying_load(const void *from, size_t size)
{
	size_t offset = offset_of(from, size);

	if (is_dom0s(offset))
		fail_msg("%zu is dom0's, and was read back", offset);
	if (loads == loads_max)
		fail_msg("more than %zu loads", loads_max);
	loaded[loads].offset = offset;
	loaded[loads].value = answer(offset);
	return loaded[loads++].value;
}

void lying_store(void *to, size_t size)
{
	if (!is_dom0s(offset_of(to, size)))
		fail_msg("%zu is the guest's, and was written", offset_of(to, size));
}

/* ---- what has to hold ---- */

static bool was_read_at(size_t i, uint32_t n, const struct cagma_sample *sample)
{
	size_t slot = OFFSET(slot[n % CAGMA_SLOT_COUNT]);
	const cagma_word *word = (const cagma_word *)sample;

	if (i + WORDS + 2 > loads || loaded[i].offset != slot ||
	    loaded[i].value != (uint32_t)(2 * n + 2) ||
	    loaded[i + WORDS + 1].offset != slot ||
	    loaded[i + WORDS + 1].value != loaded[i].value)
		return false;
	for (size_t w = 0; w < WORDS; w++)
		if (loaded[i + 1 + w].offset != slot + 8 + w * sizeof(*word) ||
		    loaded[i + 1 + w].value != word[w])
			return false;
	return true;
}

/* Each sample was in the slot of its number, whole, and they are in order. */
static void check_samples(uint32_t n)
{
	size_t i = 0;

	for (size_t s = 0; s < count; s++) {
		while (i < loads && !was_read_at(i, n, &samples[s])) {
			i++;
			if (i == loads && n + 1 != reader.next) {
				n++;
				i = 0;
			}
		}
		if (i == loads)
			fail_msg("sample %zu of %zu was not in the page", s, count);
		i += WORDS + 2;
		n++;
	}
}

static enum cagma_lie visit(void)
{
	const struct cagma_reader before = reader;
	enum cagma_lie lie;
	uint32_t behind, lost;

	loads = 0;
	loads_max = DRAIN_LOADS;
	lie = cagma_reader_drain(&reader, samples, &count);
	behind = (uint32_t)loaded[0].value - before.next;
	assert_int_equal(lie == CAGMA_LIE_HEAD, behind > INT32_MAX);
	if (lie == CAGMA_LIE_HEAD) {
		assert_int_equal(loads, 1);
		assert_int_equal(count, 0);
		return lie;
	}
	assert_true(lie == CAGMA_LIE_NONE || lie == CAGMA_LIE_CLOSED ||
		    lie == CAGMA_LIE_EPOCH || lie == CAGMA_LIE_TORN);
	lost = (uint32_t)(reader.lost - before.lost);
	assert_int_equal(reader.next, (uint32_t)loaded[0].value);
	assert_int_equal(lost, behind > CAGMA_SLOT_COUNT ?
				       behind - CAGMA_SLOT_COUNT : 0);
	assert_true(loads <= 3 + (behind - lost) * SLOT_LOADS);
	assert_int_equal(count + (reader.torn - before.torn), behind - lost);
	check_samples(before.next + lost);
	return lie;
}

static enum cagma_lie attach(void)
{
	enum cagma_lie lie;

	loads = 0;
	loads_max = HEADER_LOADS;
	lie = cagma_reader_attach(&reader, &page, EPOCH, 10);
	assert_in_range(loads, CAGMA_WORDS(cagma_header), HEADER_LOADS);
	return lie;
}

static void look_again(void)
{
	bool more;

	loads = 0;
	loads_max = 1;
	more = cagma_reader_arm(&reader);
	assert_int_equal(loads, 1);
	assert_int_equal(more, loaded[0].value != reader.next);
}

static void begin_path(uint32_t next, uint32_t published, unsigned int lies)
{
	reader = (struct cagma_reader){
		.page = &page, .next = next, .epoch = EPOCH, .mail_seq = 10,
	};
	head = published;
	lies_left = lies;
}

/* ---- the tests ---- */

static bool is_good_header(void)
{
	return loaded[0].value == layout_word(CAGMA_PAGE_MAGIC, 1,
					      CAGMA_SLOT_COUNT) &&
	       (uint32_t)loaded[1].value == CAGMA_SLOT_BYTES &&
	       loaded[2].value == EPOCH;
}

static void test_G1_G2_every_header_is_judged(void **state)
{
	unsigned int paths = 0, good = 0;

	(void)state;
	all_lies = true;
	do {
		enum cagma_lie lie;

		begin_path(0, 40, UINT_MAX);
		lie = attach();
		paths++;
		if (lie) {
			assert_true(!is_good_header() ||
				    loaded[8].value != CAGMA_STATE_LIVE);
			continue;
		}
		good++;
		assert_true(is_good_header());
		assert_in_range(reader.period_ms, PERIOD_MIN_MS, PERIOD_MAX_MS);
		assert_int_equal(reader.next, (uint32_t)loaded[9].value);
	} while (paths_next());
	print_message("# %u paths, %u attached\n", paths, good);
	assert_in_range(good, 1, paths / 2);
}

/* All that the two sequences, the state and the epoch can do in one visit. */
static void test_G3_G4_every_fate_of_one_sample(void **state)
{
	unsigned int paths = 0, whole = 0;

	(void)state;
	all_lies = false;
	do {
		begin_path(40, 41, UINT_MAX);
		visit();
		whole += count > 0;
		paths++;
	} while (paths_next());
	print_message("# %u paths, %u with a sample\n", paths, whole);
	assert_in_range(whole, 1, paths / 2);
}

static void tell_lies(uint32_t next, uint32_t published, unsigned int lies)
{
	unsigned int paths = 0, whole = 0;

	all_lies = true;
	do {
		begin_path(next, published, lies);
		visit();
		whole += count > 0;
		paths++;
	} while (paths_next());
	print_message("# %u paths, %u with a sample\n", paths, whole);
	assert_in_range(whole, 1, paths - 1);
}

static void test_G7_G8_three_lies_about_two_samples(void **state)
{
	(void)state;
	tell_lies(UINT32_MAX, 1, 3);
}

static void test_G7_G8_two_lies_about_a_full_ring(void **state)
{
	(void)state;
	tell_lies(40, 40 + CAGMA_SLOT_COUNT, 2);
	tell_lies((uint32_t)-5, (uint32_t)-5 + CAGMA_SLOT_COUNT, 2);
}

/* As the loop does it: attach, mail, arm; then read and arm again. */
static void test_G9_G10_two_lies_in_a_guests_life(void **state)
{
	const struct cagma_order order = { 1000, 200, 3, false };
	unsigned int paths = 0, lived = 0;

	(void)state;
	all_lies = true;
	do {
		begin_path(0, 40, 2);
		paths++;
		if (attach())
			continue;
		cagma_reader_mail(&reader, &order);
		cagma_reader_announce(&reader);
		for (int i = 0; i < 2; i++) {
			head++;
			cagma_reader_disarm(&reader);
			if (visit())
				break;
			look_again();
			lived += i;
		}
		cagma_reader_leave(&reader);
	} while (paths_next());
	print_message("# %u paths, %u to the end\n", paths, lived);
	assert_in_range(lived, 1, paths - 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_G1_G2_every_header_is_judged),
		cmocka_unit_test(test_G3_G4_every_fate_of_one_sample),
		cmocka_unit_test(test_G7_G8_three_lies_about_two_samples),
		cmocka_unit_test(test_G7_G8_two_lies_about_a_full_ring),
		cmocka_unit_test(test_G9_G10_two_lies_in_a_guests_life),
	};

	return cmocka_run_group_tests_name("lies", tests, NULL, NULL);
}
