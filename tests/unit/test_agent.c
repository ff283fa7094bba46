// SPDX-License-Identifier: GPL-2.0-only
/*
 * The agent in a guest of files and fake devices, with dom0 at the other end of a real
 * vchan.
 */
#include <errno.h>
#include <string.h>

#include "../../domU/agent.h"
#include "clock.h"
#include "domU/fake_devices.h"
#include "domU/fake_tree.h"
#include "fake_host.h"
#include "fake_memory.h"
#include "unit.h"

#define TARGET		(UINT64_C(100000))
#define THRESHOLD	(UINT64_C(10000))
#define PLENTY		(UINT64_C(50000))
#define SHORT		(UINT64_C(5000))
#define PERIOD_NS	(100 * MS)
#define HANDLES		11u	/* gntalloc's, xenstore's, 9 of the event device */

static const char *tree;
static struct cagma_proc proc;
static struct cagma_channel *channel;
static struct cagma_agent agent;
static struct libxenvchan *dom0;
static uint32_t seq;

static int set_up(void **state)
{
	const char *failed;

	(void)state;
	fake_host_reset();
	fake_devices_reset();
	tree = fake_tree_make();
	if (!tree || cagma_proc_open(&proc, tree, true, &failed) ||
	    cagma_channel_create(&channel, &failed))
		return -1;
	cagma_agent_init(&agent, &proc, channel, CAGMA_HELLO_PSI, 100);
	dom0 = NULL;
	seq = 0;
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	if (dom0)
		fake_client_close(dom0);
	if (channel)
		cagma_channel_destroy(channel);
	cagma_proc_close(&proc);
	fake_tree_remove();
	return fake_devices_held() ? -1 : 0;
}

static void reopen(bool writable)
{
	const char *failed;

	cagma_proc_close(&proc);
	assert_int_equal(cagma_proc_open(&proc, tree, writable, &failed), 0);
}

static uint64_t turn(void)
{
	return cagma_agent_turn(&agent, false);
}

/* Turns as the agent asks for them, or more often, for so long. */
static void run(uint64_t ns)
{
	const uint64_t end = cagma_now_ns() + ns;

	while (cagma_now_ns() < end) {
		uint64_t next = turn(), now = cagma_now_ns();

		fake_clock_advance(next <= now ? MS :
				   next > end ? end - now : next - now);
	}
}

/* What dom0 finds on the ring: the type, or 0. */
static uint16_t hear(void *body, size_t size)
{
	struct cagma_msg_header header;

	if (libxenvchan_recv(dom0, &header, sizeof(header)) != sizeof(header))
		return 0;
	assert_int_equal(header.reserved, 0);
	assert_int_equal(header.bytes, sizeof(header) + size);
	assert_int_equal(libxenvchan_recv(dom0, body, size), size);
	return header.type;
}

static bool hear_sample(struct cagma_report *report)
{
	uint16_t type = hear(report, sizeof(*report));

	assert_true(type == CAGMA_MSG_SAMPLE || !type);
	return type;
}

/* The newest sample, if there is one. */
static bool hear_last(struct cagma_report *report)
{
	bool any = false;

	while (hear_sample(report))
		any = true;
	return any;
}

static void connect(void)
{
	struct cagma_hello hello;

	turn();
	dom0 = fake_client_connect();
	assert_non_null(dom0);
	turn();
	assert_int_equal(hear(&hello, sizeof(hello)), CAGMA_MSG_HELLO);
	assert_int_equal(hello.version, CAGMA_MSG_VERSION);
	assert_int_equal(hello.features, CAGMA_HELLO_PSI);
	assert_int_equal(hello.period_ms, 100);
	assert_int_equal(hello.reserved, 0);
}

struct order {
	struct cagma_msg_header header;
	struct cagma_msg_order order;
};

static struct order make_order(uint64_t target, uint32_t answers, uint32_t flags)
{
	return (struct order){
		{ sizeof(struct order), CAGMA_MSG_ORDER, 0 },
		{ ++seq, 0, { .target_pages = target, .threshold_pages = THRESHOLD,
			      .answered_event = answers, .flags = flags } }
	};
}

static void say(const struct order *order)
{
	assert_int_equal(libxenvchan_send(dom0, order, sizeof(*order)),
			 sizeof(*order));
}

static void tell(uint64_t target, uint32_t answers, uint32_t flags)
{
	const struct order order = make_order(target, answers, flags);

	say(&order);
	turn();
}

/* dom0 of before the guest moved. */
static void free_client(void)
{
	fake_client_close(dom0);
	dom0 = NULL;
}

static void attach(void)
{
	struct cagma_report report;

	connect();
	tell(TARGET, 0, 0);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.mail_seq, seq);
}

/* ---- offers ---- */

static void test_offer_is_for_dom0_alone(void **state)
{
	(void)state;
	turn();
	assert_string_equal(fake_xenstore_read("data/cagma/vchan/ring-ref"), "9");
	assert_string_equal(fake_xenstore_read("data/cagma/vchan/event-channel"),
			    "41");
	assert_true(fake_xenstore_is_private("data/cagma/vchan/ring-ref"));
	assert_true(fake_xenstore_is_private("data/cagma/vchan/event-channel"));
	cagma_channel_withdraw(channel);
	assert_null(fake_xenstore_read("data/cagma/vchan/ring-ref"));
	assert_null(fake_xenstore_read("data/cagma/vchan/event-channel"));
}

static void test_rings_are_in_the_page(void **state)
{
	(void)state;
	connect();
	assert_int_equal(dom0->write.order, 10);
	assert_int_equal(dom0->read.order, 11);
	/* And with them one page and one port. */
	assert_int_equal(fake_devices_held(), HANDLES + 2);
}

