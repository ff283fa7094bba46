// SPDX-License-Identifier: GPL-2.0-only
/*
 * An agent that sends any bytes, in any pieces, at any time: dom0/vchan.c and
 * what dom0/session.c does with it, as they are shipped, on a port whose reads
 * return as little as the input likes, or fail.
 *
 * What must hold: a visit costs a bounded number of reads, each within the
 * buffer; what comes out is what a plain parser finds in all bytes that were
 * read, message by message; a link is let go if and only if that parser, or a
 * call, or the clock gives a reason; an order is sent whole, the newest first
 * and only, under a sequence that is never 0 and never the one before.
 */
/* The rest of the port is the fake's. */
#define cagma_vchan_open	fuzz_vchan_open
#define cagma_vchan_close	fuzz_vchan_close
#define cagma_vchan_fd		fuzz_vchan_fd
#define cagma_vchan_take	fuzz_vchan_take
#define cagma_vchan_unmask	fuzz_vchan_unmask
#define cagma_vchan_read	fuzz_vchan_read
#define cagma_vchan_send	fuzz_vchan_send

#include "vchan.c"
#include "session.c"

#include "fuzz.h"

#define STEPS_MAX	512
#define STREAM_MAX	65536
#define VISIT_READS	(2 * CAGMA_BATCH)

static struct fuzz_input input;
static struct cagma_config config;
static struct cagma_trace trace;
static struct cagma_state state;
static struct cagma_guest guest;
static struct cagma_link *way;
static uint64_t now_ns;

/* All that the agent sent on the present connection, and how far it was read. */
static uint8_t stream[STREAM_MAX];
static size_t sent, taken;
static size_t piece;		/* no read brings more */
static int read_error, send_error, send_failed;
static unsigned int reads, sends;
static unsigned int open_vchans;
static uint32_t last_seq;	/* that was sent */
static uint64_t newest_target;

/* ---- the port ---- */

struct cagma_vchan { char unused; };
static struct cagma_vchan vchan;

int cagma_vchan_open(struct cagma_vchan **out, uint16_t domid, const char *node)
{
	fuzz_must(domid == 7 && !strcmp(node, CAGMA_MSG_NODE));
	open_vchans++;
	*out = &vchan;
	return 0;
}

void cagma_vchan_close(struct cagma_vchan *old)
{
	fuzz_must(old == &vchan && open_vchans == 1);
	open_vchans--;
}

int cagma_vchan_fd(const struct cagma_vchan *of)
{
	fuzz_must(of == &vchan);
	return -1;
}

int cagma_vchan_take(struct cagma_vchan *of)
{
	(void)of;
	abort();
}

int cagma_vchan_unmask(struct cagma_vchan *of)
{
	(void)of;
	abort();
}

int cagma_vchan_read(struct cagma_vchan *of, void *data, size_t size)
{
	size_t got = sent - taken;
	int err = read_error;

	fuzz_must(of == &vchan && size && size <= CAGMA_MSG_MAX);
	fuzz_must(++reads <= VISIT_READS);
	read_error = 0;
	if (err)
		return err;
	got = cagma_min(got, cagma_min(size, piece));
	memcpy(data, stream + taken, got);
	taken += got;
	return (int)got;
}

int cagma_vchan_send(struct cagma_vchan *of, const void *data, size_t size)
{
	struct cagma_order_message message;

	fuzz_must(of == &vchan && size == sizeof(message));
	memcpy(&message, data, size);
	/* What waited, and once more what wasn't taken. */
	fuzz_must(++sends <= 2);
	fuzz_must(message.header.bytes == size);
	fuzz_must(message.header.type == CAGMA_MSG_ORDER);
	fuzz_must(message.order.mail.target_pages == newest_target);
	if (send_error == -EPROTO || send_error == -EIO)
		send_failed = send_error;
	if (send_error)
		return send_error;
	fuzz_must(message.order.seq && message.order.seq != last_seq);
	last_seq = message.order.seq;
	return 0;
}

