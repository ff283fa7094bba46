// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that changes its page between any two loads, all the way from the
 * page to the policy's decision: dom0/reader.c, and what dom0/session.c and
 * dom0/pass.c do with it, as they are shipped, with dom0/track.c and policy.c.
 *
 * What must hold: a call costs a bounded number of loads; every load is inside
 * the page and none of what dom0 wrote; dom0 stores nothing outside its own
 * lines; a sample that is handed out was in one slot, whole, under the sequence
 * that belongs to its number; and whatever it says, targets stay between the
 * guests' minimum and maximum and no memory is given that isn't there.
 */
#define CAGMA_SYNC_BACKEND "fuzz_sync.h"

#include "reader.c"

#include "fuzz.h"
#include "pass.c"
#include "session.c"

#define GUESTS		3	/* the liar and two that are honest */
#define STEPS_MAX	256
#define WORDS		CAGMA_WORDS(cagma_sample)
#define HEADER_LOADS	(CAGMA_WORDS(cagma_header) + 2)
#define DRAIN_LOADS	(3 + CAGMA_READER_BATCH * TRIES * (2 + WORDS))

static _Alignas(CAGMA_PAGE_BYTES) struct cagma_page page;
static struct cagma_config config;
static struct cagma_trace trace;
static struct cagma_state state;
static struct cagma_guest guest;
static struct cagma_reader reader;
static struct cagma_link way;
static struct cagma_guest_view views[GUESTS];
static struct cagma_decision decisions[GUESTS];

static struct fuzz_input input;
static uint32_t published;	/* by the guest's own count */
static unsigned int calm;	/* loads until the guest strikes again */
static uint64_t now_ns;

/* What the daemon loaded during the present call. */
static struct {
	size_t offset;
	uint64_t value;
} loaded[DRAIN_LOADS];
static size_t loads, loads_max;

/* ---- the guest ---- */

static void scribble(size_t offset, uint64_t value)
{
	offset %= sizeof(page) - sizeof(value) + 1;
	memcpy((uint8_t *)&page + offset, &value, sizeof(value));
}

static void publish(void)
{
	struct cagma_slot *slot = &page.slot[published % CAGMA_SLOT_COUNT];
	const struct cagma_sample sample = {
		.reason = fuzz_byte(&input),
		.event = fuzz_byte(&input),
		.reaction_event = fuzz_byte(&input),
		.total_pages = fuzz_number(&input),
		.free_pages = fuzz_number(&input),
		.available_pages = fuzz_number(&input),
		.swap_free_pages = fuzz_number(&input),
		.swap_in_pages = fuzz_number(&input),
		.balloon_pages = fuzz_number(&input),
		.balloon_target_pages = fuzz_number(&input),
		.task_pages = fuzz_number(&input),
		.reaction_ns = fuzz_number(&input),
	};

	slot->seq = 2 * published + 2;
	slot->sample = sample;
	page.publication.head = ++published;
}

/* Before a load of `size` bytes at `offset`. */
static void strike(size_t offset, size_t size)
{
	uint8_t *target = (uint8_t *)&page + offset;
	uint64_t value = 0;
	uint8_t how;

	if (calm) {
		calm--;
		return;
	}
	if (!input.size)
		return;
	how = fuzz_byte(&input);
	calm = fuzz_byte(&input);
	memcpy(&value, target, size);
	switch (how % 6) {
	case 0:
		value += how / 6;
		break;
	case 1:
		value -= how / 6;
		break;
	case 2:
		value = fuzz_number(&input);
		break;
	case 3:
		publish();
		return;
	case 4:
		scribble(fuzz_take(&input, 2), fuzz_number(&input));
		return;
	default:
		return;
	}
	memcpy(target, &value, size);
}

/* ---- the daemon's accesses ---- */

static size_t offset_of(const void *address, size_t size)
{
	uintptr_t offset = (uintptr_t)address - (uintptr_t)&page;

	fuzz_must(offset <= sizeof(page) - size);
	return offset;
}

static bool is_dom0s(size_t offset)
{
	return offset >= offsetof(struct cagma_page, mailbox) &&
	       offset < offsetof(struct cagma_page, reserved);
}

uint64_t fuzz_load(const void *from, size_t size)
{
	size_t offset = offset_of(from, size);
	uint64_t value = 0;

	fuzz_must(!is_dom0s(offset));
	fuzz_must(loads < loads_max);
	strike(offset, size);
	memcpy(&value, from, size);
	loaded[loads].offset = offset;
	loaded[loads].value = value;
	loads++;
	return value;
}

