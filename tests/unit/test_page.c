// SPDX-License-Identifier: GPL-2.0-only
/* The page and its protocol, single-threaded, and docs/page-abi.md. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sync.h"
#include "unit.h"

#define DOCUMENT "docs/page-abi.md"

static struct cagma_page page;

static int clear_page(void **state)
{
	(void)state;
	memset(&page, 0, sizeof(page));
	return 0;
}

static struct cagma_sample sample_of(uint64_t number)
{
	return (struct cagma_sample){ .time_ns = number,
				      .active_file_pages = (uint32_t)number };
}

/* ---- samples ---- */

static void test_samples_are_read_as_published(void **state)
{
	struct cagma_sample got;

	(void)state;
	for (uint32_t n = 0; n < 3 * CAGMA_SLOT_COUNT; n++) {
		const struct cagma_sample sample = sample_of(n);

		cagma_sample_write(&page, n, &sample);
		assert_int_equal(cagma_head_read(&page), n + 1);
		assert_int_equal(cagma_sample_read(&page, n, &got), 0);
		assert_memory_equal(&got, &sample, sizeof(got));
	}
}

static void test_lapped_slot_is_stale(void **state)
{
	const uint32_t newest = CAGMA_SLOT_COUNT;
	struct cagma_sample sample = sample_of(1), got;

	(void)state;
	for (uint32_t n = 0; n <= newest; n++)
		cagma_sample_write(&page, n, &sample);
	assert_int_equal(cagma_sample_read(&page, 0, &got), -ESTALE);
	assert_int_equal(cagma_sample_read(&page, 1, &got), 0);
	assert_int_equal(cagma_sample_read(&page, newest, &got), 0);
	assert_int_equal(cagma_sample_read(&page, newest + 1, &got), -ESTALE);
}

static void test_sample_numbers_wrap(void **state)
{
	const uint32_t first = UINT32_MAX - 3;
	struct cagma_sample got;

	(void)state;
	for (uint32_t i = 0; i < 8; i++) {
		const struct cagma_sample sample = sample_of(i);

		cagma_sample_write(&page, first + i, &sample);
	}
	assert_int_equal(cagma_head_read(&page), 4);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(cagma_sample_read(&page, first + i, &got), 0);
		assert_int_equal(got.time_ns, i);
	}
}

static void test_G3_odd_sequence_is_not_read(void **state)
{
	struct cagma_sample sample = sample_of(1), got;
	struct cagma_mail mail;
	uint32_t seq;

	(void)state;
	cagma_sample_write(&page, 0, &sample);
	page.slot[0].seq++;
	assert_int_equal(cagma_sample_read(&page, 0, &got), -EAGAIN);
	page.mailbox.seq = 3;
	assert_int_equal(cagma_mail_read(&page, &seq, &mail), -EAGAIN);
}

/* ---- mail, doorbell, header ---- */

static void test_mail_is_read_as_written(void **state)
{
	const struct cagma_mail mail = {
		.answered_event = 1,
		.flags = CAGMA_MAIL_DENIED,
		.target_pages = 2,
		.threshold_pages = 3,
		.epoch = 4,
	};
	struct cagma_mail got;
	uint32_t seq = 1;

	(void)state;
	assert_int_equal(cagma_mail_read(&page, &seq, &got), 0);
	assert_int_equal(seq, 0);
	cagma_mail_write(&page, 8, &mail);
	assert_int_equal(cagma_mail_read(&page, &seq, &got), 0);
	assert_int_equal(seq, 8);
	assert_memory_equal(&got, &mail, sizeof(got));
}

static void test_kick_publish_then_arm_is_seen_by_dom0(void **state)
{
	const struct cagma_sample sample = sample_of(1);

	(void)state;
	cagma_sample_write(&page, 0, &sample);
	assert_false(cagma_kick_wanted(&page));
	cagma_arm(&page);
	assert_int_equal(cagma_head_read(&page), 1);
}

static void test_kick_arm_then_publish_is_kicked(void **state)
{
	const struct cagma_sample sample = sample_of(1);

	(void)state;
	cagma_arm(&page);
	assert_int_equal(cagma_head_read(&page), 0);
	cagma_sample_write(&page, 0, &sample);
	assert_true(cagma_kick_wanted(&page));
	cagma_disarm(&page);
	assert_false(cagma_kick_wanted(&page));
}

static void test_G11_armed_is_1_and_nothing_else(void **state)
{
	(void)state;
	page.doorbell.armed = 2;
	assert_false(cagma_kick_wanted(&page));
}

