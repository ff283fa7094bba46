// SPDX-License-Identifier: GPL-2.0-only
/* Guests with an agent: what it says at any pace, and all that can go wrong. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "life.h"
#include "msg.h"
#include "store.h"
#include "vchan.h"

#define RETRY_S		4	/* without a page, an agent is found within */

static struct fake_guest *add_agent(uint16_t domid, uint64_t pages)
{
	struct fake_guest *g = add(domid, pages);

	g->no_module = true;
	fake_agent_start(g);
	return g;
}

static struct cagma_link *link_of(const struct fake_guest *g,
				  enum cagma_rank rank)
{
	struct cagma_guest *known = served(g);

	return known ? known->link[rank] : NULL;
}

static bool is_source(const struct fake_guest *g, enum cagma_rank rank)
{
	return link_of(g, rank) && served(g)->source == link_of(g, rank);
}

/* Why the vchan of that domain is in quarantine, or "". */
static const char *reason_of(uint16_t domid)
{
	const struct cagma_quarantine *q = cagma_store_quarantine(d.store);

	for (size_t i = 0; q && i < q->count; i++)
		if (q->entry[i].domid == domid &&
		    q->entry[i].rank == CAGMA_RANK_VCHAN && !q->entry[i].attached)
			return q->entry[i].reason;
	return "";
}

/* It grows, asks through whatever it has, and is answered at once. */
static void assert_is_served(struct fake_guest *g)
{
	g->used_pages = g->alloc_pages - 10 * MIB;
	fake_guest_step(g);
	serve();
	assert_true(g->balloon_target_pages >= g->used_pages + 48 * MIB);
	run(S);
}

/* A message of the agent's, with any header. */
static bool say(struct fake_guest *g, uint32_t bytes, uint16_t type,
		size_t length)
{
	uint8_t message[CAGMA_MSG_MAX] = { 0 };
	struct cagma_msg_header header = { .bytes = bytes, .type = type };

	memcpy(message, &header, sizeof(header));
	return fake_agent_write(g, message, length);
}

/* Of a guest that was attached: it is let go within `ns`. */
static void assert_is_let_go(const struct fake_guest *g, uint64_t ns,
			     const char *reason)
{
	uint64_t end_ns = cagma_now_ns() + ns;

	assert_non_null(served(g));
	while (served(g) && cagma_now_ns() < end_ns)
		run(STEP);
	assert_null(served(g));
	assert_string_equal(reason_of(g->domid), reason);
}

/* ---- the working path ---- */

static void test_agent_without_module_is_served(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);

	(void)state;
	run(2 * S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	assert_int_equal(fake_vchans(), 1);
	assert_int_equal(fake_mappings() + fake_channels(), 0);
	assert_int_equal(served(g)->source->period_ms, 100);
	assert_int_equal(g->agent->mail.target_pages, 512 * MIB);
	assert_is_served(g);
	assert_int_equal(served(g)->emergencies, 1);
	assert_int_equal(served(g)->answered, 1);
	assert_int_equal(served(g)->reaction.count, 1);
	assert_int_equal(g->agent->denials, 0);
}

/* What it aims at is known before it is told anything: see D10. */
static void test_agent_is_adopted_with_the_target_it_aims_at(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);

	(void)state;
	g->limit_pages = 700 * MIB;
	fake_guest_aim(g, 600 * MIB);
	g->used_pages = 600 * MIB - REST;
	run(2 * S);
	assert_int_equal(served(g)->target_pages, 600 * MIB);
	assert_int_equal(fake_op(fake_op_find(0, FAKE_OP_ORDER, 5))->pages,
			 600 * MIB);
	assert_int_equal(atoi(fake_node_get(g, "memory/target")),
			 600 * MIB * 4);
}

static void test_agent_that_was_told_nothing_is_told_nothing(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);

	(void)state;
	g->agent->mute = true;
	run(3 * S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	assert_int_equal(g->agent->orders, 0);
	assert_int_equal(fake_op_find(0, FAKE_OP_MIRROR, 5), fake_op_count());
}