void fuzz_store(void *to, uint64_t value, size_t size)
{
	fuzz_must(is_dom0s(offset_of(to, size)));
	memcpy(to, &value, size);
}

static void expect_loads(size_t max)
{
	loads = 0;
	loads_max = max;
}

/* ---- samples come from the page ---- */

/* Is `sample` what was loaded from the i-th load on, as sample number `n`? */
static bool was_read_at(size_t i, uint32_t n, const struct cagma_sample *sample)
{
	size_t slot = offsetof(struct cagma_page, slot[n % CAGMA_SLOT_COUNT]);
	const cagma_word *word = (const cagma_word *)sample;

	if (i + WORDS + 2 > loads || loaded[i].offset != slot ||
	    loaded[i].value != 2 * n + 2 ||
	    loaded[i + WORDS + 1].offset != slot ||
	    loaded[i + WORDS + 1].value != loaded[i].value)
		return false;
	for (size_t w = 0; w < WORDS; w++)
		if (loaded[i + 1 + w].offset != slot + 8 + w * sizeof(*word) ||
		    loaded[i + 1 + w].value != word[w])
			return false;
	return true;
}

/* Moves *i and *n behind the sample. */
static bool was_read(size_t *i, uint32_t *n, uint32_t end,
		     const struct cagma_sample *sample)
{
	for (; *n != end; ++*n)
		for (size_t j = *i; j < loads; j++)
			if (was_read_at(j, *n, sample)) {
				*i = j + WORDS + 2;
				++*n;
				return true;
			}
	return false;
}

static enum cagma_lie checked_drain(struct cagma_link *link, uint64_t time_ns,
				    struct cagma_sample *samples, size_t *count)
{
	const struct cagma_reader before = reader;
	enum cagma_lie lie;
	uint32_t n;
	size_t i = 0;

	fuzz_must(link == &way && time_ns == now_ns);
	expect_loads(DRAIN_LOADS);
	lie = cagma_reader_drain(&reader, samples, count);
	fuzz_must(lie < CAGMA_LIE_COUNT);
	fuzz_must(*count <= CAGMA_READER_BATCH);
	fuzz_must(reader.next - before.next <= INT32_MAX);
	fuzz_must(reader.next - before.next ==
		  *count + (reader.torn - before.torn) +
			  (uint32_t)(reader.lost - before.lost));
	n = before.next + (uint32_t)(reader.lost - before.lost);
	for (size_t s = 0; s < *count; s++)
		fuzz_must(was_read(&i, &n, reader.next, &samples[s]));
	return lie;
}

static const struct cagma_transport by_page = {
	.rank = CAGMA_RANK_PAGE,
	.drain = checked_drain,
};

/* ---- decisions ---- */

static void add_honest(struct cagma_guest_view *view)
{
	uint64_t pages = cagma_mib_to_pages(64) + (uint64_t)fuzz_byte(&input) *
			 cagma_mib_to_pages(8);
	uint64_t used = pages * fuzz_byte(&input) / 256;

	*view = (struct cagma_guest_view){
		.alloc_pages = pages,
		.target_pages = pages,
		.used_pages = used,
		.used_donor_pages = used,
		.used_release_pages = used,
		.min_pages = cagma_mib_to_pages(64),
		.max_pages = cagma_mib_to_pages(4096),
		.weight = 1,
		.settled_ns = UINT64_MAX,
		.yielded_ns = UINT64_MAX,
		.covered = true,
	};
}

static void check_decision(const struct cagma_guest_view *view,
			   const struct cagma_decision *decision)
{
	fuzz_must(decision->target_pages >= view->min_pages);
	fuzz_must(decision->target_pages <= view->max_pages);
	fuzz_must(decision->cma_pages <= view->max_pages);
	fuzz_must(decision->threshold_pages <= decision->cma_pages);
	fuzz_must(decision->unmet_pages <= view->max_pages);
	fuzz_must(decision->why < CAGMA_WHY_COUNT);
}

static void decide(void)
{
	const struct cagma_host_view host = {
		.spare_pages = fuzz_byte(&input) * cagma_mib_to_pages(4),
		.reserve_pages = config.reserve_pages,
		.hard_pages = config.hard_pages,
		.up_ns = fuzz_byte(&input) * CAGMA_NS_PER_S,
	};
	int64_t spare = (int64_t)host.spare_pages;
	uint8_t how = fuzz_byte(&input);

	guest.facts.paused = how & 2;
	view_guest(&state, &guest, now_ns, &views[0]);
	for (size_t i = 1; i < GUESTS; i++)
		add_honest(&views[i]);
	config.policy->decide(&config.tuning, &host, views, GUESTS, how & 1,
			      decisions);
	for (size_t i = 0; i < GUESTS; i++)
		check_decision(&views[i], &decisions[i]);
	fuzz_must(!cagma_invariant_check(&config.tuning, &host, spare, spare,
					 views, decisions, GUESTS, how & 1));
	guest.target_pages = decisions[0].target_pages;
	guest.threshold_pages = decisions[0].threshold_pages;
	guest.answered_event = guest.open_event;
	guest.open_event = 0;
}

