// SPDX-License-Identifier: GPL-2.0-only
/* The daemon on a fake host, guest by guest and fault by fault. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "command.h"
#include "life.h"
#include "loop.h"
#include "status.h"
#include "store.h"
#include "sync.h"

/* ---- coming and going ---- */

static void test_guest_is_attached(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	fake_node_set(g, "name", "web\n\"1\"", 7);
	run(2 * S);
	assert_non_null(served(g));
	assert_string_equal(served(g)->name, "web__1_");
	assert_true(g->attached);
	assert_int_equal(g->balloon_target_pages, 512 * MIB);
	assert_int_equal(g->threshold_pages, 36 * MIB);
	assert_int_equal(fake_mappings(), 1);
	assert_int_equal(fake_op_find(0, FAKE_OP_LIMIT, 5), fake_op_count());
}

/* dom0 has the module; it is managed only if it has a minimum of its own. */
static void test_dom0_is_managed_only_with_a_floor(void **state)
{
	static struct cagma_guest_config own = {
		.name = "Domain-0",
		.min_pages = 900 * MIB,
	};
	struct fake_guest *dom0 = add(0, GIB), *g = add(5, 512 * MIB);

	(void)state;
	fake_node_set(dom0, "name", "Domain-0", 8);
	dom0->limit_pages = UINT32_MAX;
	dom0->used_pages = 200 * MIB;
	assert_int_equal(start(), 0);
	run(20 * S);
	assert_non_null(served(g));
	assert_null(served(dom0));
	stop();
	d.config.guests = &own;
	d.config.guest_count = 1;
	assert_int_equal(start(), 0);
	run(30 * S);
	assert_non_null(served(dom0));
	assert_int_equal(dom0->balloon_target_pages, 900 * MIB);
	assert_true(dom0->limit_pages < GIB);
	stop();
	d.config.guests = NULL;
	d.config.guest_count = 0;
}

static void test_guest_settings_are_used(void **state)
{
	static struct cagma_guest_config own = {
		.name = "web",
		.min_pages = 200 * MIB,
		.max_pages = 300 * MIB,
		.weight = 7,
	};
	struct fake_guest *web = add(5, 256 * MIB), *db = add(6, 256 * MIB);
	struct fake_guest *tiny = add(7, 64 * MIB);

	(void)state;
	fake_node_set(tiny, "memory/static-max", "65536", 5);
	fake_node_set(web, "name", "web", 3);
	d.config.guests = &own;
	d.config.guest_count = 1;
	run(S);
	d.config.guests = NULL;
	d.config.guest_count = 0;
	assert_int_equal(served(web)->min_pages, 200 * MIB);
	assert_int_equal(served(web)->max_pages, 300 * MIB);
	assert_int_equal(served(web)->weight, 7);
	assert_int_equal(served(db)->min_pages, 96 * MIB);
	assert_int_equal(served(db)->max_pages, 4 * GIB);
	assert_int_equal(served(db)->weight, 1);
	assert_string_equal(served(db)->name, "dom6");
	assert_int_equal(served(tiny)->min_pages, 64 * MIB);
	assert_int_equal(served(tiny)->max_pages, 64 * MIB);
}

static void test_guest_that_closes_is_unmapped(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(S);
	fake_guest_close(g);
	serve();
	assert_null(served(g));
	assert_int_equal(fake_mappings() + fake_channels(), 0);
	run(10 * S);
	assert_int_equal(fake_calls(FAKE_GRANTS_MAP), 1);
}

static void test_L4_domain_that_is_destroyed_is_unmapped(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB), *other = add(6, 512 * MIB);

	(void)state;
	run(S);
	fake_guest_destroy(g);
	run(S);
	assert_null(served(g));
	assert_non_null(served(other));
	assert_int_equal(fake_mappings(), 1);
	assert_int_equal(fake_channels(), 1);
}

static void test_L8_domid_is_used_again(void **state)
{
	struct fake_guest *old = add(5, 512 * MIB), *new;

	(void)state;
	run(S);
	fake_guest_kick(old);
	serve();
	assert_int_equal(served(old)->kicks, 1);
	fake_guest_destroy(old);
	new = add(5, 256 * MIB);
	run(2 * S);
	assert_null(served(old));
	assert_non_null(served(new));
	assert_int_equal(served(new)->kicks, 0);
	assert_int_equal(served(new)->target_pages, 256 * MIB);
	assert_true(new->attached);
	assert_int_equal(fake_mappings(), 1);
}

static void test_L6_new_epoch_is_a_new_attachment(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(S);
	g->offered = false;		/* restored: offers again */
	g->attached = false;
	run(2 * S);
	assert_int_equal(g->epoch, 2);
	assert_true(g->attached);
	assert_non_null(served(g));
	assert_int_equal(fake_mappings(), 1);
}

static void test_L11_200_guests_at_once(void **state)
{
	(void)state;
	for (uint16_t domid = 1; domid <= 200; domid++)
		add(domid, 24 * MIB)->used_pages = 0;
	run(5 * S);
	assert_int_equal(d.state.guest_count, 200);
	for (size_t i = 0; i < guest_count; i++)
		assert_true(guest[i]->attached);
}

/* A second for each hundred of them is what it may take. */
static void test_C1_200_guests_are_adopted_within_2_s(void **state)
{
	uint64_t targets[200];

	test_L11_200_guests_at_once(state);
	for (size_t i = 0; i < guest_count; i++)
		targets[i] = guest[i]->balloon_target_pages;
	fake_daemon_kill();
	fake_daemon_stop(&d);
	fake_daemon_dies_at(0);
	init_config();
	step_guests();
	assert_int_equal(start(), 0);
	run(2 * S);
	assert_int_equal(d.state.guest_count, 200);
	for (size_t i = 0; i < guest_count; i++) {
		assert_true(guest[i]->attached);
		assert_true(guest[i]->balloon_target_pages >= targets[i]);
	}
}

static void test_C13_daemon_goes_and_another_adopts(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(S);
	stop();
	assert_false(g->attached);
	assert_int_equal(g->page->doorbell.dom0_alive, 0);
	init_config();
	assert_int_equal(start(), 0);
	run(2 * S);
	assert_int_equal(g->epoch, 2);
	assert_true(g->attached);
	assert_int_equal(g->balloon_target_pages, 512 * MIB);
}