static void test_dom0_comes_and_goes(void **state)
{
	(void)state;
	assert_false(cagma_dom0_is_alive(&page));
	cagma_dom0_announce(&page);
	cagma_arm(&page);
	assert_true(cagma_dom0_is_alive(&page));
	cagma_dom0_leave(&page);
	assert_false(cagma_dom0_is_alive(&page));
	assert_false(cagma_kick_wanted(&page));
}

static void test_header_is_read_as_offered(void **state)
{
	struct cagma_header header;

	(void)state;
	memset(&page, 0xff, sizeof(page));	/* dom0 had its hands in it */
	cagma_header_offer(&page, &(struct cagma_header){
		.magic = CAGMA_PAGE_MAGIC,
		.version = 1,
		.epoch = 77,
		.period_ms = 5,
	});
	cagma_header_read(&page, &header);
	assert_int_equal(header.magic, CAGMA_PAGE_MAGIC);
	assert_memory_equal(&page, "CGMA", 4);
	assert_int_equal(header.epoch, 77);
	assert_int_equal(header.version, 1);
	assert_int_equal(header.period_ms, 5);
	assert_int_equal(header.reserved[8], 0);
	assert_int_equal(cagma_epoch_read(&page), 77);
	assert_int_equal(cagma_state_read(&page), CAGMA_STATE_LIVE);
	cagma_header_close(&page);
	assert_int_equal(cagma_state_read(&page), CAGMA_STATE_CLOSING);
}

/* ---- the document ---- */

#define FIELD(name) \
	{ #name, offsetof(struct cagma_page, name), \
	  sizeof(((struct cagma_page *)0)->name) }
#define SAMPLE(name) FIELD(slot[0].sample.name)
#define MAIL(name) FIELD(mailbox.mail.name)

static const struct field {
	const char *name;
	size_t offset;
	size_t size;
} fields[] = {
	FIELD(header.magic), FIELD(header.version), FIELD(header.slot_count),
	FIELD(header.slot_bytes), FIELD(header.features), FIELD(header.epoch),
	FIELD(header.period_ms), FIELD(header.reserved),
	FIELD(publication.head), FIELD(publication.state),
	FIELD(publication.reserved),
	FIELD(mailbox.seq), FIELD(mailbox.reserved),
	MAIL(answered_event), MAIL(flags), MAIL(target_pages),
	MAIL(threshold_pages), MAIL(epoch), MAIL(reserved),
	FIELD(doorbell.armed), FIELD(doorbell.dom0_alive),
	FIELD(doorbell.reserved), FIELD(reserved),
	FIELD(slot[0].seq), FIELD(slot[0].reserved),
	SAMPLE(reason), SAMPLE(event), SAMPLE(mail_seq),
	SAMPLE(reaction_event), SAMPLE(flags), SAMPLE(least_pages),
	SAMPLE(time_ns), SAMPLE(total_pages), SAMPLE(free_pages),
	SAMPLE(available_pages), SAMPLE(anon_pages), SAMPLE(file_pages),
	SAMPLE(shmem_pages), SAMPLE(committed_pages), SAMPLE(swap_free_pages),
	SAMPLE(swap_in_pages), SAMPLE(swap_out_pages), SAMPLE(refault_pages),
	SAMPLE(direct_stalls), SAMPLE(balloon_pages),
	SAMPLE(balloon_target_pages), SAMPLE(offset_pages), SAMPLE(task_pages),
	SAMPLE(reaction_ns), SAMPLE(swap_total_pages),
	SAMPLE(refault_file_pages), SAMPLE(activate_file_pages),
	SAMPLE(active_file_pages),
	{ "slot[1]", offsetof(struct cagma_page, slot[1]),
	  (CAGMA_SLOT_COUNT - 1) * CAGMA_SLOT_BYTES },
};

struct row {
	size_t offset;
	size_t size;
	char writer[8];
	char name[40];
};

static FILE *open_document(void)
{
	FILE *file = fopen(DOCUMENT, "r");

	assert_non_null(file);
	return file;
}

/* The rows of the byte table; every line that begins with an offset. */
static size_t read_table(struct row *rows, size_t max)
{
	FILE *file = open_document();
	char line[256];
	size_t count = 0;

	while (fgets(line, sizeof(line), file)) {
		struct row row;

		if (sscanf(line, "| %zx | %zu | %7[a-z0-9] | `%39[^`]`",
			   &row.offset, &row.size, row.writer, row.name) != 4)
			continue;
		assert_true(count < max);
		rows[count++] = row;
	}
	fclose(file);
	return count;
}