static void test_nothing_is_sampled_before_dom0_is_there(void **state)
{
	(void)state;
	fake_tree_unlink("proc/meminfo");
	run(5 * S);
	assert_int_equal(agent.look_ns, 0);
	assert_int_equal(agent.link.state, CAGMA_LINK_OFFERED);
}

static void test_attached_guest_leaves_xenstore_alone(void **state)
{
	struct cagma_report report;
	unsigned int before;

	(void)state;
	attach();
	before = fake_xenstore_requests();
	for (int i = 0; i < 600; i++) {
		run(100 * MS);
		hear_last(&report);
	}
	assert_int_equal(fake_xenstore_requests(), before);
	assert_int_equal(agent.link.state, CAGMA_LINK_UP);
}

static void test_offer_waits_for_the_balloon(void **state)
{
	(void)state;
	fake_tree_write("sys/hypervisor/guest_type", "PVH\n");
	fake_tree_balloon(102000, 102400);
	run(3 * S);
	assert_null(fake_xenstore_read("data/cagma/vchan/ring-ref"));
	fake_tree_balloon(102300, 102300);
	run(2 * S);
	assert_non_null(fake_xenstore_read("data/cagma/vchan/ring-ref"));
	assert_int_equal(agent.balloon.offset_pages, 100);
}

static void test_offset_is_measured_once(void **state)
{
	(void)state;
	fake_tree_write("sys/hypervisor/guest_type", "PVH\n");
	fake_tree_balloon(102303, 102303);
	connect();
	assert_int_equal(agent.balloon.offset_pages, 97);
	/* dom0 dies before it has told xenstore what it told us. */
	fake_tree_balloon(90000, 90000);
	fake_client_close(dom0);
	dom0 = NULL;
	run(5 * S);
	assert_int_equal(agent.link.state, CAGMA_LINK_OFFERED);
	assert_int_equal(agent.balloon.offset_pages, 97);
}

static void test_D9_garbage_in_xenstore_is_waited_out(void **state)
{
	static const char *const bad[] = {
		"", "x", "-5", "12x", " 409600", "99999999999999999999", "0", "1024",
	};

	(void)state;
	fake_tree_write("sys/hypervisor/guest_type", "PVH\n");
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_xenstore_write("memory/static-max", bad[i]);
		run(2 * S);
		assert_int_equal(agent.link.state, CAGMA_LINK_DOWN);
	}
	fake_xenstore_write("memory/static-max", "1048576");
	/* Lower than the balloon's, or higher than it can be. */
	fake_xenstore_write("memory/target", "4096");
	run(2 * S);
	assert_int_equal(agent.link.state, CAGMA_LINK_DOWN);
	fake_xenstore_write("memory/target", "99999999");
	run(2 * S);
	assert_int_equal(agent.link.state, CAGMA_LINK_DOWN);
	fake_xenstore_write("memory/target", "409600");
	run(2 * S);
	assert_int_equal(agent.link.state, CAGMA_LINK_OFFERED);
}

static void test_transactions_of_others_are_waited_out(void **state)
{
	(void)state;
	fake_xenstore_collides(5);
	turn();
	assert_int_equal(agent.link.state, CAGMA_LINK_OFFERED);
	cagma_channel_withdraw(channel);
	run(10 * S);
	fake_xenstore_collides(1000000);
	cagma_channel_withdraw(channel);
	run(10 * S);
	assert_int_equal(agent.link.state, CAGMA_LINK_DOWN);
}

/* Whatever fails, nothing is held and nothing said, and the next try succeeds. */
static void test_every_call_fails_in_turn(void **state)
{
	unsigned int n = 0;

	(void)state;
	while (true) {
		fake_devices_fail_at(++n);
		turn();
		if (!fake_devices_have_failed())
			break;
		assert_int_equal(agent.link.state, CAGMA_LINK_DOWN);
		assert_null(fake_xenstore_read("data/cagma/vchan/ring-ref"));
		assert_int_equal(fake_devices_held(), HANDLES);
		fake_devices_fail_at(0);
		run(40 * S);
		assert_int_equal(agent.link.state, CAGMA_LINK_OFFERED);
		cagma_channel_withdraw(channel);
		assert_true(turn() <= cagma_now_ns());
	}
	fake_devices_fail_at(0);
	assert_int_equal(agent.link.state, CAGMA_LINK_OFFERED);
	assert_true(n > 8);
}

static void test_devices_that_cannot_be_opened_are_named(void **state)
{
	static const struct {
		unsigned int call;
		const char *name;
		int err;
	} all[] = {
		{ 1, "/dev/xen/gntalloc", -ENOENT },
		{ 2, "/dev/xen/evtchn", -EACCES },
		{ 10, "/dev/xen/evtchn", -EACCES },
		{ 11, "xenstore", -ECONNREFUSED },
	};
	struct cagma_channel *other;
	const char *failed;

	(void)state;
	cagma_channel_destroy(channel);
	channel = NULL;
	for (unsigned int i = 0; i < ARRAY_SIZE(all); i++) {
		fake_devices_fail_at(all[i].call);
		assert_int_equal(cagma_channel_create(&other, &failed), all[i].err);
		assert_string_equal(failed, all[i].name);
		assert_int_equal(fake_devices_held(), 0);
	}
	fake_devices_fail_at(0);
	fake_memory_fails_at(1);
	assert_int_equal(cagma_channel_create(&other, &failed), -ENOMEM);
	fake_memory_fails_at(0);
}

/* 1, 2, 4, ... 32 s and no longer, for ever. */
static void test_failing_offers_back_off(void **state)
{
	static const uint64_t seconds[] = { 1, 2, 4, 8, 16, 32, 32, 32 };

	(void)state;
	fake_xenstore_collides(UINT32_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		const uint64_t now = cagma_now_ns();

		assert_int_equal(turn(), now + seconds[i] * S);
		fake_clock_advance(seconds[i] * S - 1);
		assert_int_equal(turn(), now + seconds[i] * S);
		fake_clock_advance(1);
	}
	fake_xenstore_collides(0);
	turn();
	assert_int_equal(agent.link.state, CAGMA_LINK_OFFERED);
}