static void test_C1_nobody_is_shrunk_after_the_start(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	d.config.tuning.grace_ns = 20 * S;
	d.config.tuning.release_ns = 2 * S;
	g->used_pages = 100 * MIB;
	run(19 * S);
	assert_int_equal(g->balloon_target_pages, 512 * MIB);
	run(3 * S);
	assert_int_equal(g->balloon_target_pages, 148 * MIB);
}

/* ---- emergencies ---- */

static void test_emergency_is_answered_at_once(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);
	size_t mark, limit, mail, mirror;

	(void)state;
	run(2 * S);
	mark = fake_op_count();
	g->used_pages += 30 * MIB;
	fake_guest_step(g);
	assert_int_equal(g->kicks, 1);
	serve();
	limit = fake_op_find(mark, FAKE_OP_LIMIT, 5);
	mail = fake_op_find(mark, FAKE_OP_MAIL, 5);
	mirror = fake_op_find(mark, FAKE_OP_MIRROR, 5);
	assert_int_equal(limit, mark);
	assert_true(came_before(limit, mail));
	assert_true(came_before(mail, mirror));
	assert_true(fake_op(mail)->pages >= 512 * MIB + 30 * MIB);
	assert_int_equal(fake_op(mirror)->pages, fake_op(mail)->pages);
	assert_int_equal(g->balloon_target_pages, fake_op(mail)->pages);
	assert_false(g->event_open);
	assert_int_equal(g->swap_out_pages, 0);
	/* The sample that says so came before the channel was armed again. */
	assert_int_equal(served(g)->reaction.count, 1);
}

static void test_reaction_is_counted_once(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->used_pages += 30 * MIB;
	run(3 * S);
	assert_int_equal(d.state.emergencies, 1);
	assert_int_equal(d.state.answered, 1);
	assert_int_equal(served(g)->answered, 1);
	assert_int_equal(served(g)->reaction.count, 1);
	assert_true(fake_guest_available(g) >= REST);
}

static void test_I3_increase_goes_out_before_the_decrease(void **state)
{
	struct fake_guest *donor = add(4, 1024 * MIB);
	struct fake_guest *needy = add(5, 512 * MIB);
	size_t mark;

	(void)state;
	d.config.reserve_pages = d.config.hard_pages;
	d.config.tuning.release_ns = 3600 * S;
	donor->used_pages = 200 * MIB;
	add_filler(20 * MIB);
	run(3 * S);
	mark = fake_op_count();
	needy->used_pages += 40 * MIB;
	fake_guest_step(needy);
	serve();
	assert_true(came_before(fake_op_find(mark, FAKE_OP_MAIL, 5),
				fake_op_find(mark, FAKE_OP_MAIL, 4)));
}

static void test_I3_donor_gives_before_the_needy_gets(void **state)
{
	struct fake_guest *needy = add(5, 512 * MIB);
	struct fake_guest *donor = add(6, 1024 * MIB);
	size_t mark, asked, back, given;

	(void)state;
	d.config.reserve_pages = d.config.hard_pages;
	donor->used_pages = 200 * MIB;
	donor->balloon_rate_pages = 100 * MIB;
	d.config.tuning.release_ns = 3600 * S;
	add_filler(0);
	run(3 * S);
	mark = fake_op_count();
	needy->used_pages += 40 * MIB;
	run(3 * S);
	asked = fake_op_find(mark, FAKE_OP_MAIL, 6);
	back = fake_op_find(mark, FAKE_OP_LIMIT, 6);
	given = fake_op_find(mark, FAKE_OP_LIMIT, 5);
	assert_true(came_before(asked, back));
	assert_true(came_before(back, given));
	assert_true(came_before(given, fake_op_find(given, FAKE_OP_MAIL, 5)));
	assert_true(needy->denials > 0);
	assert_true(fake_guest_available(needy) >= REST);
	assert_true(fake_guest_available(donor) >= REST);
	assert_true(fake_free_pages() >= d.config.hard_pages);
}

/*
 * Only one can give when memory is needed, and it gives nothing. What another
 * one can spare later is asked for although the first still owes it all.
 */
static void test_M3_stuck_donor_is_not_waited_for(void **state)
{
	struct fake_guest *needy = add(5, 512 * MIB);
	struct fake_guest *liar = add(6, 2048 * MIB), *donor;
	uint64_t was;

	(void)state;
	donor = add(7, 320 * MIB);
	d.config.reserve_pages = d.config.hard_pages;
	liar->used_pages = 200 * MIB;
	donor->used_pages = 290 * MIB;
	liar->balloon_rate_pages = 0;
	d.config.tuning.release_ns = 3600 * S;
	add_filler(0);
	run(3 * S);
	needy->used_pages += 40 * MIB;
	run(3 * S);
	assert_true(liar->balloon_target_pages < 2048 * MIB);
	assert_true(donor->balloon_target_pages >= 320 * MIB);
	donor->used_pages = 200 * MIB;
	run(20 * S);
	assert_true(served(liar)->debt.stuck);
	assert_false(served(donor)->debt.stuck);
	assert_true(fake_guest_available(needy) >= REST);
	/* It can't grow, it isn't waited for, and it is asked again. */
	assert_true(liar->limit_pages <= liar->alloc_pages + 256);
	assert_int_equal(d.loop.tick_ns, d.config.tick_ns);
	was = served(liar)->target_changes;
	run(60 * S);
	assert_true(served(liar)->target_changes > was);
	liar->balloon_rate_pages = 100 * MIB;
	run(30 * S);
	assert_false(served(liar)->debt.stuck);
}

static void test_emergency_is_denied_when_there_is_nothing(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB), *filler = add_filler(0);

	(void)state;
	run(2 * S);
	g->used_pages += 30 * MIB;
	fake_guest_step(g);
	serve();
	assert_int_equal(g->denials, 1);
	assert_false(g->event_open);
	assert_int_equal(d.state.answered, 0);
	assert_int_equal(g->balloon_target_pages, 512 * MIB);
	fake_guest_step(g);
	assert_int_equal(g->kicks, 1);
	fake_guest_destroy(filler);
	run(S);
	assert_true(g->balloon_target_pages >= 542 * MIB);
	assert_true(d.state.answered > 0);
}

static void test_denied_guest_is_asked_for_kicks_again(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	add_filler(0);
	run(2 * S);
	g->used_pages += 30 * MIB;
	fake_guest_step(g);
	serve();
	assert_int_equal(g->page->doorbell.armed, 0);
	g->used_pages -= 30 * MIB;
	run(S);
	assert_int_equal(g->page->doorbell.armed, 1);
}