/* ---- a plain parser of all that was read ---- */

struct parsed {
	bool greeted;
	enum cagma_lie lie;
	size_t samples;
	size_t rest;			/* bytes of a message not ended */
	struct cagma_report newest;
};

static enum cagma_lie parse_header(const struct cagma_msg_header *header,
				   bool greeted)
{
	bool hello = header->type == CAGMA_MSG_HELLO;

	if (!hello && header->type != CAGMA_MSG_SAMPLE)
		return CAGMA_LIE_TYPE;
	if (header->bytes != (hello ? 24 : 224))
		return CAGMA_LIE_SIZE;
	return hello == greeted ? CAGMA_LIE_TURN : CAGMA_LIE_NONE;
}

static struct parsed parse(void)
{
	struct parsed p = { 0 };
	size_t at = 0;

	while (!p.lie && taken - at >= sizeof(struct cagma_msg_header)) {
		struct cagma_msg_header header;

		memcpy(&header, stream + at, sizeof(header));
		p.lie = parse_header(&header, p.greeted);
		if (p.lie || taken - at < header.bytes)
			break;
		if (p.greeted) {
			p.samples++;
			memcpy(&p.newest, stream + at + 8, sizeof(p.newest));
		} else if (stream[at + 8] != 1 || stream[at + 9] ||
			   stream[at + 10] || stream[at + 11]) {
			p.lie = CAGMA_LIE_VERSION;
		}
		p.greeted = true;
		at += header.bytes;
	}
	p.rest = taken - at;
	return p;
}

/* ---- the agent ---- */

static void say(const void *data, size_t size)
{
	size = cagma_min(size, sizeof(stream) - sent);
	memcpy(stream + sent, data, size);
	sent += size;
}

static void say_hello(void)
{
	const struct {
		struct cagma_msg_header header;
		struct cagma_hello hello;
	} message = {
		{ sizeof(message), CAGMA_MSG_HELLO, 0 },
		{ .version = CAGMA_MSG_VERSION,
		  .period_ms = (uint32_t)fuzz_number(&input) },
	};

	say(&message, sizeof(message));
}

static void say_report(void)
{
	const struct {
		struct cagma_msg_header header;
		struct cagma_report report;
	} message = {
		{ sizeof(message), CAGMA_MSG_SAMPLE, 0 },
		{ .sample = {
			.reason = fuzz_byte(&input),
			.event = fuzz_byte(&input),
			.mail_seq = last_seq,
			.reaction_event = fuzz_byte(&input),
			.total_pages = fuzz_number(&input),
			.available_pages = fuzz_number(&input),
			.swap_free_pages = fuzz_number(&input),
			.balloon_pages = fuzz_number(&input),
			.balloon_target_pages = fuzz_number(&input),
			.reaction_ns = fuzz_number(&input) },
		  .pressure.swap_total_pages = fuzz_number(&input) },
	};

	say(&message, sizeof(message));
}

static void say_anything(void)
{
	size_t length = fuzz_byte(&input);

	while (length-- && input.size) {
		uint8_t byte = fuzz_byte(&input);

		say(&byte, 1);
	}
}

/* ---- the daemon ---- */

static void connect_anew(void)
{
	sent = taken = 0;
	read_error = send_error = send_failed = 0;
	last_seq = 0;
	memset(&guest.track, 0, sizeof(guest.track));
	fuzz_must(!cagma_agent_open(&way, 7,
				    (uint32_t)fuzz_take(&input, 4)));
	way->guest = &guest;
	guest.link[CAGMA_RANK_VCHAN] = guest.source = way;
	guest.open_event = guest.answered_event = guest.reaction_event = 0;
	guest.aims = true;
}

