// SPDX-License-Identifier: GPL-2.0-only
#include "reader.h"
#include "sync.h"

/* A writer that is met twice in a row is stuck, stopped or lying. */
#define TRIES		4
/* Visits in a row that found new samples and not one readable. */
#define TORN_LIMIT	50
#define PERIOD_MIN_MS	10
#define PERIOD_MAX_MS	1000

_Static_assert(CAGMA_READER_BATCH == CAGMA_SLOT_COUNT, "one batch is a ring");

size_t cagma_reader_dead_offset(void)
{
	return offsetof(struct cagma_page, doorbell.dom0_alive);
}

static enum cagma_lie judge(const struct cagma_header *header, uint64_t epoch)
{
	if (header->magic != CAGMA_PAGE_MAGIC)
		return CAGMA_LIE_MAGIC;
	if (header->version != CAGMA_PAGE_VERSION)
		return CAGMA_LIE_VERSION;
	if (header->slot_count != CAGMA_SLOT_COUNT ||
	    header->slot_bytes != CAGMA_SLOT_BYTES)
		return CAGMA_LIE_LAYOUT;
	if (!epoch || header->epoch != epoch)
		return CAGMA_LIE_EPOCH;
	return CAGMA_LIE_NONE;
}

enum cagma_lie cagma_reader_attach(struct cagma_reader *reader, void *page,
				   uint64_t epoch, uint32_t seed)
{
	struct cagma_header header;
	enum cagma_lie lie;

	*reader = (struct cagma_reader){ .page = page };
	cagma_header_read(reader->page, &header);
	lie = judge(&header, epoch);
	if (lie)
		return lie;
	if (cagma_state_read(reader->page) != CAGMA_STATE_LIVE)
		return CAGMA_LIE_CLOSED;
	reader->epoch = epoch;
	reader->next = cagma_head_read(reader->page);
	reader->mail_seq = seed & ~1u;
	reader->period_ms = header.period_ms < PERIOD_MIN_MS ? PERIOD_MIN_MS :
			    header.period_ms > PERIOD_MAX_MS ? PERIOD_MAX_MS :
			    header.period_ms;
	return CAGMA_LIE_NONE;
}

void cagma_reader_announce(struct cagma_reader *reader)
{
	cagma_dom0_announce(reader->page);
}

void cagma_reader_leave(struct cagma_reader *reader)
{
	cagma_dom0_leave(reader->page);
}

void cagma_reader_mail(struct cagma_reader *reader,
		       const struct cagma_order *order)
{
	const struct cagma_mail mail = {
		.answered_event = order->answered_event,
		.flags = order->denied ? CAGMA_MAIL_DENIED : 0,
		.target_pages = order->target_pages,
		.threshold_pages = order->threshold_pages,
		.epoch = reader->epoch,
	};

	reader->mail_seq += 2;
	if (!reader->mail_seq)
		reader->mail_seq = 2;
	cagma_mail_write(reader->page, reader->mail_seq, &mail);
}

bool cagma_reader_arm(struct cagma_reader *reader)
{
	cagma_arm(reader->page);
	return cagma_head_read(reader->page) != reader->next;
}

void cagma_reader_disarm(struct cagma_reader *reader)
{
	cagma_disarm(reader->page);
}

static int read_one(struct cagma_reader *reader, uint32_t n,
		    struct cagma_sample *sample)
{
	int err = -EAGAIN;

	for (int i = 0; err == -EAGAIN && i < TRIES; i++)
		err = cagma_sample_read(reader->page, n, sample);
	return err;
}

/* Samples waiting; more than a ring means that the oldest are gone. */
static uint32_t waiting(struct cagma_reader *reader, uint32_t head)
{
	uint32_t behind = head - reader->next;

	if (behind > CAGMA_SLOT_COUNT) {
		reader->lost += behind - CAGMA_SLOT_COUNT;
		reader->next = head - CAGMA_SLOT_COUNT;
		behind = CAGMA_SLOT_COUNT;
	}
	return behind;
}

bool cagma_reader_peek(struct cagma_reader *reader,
		       struct cagma_sample *sample)
{
	uint32_t head = cagma_head_read(reader->page);

	return head && !read_one(reader, head - 1, sample);
}

enum cagma_lie cagma_reader_drain(struct cagma_reader *reader,
				  struct cagma_sample *samples, size_t *count)
{
	uint32_t head = cagma_head_read(reader->page);
	uint32_t behind, i;

	*count = 0;
	if (head - reader->next > INT32_MAX)
		return CAGMA_LIE_HEAD;
	behind = waiting(reader, head);
	for (i = 0; i < behind; i++, reader->next++) {
		if (read_one(reader, reader->next, &samples[*count]))
			reader->torn++;
		else
			(*count)++;
	}
	if (*count)
		reader->torn_in_a_row = 0;
	else if (behind && ++reader->torn_in_a_row > TORN_LIMIT)
		return CAGMA_LIE_TORN;
	if (cagma_state_read(reader->page) != CAGMA_STATE_LIVE)
		return CAGMA_LIE_CLOSED;
	if (cagma_epoch_read(reader->page) != reader->epoch)
		return CAGMA_LIE_EPOCH;
	return CAGMA_LIE_NONE;
}