static void test_I1_M2_other_domain_takes_the_reserve(void **state)
{
	struct fake_guest *g = add(5, 1024 * MIB);

	(void)state;
	d.config.tuning.release_ns = 3600 * S;
	run(2 * S);
	g->used_pages = 200 * MIB;
	fake_guest_add(99, fake_free_pages() - 10 * MIB, 8 * GIB);
	run(4 * S);
	assert_true(g->alloc_pages < 1024 * MIB);
	assert_true(fake_guest_available(g) >= REST);
	assert_true(fake_free_pages() >= d.config.reserve_pages);
}

static void test_C8_emergency_that_xen_refuses_is_denied(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->used_pages += 30 * MIB;
	fake_fail(FAKE_XEN_SET_LIMIT, 1, -EPERM);
	fake_guest_step(g);
	serve();
	assert_int_equal(g->denials, 1);
	assert_int_equal(d.state.answered, 0);
	assert_int_equal(g->balloon_target_pages, 512 * MIB);
	run(S);
	assert_true(g->balloon_target_pages >= 542 * MIB);
	assert_int_equal(d.state.answered, 1);
}

/* ---- why ---- */

static const struct cagma_record *newest(const struct fake_guest *g)
{
	const struct cagma_records *records = &served(g)->records;

	assert_true(cagma_records_kept(records) > 0);
	return cagma_records_get(records, cagma_records_kept(records) - 1);
}

static void test_answered_emergency_has_its_record(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);
	const struct cagma_record *r;

	(void)state;
	run(2 * S);
	assert_int_equal(cagma_records_kept(&served(g)->records), 0);
	g->used_pages += 30 * MIB;
	fake_guest_step(g);
	serve();
	r = newest(g);
	assert_int_equal(r->decision.why, CAGMA_WHY_EMERGENCY);
	assert_int_equal(r->event, served(g)->answered_event);
	assert_string_equal(cagma_reason_name(r->reason), "sampler");
	assert_false(r->denied);
	assert_int_equal(r->guest.target_pages, 512 * MIB);
	assert_int_equal(r->decision.target_pages, served(g)->target_pages);
	assert_int_equal(r->guest.max_pages, served(g)->max_pages);
}

static void test_denied_emergency_has_its_record(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->used_pages += 30 * MIB;
	fake_fail(FAKE_XEN_SET_LIMIT, 1, -EPERM);
	fake_guest_step(g);
	serve();
	assert_true(newest(g)->denied);
	assert_int_equal(newest(g)->decision.target_pages, 512 * MIB);
}

static void test_every_change_has_its_record(void **state)
{
	struct fake_guest *g = add(5, 1024 * MIB);
	uint64_t target;

	(void)state;
	g->used_pages = 200 * MIB;
	run(30 * S);
	assert_true(served(g)->target_changes > 0);
	assert_int_equal(served(g)->records.count, served(g)->target_changes);
	assert_int_equal(newest(g)->decision.why, CAGMA_WHY_RELEASE);
	target = 1024 * MIB;
	for (uint32_t i = 0; i < cagma_records_kept(&served(g)->records); i++) {
		const struct cagma_record *r =
			cagma_records_get(&served(g)->records, i);

		assert_int_equal(r->guest.target_pages, target);
		target = r->decision.target_pages;
	}
	assert_int_equal(target, served(g)->target_pages);
}

/* Nothing was decided: its balloon is asked again for what it owes. */
static void test_reminder_has_its_record(void **state)
{
	struct fake_guest *g = add(5, 1024 * MIB);
	const struct cagma_record *r;

	(void)state;
	g->used_pages = 200 * MIB;
	g->balloon_rate_pages = 0;
	run(60 * S);
	assert_true(served(g)->debt.stuck);
	r = newest(g);
	assert_int_equal(r->decision.why, CAGMA_WHY_REMIND);
	assert_int_equal(r->guest.target_pages ^ 1, r->decision.target_pages);
	assert_true(r->host.spare_pages > 0);
	assert_int_equal(served(g)->records.count, served(g)->target_changes);
}

/* ---- steady state ---- */

static void test_steady_state_needs_no_xenstore(void **state)
{
	unsigned int reads;

	(void)state;
	for (uint16_t domid = 1; domid <= 3; domid++)
		add(domid, 512 * MIB);
	/* Until no agent is looked for any more. */
	run(60 * S);
	reads = fake_calls(FAKE_XS_READ);
	run(600 * S);
	assert_int_equal(d.state.guest_count, 3);
	assert_int_equal(fake_calls(FAKE_XS_READ), reads);
	assert_int_equal(fake_calls(FAKE_XS_REPLACE), 0);
	assert_int_equal(fake_calls(FAKE_XEN_SET_LIMIT), 0);
}

static void test_surplus_is_released_and_mirrored(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	g->used_pages = 200 * MIB;
	run(15 * S);
	assert_int_equal(g->balloon_target_pages, 248 * MIB);
	assert_int_equal(g->alloc_pages, 248 * MIB);
	assert_int_equal(g->limit_pages, 249 * MIB);
	assert_string_equal(fake_node_get(g, "memory/target"), "253952");
	g->used_pages = 300 * MIB;
	run(5 * S);
	assert_int_equal(strtoull(fake_node_get(g, "memory/target"), NULL, 10),
			 4 * g->balloon_target_pages);
	assert_true(g->balloon_target_pages >= 348 * MIB);
}

static void test_M9_offset_to_xens_count_is_learnt(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	g->offset_pages = 300;
	g->alloc_pages += 300;
	g->limit_pages += 300;
	run(2 * S);
	assert_int_equal(served(g)->offset_pages, 300);
	g->used_pages += 30 * MIB;
	run(S);
	assert_int_equal(g->alloc_pages, g->balloon_target_pages + 300);
	assert_int_equal(g->limit_pages, g->alloc_pages + MIB);
}

/* More than an eighth of it, and no video memory: that is something else. */
static void test_M9_offset_that_cannot_be_is_not_learnt(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	g->offset_pages = 100 * MIB;
	g->alloc_pages += 100 * MIB;
	g->limit_pages += 100 * MIB;
	run(2 * S);
	assert_true(served(g)->track.any);
	assert_int_equal(served(g)->offset_pages, 0);
}

/* Of the time in which nobody looked nothing is known, and it is no time of surplus. */
static void test_C2_surplus_must_last_after_a_stop(void **state)
{
	struct fake_guest *g = add(5, 1024 * MIB);

	(void)state;
	run(20 * S);
	g->used_pages = 500 * MIB;
	fake_clock_advance(60 * S);
	step_guests();
	run(8 * S);
	assert_int_equal(g->balloon_target_pages, 1024 * MIB);
	run(8 * S);
	assert_true(g->balloon_target_pages < 1024 * MIB);
}