static void check_lie(enum cagma_lie lie, const struct parsed *p, int err)
{
	if (p->lie) {
		fuzz_must(lie == p->lie);
		return;
	}
	switch (lie) {
	case CAGMA_LIE_NONE:
		fuzz_must(!err);
		break;
	case CAGMA_LIE_INDEX:
		fuzz_must(err == -EPROTO || send_failed == -EPROTO);
		break;
	case CAGMA_LIE_CLOSED:
		fuzz_must(err == -EPIPE && p->greeted);
		break;
	case CAGMA_LIE_HELLO:
		fuzz_must(!p->greeted);
		break;
	case CAGMA_LIE_SLOW:
		fuzz_must(p->greeted && p->rest && !guest.facts.paused);
		break;
	default:
		fuzz_must(lie == CAGMA_LIE_CHANNEL);
		fuzz_must(err == -EIO || send_failed == -EIO);
	}
}

static void visit(void)
{
	static struct cagma_sample samples[CAGMA_BATCH];
	const struct parsed before = parse();
	struct parsed after;
	enum cagma_lie lie;
	int err = read_error;
	size_t count;

	reads = sends = 0;
	lie = drain(way, now_ns, samples, &count);
	after = parse();
	fuzz_must(count <= CAGMA_BATCH);
	fuzz_must(count == after.samples - before.samples);
	if (count) {
		fuzz_must(!memcmp(&samples[count - 1], &after.newest.sample,
				  sizeof(samples[0])));
		fuzz_must(!memcmp(way->pressure,
				  &after.newest.pressure,
				  sizeof(after.newest.pressure)));
	}
	check_lie(lie, &after, err);
	for (size_t i = 0; i < count; i++)
		accept_sample(&state, way, &samples[i], now_ns);
	if (count)
		cagma_track_know_swap(&guest.track,
				      way->pressure->swap_total_pages);
	fuzz_must(cagma_track_swapped(&guest.track) <= CAGMA_PAGES_MAX);
	if (!lie)
		return;
	/* Before it is let go it may be looked at again: nothing is read. */
	reads = VISIT_READS;
	fuzz_must(way->transport->drain(way, now_ns, samples, &count) == lie);
	fuzz_must(!count);
	way->transport->close(way);
	connect_anew();
}

static void order_something(void)
{
	const struct cagma_order order = {
		.target_pages = newest_target = fuzz_number(&input),
		.threshold_pages = fuzz_byte(&input),
	};

	sends = 0;
	way->transport->mail(way, &order, false);
	fuzz_must(sends == 1);
	fuzz_must(way->mail_seq);
}

static void fail_some(void)
{
	static const int errors[] = { 0, -EPROTO, -EPIPE, -EIO, -EAGAIN };
	uint8_t how = fuzz_byte(&input);

	/* There is no read that would block: then there are 0 bytes. */
	read_error = errors[how % 4];
	send_error = errors[how / 4 % 5];
}

static void step(void)
{
	switch (fuzz_byte(&input) % 10) {
	case 0:
		say_hello();
		break;
	case 1:
	case 2:
		say_report();
		break;
	case 3:
		say_anything();
		break;
	case 4:
	case 5:
		visit();
		break;
	case 6:
		now_ns += fuzz_byte(&input) * CAGMA_NS_PER_MS * 50;
		break;
	case 7:
		order_something();
		break;
	case 8:
		piece = 1 + fuzz_byte(&input);
		guest.facts.paused = !(piece % 16);
		break;
	default:
		fail_some();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static bool once;

	if (!once)
		cagma_config_init(&config);
	once = true;
	input = (struct fuzz_input){ data, size };
	state = (struct cagma_state){ .config = &config, .trace = &trace };
	memset(&guest, 0, sizeof(guest));
	guest.facts.alloc_pages = cagma_mib_to_pages(256);
	guest.facts.limit_pages = cagma_mib_to_pages(1024);
	guest.present = true;
	now_ns = 1000 * CAGMA_NS_PER_S;
	piece = CAGMA_MSG_MAX;
	connect_anew();
	for (int i = 0; input.size && i < STEPS_MAX; i++)
		step();
	way->transport->close(way);
	fuzz_must(!open_vchans);
	return 0;
}