/* ---- connections ---- */

static void test_short_connections_back_off(void **state)
{
	static const uint64_t seconds[] = { 1, 2, 4, 8 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(seconds); i++) {
		connect();
		fake_client_close(dom0);
		dom0 = NULL;
		assert_int_equal(turn(), cagma_now_ns() + seconds[i] * S);
		assert_null(fake_xenstore_read("data/cagma/vchan/ring-ref"));
		fake_clock_advance(seconds[i] * S);
	}
}

static void test_lost_connection_is_offered_again_at_once(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	for (int i = 0; i < 110; i++) {
		run(100 * MS);
		hear_last(&report);
	}
	fake_client_close(dom0);
	dom0 = NULL;
	assert_true(turn() <= cagma_now_ns());
	turn();
	assert_int_equal(agent.link.state, CAGMA_LINK_OFFERED);
	/* Another page and another port than before. */
	assert_string_equal(fake_xenstore_read("data/cagma/vchan/ring-ref"), "10");
	attach();
}

static void test_new_dom0_counts_from_1_again(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	assert_int_equal(seq, 1);
	fake_client_close(dom0);
	dom0 = NULL;
	turn();
	fake_clock_advance(2 * S);
	seq = 0;
	connect();
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.mail_seq, 0);
	tell(TARGET - 500, 0, 0);
	assert_int_equal(fake_tree_target_pages(), TARGET - 500);
}

static void test_L6_offer_that_was_left_behind_is_made_again(void **state)
{
	(void)state;
	turn();
	run(30 * S);
	assert_string_equal(fake_xenstore_read("data/cagma/vchan/ring-ref"), "9");
	fake_guest_moves();
	run(11 * S);
	assert_string_equal(fake_xenstore_read("data/cagma/vchan/ring-ref"), "10");
}

/* dom0 was left behind as well: it looks connected, and never reads again. */
static void test_L6_reader_that_is_gone_is_given_up(void **state)
{
	(void)state;
	attach();
	fake_guest_moves();
	run(9 * S);
	assert_int_equal(agent.link.state, CAGMA_LINK_UP);
	run(5 * S);
	assert_int_equal(agent.link.state, CAGMA_LINK_OFFERED);
	free_client();
	attach();
}

/* Eight times; then it would take a port that the kernel may mix up. */
static void test_L6_what_was_left_behind_is_not_touched(void **state)
{
	(void)state;
	for (int i = 0; i < 9; i++) {
		attach();
		fake_guest_moves();
		run(20 * S);
		free_client();
	}
	assert_int_equal(agent.problem[CAGMA_PROBLEM_OFFER], -EMFILE);
	assert_int_equal(agent.link.state, CAGMA_LINK_DOWN);
	/* Nothing but gntalloc's handle and xenstore's. */
	assert_int_equal(fake_devices_held(), 2);
}

static void test_full_ring_drops_samples_and_no_more(void **state)
{
	struct cagma_report report;
	unsigned int n = 0;

	(void)state;
	attach();
	run(5 * S);
	while (hear_sample(&report))
		n++;
	/* What 2048 bytes hold, whole. */
	assert_int_equal(n, CAGMA_CHANNEL_WRITE_BYTES / CAGMA_MSG_MAX);
	run(200 * MS);
	assert_true(hear_sample(&report));
	assert_true(report.sample.time_ns >= cagma_now_ns() - 2 * PERIOD_NS);
	assert_int_equal(agent.link.state, CAGMA_LINK_UP);
}

/*
 * dom0 is woken up a limited number of times, which are for emergencies: it finds the
 * rest when it looks, four times a second, or when there is little room left.
 */
static void test_I7_only_what_is_urgent_wakes_dom0(void **state)
{
	struct cagma_report report;
	unsigned int before;

	(void)state;
	attach();
	before = fake_devices_notifications();
	for (int i = 0; i < 40; i++) {
		run(250 * MS);
		if (i % 10 == 0)
			tell(TARGET + (uint64_t)i, 0, 0);
		assert_true(hear_last(&report));
	}
	assert_int_equal(fake_devices_notifications(), before);
	run(2 * S);
	/* It asks for one event at a time. */
	assert_int_equal(fake_devices_notifications(), before + 1);
}

static void test_I7_emergency_wakes_dom0_once(void **state)
{
	struct cagma_report report;
	unsigned int before;

	(void)state;
	attach();
	run(200 * MS);
	hear_last(&report);
	before = fake_devices_notifications();
	fake_tree_memory(SHORT);
	run(100 * MS);
	assert_int_equal(fake_devices_notifications(), before + 1);
	/* Reminders are in the ring as well, which dom0 reads. */
	for (int i = 0; i < 10; i++) {
		assert_true(hear_last(&report));
		assert_int_equal(report.sample.event, 1);
		run(100 * MS);
	}
	assert_int_equal(fake_devices_notifications(), before + 1);
	/* The answer comes; what is short afterwards is another emergency. */
	hear_last(&report);
	tell(TARGET, 1, 0);
	run(100 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.event, 2);
	assert_int_equal(fake_devices_notifications(), before + 2);
}

/* One that found no room is told by the next sample that finds some. */
static void test_I7_emergency_without_room_wakes_dom0_later(void **state)
{
	struct cagma_report report;
	unsigned int before;

	(void)state;
	attach();
	run(3 * S);
	before = fake_devices_notifications();
	fake_tree_memory(SHORT);
	run(100 * MS);
	assert_int_equal(fake_devices_notifications(), before);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.event, 0);
	run(100 * MS);
	assert_int_equal(fake_devices_notifications(), before + 1);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.event, 1);
}