static void test_C2_I4_silent_guest_is_held(void **state)
{
	struct fake_guest *needy = add(5, 512 * MIB), *silent;

	(void)state;
	silent = add(6, 1024 * MIB);
	silent->used_pages = 200 * MIB;
	d.config.tuning.release_ns = 3600 * S;
	add_filler(0);
	d.config.reserve_pages = d.config.hard_pages;
	run(2 * S);
	silent->mute = true;
	run(4 * S);
	needy->used_pages += 40 * MIB;
	run(4 * S);
	assert_non_null(served(silent));
	assert_int_equal(silent->balloon_target_pages, 1024 * MIB);
	silent->mute = false;
	run(4 * S);
	assert_true(silent->balloon_target_pages < 1024 * MIB);
	assert_true(fake_guest_available(needy) >= REST);
}

static void test_L5_paused_guest_is_held(void **state)
{
	struct fake_guest *g = add(5, 1024 * MIB);

	(void)state;
	d.config.tuning.stale_ns = 3600 * S;
	g->used_pages = 200 * MIB;
	run(2 * S);
	g->paused = true;
	run(30 * S);
	assert_non_null(served(g));
	assert_int_equal(served(g)->target_pages, 1024 * MIB);
}

static unsigned int passes;

static void count_pass(const struct cagma_tuning *tuning,
		       const struct cagma_host_view *host,
		       const struct cagma_guest_view *guests, size_t count,
		       bool periodic, struct cagma_decision *decisions)
{
	passes++;
	cagma_policy_find("cagma")->decide(tuning, host, guests, count,
					   periodic, decisions);
}

static const struct cagma_policy counting = {
	.name = "counting",
	.acts = true,
	.answers_kicks = true,
	.decide = count_pass,
};

static void test_K2_late_timer_is_one_pass(void **state)
{
	(void)state;
	d.config.policy = &counting;
	add(5, 512 * MIB);
	run(2 * S);
	passes = 0;
	fake_clock_advance(60 * S);
	serve();
	assert_int_equal(passes, 1);
	run(S - STEP);
	assert_int_equal(passes, 1);
	run(10 * S);
	assert_int_equal(passes, 11);
}

/* The guests slept as well: what they said is an hour old, and nobody's fault. */
static void test_L14_dom0_slept_for_an_hour(void **state)
{
	struct fake_guest *g = add(5, 1024 * MIB);

	(void)state;
	d.config.policy = &counting;
	d.config.tuning.release_ns = 5 * S;
	g->used_pages = 200 * MIB;
	run(2 * S);
	passes = 0;
	fake_clock_advance(3600 * S);
	serve();
	assert_int_equal(passes, 1);
	assert_int_equal(g->balloon_target_pages, 1024 * MIB);
	run(S - STEP);
	assert_int_equal(passes, 1);
	assert_int_equal(g->balloon_target_pages, 1024 * MIB);
	run(10 * S);
	assert_int_equal(passes, 11);
	assert_non_null(served(g));
	assert_true(g->balloon_target_pages < 512 * MIB);
}

/* ---- the operator ---- */

/* NULL: it was carried out. */
static const char *tell(const char *request)
{
	static struct cagma_command command;

	assert_true(cagma_command_parse(&command, request));
	cagma_command_run(&d.state, &command);
	return *command.refusal ? command.refusal : NULL;
}

static void test_paused_guest_is_left_alone(void **state)
{
	struct fake_guest *web = add(5, 512 * MIB), *db = add(6, 512 * MIB);

	(void)state;
	run(2 * S);
	assert_null(tell("pause 5\n"));
	web->used_pages += 100 * MIB;
	db->used_pages += 100 * MIB;
	run(3 * S);
	assert_int_equal(served(web)->target_pages, 512 * MIB);
	assert_true(served(db)->target_pages >= 600 * MIB);
	assert_null(tell("resume 5\n"));
	run(3 * S);
	assert_true(served(web)->target_pages >= 600 * MIB);
	assert_non_null(tell("pause nobody\n"));
}

/* The guest that a command would mean; 0: none. */
static uint16_t meant(const char *wanted)
{
	const struct cagma_guest *g = cagma_state_find(&d.state, wanted);

	return g ? g->domid : 0;
}

static struct fake_guest *add_named(uint16_t domid, const char *name)
{
	struct fake_guest *g = add(domid, 512 * MIB);

	fake_node_set(g, "name", name, strlen(name));
	return g;
}

static void test_O3_number_is_a_domid_before_it_is_a_name(void **state)
{
	struct fake_guest *five = add_named(5, "6");
	struct fake_guest *six = add_named(6, "7");

	(void)state;
	add_named(8, "5");
	run(2 * S);
	assert_int_equal(meant("5"), 5);
	assert_int_equal(meant("6"), 6);
	assert_int_equal(meant("06"), 6);
	assert_int_equal(meant("8"), 8);
	assert_int_equal(meant("65542"), 0);	/* 6, in 16 bits */
	assert_int_equal(meant("-6"), 0);
	assert_int_equal(meant("6x"), 0);
	assert_int_equal(meant(""), 0);
	assert_null(tell("pause 6\n"));
	assert_true(served(six)->paused);
	assert_false(served(five)->paused);
}

/* No domain 7: the guest of that name. One that has no page is there all the same. */
static void test_O3_number_without_a_domain_is_a_name(void **state)
{
	struct fake_guest *six = add_named(6, "7");

	(void)state;
	run(2 * S);
	assert_int_equal(meant("7"), 6);
	fake_guest_add(7, 64 * MIB, 64 * MIB);
	run(S);
	assert_int_equal(meant("7"), 0);
	assert_non_null(tell("pause 7\n"));
	assert_false(served(six)->paused);
}

/* Exempt by the file: "resume" does not change that. */
static void test_exempt_guest_is_left_alone(void **state)
{
	struct fake_guest *web = add(5, 512 * MIB), *db = add(6, 512 * MIB);

	(void)state;
	run(2 * S);
	served(web)->exempt = true;
	assert_null(tell("resume 5\n"));
	web->used_pages += 100 * MIB;
	db->used_pages += 100 * MIB;
	run(3 * S);
	assert_int_equal(served(web)->target_pages, 512 * MIB);
	assert_true(served(db)->target_pages >= 600 * MIB);
}