static void test_dry_run_sends_no_orders(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);

	d.dry_run = true;
	assert_int_equal(start(), 0);
	(void)state;
	run(3 * S);
	g->used_pages += 100 * MIB;
	run(3 * S);
	assert_true(served(g)->track.any);
	assert_int_equal(g->agent->orders, 0);
	stop();
	d.dry_run = false;
}

/* However the bytes are cut, the messages are the same. */
static void test_messages_may_come_in_any_pieces(void **state)
{
	for (size_t piece = 1; piece <= CAGMA_MSG_MAX; piece++) {
		struct fake_guest *g;

		begin_running(state);
		g = add_agent(5, 512 * MIB);
		g->agent->read_max = piece;
		run(2 * S);
		assert_true(is_source(g, CAGMA_RANK_VCHAN));
		assert_true(served(g)->track.any);
		/* A visit is bounded; what it leaves is read at the next tick. */
		if (piece >= 32)
			assert_is_served(g);
		end(state);
	}
	begin(state);
}

/* One message, cut once, at every place: header and body, over two visits. */
static void test_message_may_be_cut_anywhere(void **state)
{
	struct {
		struct cagma_msg_header header;
		struct cagma_report report;
	} message = {
		.header = { .bytes = sizeof(message),
			    .type = CAGMA_MSG_SAMPLE },
	};
	struct fake_guest *g = add_agent(5, 512 * MIB);

	(void)state;
	run(S);
	g->agent->mute = true;
	for (size_t cut = 1; cut < sizeof(message); cut++) {
		const uint8_t *byte = (const uint8_t *)&message;

		message.report.sample =
			fake_guest_look(g, CAGMA_REASON_PERIODIC);
		message.report.sample.time_ns = cut;
		run(100 * MS);		/* or its wake-ups are used up */
		assert_true(fake_agent_write(g, byte, cut));
		serve();
		assert_int_not_equal(served(g)->track.last.time_ns, cut);
		assert_true(fake_agent_write(g, byte + cut,
					     sizeof(message) - cut));
		serve();
		assert_int_equal(served(g)->track.last.time_ns, cut);
	}
}

/* ---- orders ---- */

/* The loop goes on; of all it had to say, the agent gets the last. */
static void test_full_ring_keeps_the_last_order(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	struct fake_guest *other = add(6, 512 * MIB);
	unsigned int orders;

	(void)state;
	run(2 * S);
	g->agent->deaf = true;
	for (int i = 0; i < 60; i++) {
		cagma_actuate_mail(&d.state.actuator, served(g), false);
		served(g)->threshold_pages++;
	}
	assert_true(g->agent->out_prod - g->agent->out_cons >
		    FAKE_RING_OUT - sizeof(struct cagma_order_message));
	assert_is_served(other);
	orders = g->agent->orders;
	cagma_actuate_mail(&d.state.actuator, served(g), false);
	g->agent->deaf = false;
	fake_agent_event(g);
	/* At the next tick, long before it would be sent again anyway. */
	run(300 * MS);
	assert_true(g->agent->orders - orders < 20);
	assert_int_equal(g->agent->order_seq, served(g)->source->mail_seq);
	assert_int_equal(g->agent->mail.threshold_pages,
			 served(g)->mailed_threshold_pages);
	assert_is_served(g);
}

/* As one whose module has just gone: what it didn't take is said again. */
static void test_order_that_was_not_taken_is_sent_again(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	unsigned int orders;

	(void)state;
	g->agent->passive = true;
	run(5 * S);
	orders = g->agent->orders;
	assert_in_range(orders, 3, 6);
	g->agent->passive = false;
	run(2 * S);
	assert_int_equal(g->agent->order_seq, served(g)->source->mail_seq);
	assert_is_served(g);
	orders = g->agent->orders;
	run(5 * S);
	assert_in_range(g->agent->orders - orders, 0, 2);
}

/* ---- G25 to G29: hostile agents ---- */