/* dom0 looks again by itself, and is only reminded. */
static void test_I7_denied_guest_wakes_dom0_seldom(void **state)
{
	struct cagma_report report;
	unsigned int before;

	(void)state;
	attach();
	run(200 * MS);
	hear_last(&report);
	fake_tree_memory(SHORT);
	before = fake_devices_notifications();
	for (int i = 0; i < 100; i++) {
		run(20 * MS);
		hear_last(&report);
		if (report.sample.event)
			tell(TARGET, report.sample.event, CAGMA_MAIL_DENIED);
	}
	/* In two seconds. */
	assert_int_equal(fake_devices_notifications(), before + 1);
	/* It doesn't look: then it is woken up. */
	run(400 * MS);
	assert_int_equal(fake_devices_notifications(), before + 2);
}

/* libxenvchan says "nothing there, no room" for ever: the agent doesn't believe it. */
static void test_G26_corrupted_indices_are_noticed(void **state)
{
	struct vchan_interface *ring;

	(void)state;
	for (int index = 0; index < 4; index++) {
		for (unsigned int bit = 0; bit < 32; bit++) {
			uint32_t *word;

			connect();
			ring = dom0->ring;
			word = index == 0 ? &ring->left.cons :
			       index == 1 ? &ring->left.prod :
			       index == 2 ? &ring->right.cons : &ring->right.prod;
			/* What dom0 writes may be anything its ring has. */
			if (!(index & 1) == (index < 2) || bit >= 11) {
				*word ^= 1u << bit;
				turn();
				assert_int_equal(agent.link.state, CAGMA_LINK_DOWN);
			}
			fake_client_close(dom0);
			dom0 = NULL;
			turn();
			fake_clock_advance(40 * S);
		}
	}
}

/* ---- orders ---- */

static void test_order_is_applied_and_acknowledged(void **state)
{
	struct cagma_report report;

	(void)state;
	connect();
	hear_last(&report);
	tell(90000, 0, 0);
	assert_int_equal(fake_tree_target_pages(), 90000);
	assert_true(hear_sample(&report));
	assert_int_equal(report.sample.reason, CAGMA_REASON_APPLIED);
	assert_int_equal(report.sample.mail_seq, 1);
	assert_int_equal(report.sample.flags, CAGMA_SAMPLE_DETAILED);
	assert_int_equal(report.sample.balloon_target_pages, 90000);
	assert_int_equal(report.sample.balloon_pages, 102400);
}

static void test_offset_is_taken_off_and_put_on(void **state)
{
	struct cagma_report report;

	(void)state;
	fake_tree_write("sys/hypervisor/guest_type", "PVH\n");
	fake_tree_balloon(102303, 102303);
	connect();
	hear_last(&report);
	assert_int_equal(report.sample.offset_pages, 97);
	assert_int_equal(report.sample.balloon_pages, 102400);
	/* As memory/target counts, too. */
	assert_int_equal(report.sample.least_pages, 39000);
	tell(90000, 0, 0);
	assert_int_equal(fake_tree_target_pages(), 90000 - 97);
	hear_last(&report);
	assert_int_equal(report.sample.balloon_target_pages, 90000);
}

static void test_D1_targets_are_clamped(void **state)
{
	static const struct {
		uint64_t target, set;
		bool clamped;
	} all[] = {
		{ 0, 32 * MIB, true }, { 32 * MIB - 1, 32 * MIB, true },
		{ 32 * MIB, 32 * MIB, false }, { 262144, 262144, false },
		{ 262145, 262144, true }, { UINT64_MAX, 262144, true },
		{ 5000 * MIB, 262144, true }, { TARGET, TARGET, false },
	};
	struct cagma_report report;

	(void)state;
	connect();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		tell(all[i].target, 0, 0);
		assert_int_equal(fake_tree_target_pages(), all[i].set);
		assert_true(hear_last(&report));
		assert_int_equal(report.sample.flags,
				 CAGMA_SAMPLE_DETAILED |
				 (all[i].clamped ? CAGMA_SAMPLE_CLAMPED : 0));
	}
}

/* Qubes' guests begin with static-max and may have hotplug-max. */
static void test_N6_agent_goes_up_to_hotplug_max(void **state)
{
	static const struct {
		const char *hotplug;
		uint64_t set;
	} all[] = {
		{ "2097152", 400000 }, { "1200000", 300000 },
		/* It allows no less than the other one. */
		{ "524288", 262144 }, { "0", 262144 },
		/* These say nothing. */
		{ "", 262144 }, { "lots", 262144 }, { "-1", 262144 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		fake_xenstore_write("memory/hotplug-max", all[i].hotplug);
		connect();
		seq = 0;
		tell(400000, 0, 0);
		assert_int_equal(fake_tree_target_pages(), all[i].set);
		fake_client_close(dom0);
		dom0 = NULL;
		turn();
		fake_clock_advance(40 * S);
	}
}

static void test_floor_holds_below_the_offset_too(void **state)
{
	(void)state;
	fake_tree_write("sys/hypervisor/guest_type", "PVH\n");
	fake_xenstore_write("memory/target", "440000");
	fake_tree_balloon(100000, 100000);
	connect();
	assert_int_equal(agent.balloon.offset_pages, 10000);
	tell(33 * MIB, 0, 0);
	assert_int_equal(fake_tree_target_pages(), 32 * MIB);
}

static void test_C7_D10_unknown_request_refuses_the_mail(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	tell(90000, 0, 1u << 31);
	assert_int_equal(fake_tree_target_pages(), TARGET);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.flags,
			 CAGMA_SAMPLE_REFUSED | CAGMA_SAMPLE_DETAILED);
	assert_int_equal(report.sample.reason, CAGMA_REASON_PERIODIC);
	assert_int_equal(report.sample.mail_seq, 2);
	tell(90000, 0, 0);
	assert_int_equal(fake_tree_target_pages(), 90000);
	hear_last(&report);
	assert_int_equal(report.sample.flags, CAGMA_SAMPLE_DETAILED);
}