static void test_everybody_can_be_paused(void **state)
{
	struct fake_guest *web = add(5, 512 * MIB);
	size_t ops;

	(void)state;
	run(2 * S);
	assert_null(tell("pause\n"));
	ops = fake_op_count();
	web->used_pages = 50 * MIB;
	run(30 * S);
	assert_int_equal(served(web)->target_pages, 512 * MIB);
	assert_int_equal(fake_op_find(ops, FAKE_OP_LIMIT, 5), fake_op_count());
	assert_null(tell("resume\n"));
	run(15 * S);
	assert_true(served(web)->target_pages < 200 * MIB);
}

/* A tick late at most. */
static void test_O8_pause_with_a_timeout_ends_by_itself(void **state)
{
	struct fake_guest *web = add_named(5, "web"), *db = add_named(6, "db");

	(void)state;
	run(2 * S);
	assert_null(tell("pause web timeout=6\n"));
	assert_null(tell("pause db\n"));
	web->used_pages += 100 * MIB;
	db->used_pages += 100 * MIB;
	run(5 * S);
	assert_true(served(web)->paused);
	assert_int_equal(served(web)->target_pages, 512 * MIB);
	run(2 * S);
	assert_false(served(web)->paused);
	assert_true(served(web)->target_pages >= 600 * MIB);
	run(5 * S);
	assert_true(served(db)->paused);
	assert_int_equal(served(db)->target_pages, 512 * MIB);
}

/* What was said last is true; all of them, and one, are two things. */
static void test_O8_last_pause_is_the_one_that_holds(void **state)
{
	struct fake_guest *web = add_named(5, "web");

	(void)state;
	run(2 * S);
	assert_null(tell("pause timeout=2\n"));
	assert_null(tell("pause web timeout=6\n"));
	run(3 * S);
	assert_false(d.state.paused);
	assert_true(served(web)->paused);
	assert_null(tell("pause web\n"));
	run(6 * S);
	assert_true(served(web)->paused);
	assert_null(tell("pause web timeout=2\n"));
	assert_null(tell("resume web\n"));
	assert_null(tell("pause web\n"));
	run(6 * S);
	assert_true(served(web)->paused);
}

static void test_O8_status_says_how_long_a_pause_lasts(void **state)
{
	struct fake_guest *web = add_named(5, "web");
	struct cagma_status *s = calloc(1, sizeof(*s) + sizeof(s->guest[0]));

	(void)state;
	assert_non_null(s);
	s->capacity = 1;
	run(2 * S);
	assert_null(tell("pause web timeout=60\n"));
	assert_null(tell("pause timeout=86400\n"));
	run(2 * S);
	cagma_status_fill(s, &d.state);
	assert_int_equal(s->guest[0].resumes_ns, 58 * S);
	assert_int_equal(s->resumes_ns, 86398 * S);
	assert_null(tell("resume web\n"));
	assert_null(tell("pause\n"));
	cagma_status_fill(s, &d.state);
	assert_int_equal(s->guest[0].resumes_ns, 0);
	assert_int_equal(s->resumes_ns, 0);
	assert_true(s->paused);
	assert_false(served(web)->paused);
	free(s);
}

static void test_limits_are_set(void **state)
{
	struct fake_guest *web = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	assert_null(tell("set 5 min=600\n"));
	run(2 * S);
	assert_int_equal(served(web)->target_pages, 600 * MIB);
	assert_string_equal(tell("set 5 max=500\n"),
			    "its minimum would be above its maximum");
	assert_string_equal(tell("set 5 max=5000\n"),
			    "5's static-max is 4096 MiB");
	assert_int_equal(served(web)->max_pages, 4 * GIB);
	assert_null(tell("set 5 min=64 max=700 weight=9\n"));
	assert_int_equal(served(web)->weight, 9);
	web->used_pages = GIB;
	run(3 * S);
	assert_int_equal(served(web)->target_pages, 700 * MIB);
}

static void test_configuration_is_reloaded(void **state)
{
	static struct cagma_config other;
	struct fake_guest *web = add(5, 512 * MIB);
	struct cagma_command command;

	(void)state;
	run(2 * S);
	cagma_config_init(&other);
	other.min_pages = 600 * MIB;
	other.hard_pages = 100 * MIB;
	other.tuning.idle_host = true;
	cagma_command_parse(&command, "reload\n");
	command.config = &other;
	cagma_command_run(&d.state, &command);
	assert_ptr_equal(command.config, &d.config);
	run(2 * S);
	assert_int_equal(served(web)->target_pages, 600 * MIB);
	assert_int_equal(d.state.actuator.hard_pages, 100 * MIB);
	command.config = &d.config;
	cagma_command_run(&d.state, &command);
}

static void test_M6_reserved_memory_is_given_to_nobody(void **state)
{
	struct fake_guest *web = add(5, 512 * MIB);
	uint64_t most;

	(void)state;
	run(2 * S);
	add_filler(800 * MIB);
	assert_null(tell("reserve 600 60\n"));
	web->used_pages += GIB;
	run(5 * S);
	most = 512 * MIB + 200 * MIB;
	assert_true(served(web)->target_pages <= most);
	assert_true(fake_free_pages() >= 664 * MIB);
	assert_null(tell("release 1\n"));
	run(5 * S);
	assert_true(served(web)->target_pages > most);
}

/* ---- hostile guests ---- */

static const struct cagma_quarantined *quarantined(uint16_t domid)
{
	const struct cagma_quarantine *q = cagma_store_quarantine(d.store);

	for (size_t i = 0; q && i < q->count; i++)
		if (q->entry[i].domid == domid)
			return &q->entry[i];
	return NULL;
}

static void assert_quarantined(uint16_t domid, const char *reason)
{
	assert_non_null(quarantined(domid));
	assert_string_equal(quarantined(domid)->reason, reason);
	assert_false(quarantined(domid)->attached);
}

static void assert_on_probation(uint16_t domid, const char *reason)
{
	assert_non_null(quarantined(domid));
	assert_string_equal(quarantined(domid)->reason, reason);
	assert_true(quarantined(domid)->attached);
}

static void assert_clean_record(uint16_t domid)
{
	assert_null(quarantined(domid));
}