/* ---- what the daemon does with a page ---- */

static void attach(void)
{
	uint64_t epoch = page.header.epoch ? page.header.epoch : 1;

	expect_loads(HEADER_LOADS);
	way.lie = cagma_reader_attach(&reader, &page, epoch,
					(uint32_t)fuzz_take(&input, 4));
	fuzz_must(way.lie < CAGMA_LIE_COUNT);
}

static void mail(void)
{
	const struct cagma_order order = {
		.target_pages = guest.target_pages,
		.threshold_pages = guest.threshold_pages,
		.answered_event = guest.answered_event,
		.denied = fuzz_byte(&input) & 1,
	};
	uint32_t before = reader.mail_seq;

	expect_loads(0);
	cagma_reader_mail(&reader, &order);
	fuzz_must(reader.mail_seq && reader.mail_seq % 2 == 0);
	fuzz_must(reader.mail_seq != before);
	fuzz_must(page.mailbox.seq == reader.mail_seq);
	fuzz_must(page.mailbox.mail.target_pages == order.target_pages);
}

static void arm(void)
{
	bool more;

	expect_loads(1);
	more = cagma_reader_arm(&reader);
	fuzz_must(loads == 1);
	fuzz_must(more == (loaded[0].value != reader.next));
}

static void read_page(void)
{
	if (!cagma_session_read(&state, &way, now_ns))
		attach();
	cagma_offset_look(&guest, now_ns);
	fuzz_must(cagma_track_used(&guest.track) <=
		  guest.facts.limit_pages + cagma_mib_to_pages(64));
	fuzz_must(cagma_track_swapped(&guest.track) <= CAGMA_PAGES_MAX);
}

static void pass_time(void)
{
	cagma_track_close(&guest.track, now_ns);
	now_ns += ((uint64_t)fuzz_byte(&input) + 1) * CAGMA_NS_PER_MS * 50;
}

static void step(void)
{
	switch (fuzz_byte(&input) % 9) {
	case 0:
	case 1:
		publish();
		break;
	case 2:
	case 3:
		read_page();
		break;
	case 4:
		pass_time();
		break;
	case 5:
		decide();
		break;
	case 6:
		scribble(fuzz_take(&input, 2), fuzz_number(&input));
		break;
	case 7:
		mail();
		break;
	default:
		arm();
		cagma_reader_disarm(&reader);
		break;
	}
}

static void reset(void)
{
	static bool once;

	if (!once)
		cagma_config_init(&config);
	once = true;
	memset(&page, 0, sizeof(page));
	page.header = (struct cagma_header){
		.magic = CAGMA_PAGE_MAGIC,
		.version = CAGMA_PAGE_VERSION,
		.slot_count = CAGMA_SLOT_COUNT,
		.slot_bytes = CAGMA_SLOT_BYTES,
		.epoch = 7,
		.period_ms = 100,
	};
	page.publication.state = CAGMA_STATE_LIVE;
	state = (struct cagma_state){ .config = &config, .trace = &trace };
	memset(&guest, 0, sizeof(guest));
	way = (struct cagma_link){
		.transport = &by_page,
		.guest = &guest,
		.fd = -1,
	};
	guest.source = guest.link[CAGMA_RANK_PAGE] = &way;
	guest.present = true;
	guest.aims = true;	/* the first orders are behind it */
	guest.facts.alloc_pages = cagma_mib_to_pages(256);
	guest.facts.limit_pages = cagma_mib_to_pages(1024);
	guest.target_pages = cagma_mib_to_pages(256);
	guest.min_pages = cagma_mib_to_pages(96);
	guest.max_pages = cagma_mib_to_pages(1024);
	guest.weight = 1;
	published = 0;
	now_ns = 1000 * CAGMA_NS_PER_S;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	reset();
	input = (struct fuzz_input){ data, size };
	calm = UINT32_MAX;
	attach();
	fuzz_must(way.lie == CAGMA_LIE_NONE);
	calm = fuzz_byte(&input);
	for (int i = 0; input.size && i < STEPS_MAX; i++)
		step();
	return 0;
}