static void test_order_without_a_number_or_twice_is_none(void **state)
{
	struct cagma_report report;
	struct order order;

	(void)state;
	attach();
	order = make_order(90000, 0, 0);
	order.order.seq = 0;
	say(&order);
	order.order.seq = 1;
	say(&order);
	turn();
	assert_int_equal(fake_tree_target_pages(), TARGET);
	assert_false(hear_sample(&report) &&
		     report.sample.reason == CAGMA_REASON_APPLIED);
}

static void test_orders_of_a_batch_are_all_taken(void **state)
{
	struct cagma_report report;
	struct order order;

	(void)state;
	connect();
	hear_last(&report);
	for (int i = 0; i < 14; i++) {
		order = make_order(90000 + (uint64_t)i, 0, 0);
		say(&order);
	}
	turn();
	assert_int_equal(fake_tree_target_pages(), 90013);
	assert_int_equal(agent.mail_seq, 14);
}

/* In two pieces, wherever it is cut, and at every place of the ring. */
static void test_orders_arrive_in_any_pieces(void **state)
{
	struct cagma_report report;

	(void)state;
	connect();
	for (size_t cut = 1; cut < sizeof(struct order); cut++) {
		const struct order order = make_order(80000 + cut, 0, 0);
		const unsigned char *bytes = (const unsigned char *)&order;

		assert_int_equal(libxenvchan_send(dom0, bytes, cut), cut);
		turn();
		assert_int_not_equal(fake_tree_target_pages(), 80000 + cut);
		assert_int_equal(libxenvchan_send(dom0, bytes + cut,
						  sizeof(order) - cut),
				 sizeof(order) - cut);
		turn();
		assert_int_equal(fake_tree_target_pages(), 80000 + cut);
		hear_last(&report);
	}
}

static void test_orders_arrive_byte_by_byte(void **state)
{
	struct cagma_report report;

	(void)state;
	connect();
	for (uint64_t i = 0; i < 20; i++) {
		const struct order order = make_order(80000 + i, 0, 0);

		for (size_t n = 0; n < sizeof(order); n++) {
			assert_int_equal(libxenvchan_send(
				dom0, (const char *)&order + n, 1), 1);
			turn();
		}
		assert_int_equal(fake_tree_target_pages(), 80000 + i);
		hear_last(&report);
	}
}

static void test_G28_garbage_orders_close(void **state)
{
	static const struct cagma_msg_header bad[] = {
		{ 0, CAGMA_MSG_ORDER, 0 }, { 71, CAGMA_MSG_ORDER, 0 },
		{ 73, CAGMA_MSG_ORDER, 0 }, { UINT32_MAX, CAGMA_MSG_ORDER, 0 },
		{ 72, 0, 0 }, { 72, CAGMA_MSG_HELLO, 0 }, { 72, 4, 0 },
		{ 72, UINT16_MAX, 0 }, { 8, CAGMA_MSG_ORDER, 0 },
		{ 224, CAGMA_MSG_SAMPLE, 0 }, { 0x80000048, CAGMA_MSG_ORDER, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		connect();
		assert_int_equal(libxenvchan_send(dom0, &bad[i], sizeof(bad[i])),
				 sizeof(bad[i]));
		turn();
		if (agent.link.state != CAGMA_LINK_DOWN)
			fail_msg("header %zu is taken", i);
		fake_client_close(dom0);
		dom0 = NULL;
		fake_clock_advance(40 * S);
	}
}

static void test_target_that_the_kernel_refuses(void **state)
{
	struct cagma_report report;

	(void)state;
	reopen(false);
	connect();
	hear_last(&report);
	tell(90000, 0, 0);
	assert_true(hear_last(&report));
	/* It was heard; what the balloon aims at tells the rest. */
	assert_int_equal(report.sample.mail_seq, 1);
	assert_int_equal(report.sample.balloon_target_pages, 102400);
	assert_int_equal(agent.problem[CAGMA_PROBLEM_TARGET], -EBADF);
	assert_int_equal(agent.link.state, CAGMA_LINK_UP);
}

/* ---- samples ---- */

static void test_sample_goes_out_every_period(void **state)
{
	struct cagma_report report;
	unsigned int n = 0;

	(void)state;
	attach();
	run(200 * MS);
	hear_last(&report);
	for (int i = 0; i < 20; i++) {
		run(100 * MS);
		while (hear_sample(&report)) {
			assert_int_equal(report.sample.reason,
					 CAGMA_REASON_PERIODIC);
			n++;
		}
	}
	assert_int_equal(n, 20);
	assert_int_equal(report.sample.available_pages, PLENTY);
	assert_int_equal(report.pressure.swap_total_pages, 65535);
	assert_int_equal(report.sample.least_pages, 39000);
}

static void test_nothing_is_allocated_once_it_is_up(void **state)
{
	struct cagma_report report;
	unsigned long before;

	(void)state;
	attach();
	before = fake_allocations();
	for (int i = 0; i < 50; i++) {
		fake_tree_memory(i & 1 ? SHORT : PLENTY);
		run(100 * MS);
		tell(TARGET + (uint64_t)i, agent.event.number, 0);
		hear_last(&report);
	}
	assert_int_equal(fake_allocations(), before);
	assert_true(report.sample.reaction_event);
}

static void test_unreadable_counters_are_tried_again(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	fake_tree_write("proc/meminfo", "nonsense\n");
	run(S);
	hear_last(&report);
	run(S);
	assert_false(hear_last(&report));
	assert_int_equal(agent.problem[CAGMA_PROBLEM_COUNTERS], -ENODATA);
	fake_tree_memory(PLENTY);
	run(200 * MS);
	assert_true(hear_last(&report));
	assert_int_equal(agent.problem[CAGMA_PROBLEM_COUNTERS], 0);
}

/* ---- emergencies ---- */

static void test_shortage_is_told_with_the_next_look(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	run(200 * MS);
	hear_last(&report);
	fake_tree_memory(SHORT);
	run(100 * MS);
	assert_true(hear_sample(&report));
	assert_int_equal(report.sample.reason, CAGMA_REASON_SAMPLER);
	assert_int_equal(report.sample.event, 1);
}

static void test_no_emergency_before_the_first_order(void **state)
{
	struct cagma_report report;

	(void)state;
	connect();
	fake_tree_memory(10);
	fake_tree_events(1000, 1000, 1000);
	run(300 * MS);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.event, 0);
	tell(TARGET, 0, 0);
	/* What was before is no news, but the shortage is. */
	run(100 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.event, 1);
}