static void test_G1_wrong_magic_is_refused_and_backed_off(void **state)
{
	struct fake_guest *bad = add(5, 512 * MIB), *good = add(6, 512 * MIB);

	(void)state;
	fake_guest_step(bad);
	bad->page->header.magic++;
	run(60 * S);
	assert_null(served(bad));
	assert_true(good->attached);
	assert_in_range(fake_calls(FAKE_GRANTS_MAP), 3, 8);
	assert_in_range(fake_log_lines(), 3, 8);
	assert_non_null(strstr(fake_log_last(), "wrong-magic"));
	assert_int_equal(fake_mappings(), 1);
	assert_quarantined(5, "wrong-magic");
	assert_clean_record(6);
	bad->page->header.magic--;
	run(120 * S);
	assert_true(bad->attached);
	assert_clean_record(5);
}

static void test_G18_G19_bad_grant_or_port(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	fake_guest_step(g);
	g->gref++;
	run(5 * S);
	assert_null(served(g));
	assert_quarantined(5, "cannot-map-grant");
	g->gref--;
	g->port++;
	run(5 * S);
	assert_null(served(g));
	assert_quarantined(5, "cannot-bind-port");
	assert_int_equal(fake_mappings() + fake_channels(), 0);
	g->port--;
	run(60 * S);
	assert_non_null(served(g));
}

static void test_G20_second_offer_makes_no_second_session(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);
	const char *again = "1 105 15 77";

	(void)state;
	run(2 * S);
	assert_int_equal(fake_calls(FAKE_GRANTS_MAP), 1);
	fake_node_set(g, "data/cagma/offer", again, strlen(again));
	fake_node_set(g, "data/cagma/offer2", again, strlen(again));
	run(10 * S);
	assert_non_null(served(g));
	assert_int_equal(fake_calls(FAKE_GRANTS_MAP), 1);
	assert_int_equal(fake_mappings(), 1);
}

static void test_G31_page_of_another_guest_is_nobodys(void **state)
{
	struct fake_guest *thief = add(5, 512 * MIB), *good;

	(void)state;
	good = add(6, 512 * MIB);
	good->epoch = 1000;
	run(2 * S);
	memcpy(thief->page, good->page, sizeof(*good->page));
	run(S);
	assert_null(served(thief));
	assert_int_equal(served(good)->domid, 6);
	good->used_pages += 30 * MIB;
	fake_guest_step(good);
	serve();
	assert_true(good->balloon_target_pages >= 542 * MIB);
}

static void test_S1_bad_nodes_are_refused(void **state)
{
	static const struct {
		const char *node;
		const char *value;
		size_t length;
		const char *reason;
	} bad[] = {
		{ "data/cagma/offer", "1 105 15", 8, "bad-offer" },
		{ "data/cagma/offer", "1 105\0 15 1", 11, "bad-offer" },
		{ "data/cagma/offer", "1 105 15 000000000000000000000000000000"
		  "000000000000000000000000001", 66, "bad-offer" },
		{ "memory/target", "-1", 2, "no-limits" },
		{ "memory/target", "0x80000", 7, "no-limits" },
		{ "memory/target", "", 0, "no-limits" },
		{ "memory/static-max", "99999999999999999999", 20, "no-limits" },
		{ "memory/static-max", "0", 1, "no-limits" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct fake_guest *g;

		begin(state);
		g = add(5, 512 * MIB);
		fake_guest_step(g);
		fake_node_set(g, bad[i].node, bad[i].value, bad[i].length);
		assert_int_equal(start(), 0);
		run(5 * S);
		assert_int_equal(d.state.guest_count, 0);
		assert_quarantined(5, bad[i].reason);
		end(state);
	}
	begin(state);
}

static void test_G9_liar_is_left_and_backed_off(void **state)
{
	struct fake_guest *liar = add(5, 512 * MIB), *good = add(6, 512 * MIB);

	(void)state;
	for (int second = 0; second < 60; second++) {
		run(S);
		liar->head -= 8;
	}
	assert_true(good->attached);
	assert_quarantined(5, "head-went-back");
	assert_in_range(fake_calls(FAKE_GRANTS_MAP), 4, 9);
	assert_in_range(fake_log_lines(), 4, 16);
	run(300 * S);
	assert_true(liar->attached);
	assert_clean_record(5);
}

static void test_G17_L7_page_that_was_given_up_is_let_go(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->mute = true;
	run(29 * S);
	assert_non_null(served(g));
	run(2 * S);
	assert_null(served(g));
	assert_int_equal(fake_mappings() + fake_channels(), 0);
	assert_quarantined(5, "silent");
	assert_int_equal(g->balloon_target_pages, 512 * MIB);
	run(10 * S);
	g->mute = false;
	run(30 * S);
	assert_true(g->attached);
	assert_on_probation(5, "silent");
	run(60 * S);
	assert_clean_record(5);
}

static void test_G21_head_that_moves_over_nothing_is_let_go(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->mute = true;
	for (int i = 0; i < 200 && served(g); i++) {
		g->page->publication.head++;
		run(100 * MS);
	}
	assert_null(served(g));
	assert_quarantined(5, "torn-too-long");
}

static void test_G5_G7_impossible_samples_are_no_sign_of_life(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->mute = true;
	for (int i = 0; i < 310; i++) {
		struct cagma_sample ones;

		memset(&ones, 0xff, sizeof(ones));
		cagma_sample_write(g->page, g->head++, &ones);
		run(100 * MS);
	}
	assert_null(served(g));
	assert_quarantined(5, "impossible-samples");
}

static void test_L5_guest_that_was_paused_long_is_not_silent(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	g->paused = true;
	run(300 * S);
	g->paused = false;
	g->mute = true;	/* its first sample takes a moment */
	run(S);
	assert_non_null(served(g));
	g->mute = false;
	run(S);
	assert_clean_record(5);
	assert_true(g->attached);
}

/* As fast as it can: a sample and a kick every 10 ms, for 5 s. */
static unsigned int storm(struct fake_guest *g)
{
	uint64_t before = served(g)->kicks;

	for (int i = 0; i < 500; i++) {
		fake_guest_publish(g, CAGMA_REASON_SWAP);
		fake_guest_kick(g);
		run(STEP);
	}
	return (unsigned int)(served(g)->kicks - before);
}

static void test_G14_kick_storm_wakes_20_times_a_second(void **state)
{
	static const uint64_t period_ns[] = { 100 * MS, S, 20 * S };

	for (size_t i = 0; i < ARRAY_SIZE(period_ns); i++) {
		struct fake_guest *stormy, *victim;

		begin(state);
		d.config.period_ns = period_ns[i];
		assert_int_equal(start(), 0);
		stormy = add(5, 512 * MIB);
		victim = add(6, 512 * MIB);
		run(21 * S);
		assert_in_range(storm(stormy), 80, 6 * 21);
		victim->used_pages += 30 * MIB;
		fake_guest_step(victim);
		serve();
		assert_true(victim->balloon_target_pages >= 542 * MIB);
		end(state);
	}
	begin(state);
}

static void test_G14_masked_guest_is_heard_again(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	storm(g);
	run(2 * S);
	g->used_pages += 30 * MIB;
	fake_guest_step(g);
	serve();
	assert_true(g->balloon_target_pages >= 542 * MIB);
}

static void test_G11_I8_overwritten_mailbox_harms_its_guest_only(void **state)
{
	struct fake_guest *vandal = add(5, 512 * MIB), *good;

	(void)state;
	good = add(6, 512 * MIB);
	run(2 * S);
	for (int i = 0; i < 50; i++) {
		memset(&vandal->page->mailbox, i, 64);
		memset(&vandal->page->doorbell, i, 64);
		run(100 * MS);
	}
	good->used_pages += 30 * MIB;
	fake_guest_step(good);
	serve();
	assert_true(good->balloon_target_pages >= 542 * MIB);
	assert_int_equal(served(vandal)->target_pages, 512 * MIB);
}

/* Every word of its samples, all the time. */
static void test_G5_G7_samples_of_ones_change_nothing(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);
	struct cagma_slot *slot;

	(void)state;
	run(2 * S);
	g->mute = true;
	for (int i = 0; i < 100; i++) {
		fake_guest_publish(g, CAGMA_REASON_PERIODIC);
		slot = &g->page->slot[(g->head - 1) % CAGMA_SLOT_COUNT];
		memset(&slot->sample, 0xff, sizeof(slot->sample));
		run(50 * MS);
	}
	assert_int_equal(served(g)->target_pages, 512 * MIB);
	assert_true(served(g)->track.impossible >= 90);
	assert_int_equal(d.state.emergencies, 0);
}