static void test_G25_large_rings_are_refused(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	struct fake_guest *good = add(6, 512 * MIB);

	(void)state;
	g->agent->large = true;
	run(20 * S);
	assert_null(served(g));
	assert_string_equal(reason_of(5), "rings-too-large");
	assert_int_equal(fake_vchans(), 0);
	assert_in_range(fake_calls(FAKE_VCHAN_OPEN), 3, 6);
	assert_is_served(good);
	g->agent->large = false;
	run(300 * S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	assert_is_served(g);
}

/* What is done to a ring's index, and whose it is. */
static void corrupt(uint32_t *index, uint32_t by)
{
	struct fake_guest *g = guest[0], *good = guest[1];

	run(2 * S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	g->agent->mute = true;
	*index += by;
	run(500 * MS);
	assert_null(served(g));
	assert_string_equal(reason_of(5), "corrupt-ring");
	assert_int_equal(fake_vchans(), 0);
	assert_is_served(good);
	fake_agent_start(g);
	run(60 * S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
}

static void corrupt_each(size_t offset)
{
	static const uint32_t by[] = { FAKE_RING_IN + 1, INT32_MAX,
				       UINT32_C(1) << 31, UINT32_MAX - 500 };

	for (size_t i = 0; i < ARRAY_SIZE(by); i++) {
		begin_running(NULL);
		add_agent(5, 512 * MIB);
		add(6, 512 * MIB);
		corrupt((uint32_t *)((uint8_t *)guest[0]->agent + offset),
			by[i]);
		end(NULL);
	}
	begin(NULL);
}

static void test_G26_corrupt_index_of_what_it_sent(void **state)
{
	(void)state;
	corrupt_each(offsetof(struct fake_agent, in_prod));
}

/* Ours, kept in the shared page by libxenvchan. */
static void test_G26_corrupt_index_of_what_was_read(void **state)
{
	(void)state;
	corrupt_each(offsetof(struct fake_agent, in_cons));
}

/* The ring for orders is looked at when there is one to send. */
static void test_G26_corrupt_index_of_the_orders(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->agent->deaf = true;
	g->agent->out_cons += 5000;
	g->used_pages += 30 * MIB;
	run(S);
	assert_null(served(g));
	assert_string_equal(reason_of(5), "corrupt-ring");
	assert_int_equal(d.state.violations, 0);
}

/* A ring that is simply never filled again is found by its silence. */
static void test_G26_stalled_ring_is_let_go(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->agent->mute = true;
	run(29 * S);
	assert_is_let_go(g, 3 * S, "silent");
}

static void test_G27_one_byte_a_minute(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	struct fake_guest *good = add(6, 512 * MIB);

	(void)state;
	run(2 * S);
	g->agent->mute = true;
	assert_true(fake_agent_write(g, "\xe0", 1));
	run(4 * S);
	assert_true(fake_agent_write(g, "", 1));
	assert_is_let_go(g, 2 * S, "message-too-slow");
	assert_is_served(good);
}

/* So that a stopped guest's half message isn't held against it. */
static void test_G27_paused_guest_has_all_time(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	uint8_t message[CAGMA_MSG_MAX] = { CAGMA_MSG_MAX, 0, 0, 0,
					   CAGMA_MSG_SAMPLE };

	(void)state;
	run(2 * S);
	g->agent->mute = true;
	assert_true(fake_agent_write(g, message, 100));
	run(500 * MS);
	g->paused = true;
	run(60 * S);
	assert_non_null(served(g));
	g->paused = false;
	run(S);
	assert_true(fake_agent_write(g, message + 100, sizeof(message) - 100));
	g->agent->mute = false;
	run(2 * S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	assert_is_served(g);
}

static void test_G28_bad_messages(void **state)
{
	static const struct {
		uint32_t bytes;
		uint16_t type;
		const char *reason;
	} bad[] = {
		{ 0, CAGMA_MSG_SAMPLE, "wrong-message-size" },
		{ 8, CAGMA_MSG_SAMPLE, "wrong-message-size" },
		{ CAGMA_MSG_MAX - 1, CAGMA_MSG_SAMPLE, "wrong-message-size" },
		{ CAGMA_MSG_MAX + 1, CAGMA_MSG_SAMPLE, "wrong-message-size" },
		{ UINT32_MAX, CAGMA_MSG_SAMPLE, "wrong-message-size" },
		{ UINT32_C(1) << 31, CAGMA_MSG_SAMPLE, "wrong-message-size" },
		{ CAGMA_MSG_MAX, 0, "unknown-message" },
		{ CAGMA_MSG_BYTES(cagma_msg_order), CAGMA_MSG_ORDER,
		  "unknown-message" },
		{ CAGMA_MSG_MAX, 4, "unknown-message" },
		{ CAGMA_MSG_MAX, UINT16_MAX, "unknown-message" },
		{ CAGMA_MSG_BYTES(cagma_hello), CAGMA_MSG_HELLO,
		  "message-out-of-turn" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fake_guest *g, *good;

		begin_running(state);
		g = add_agent(5, 512 * MIB);
		good = add(6, 512 * MIB);
		run(2 * S);
		g->agent->mute = true;
		assert_true(say(g, bad[i].bytes, bad[i].type,
				sizeof(struct cagma_msg_header)));
		serve();
		assert_null(served(g));
		assert_string_equal(reason_of(5), bad[i].reason);
		assert_is_served(good);
		end(state);
	}
	begin(state);
}

/* A link that is to be let go may be looked at once more before it is. */
static void test_G28_nothing_is_read_behind_a_bad_header(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	static const uint8_t flood[1000];
	struct cagma_sample samples[CAGMA_BATCH];
	struct cagma_link *link;
	unsigned int reads;
	size_t count;

	(void)state;
	run(2 * S);
	g->agent->mute = true;
	run(S);
	link = served(g)->source;
	assert_true(say(g, UINT32_MAX, CAGMA_MSG_SAMPLE, 8));
	assert_true(fake_agent_write(g, flood, sizeof(flood)));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(link->transport->drain(link, cagma_now_ns(),
							samples, &count),
				 CAGMA_LIE_SIZE);
		assert_int_equal(count, 0);
		if (!i)
			reads = fake_calls(FAKE_VCHAN_READ);
	}
	assert_int_equal(fake_calls(FAKE_VCHAN_READ), reads);
}

static void test_G28_sample_before_the_hello(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);

	(void)state;
	g->agent->greeted = true;
	run(S);
	assert_null(served(g));
	assert_string_equal(reason_of(5), "message-out-of-turn");
}

static void test_G28_unknown_version(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	struct {
		struct cagma_msg_header header;
		struct cagma_hello hello;
	} hello = { { sizeof(hello), CAGMA_MSG_HELLO, 0 },
		    { .version = CAGMA_MSG_VERSION + 1 } };

	(void)state;
	g->agent->mute = true;
	run(S);
	assert_true(fake_agent_write(g, &hello, sizeof(hello)));
	run(S);
	assert_null(served(g));
	assert_string_equal(reason_of(5), "unknown-version");
}

/* Samples that can't be true are dropped, as a page's are. */
static void test_G14_impossible_samples_of_an_agent(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->hidden_pages = 0;
	for (int i = 0; i < 40 && served(g); i++) {
		uint8_t message[CAGMA_MSG_MAX];
		struct cagma_msg_header header = { CAGMA_MSG_MAX,
						   CAGMA_MSG_SAMPLE, 0 };

		g->agent->mute = true;
		memset(message, 0xff, sizeof(message));
		memcpy(message, &header, sizeof(header));
		fake_agent_write(g, message, sizeof(message));
		run(S);
	}
	assert_null(served(g));
	assert_string_equal(reason_of(5), "impossible-samples");
}

/* Nodes in xenstore, and nobody behind them. */
static void test_G29_server_never_appears(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	struct fake_guest *good = add(6, 512 * MIB);

	(void)state;
	fake_agent_die(g);
	run(60 * S);
	assert_null(served(g));
	assert_string_equal(reason_of(5), "");
	assert_in_range(fake_calls(FAKE_VCHAN_OPEN), 10, 60 / RETRY_S + 4);
	assert_is_served(good);
	fake_agent_start(g);
	run(RETRY_S * S + S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
}

static void test_G29_server_dies_in_the_handshake(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	struct fake_guest *good = add(6, 512 * MIB);
	unsigned int opens;

	(void)state;
	g->agent->mute = true;
	for (int i = 0; i < 600; i++) {
		run(100 * MS);
		if (served(g)) {
			fake_agent_die(g);
			serve();
			assert_null(served(g));
			fake_agent_start(g)->mute = true;
		}
	}
	assert_string_equal(reason_of(5), "no-hello");
	opens = fake_calls(FAKE_VCHAN_OPEN);
	assert_in_range(opens, 4, 8);	/* later and later */
	assert_int_equal(fake_vchans(), 0);
	assert_is_served(good);
}

static void test_G29_server_says_no_hello(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);

	(void)state;
	g->agent->mute = true;
	run(4 * S);
	assert_is_let_go(g, 3 * S, "no-hello");
	g->agent->mute = false;
	run(60 * S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
}

/* Death between any two messages of the first second, and of an emergency. */
static void test_G29_agent_dies_at_each_step(void **state)
{
	for (int step = 0; step < 12; step++) {
		struct fake_guest *g, *good;

		begin_running(state);
		g = add_agent(5, 512 * MIB);
		good = add(6, 512 * MIB);
		run(2 * S);
		for (int i = 0; i < step; i++) {
			if (i == 3)
				g->used_pages += 30 * MIB;
			fake_guest_step(g);
			fake_clock_advance(10 * MS);
			cagma_store_step(d.store, cagma_now_ns());
			if (i % 2)
				cagma_loop_once(&d.loop, 0);
		}
		fake_agent_die(g);
		run(S);
		assert_null(served(g));
		assert_int_equal(fake_vchans(), 0);
		assert_is_served(good);
		fake_agent_start(g);
		run(RETRY_S * S + S);
		assert_true(is_source(g, CAGMA_RANK_VCHAN));
		assert_is_served(g);
		end(state);
	}
	begin(state);
}

/* I7: a storm of wake-ups costs 20 of them in a second, as a page's does. */
static void test_I7_kicks_of_an_agent_are_limited(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	unsigned int reads;

	(void)state;
	run(2 * S);
	g->agent->mute = true;
	run(S);
	reads = fake_calls(FAKE_VCHAN_READ);
	for (int i = 0; i < 1000; i++) {
		fake_vchan_signal(g->agent->client);
		cagma_loop_once(&d.loop, 0);
	}
	assert_in_range(fake_calls(FAKE_VCHAN_READ) - reads, 1, 21);
	g->agent->mute = false;
	run(S);
	assert_is_served(g);
}

/* An honest agent's samples and acknowledgements leave all of them to emergencies. */
static void test_I7_samples_of_an_agent_cost_no_kicks(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	struct cagma_guest *known;

	(void)state;
	run(2 * S);
	known = served(g);
	known->kicks = 0;
	run(30 * S);
	assert_int_equal(known->kicks, 0);
	assert_in_range(known->source->heard_ns, cagma_now_ns() - S / 2,
			cagma_now_ns());
}

/* A ring that is filled while it is read isn't read for ever. */
static void test_I7_visit_is_bounded(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	unsigned int reads;

	(void)state;
	run(2 * S);
	g->agent->read_max = 1;
	reads = fake_calls(FAKE_VCHAN_READ);
	g->used_pages = g->alloc_pages - 10 * MIB;
	fake_guest_step(g);
	cagma_loop_once(&d.loop, 0);
	assert_in_range(fake_calls(FAKE_VCHAN_READ) - reads, 1, 32);
}

/* ---- G30: both ---- */

static void begin_both(struct fake_guest **g)
{
	*g = add(5, 512 * MIB);
	fake_agent_start(*g);
	(*g)->agent->pressure = (struct cagma_pressure){
		.some_us = 1234, .full_us = 567,
		.swap_total_pages = 300 * MIB,
	};
	run(3 * S);
}

static void test_G30_page_is_the_source(void **state)
{
	struct fake_guest *g;
	unsigned int orders;

	(void)state;
	begin_both(&g);
	orders = g->agent->orders;
	assert_int_equal(d.state.guest_count, 1);
	assert_true(is_source(g, CAGMA_RANK_PAGE));
	assert_non_null(link_of(g, CAGMA_RANK_VCHAN));
	assert_int_equal(link_of(g, CAGMA_RANK_VCHAN)->pressure->some_us, 1234);
	assert_int_equal(served(g)->track.swap_total_pages, 1024 * MIB);
	/* The agent is told nothing more and answers for nothing. */
	assert_int_equal(g->agent->mail.threshold_pages, 0);
	assert_is_served(g);
	assert_int_equal(served(g)->emergencies, 1);
	assert_int_equal(served(g)->reaction.count, 1);
	assert_int_equal(g->agent->orders, orders);
}

/* Both say the same: what came back from swap counts once. */
static void test_G30_nothing_counts_twice(void **state)
{
	struct fake_guest *g;

	(void)state;
	begin_both(&g);
	g->swap_in_pages += 1000;
	run(S);
	assert_int_equal(cagma_track_swap_in(&served(g)->track, cagma_now_ns(),
					     10 * S), 1000);
	assert_int_equal(served(g)->track.restarts, 0);
	/* Not at the change from one to the other either. */
	fake_guest_close(g);
	g->mute = g->deaf = false;
	g->no_module = true;
	run(3 * S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	assert_int_equal(cagma_track_swap_in(&served(g)->track, cagma_now_ns(),
					     10 * S), 1000);
	assert_int_equal(served(g)->track.restarts, 0);
}

static void test_G30_vchan_takes_over_and_gives_back(void **state)
{
	struct fake_guest *g;
	struct cagma_guest *was;

	(void)state;
	begin_both(&g);
	was = served(g);
	assert_is_served(g);
	fake_guest_close(g);
	g->mute = g->deaf = false;
	g->no_module = true;
	run(3 * S);
	/* The same guest, with all that is known of it. */
	assert_ptr_equal(served(g), was);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	assert_int_equal(fake_mappings() + fake_channels(), 0);
	assert_true(g->agent->orders > 0);
	assert_int_equal(g->agent->mail.target_pages, was->target_pages);
	assert_is_served(g);
	assert_int_equal(was->emergencies, 2);
	assert_int_equal(was->reaction.count, 2);
	/* The module is loaded again. */
	g->no_module = false;
	g->offered = false;
	run(6 * S);
	assert_ptr_equal(served(g), was);
	assert_true(is_source(g, CAGMA_RANK_PAGE));
	assert_int_equal(g->agent->mail.threshold_pages, 0);
	assert_is_served(g);
	assert_int_equal(was->emergencies, 3);
	assert_int_equal(was->reaction.count, 3);
}

/* Emergencies have numbers of their own on each transport. */
static void test_G30_same_number_is_not_the_same_emergency(void **state)
{
	struct fake_guest *g;

	(void)state;
	begin_both(&g);
	assert_is_served(g);
	fake_guest_close(g);
	g->mute = g->deaf = false;
	g->no_module = true;
	run(3 * S);
	g->agent->event = g->event - 1;
	assert_is_served(g);
	assert_int_equal(g->agent->event, g->event);
	assert_int_equal(served(g)->answered, 2);
}

static void test_G30_agent_that_goes_takes_its_totals(void **state)
{
	struct fake_guest *g;

	(void)state;
	begin_both(&g);
	fake_agent_stop(g);
	run(S);
	assert_true(is_source(g, CAGMA_RANK_PAGE));
	assert_null(link_of(g, CAGMA_RANK_VCHAN));
	assert_int_equal(fake_vchans(), 0);
	assert_is_served(g);
	/* And is found again. */
	fake_agent_start(g);
	run(45 * S);
	assert_non_null(link_of(g, CAGMA_RANK_VCHAN));
}

/* A lie of one transport says nothing of the other. */
static void test_G30_hostile_agent_beside_a_page(void **state)
{
	struct fake_guest *g;

	(void)state;
	begin_both(&g);
	g->agent->mute = true;
	assert_true(say(g, 0, 77, 8));
	run(100 * MS);
	assert_true(is_source(g, CAGMA_RANK_PAGE));
	assert_null(link_of(g, CAGMA_RANK_VCHAN));
	assert_string_equal(reason_of(5), "unknown-message");
	assert_is_served(g);
}

static void test_G30_hostile_page_beside_an_agent(void **state)
{
	struct fake_guest *g;

	(void)state;
	begin_both(&g);
	g->head -= 8;
	run(500 * MS);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	assert_int_equal(fake_mappings(), 0);
	assert_is_served(g);
}

/* Domain gone, both links: nothing is left. */
static void test_G30_guest_is_destroyed(void **state)
{
	struct fake_guest *g;

	(void)state;
	begin_both(&g);
	fake_guest_destroy(g);
	run(S);
	assert_int_equal(d.state.guest_count, 0);
	assert_int_equal(fake_vchans(), 0);
	assert_int_equal(fake_mappings() + fake_channels(), 0);
}

/* ---- the daemon's life ---- */

static void test_C1_killed_daemon_is_replaced(void **state)
{
	struct fake_guest *g = add_agent(5, 512 * MIB);
	uint64_t target;

	(void)state;
	run(2 * S);
	assert_is_served(g);
	target = g->balloon_target_pages;
	fake_daemon_kill();
	fake_daemon_stop(&d);
	assert_nothing_is_held();
	assert_int_equal(g->balloon_target_pages, target);
	fake_daemon_dies_at(0);
	init_config();
	assert_int_equal(start(), 0);
	run(6 * S);
	assert_true(is_source(g, CAGMA_RANK_VCHAN));
	assert_in_range(g->balloon_target_pages, target - MIB, target + MIB);
	assert_is_served(g);
}

/* Within two seconds, as long as there is a connection. */
static void wake_some_times(struct fake_guest *g)
{
	for (int i = 0; i < 4; i++) {
		if (g->agent->client)
			fake_vchan_signal(g->agent->client);
		run(S / 2);
	}
}

/* The daemon's call that fails is tried again some time; nothing is lost. */
static void test_R4_every_call_of_a_vchan_fails_once(void **state)
{
	static const enum fake_call calls[] = {
		FAKE_VCHAN_OPEN, FAKE_VCHAN_TAKE, FAKE_VCHAN_UNMASK,
		FAKE_VCHAN_READ, FAKE_VCHAN_SEND,
	};
	static const int errors[] = { -EPERM, -EIO, -EINTR, -ENOMEM, -EPIPE,
				      -EPROTO, -EAGAIN };

	for (size_t c = 0; c < ARRAY_SIZE(calls); c++)
		for (size_t e = 0; e < ARRAY_SIZE(errors); e++)
			for (unsigned int nth = 1; nth < 4; nth++) {
				struct fake_guest *g, *good;

				begin_running(state);
				g = add_agent(5, 512 * MIB);
				good = add(6, 512 * MIB);
				fake_fail(calls[c], nth, errors[e]);
				run(2 * S);
				g->used_pages += 20 * MIB;
				wake_some_times(g);
				assert_is_served(good);
				run(60 * S);
				assert_true(is_source(g, CAGMA_RANK_VCHAN));
				assert_is_served(g);
				end(state);
			}
	begin(state);
}

/* ---- docs/vchan-abi.md ---- */

#define BODY(type, field, of) \
	{ type "." #field, \
	  sizeof(struct cagma_msg_header) + offsetof(struct of, field), \
	  sizeof(((struct of *)0)->field) }

static const struct documented {
	const char *name;
	size_t offset;
	size_t size;
} documented[] = {
	{ "header.bytes", offsetof(struct cagma_msg_header, bytes), 4 },
	{ "header.type", offsetof(struct cagma_msg_header, type), 2 },
	{ "header.reserved", offsetof(struct cagma_msg_header, reserved), 2 },
	BODY("hello", version, cagma_hello),
	BODY("hello", features, cagma_hello),
	BODY("hello", period_ms, cagma_hello),
	BODY("hello", reserved, cagma_hello),
	BODY("report", sample, cagma_report),
	BODY("report", pressure.some_us, cagma_report),
	BODY("report", pressure.full_us, cagma_report),
	BODY("report", pressure.swap_total_pages, cagma_report),
	BODY("report", pressure.reserved, cagma_report),
	BODY("order", seq, cagma_msg_order),
	BODY("order", reserved, cagma_msg_order),
	BODY("order", mail, cagma_msg_order),
};

static void test_documented_messages_are_the_structs(void **state)
{
	FILE *file = fopen("docs/vchan-abi.md", "r");
	size_t count = 0, offset, size, hello, report, order;
	bool sizes = false;
	char line[256], name[40];

	(void)state;
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "A hello is %zu bytes long, a sample %zu, an order %zu.",
			   &hello, &report, &order) == 3) {
			assert_int_equal(hello, CAGMA_MSG_BYTES(cagma_hello));
			assert_int_equal(report, CAGMA_MSG_BYTES(cagma_report));
			assert_int_equal(order,
					 CAGMA_MSG_BYTES(cagma_msg_order));
			sizes = true;
		}
		if (sscanf(line, "| %zx | %zu | %*s | `%39[^`]`", &offset,
			   &size, name) != 3)
			continue;
		assert_true(count < ARRAY_SIZE(documented));
		assert_string_equal(name, documented[count].name);
		assert_int_equal(offset, documented[count].offset);
		assert_int_equal(size, documented[count].size);
		count++;
	}
	fclose(file);
	assert_true(sizes);
	assert_int_equal(count, ARRAY_SIZE(documented));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(test_agent_without_module_is_served),
		RUNNING(test_agent_is_adopted_with_the_target_it_aims_at),
		RUNNING(test_agent_that_was_told_nothing_is_told_nothing),
		STOPPED(test_dry_run_sends_no_orders),
		STOPPED(test_messages_may_come_in_any_pieces),
		RUNNING(test_message_may_be_cut_anywhere),
		RUNNING(test_full_ring_keeps_the_last_order),
		RUNNING(test_order_that_was_not_taken_is_sent_again),
		RUNNING(test_G25_large_rings_are_refused),
		STOPPED(test_G26_corrupt_index_of_what_it_sent),
		STOPPED(test_G26_corrupt_index_of_what_was_read),
		RUNNING(test_G26_corrupt_index_of_the_orders),
		RUNNING(test_G26_stalled_ring_is_let_go),
		RUNNING(test_G27_one_byte_a_minute),
		RUNNING(test_G27_paused_guest_has_all_time),
		STOPPED(test_G28_bad_messages),
		RUNNING(test_G28_nothing_is_read_behind_a_bad_header),
		RUNNING(test_G28_sample_before_the_hello),
		RUNNING(test_G28_unknown_version),
		RUNNING(test_G14_impossible_samples_of_an_agent),
		RUNNING(test_G29_server_never_appears),
		RUNNING(test_G29_server_dies_in_the_handshake),
		RUNNING(test_G29_server_says_no_hello),
		STOPPED(test_G29_agent_dies_at_each_step),
		RUNNING(test_I7_kicks_of_an_agent_are_limited),
		RUNNING(test_I7_samples_of_an_agent_cost_no_kicks),
		RUNNING(test_I7_visit_is_bounded),
		RUNNING(test_G30_page_is_the_source),
		RUNNING(test_G30_nothing_counts_twice),
		RUNNING(test_G30_vchan_takes_over_and_gives_back),
		RUNNING(test_G30_same_number_is_not_the_same_emergency),
		RUNNING(test_G30_agent_that_goes_takes_its_totals),
		RUNNING(test_G30_hostile_agent_beside_a_page),
		RUNNING(test_G30_hostile_page_beside_an_agent),
		RUNNING(test_G30_guest_is_destroyed),
		RUNNING(test_C1_killed_daemon_is_replaced),
		STOPPED(test_R4_every_call_of_a_vchan_fails_once),
		cmocka_unit_test(test_documented_messages_are_the_structs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