static void test_pressure_is_looked_at_when_it_comes(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	run(200 * MS);
	hear_last(&report);
	fake_tree_memory(SHORT);
	fake_clock_advance(5 * MS);
	cagma_agent_turn(&agent, true);
	assert_true(hear_sample(&report));
	assert_int_equal(report.sample.event, 1);
	assert_int_equal(report.sample.time_ns, cagma_now_ns());
}

static void test_request_is_told_at_once(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	run(200 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.event, 0);
	cagma_agent_ask(&agent);
	fake_clock_advance(5 * MS);
	cagma_agent_turn(&agent, false);
	assert_true(hear_sample(&report));
	assert_int_equal(report.sample.reason, CAGMA_REASON_REQUEST);
	assert_int_equal(report.sample.event, 1);
	assert_int_equal(report.sample.time_ns, cagma_now_ns());
	/* It was one request. */
	tell(TARGET, 1, 0);
	run(200 * MS);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.reason, CAGMA_REASON_PERIODIC);
	assert_int_equal(report.sample.event, 0);
}

static void test_request_without_dom0_is_in_vain(void **state)
{
	struct cagma_report report;

	(void)state;
	connect();
	cagma_agent_ask(&agent);
	run(200 * MS);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.event, 0);
	tell(TARGET, 0, 0);
	run(200 * MS);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.event, 0);
}

static void test_reasons_are_those_of_the_hooks(void **state)
{
	/* As fake_tree.c has them; less of them than of available memory is free. */
	const uint64_t in_use = 6000;
	const struct {
		uint64_t available, out, stalls, work;
		uint32_t reason;
	} all[] = {
		{ SHORT, 0, 0, 0, CAGMA_REASON_SAMPLER },
		{ SHORT, 0, 0, 1, CAGMA_REASON_KSWAPD },
		{ SHORT, 0, 1, 1, CAGMA_REASON_DIRECT },
		{ SHORT, 1, 1, 1, CAGMA_REASON_SWAP },
		{ SHORT, 1, 0, 0, CAGMA_REASON_SWAP },
		{ PLENTY, 0, 1, 1, CAGMA_REASON_PERIODIC },
		{ PLENTY, 0, 0, 0, CAGMA_REASON_PERIODIC },
		/* By a cgroup at its limit, on its own, or while kswapd is at work. */
		{ PLENTY, 9999, 0, 0, CAGMA_REASON_PERIODIC },
		{ PLENTY, 9999, 9999, 9999, CAGMA_REASON_PERIODIC },
		{ THRESHOLD, 9999, 9999, 0, CAGMA_REASON_PERIODIC },
		/* By kswapd, which has left the cache that is in use. */
		{ THRESHOLD + in_use - 1, 1, 0, 1, CAGMA_REASON_SWAP },
		{ THRESHOLD + in_use, 1, 0, 1, CAGMA_REASON_PERIODIC },
		{ THRESHOLD + in_use - 1, 1, 0, 0, CAGMA_REASON_PERIODIC },
		{ THRESHOLD + in_use - 1, 0, 0, 1, CAGMA_REASON_PERIODIC },
	};
	uint64_t out = 0, stalls = 0, work = 0;
	struct cagma_report report;

	(void)state;
	attach();
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		fake_tree_memory(PLENTY);
		run(200 * MS);
		tell(TARGET, agent.event.number, 0);
		run(200 * MS);
		hear_last(&report);
		assert_int_equal(report.sample.event, 0);
		fake_tree_memory(all[i].available);
		fake_tree_events(out += all[i].out, stalls += all[i].stalls,
				 work += all[i].work);
		cagma_agent_turn(&agent, true);
		run(100 * MS);
		assert_true(hear_sample(&report));
		if (report.sample.reason != all[i].reason)
			fail_msg("case %zu: reason %u", i, report.sample.reason);
	}
}

/* A container that swaps all day long, with the pressure trigger that comes with it. */
static void test_P1_swap_traffic_beside_free_memory_wakes_nobody(void **state)
{
	struct cagma_report report;
	unsigned int before;

	(void)state;
	attach();
	run(200 * MS);
	hear_last(&report);
	before = fake_devices_notifications();
	for (uint64_t i = 1; i <= 500; i++) {
		fake_tree_events(1000 * i, 100 * i, 0);
		fake_clock_advance(20 * MS);
		cagma_agent_turn(&agent, true);
		if (hear_last(&report))
			assert_int_equal(report.sample.event, 0);
	}
	run(200 * MS);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.swap_out_pages, 500000);
	assert_int_equal(agent.event.number, 0);
	assert_int_equal(fake_devices_notifications(), before);
}

static void test_memory_on_its_way_is_no_shortage(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	fake_tree_balloon(90000, 90000 + THRESHOLD);
	fake_tree_memory(SHORT);
	run(S);
	while (hear_sample(&report))
		assert_int_equal(report.sample.event, 0);
	fake_tree_balloon(90000 + THRESHOLD, 90000 + THRESHOLD);
	run(200 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.event, 1);
}