/* ---- faults around the daemon ---- */

/* Start, attach, emergency, end, with one call failing on the way. */
static void live_with_failure(void **state, enum fake_call call,
			      unsigned int nth, int errnum)
{
	struct fake_guest *g;
	int err;

	begin(state);
	g = add(5, 512 * MIB);
	fake_fail(call, nth, -errnum);
	err = start();
	if (err) {
		assert_int_equal(err, -errnum);
		assert_nothing_is_held();
		assert_int_equal(start(), 0);
	}
	run(5 * S);
	g->used_pages += 30 * MIB;
	run(5 * S);
	assert_true(g->attached);
	assert_true(g->balloon_target_pages >= 542 * MIB);
	end(state);
}

static void test_R4_every_call_fails_once_with_every_errno(void **state)
{
	for (enum fake_call call = 0; call < FAKE_CALLS; call++) {
		if (call == FAKE_GRANTS_UNMAP)
			continue;	/* below */
		if (call >= FAKE_VCHAN_OPEN && call <= FAKE_VCHAN_SEND)
			continue;	/* test_vchan.c */
		for (int errnum = 1; errnum <= EHWPOISON; errnum++)
			live_with_failure(state, call, 1, errnum);
		for (unsigned int nth = 2; nth <= 4; nth++)
			live_with_failure(state, call, nth, EIO);
	}
	begin(state);
}

/* What can't be unmapped stays until the daemon ends; the rest goes on. */
static void test_R4_page_that_cannot_be_unmapped(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB), *other = add(6, 512 * MIB);

	(void)state;
	run(S);
	fake_fail(FAKE_GRANTS_UNMAP, 1, -EBUSY);
	fake_guest_close(g);
	run(S);
	assert_non_null(strstr(fake_log_last(), "cannot be unmapped"));
	assert_int_equal(fake_mappings(), 2);
	assert_int_equal(fake_channels(), 1);
	other->used_pages += 30 * MIB;
	run(S);
	assert_true(other->balloon_target_pages >= 542 * MIB);
	fake_daemon_stop(&d);
	assert_int_equal(fake_mappings(), 1);
}

/* Its guest gets another channel, and the loop doesn't turn and turn. */
static void test_R4_channel_that_cannot_be_read(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB), *other = add(6, 512 * MIB);
	unsigned int before;

	(void)state;
	run(S);
	fake_fail(FAKE_CHANNEL_TAKE, 1, -EBADF);
	fake_guest_kick(g);
	serve();
	assert_null(served(g));
	assert_non_null(served(other));
	run(3 * S);
	assert_non_null(served(g));
	fake_fail_always(FAKE_CHANNEL_TAKE, -EBADF);
	before = fake_calls(FAKE_CHANNEL_TAKE);
	for (int i = 0; i < 100; i++) {
		if (served(g))
			fake_guest_kick(g);
		run(100 * MS);
	}
	assert_in_range(fake_calls(FAKE_CHANNEL_TAKE) - before, 2, 20);
	fake_fail_always(FAKE_CHANNEL_TAKE, 0);
	run(60 * S);
	assert_non_null(served(g));
}

/* Guests are served by their pages; there is one line when it begins and ends. */
static void test_C4_xenstore_is_gone(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB), *other = add(6, 512 * MIB);
	unsigned int lines;

	(void)state;
	run(2 * S);
	fake_fail_always(FAKE_XS_REPLACE, -EPIPE);
	fake_fail_always(FAKE_XS_READ, -EPIPE);
	/* Nobody knows of an offer: that is no reason to put it into quarantine. */
	add(7, 512 * MIB);
	lines = fake_log_lines();
	for (int i = 1; i <= 10; i++) {
		g->used_pages += 30 * MIB;
		other->used_pages += 30 * MIB;
		fake_guest_step(g);
		fake_guest_step(other);
		serve();
		assert_true(g->balloon_target_pages >= (512 + 30 * i) * MIB);
		run(S);
	}
	assert_int_equal(fake_log_lines(), lines + 1);
	assert_non_null(strstr(fake_log_last(), "memory/target"));
	fake_fail_always(FAKE_XS_READ, 0);
	fake_fail_always(FAKE_XS_REPLACE, 0);
	run(3 * S);
	assert_int_equal(atoi(fake_node_get(g, "memory/target")),
			 served(g)->target_pages * 4);
	assert_int_equal(atoi(fake_node_get(other, "memory/target")),
			 served(other)->target_pages * 4);
	assert_non_null(strstr(fake_log_last(), "all targets again"));
}