static void test_documented_table_is_the_struct(void **state)
{
	struct row rows[ARRAY_SIZE(fields) + 1];
	size_t count = read_table(rows, ARRAY_SIZE(rows)), end = 0;

	(void)state;
	assert_int_equal(count, ARRAY_SIZE(fields));
	for (size_t i = 0; i < count; i++) {
		assert_string_equal(rows[i].name, fields[i].name);
		assert_int_equal(rows[i].offset, fields[i].offset);
		assert_int_equal(rows[i].size, fields[i].size);
		assert_int_equal(rows[i].offset, end);
		end += rows[i].size;
	}
	assert_int_equal(end, sizeof(struct cagma_page));
}

static void test_writers_share_no_cache_line(void **state)
{
	struct row rows[ARRAY_SIZE(fields) + 1];
	size_t count = read_table(rows, ARRAY_SIZE(rows));

	(void)state;
	assert_true(count > 1);
	for (size_t i = 1; i < count; i++)
		if (strcmp(rows[i].writer, rows[i - 1].writer))
			assert_int_equal(rows[i].offset % 64, 0);
}

/* The page that the document's example shows, made by the protocol itself. */
static void make_example(void)
{
	const struct cagma_sample sample = {
		.reason = CAGMA_REASON_SAMPLER,
		.event = 1,
		.time_ns = 60 * S,
		.total_pages = 240 * MIB,
		.free_pages = 10 * MIB,
		.available_pages = 20 * MIB,
		.swap_free_pages = 512 * MIB,
		.balloon_pages = 256 * MIB,
		.balloon_target_pages = 256 * MIB,
	};
	const struct cagma_mail mail = {
		.answered_event = 1,
		.target_pages = 288 * MIB,
		.threshold_pages = 36 * MIB,
		.epoch = 0x1122334455667788,
	};

	cagma_header_offer(&page, &(struct cagma_header){
		.magic = CAGMA_PAGE_MAGIC,
		.version = CAGMA_PAGE_VERSION,
		.slot_count = CAGMA_SLOT_COUNT,
		.slot_bytes = CAGMA_SLOT_BYTES,
		.features = CAGMA_FEATURE_HOOKS,
		.epoch = mail.epoch,
		.period_ms = 100,
	});
	cagma_sample_write(&page, 0, &sample);
	cagma_mail_write(&page, 2, &mail);
	cagma_dom0_announce(&page);
	cagma_arm(&page);
}

/* One line of 16 bytes; returns false, and prints nothing, for zeros. */
static bool dump_line(char *text, size_t size, size_t offset)
{
	const uint8_t *byte = (const uint8_t *)&page + offset;
	int n = snprintf(text, size, "%03zx:", offset);
	bool any = false;

	for (int i = 0; i < 16; i++) {
		n += snprintf(text + n, size - (size_t)n, " %02x", byte[i]);
		any |= byte[i] != 0;
	}
	snprintf(text + n, size - (size_t)n, "\n");
	return any;
}

static void skip_to_example(FILE *file)
{
	char line[256] = "";

	while (strcmp(line, "```\n"))
		assert_non_null(fgets(line, sizeof(line), file));
}

static void test_documented_example_is_a_page(void **state)
{
	FILE *file = open_document();
	char line[256], expected[80];

	(void)state;
	make_example();
	skip_to_example(file);
	for (size_t offset = 0; offset < sizeof(page); offset += 16) {
		if (!dump_line(expected, sizeof(expected), offset))
			continue;
		assert_non_null(fgets(line, sizeof(line), file));
		assert_string_equal(line, expected);
	}
	assert_non_null(fgets(line, sizeof(line), file));
	assert_string_equal(line, "```\n");
	fclose(file);
}

#define PAGE_TEST(name) cmocka_unit_test_setup(name, clear_page)

int main(void)
{
	const struct CMUnitTest tests[] = {
		PAGE_TEST(test_samples_are_read_as_published),
		PAGE_TEST(test_lapped_slot_is_stale),
		PAGE_TEST(test_sample_numbers_wrap),
		PAGE_TEST(test_G3_odd_sequence_is_not_read),
		PAGE_TEST(test_mail_is_read_as_written),
		PAGE_TEST(test_kick_publish_then_arm_is_seen_by_dom0),
		PAGE_TEST(test_kick_arm_then_publish_is_kicked),
		PAGE_TEST(test_G11_armed_is_1_and_nothing_else),
		PAGE_TEST(test_dom0_comes_and_goes),
		PAGE_TEST(test_header_is_read_as_offered),
		PAGE_TEST(test_documented_table_is_the_struct),
		PAGE_TEST(test_writers_share_no_cache_line),
		PAGE_TEST(test_documented_example_is_a_page),
	};

	return cmocka_run_group_tests_name("page", tests, NULL, NULL);
}