static void test_one_emergency_is_open_and_reminded_of(void **state)
{
	struct cagma_report report;
	unsigned int n = 0;

	(void)state;
	attach();
	run(200 * MS);
	hear_last(&report);
	fake_tree_memory(SHORT);
	run(100 * MS);
	for (int i = 0; i < 100; i++) {
		run(10 * MS);
		while (hear_sample(&report)) {
			assert_int_equal(report.sample.event, 1);
			n += report.sample.reason == CAGMA_REASON_SAMPLER;
		}
	}
	/* A second of them, one every 20 ms. */
	assert_in_range(n, 45, 56);
}

/* Swapped out within 20 ms of the last emergency, and never again. */
static void test_what_comes_too_soon_is_told_later(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	run(200 * MS);
	fake_tree_memory(SHORT);
	cagma_agent_turn(&agent, true);
	tell(TARGET, 1, 0);
	/* By kswapd, which has left cache in use. */
	fake_tree_memory(THRESHOLD + 1000);
	fake_tree_events(1, 0, 1);
	fake_clock_advance(5 * MS);
	cagma_agent_turn(&agent, true);
	hear_last(&report);
	assert_int_equal(report.sample.event, 0);
	run(200 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.event, 2);
}

static void test_reaction_is_what_the_guest_measures(void **state)
{
	struct cagma_report report;
	uint64_t noticed_ns;

	(void)state;
	attach();
	run(200 * MS);
	hear_last(&report);
	fake_tree_memory(SHORT);
	fake_clock_advance(30 * MS);
	noticed_ns = cagma_now_ns();
	cagma_agent_turn(&agent, true);
	fake_clock_advance(3 * MS + 7);
	tell(TARGET + 5000, 1, 0);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.reason, CAGMA_REASON_APPLIED);
	assert_int_equal(report.sample.event, 0);
	assert_int_equal(report.sample.reaction_event, 1);
	assert_int_equal(report.sample.reaction_ns, cagma_now_ns() - noticed_ns);
	assert_int_equal(report.sample.reaction_ns, 3 * MS + 7);
}

static void test_answer_to_another_emergency_closes_none(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	fake_tree_memory(SHORT);
	run(200 * MS);
	tell(TARGET, 7, 0);
	tell(TARGET, 0, 0);
	hear_last(&report);
	assert_int_equal(report.sample.event, 1);
	assert_int_equal(report.sample.reaction_event, 0);
}

static void test_denial_closes_without_a_reaction(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	fake_tree_memory(SHORT);
	run(200 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.event, 1);
	fake_tree_memory(PLENTY);
	tell(TARGET, 1, CAGMA_MAIL_DENIED);
	hear_last(&report);
	assert_int_equal(report.sample.event, 0);
	assert_int_equal(report.sample.reaction_event, 0);
	/* The next one has the next number. */
	fake_tree_memory(SHORT);
	run(200 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.event, 2);
}

static void test_numbers_of_emergencies_skip_0(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	agent.event.number = UINT32_MAX;
	fake_tree_memory(SHORT);
	run(200 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.event, 1);
}

static void test_emergency_ends_with_the_connection(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	fake_tree_memory(SHORT);
	run(200 * MS);
	fake_client_close(dom0);
	dom0 = NULL;
	turn();
	fake_tree_memory(PLENTY);
	fake_clock_advance(2 * S);
	connect();
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.event, 0);
}

static void test_near_an_emergency_it_looks_often(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	run(300 * MS);
	hear_last(&report);
	/* At rest. */
	fake_clock_advance(100 * MS);
	assert_int_equal(turn(), cagma_now_ns() + PERIOD_NS);
	/* A little less than dom0 means it to have. */
	fake_tree_memory(THRESHOLD * 5 / 4);
	fake_clock_advance(100 * MS);
	turn();
	fake_clock_advance(10 * MS);
	assert_int_equal(turn(), cagma_now_ns() + PERIOD_NS);
	/* Much less. */
	fake_tree_memory(THRESHOLD * 10 / 9);
	fake_clock_advance(100 * MS);
	assert_int_equal(turn(), cagma_now_ns() + 10 * MS);
	fake_clock_advance(10 * MS);
	assert_int_equal(turn(), cagma_now_ns() + 10 * MS);
	/* Plenty, but falling. */
	fake_tree_memory(10 * THRESHOLD);
	fake_clock_advance(100 * MS);
	assert_int_equal(turn(), cagma_now_ns() + PERIOD_NS);
	fake_tree_memory(4 * THRESHOLD);
	fake_clock_advance(100 * MS);
	assert_int_equal(turn(), cagma_now_ns() + 10 * MS);
	/* No longer falling. */
	fake_clock_advance(10 * MS);
	assert_int_equal(turn(), cagma_now_ns() + PERIOD_NS);
}

/* ---- beside the module ---- */

static void load_module(void)
{
	fake_tree_write("sys/module/cagma/refcnt", "0\n");
}

/* The files are all new, and say what they say at first. */
static void unload_module(void)
{
	fake_tree_remove();
	tree = fake_tree_make();
	assert_non_null(tree);
	reopen(true);
}

static void test_G30_module_applies_and_raises_alone(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	load_module();
	fake_tree_memory(SHORT);
	run(300 * MS);
	assert_true(hear_last(&report));
	assert_int_equal(report.sample.event, 0);
	assert_int_equal(report.pressure.some_us, 1234);
	tell(90000, 0, 0);
	assert_int_equal(fake_tree_target_pages(), TARGET);
	run(300 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.mail_seq, 1);
}

static void test_G30_agent_takes_over_when_the_module_goes(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	load_module();
	fake_tree_events(100, 100, 100);
	run(300 * MS);
	hear_last(&report);
	unload_module();
	fake_tree_events(100, 100, 100);
	tell(90000, 0, 0);
	assert_int_equal(fake_tree_target_pages(), 90000);
	run(300 * MS);
	hear_last(&report);
	/* What happened under the module is no news. */
	assert_int_equal(report.sample.event, 0);
	fake_tree_memory(THRESHOLD + 1000);
	fake_tree_events(101, 100, 101);
	run(100 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.event, 1);
}