/* Its domain is destroyed while xenstore doesn't take its target. */
static void test_C4_guest_goes_while_xenstore_is_gone(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	run(2 * S);
	fake_fail_always(FAKE_XS_REPLACE, -EPIPE);
	g->used_pages += 30 * MIB;
	run(3 * S);
	fake_guest_destroy(g);
	run(10 * S);
	assert_int_equal(d.state.guest_count, 0);
	fake_fail_always(FAKE_XS_REPLACE, 0);
	run(10 * S);
}

static void test_S4_guest_that_may_change_its_limits_is_refused(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	g->writes_limits = true;
	run(5 * S);
	assert_null(served(g));
	assert_int_equal(fake_mappings(), 0);
	assert_non_null(strstr(fake_log_last(), "writable-limits"));
	g->writes_limits = false;
	run(60 * S);
	assert_non_null(served(g));
}

static void test_dry_run_writes_nothing(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);
	struct cagma_page *page = g->page;
	struct cagma_page before;

	(void)state;
	d.dry_run = true;
	page->doorbell.armed = 4711;
	before = *page;
	assert_int_equal(start(), 0);
	g->used_pages += 30 * MIB;
	run(5 * S);
	assert_non_null(served(g));
	assert_true(d.state.target_changes > 0);
	assert_int_equal(fake_op_count(), 0);
	stop();
	assert_memory_equal(&page->mailbox, &before.mailbox, 64);
	assert_memory_equal(&page->doorbell, &before.doorbell, 64);
	assert_int_equal(fake_calls(FAKE_XEN_SET_LIMIT), 0);
	assert_int_equal(fake_calls(FAKE_XS_REPLACE), 0);
}

static void test_static_policy_asks_for_no_kicks(void **state)
{
	struct fake_guest *g = add(5, 512 * MIB);

	(void)state;
	d.config.policy = cagma_policy_find("static");
	run(2 * S);
	assert_true(g->attached);
	g->used_pages += 30 * MIB;
	run(5 * S);
	assert_int_equal(g->kicks, 0);
	assert_int_equal(g->balloon_target_pages, 512 * MIB);
	assert_int_equal(fake_calls(FAKE_XEN_SET_LIMIT), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RUNNING(test_guest_is_attached),
		STOPPED(test_dom0_is_managed_only_with_a_floor),
		RUNNING(test_guest_settings_are_used),
		RUNNING(test_guest_that_closes_is_unmapped),
		RUNNING(test_L4_domain_that_is_destroyed_is_unmapped),
		RUNNING(test_L8_domid_is_used_again),
		RUNNING(test_L6_new_epoch_is_a_new_attachment),
		RUNNING(test_L11_200_guests_at_once),
		RUNNING(test_C1_200_guests_are_adopted_within_2_s),
		RUNNING(test_C13_daemon_goes_and_another_adopts),
		RUNNING(test_C1_nobody_is_shrunk_after_the_start),
		RUNNING(test_emergency_is_answered_at_once),
		RUNNING(test_reaction_is_counted_once),
		RUNNING(test_I3_increase_goes_out_before_the_decrease),
		RUNNING(test_I3_donor_gives_before_the_needy_gets),
		RUNNING(test_M3_stuck_donor_is_not_waited_for),
		RUNNING(test_emergency_is_denied_when_there_is_nothing),
		RUNNING(test_denied_guest_is_asked_for_kicks_again),
		RUNNING(test_I1_M2_other_domain_takes_the_reserve),
		RUNNING(test_C8_emergency_that_xen_refuses_is_denied),
		RUNNING(test_answered_emergency_has_its_record),
		RUNNING(test_denied_emergency_has_its_record),
		RUNNING(test_every_change_has_its_record),
		RUNNING(test_reminder_has_its_record),
		RUNNING(test_steady_state_needs_no_xenstore),
		RUNNING(test_surplus_is_released_and_mirrored),
		RUNNING(test_M9_offset_to_xens_count_is_learnt),
		RUNNING(test_M9_offset_that_cannot_be_is_not_learnt),
		RUNNING(test_C2_surplus_must_last_after_a_stop),
		RUNNING(test_C2_I4_silent_guest_is_held),
		RUNNING(test_G17_L7_page_that_was_given_up_is_let_go),
		RUNNING(test_G21_head_that_moves_over_nothing_is_let_go),
		RUNNING(test_G5_G7_impossible_samples_are_no_sign_of_life),
		RUNNING(test_L5_guest_that_was_paused_long_is_not_silent),
		RUNNING(test_L5_paused_guest_is_held),
		RUNNING(test_M6_reserved_memory_is_given_to_nobody),
		RUNNING(test_configuration_is_reloaded),
		RUNNING(test_limits_are_set),
		RUNNING(test_exempt_guest_is_left_alone),
		RUNNING(test_everybody_can_be_paused),
		RUNNING(test_paused_guest_is_left_alone),
		RUNNING(test_O8_pause_with_a_timeout_ends_by_itself),
		RUNNING(test_O8_last_pause_is_the_one_that_holds),
		RUNNING(test_O8_status_says_how_long_a_pause_lasts),
		RUNNING(test_O3_number_is_a_domid_before_it_is_a_name),
		RUNNING(test_O3_number_without_a_domain_is_a_name),
		RUNNING(test_K2_late_timer_is_one_pass),
		RUNNING(test_L14_dom0_slept_for_an_hour),
		RUNNING(test_G1_wrong_magic_is_refused_and_backed_off),
		RUNNING(test_G18_G19_bad_grant_or_port),
		RUNNING(test_G20_second_offer_makes_no_second_session),
		RUNNING(test_G31_page_of_another_guest_is_nobodys),
		STOPPED(test_S1_bad_nodes_are_refused),
		RUNNING(test_G9_liar_is_left_and_backed_off),
		STOPPED(test_G14_kick_storm_wakes_20_times_a_second),
		RUNNING(test_G14_masked_guest_is_heard_again),
		RUNNING(test_G11_I8_overwritten_mailbox_harms_its_guest_only),
		RUNNING(test_G5_G7_samples_of_ones_change_nothing),
		RUNNING(test_R4_page_that_cannot_be_unmapped),
		RUNNING(test_R4_channel_that_cannot_be_read),
		STOPPED(test_R4_every_call_fails_once_with_every_errno),
		RUNNING(test_C4_xenstore_is_gone),
		RUNNING(test_C4_guest_goes_while_xenstore_is_gone),
		RUNNING(test_S4_guest_that_may_change_its_limits_is_refused),
		STOPPED(test_dry_run_writes_nothing),
		RUNNING(test_static_policy_asks_for_no_kicks),
	};

	return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