/* dom0 is quicker than who unloads: its order finds the module still there. */
static void test_G30_order_waits_until_the_module_has_gone(void **state)
{
	struct cagma_report report;

	(void)state;
	attach();
	load_module();
	tell(90000, 0, 0);
	assert_in_range(turn(), cagma_now_ns(), cagma_now_ns() + 10 * MS);
	run(300 * MS);
	assert_int_equal(fake_tree_target_pages(), TARGET);
	hear_last(&report);
	unload_module();
	turn();
	assert_int_equal(fake_tree_target_pages(), 90000);
	fake_tree_memory(SHORT);
	run(200 * MS);
	hear_last(&report);
	assert_int_equal(report.sample.mail_seq, seq);
	assert_int_equal(report.sample.event, 1);
}

/* Who says something that is none is no dom0 whose orders are kept. */
static void test_G30_order_does_not_outlive_its_connection(void **state)
{
	const struct cagma_msg_header bad = { 8, 99, 0 };
	uint64_t target;

	(void)state;
	attach();
	load_module();
	tell(90000, 0, 0);
	unload_module();
	target = fake_tree_target_pages();
	assert_int_equal(libxenvchan_send(dom0, &bad, sizeof(bad)), sizeof(bad));
	turn();
	assert_int_equal(agent.link.state, CAGMA_LINK_DOWN);
	assert_int_equal(fake_tree_target_pages(), target);
	assert_int_equal(agent.held_ns, 0);
}

/* The module stays: an order that is old by the time that it goes is none. */
static void test_G30_order_does_not_wait_for_ever(void **state)
{
	uint64_t target;

	(void)state;
	attach();
	load_module();
	tell(90000, 0, 0);
	run(1000 * MS);
	unload_module();
	target = fake_tree_target_pages();
	run(300 * MS);
	assert_int_equal(fake_tree_target_pages(), target);
	assert_int_equal(turn(), cagma_now_ns() + PERIOD_NS);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_offer_is_for_dom0_alone),
		TEST(test_rings_are_in_the_page),
		TEST(test_nothing_is_sampled_before_dom0_is_there),
		TEST(test_attached_guest_leaves_xenstore_alone),
		TEST(test_offer_waits_for_the_balloon),
		TEST(test_offset_is_measured_once),
		TEST(test_D9_garbage_in_xenstore_is_waited_out),
		TEST(test_transactions_of_others_are_waited_out),
		TEST(test_every_call_fails_in_turn),
		TEST(test_devices_that_cannot_be_opened_are_named),
		TEST(test_failing_offers_back_off),
		TEST(test_short_connections_back_off),
		TEST(test_lost_connection_is_offered_again_at_once),
		TEST(test_new_dom0_counts_from_1_again),
		TEST(test_L6_offer_that_was_left_behind_is_made_again),
		TEST(test_L6_reader_that_is_gone_is_given_up),
		TEST(test_L6_what_was_left_behind_is_not_touched),
		TEST(test_full_ring_drops_samples_and_no_more),
		TEST(test_I7_only_what_is_urgent_wakes_dom0),
		TEST(test_I7_emergency_wakes_dom0_once),
		TEST(test_I7_emergency_without_room_wakes_dom0_later),
		TEST(test_I7_denied_guest_wakes_dom0_seldom),
		TEST(test_G26_corrupted_indices_are_noticed),
		TEST(test_order_is_applied_and_acknowledged),
		TEST(test_offset_is_taken_off_and_put_on),
		TEST(test_D1_targets_are_clamped),
		TEST(test_N6_agent_goes_up_to_hotplug_max),
		TEST(test_floor_holds_below_the_offset_too),
		TEST(test_C7_D10_unknown_request_refuses_the_mail),
		TEST(test_order_without_a_number_or_twice_is_none),
		TEST(test_orders_of_a_batch_are_all_taken),
		TEST(test_orders_arrive_in_any_pieces),
		TEST(test_orders_arrive_byte_by_byte),
		TEST(test_G28_garbage_orders_close),
		TEST(test_target_that_the_kernel_refuses),
		TEST(test_sample_goes_out_every_period),
		TEST(test_nothing_is_allocated_once_it_is_up),
		TEST(test_unreadable_counters_are_tried_again),
		TEST(test_shortage_is_told_with_the_next_look),
		TEST(test_no_emergency_before_the_first_order),
		TEST(test_pressure_is_looked_at_when_it_comes),
		TEST(test_request_is_told_at_once),
		TEST(test_request_without_dom0_is_in_vain),
		TEST(test_reasons_are_those_of_the_hooks),
		TEST(test_P1_swap_traffic_beside_free_memory_wakes_nobody),
		TEST(test_memory_on_its_way_is_no_shortage),
		TEST(test_one_emergency_is_open_and_reminded_of),
		TEST(test_what_comes_too_soon_is_told_later),
		TEST(test_reaction_is_what_the_guest_measures),
		TEST(test_answer_to_another_emergency_closes_none),
		TEST(test_denial_closes_without_a_reaction),
		TEST(test_numbers_of_emergencies_skip_0),
		TEST(test_emergency_ends_with_the_connection),
		TEST(test_near_an_emergency_it_looks_often),
		TEST(test_G30_module_applies_and_raises_alone),
		TEST(test_G30_agent_takes_over_when_the_module_goes),
		TEST(test_G30_order_waits_until_the_module_has_gone),
		TEST(test_G30_order_does_not_outlive_its_connection),
		TEST(test_G30_order_does_not_wait_for_ever),
	};

	return cmocka_run_group_tests_name("agent", tests, NULL, NULL);
}
