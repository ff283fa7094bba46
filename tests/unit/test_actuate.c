// SPDX-License-Identifier: GPL-2.0-only
/* The order of limits, mail and xenstore, as the fake Xen saw it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "actuate.h"
#include "fake_host.h"
#include "fake_xen.h"
#include "granted.h"
#include "unit.h"

#define DOMID		3
#define SLACK		MIB		/* what a limit exceeds its target by */

static struct cagma_queue mirror;
static struct cagma_actuator actuator;
static struct cagma_guest guest;
static struct cagma_grants *grants;
static struct fake_guest *fake;
static size_t mark;			/* operations that are not looked at */

static void refresh(void)
{
	struct cagma_domain_facts domains[2];
	struct cagma_host_facts host;

	assert_int_equal(cagma_xen_domains(actuator.xen, domains, 2), 2);
	assert_int_equal(cagma_xen_host(actuator.xen, &host), 0);
	guest.facts = domains[1];
	actuator.total_pages = host.total_pages;
	actuator.spare_pages = cagma_spare(&host, domains, 2);
}

static void open_link(void)
{
	const struct cagma_offer offer = {
		.version = CAGMA_PAGE_VERSION,
		.gref = fake->gref,
		.port = fake->port,
		.epoch = fake->epoch,
	};
	struct cagma_link *link;

	assert_null(cagma_granted_open(&link, grants, DOMID, &offer, 0));
	guest.link[CAGMA_RANK_PAGE] = guest.source = link;
	link->transport->start(link);
}

/* A guest of 512 MiB on a host with 1535 MiB to spare. */
static int begin(void **state)
{
	(void)state;
	fake_host_reset();
	fake_xen_reset(4 * GIB, 2 * GIB);
	fake = fake_guest_add(DOMID, 512 * MIB, 4 * GIB);
	fake_guest_step(fake);
	actuator = (struct cagma_actuator){
		.mirror = &mirror,
		.hard_pages = 64 * MIB,
	};
	guest = (struct cagma_guest){
		.domid = DOMID,
		.name = "guest",
		.target_pages = 512 * MIB,
		.aims = true,
	};
	assert_int_equal(cagma_queue_init(&mirror), 0);
	assert_int_equal(cagma_xen_open(&actuator.xen), 0);
	assert_int_equal(cagma_grants_open(&grants), 0);
	open_link();
	refresh();
	mark = fake_op_count();
	return 0;
}

static int end(void **state)
{
	(void)state;
	guest.source->transport->close(guest.source);
	cagma_grants_close(grants);
	cagma_xen_close(actuator.xen);
	cagma_queue_destroy(&mirror);
	assert_int_equal(fake_mappings() + fake_channels() + fake_handles(), 0);
	fake_xen_reset(0, 0);
	return 0;
}

static const struct fake_op *next_op(enum fake_op_kind kind)
{
	size_t i = mark++;

	assert_true(i < fake_op_count());
	assert_int_equal(fake_op(i)->kind, kind);
	return fake_op(i);
}

static void assert_no_op(void)
{
	assert_int_equal(fake_op_count(), mark);
}

/* The guest behind the next mirror to write, or NULL. */
static struct cagma_guest *pop_mirror(void)
{
	struct cds_wfcq_node *node;

	return cagma_queue_pop(&mirror, &node) ? NULL :
		cagma_container_of(node, struct cagma_guest, mirror_node);
}

/* ---- spare memory ---- */

static void test_spare_is_free_less_promises(void **state)
{
	const struct cagma_host_facts host = { 10000, 5000, 0 };
	const struct cagma_domain_facts domains[] = {
		{ .domid = 1, .alloc_pages = 100, .limit_pages = 150 },
		{ .domid = 2, .alloc_pages = 200, .limit_pages = 180 },
		{ .domid = 3, .alloc_pages = 300, .limit_pages = 300 },
	};

	(void)state;
	assert_int_equal(cagma_spare(&host, domains, 0), 5000);
	assert_int_equal(cagma_spare(&host, domains, 3), 4950);
}

/* Xen clears the limit of none of them, and one page that is mapped keeps it there. */
static void test_N1_dying_domain_promises_nothing(void **state)
{
	const struct cagma_host_facts host = { 10000, 5000, 700 };
	struct cagma_domain_facts zombie = {
		.domid = 7, .alloc_pages = 1, .limit_pages = 4000,
		.claim_pages = 700, .dying = true,
	};

	(void)state;
	assert_int_equal(cagma_spare(&host, &zombie, 1), 5000);
	zombie.shut_down = true;
	assert_int_equal(cagma_spare(&host, &zombie, 1), 5000);
}

/* A suspended domain may go on, and takes what it may have. */
static void test_N1_shut_down_domain_keeps_its_promise(void **state)
{
	const struct cagma_host_facts host = { 10000, 5000, 0 };
	const struct cagma_domain_facts domain = {
		.domid = 7, .alloc_pages = 1000, .limit_pages = 1500,
		.shut_down = true,
	};

	(void)state;
	assert_int_equal(cagma_spare(&host, &domain, 1), 4500);
}

static void test_N2_claim_is_inside_the_limit(void **state)
{
	const struct cagma_host_facts host = { 10000, 5000, 3000 };
	struct cagma_domain_facts built = {
		.domid = 9, .alloc_pages = 1000, .limit_pages = 4100,
		.claim_pages = 3000,
	};

	(void)state;
	assert_int_equal(cagma_spare(&host, &built, 1), 5000 - 3100);
	built.alloc_pages = 1600;	/* into superpages that nobody claimed */
	assert_int_equal(cagma_spare(&host, &built, 1), 5000 - 3000);
}

/* Nobody could keep the promise of its limit; Xen keeps that of its claim. */
static void test_N2_claim_of_an_unlimited_domain_counts(void **state)
{
	const struct cagma_host_facts host = { 10000, 5000, 3000 };
	const struct cagma_domain_facts built = {
		.domid = 9, .alloc_pages = 1000, .limit_pages = UINT32_MAX,
		.claim_pages = 3000,
	};

	(void)state;
	assert_int_equal(cagma_spare(&host, &built, 1), 2000);
}

/* A limit that was none becomes a promise when it is set. */
static void test_spare_is_kept_when_an_unlimited_guest_gets_a_limit(void **state)
{
	int64_t kept;

	(void)state;
	fake->limit_pages = UINT32_MAX;
	refresh();
	kept = actuator.spare_pages;
	cagma_actuate_settle(&actuator, &guest);
	assert_int_equal(fake->limit_pages, 512 * MIB + SLACK);
	assert_int_equal(actuator.spare_pages, kept - (int64_t)SLACK);
	kept = actuator.spare_pages;
	refresh();
	assert_int_equal(actuator.spare_pages, kept);
}

static void test_unlimited_domain_is_no_promise(void **state)
{
	const struct cagma_host_facts host = { 10000, 5000, 0 };
	const struct cagma_host_facts huge = { UINT64_C(1) << 32, 5000, 0 };
	struct cagma_domain_facts dom0 = { .alloc_pages = 1000,
					   .limit_pages = UINT64_MAX };

	(void)state;
	assert_int_equal(cagma_spare(&host, &dom0, 1), 5000);
	dom0.limit_pages = 10001;
	assert_int_equal(cagma_spare(&host, &dom0, 1), 5000);
	dom0.limit_pages = 10000;
	assert_int_equal(cagma_spare(&host, &dom0, 1), -4000);
	/* What Xen has in place of no limit is 16 TiB less a page. */
	dom0.limit_pages = UINT32_MAX;
	assert_int_equal(cagma_spare(&huge, &dom0, 1), 5000);
}

static void test_M12_spare_of_a_huge_host(void **state)
{
	static struct cagma_domain_facts domains[4096];
	const uint64_t total = 16 * 1024 * GIB;
	const struct cagma_host_facts host = { total, total, 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(domains); i++)
		domains[i].limit_pages = total - 2;
	assert_int_equal(cagma_spare(&host, domains, ARRAY_SIZE(domains)),
			 -4095 * (int64_t)total + 4096 * 2);
}

static void test_M9_limit_counts_what_xen_adds(void **state)
{
	(void)state;
	assert_int_equal(cagma_limit_for(&guest, 1000), 1000 + SLACK);
	guest.offset_pages = 50;
	assert_int_equal(cagma_limit_for(&guest, 1000), 1050 + SLACK);
	guest.offset_pages = -50;
	assert_int_equal(cagma_limit_for(&guest, 1000), 950 + SLACK);
	guest.offset_pages = -(int64_t)(2 * SLACK);
	assert_int_equal(cagma_limit_for(&guest, 0), 0);
}

/* ---- growing ---- */

static void test_grow_raises_the_limit_before_the_mail(void **state)
{
	int64_t spare = actuator.spare_pages;

	(void)state;
	assert_int_equal(cagma_actuate_grow(&actuator, &guest, 600 * MIB), 0);
	assert_int_equal(next_op(FAKE_OP_LIMIT)->pages, 600 * MIB + SLACK);
	assert_int_equal(next_op(FAKE_OP_MAIL)->pages, 600 * MIB);
	next_op(FAKE_OP_NOTIFY);
	assert_no_op();
	assert_int_equal(guest.target_pages, 600 * MIB);
	assert_int_equal(guest.target_changes, 1);
	assert_int_equal(actuator.spare_pages, spare - (int64_t)(88 * MIB));
	assert_int_equal(fake->balloon_target_pages, 600 * MIB);
}

static void test_spare_is_kept_as_xen_would_count_it(void **state)
{
	int64_t kept;

	(void)state;
	assert_int_equal(cagma_actuate_grow(&actuator, &guest, 600 * MIB), 0);
	kept = actuator.spare_pages;
	refresh();
	assert_int_equal(actuator.spare_pages, kept);
	fake_guest_step(fake);
	refresh();
	assert_int_equal(actuator.spare_pages, kept);
}

static void test_I1_grow_is_cut_to_what_is_spare(void **state)
{
	const int64_t usable = (int64_t)(100 * MIB);

	(void)state;
	actuator.spare_pages = (int64_t)actuator.hard_pages + usable;
	assert_int_equal(cagma_actuate_grow(&actuator, &guest, GIB), 0);
	assert_int_equal(guest.target_pages, 612 * MIB);
	assert_int_equal(next_op(FAKE_OP_LIMIT)->pages, 612 * MIB + SLACK);
	assert_int_equal(next_op(FAKE_OP_MAIL)->pages, 612 * MIB);
	assert_int_equal(actuator.spare_pages, actuator.hard_pages);
}

static void test_I1_grow_without_spare_memory(void **state)
{
	static const int64_t spare[] = { 0, -5, 64 * MIB, INT32_MIN };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(spare); i++) {
		actuator.spare_pages = spare[i];
		assert_int_equal(cagma_actuate_grow(&actuator, &guest, GIB),
				 -ENOSPC);
		assert_no_op();
		assert_int_equal(guest.target_pages, 512 * MIB);
		assert_null(pop_mirror());
	}
}

/* What a shrink has not brought back yet may simply be kept. */
static void test_grow_within_the_limit_needs_no_spare_memory(void **state)
{
	(void)state;
	cagma_actuate_shrink(&actuator, &guest, 400 * MIB);
	mark = fake_op_count();
	actuator.spare_pages = 0;
	assert_int_equal(cagma_actuate_grow(&actuator, &guest, 500 * MIB), 0);
	assert_int_equal(next_op(FAKE_OP_MAIL)->pages, 500 * MIB);
	next_op(FAKE_OP_NOTIFY);
	assert_no_op();
	assert_int_equal(actuator.spare_pages, 0);
}

static void test_C8_limit_that_xen_refuses_changes_nothing(void **state)
{
	struct cagma_guest before = guest;
	int64_t spare = actuator.spare_pages;

	(void)state;
	fake_fail(FAKE_XEN_SET_LIMIT, 1, -EPERM);
	assert_int_equal(cagma_actuate_grow(&actuator, &guest, 600 * MIB),
			 -EPERM);
	assert_no_op();
	assert_memory_equal(&guest, &before, sizeof(guest));
	assert_int_equal(actuator.spare_pages, spare);
	assert_null(pop_mirror());
	assert_int_equal(cagma_actuate_grow(&actuator, &guest, 600 * MIB), 0);
}

/* ---- shrinking ---- */

static void test_shrink_mails_and_keeps_the_limit(void **state)
{
	(void)state;
	cagma_actuate_shrink(&actuator, &guest, 400 * MIB);
	assert_int_equal(next_op(FAKE_OP_MAIL)->pages, 400 * MIB);
	next_op(FAKE_OP_NOTIFY);
	assert_no_op();
	assert_int_equal(fake->limit_pages, 512 * MIB + SLACK);
}

static void test_limit_follows_the_pages_down(void **state)
{
	static const uint64_t left_mib[] = { 482, 452, 422, 400 };

	(void)state;
	fake->balloon_rate_pages = 30 * MIB;
	cagma_actuate_shrink(&actuator, &guest, 400 * MIB);
	for (size_t i = 0; i < ARRAY_SIZE(left_mib); i++) {
		uint64_t left = left_mib[i] * MIB;
		int64_t spare;

		fake_guest_step(fake);
		refresh();
		assert_int_equal(fake->alloc_pages, left);
		assert_int_equal(cagma_actuate_settle(&actuator, &guest),
				 left > 400 * MIB + SLACK);
		assert_int_equal(fake->limit_pages, left > 400 * MIB ?
				 left : 400 * MIB + SLACK);
		spare = actuator.spare_pages;
		refresh();
		assert_int_equal(actuator.spare_pages, spare);
	}
}

static void test_settled_guest_is_left_alone(void **state)
{
	(void)state;
	assert_false(cagma_actuate_settle(&actuator, &guest));
	assert_no_op();
}

static void test_M3_guest_that_does_not_shrink_cannot_grow(void **state)
{
	(void)state;
	fake->balloon_rate_pages = 0;
	cagma_actuate_shrink(&actuator, &guest, 400 * MIB);
	fake_guest_step(fake);
	refresh();
	assert_true(cagma_actuate_settle(&actuator, &guest));
	assert_int_equal(fake->limit_pages, 512 * MIB);
}

static void test_settle_that_xen_refuses_is_repeated(void **state)
{
	(void)state;
	cagma_actuate_shrink(&actuator, &guest, 400 * MIB);
	fake_guest_step(fake);
	refresh();
	fake_fail(FAKE_XEN_SET_LIMIT, 1, -EAGAIN);
	cagma_actuate_settle(&actuator, &guest);
	assert_int_equal(fake->limit_pages, 512 * MIB + SLACK);
	cagma_actuate_settle(&actuator, &guest);
	assert_int_equal(fake->limit_pages, 400 * MIB + SLACK);
}

/* ---- mail and mirror ---- */

static void test_quiet_mail_rings_no_bell(void **state)
{
	(void)state;
	guest.threshold_pages = 40 * MIB;
	cagma_actuate_mail(&actuator, &guest, true);
	assert_int_equal(next_op(FAKE_OP_MAIL)->pages, 512 * MIB);
	assert_no_op();
	assert_int_equal(guest.mailed_threshold_pages, 40 * MIB);
	fake_guest_step(fake);
	assert_int_equal(fake->threshold_pages, 40 * MIB);
}

static void test_mirror_is_queued_once_with_the_newest_target(void **state)
{
	(void)state;
	assert_int_equal(cagma_actuate_grow(&actuator, &guest, 600 * MIB), 0);
	assert_int_equal(cagma_actuate_grow(&actuator, &guest, 700 * MIB), 0);
	cagma_actuate_shrink(&actuator, &guest, 650 * MIB);
	assert_ptr_equal(pop_mirror(), &guest);
	assert_int_equal(atomic_load(&guest.mirror_kib), 650 * 1024);
	assert_null(pop_mirror());
	assert_int_equal(fake_calls(FAKE_XS_REPLACE), 0);
}

static void test_dry_run_touches_nothing(void **state)
{
	struct cagma_page before;

	(void)state;
	memcpy(&before, fake->page, sizeof(before));
	actuator.dry_run = true;
	cagma_actuate_grow(&actuator, &guest, 600 * MIB);
	cagma_actuate_shrink(&actuator, &guest, 400 * MIB);
	fake->alloc_pages -= 50 * MIB;
	refresh();
	cagma_actuate_settle(&actuator, &guest);
	cagma_actuate_mail(&actuator, &guest, false);
	assert_no_op();
	assert_int_equal(fake_calls(FAKE_XEN_SET_LIMIT), 0);
	assert_null(pop_mirror());
	assert_int_equal(guest.target_pages, 512 * MIB);
	assert_memory_equal(fake->page, &before, sizeof(before));
}

#define ACTUATE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ACTUATE_TEST(test_spare_is_free_less_promises),
		ACTUATE_TEST(test_N1_dying_domain_promises_nothing),
		ACTUATE_TEST(test_N1_shut_down_domain_keeps_its_promise),
		ACTUATE_TEST(test_N2_claim_is_inside_the_limit),
		ACTUATE_TEST(test_N2_claim_of_an_unlimited_domain_counts),
		ACTUATE_TEST(test_spare_is_kept_when_an_unlimited_guest_gets_a_limit),
		ACTUATE_TEST(test_unlimited_domain_is_no_promise),
		ACTUATE_TEST(test_M12_spare_of_a_huge_host),
		ACTUATE_TEST(test_M9_limit_counts_what_xen_adds),
		ACTUATE_TEST(test_grow_raises_the_limit_before_the_mail),
		ACTUATE_TEST(test_spare_is_kept_as_xen_would_count_it),
		ACTUATE_TEST(test_I1_grow_is_cut_to_what_is_spare),
		ACTUATE_TEST(test_I1_grow_without_spare_memory),
		ACTUATE_TEST(test_grow_within_the_limit_needs_no_spare_memory),
		ACTUATE_TEST(test_C8_limit_that_xen_refuses_changes_nothing),
		ACTUATE_TEST(test_shrink_mails_and_keeps_the_limit),
		ACTUATE_TEST(test_limit_follows_the_pages_down),
		ACTUATE_TEST(test_settled_guest_is_left_alone),
		ACTUATE_TEST(test_M3_guest_that_does_not_shrink_cannot_grow),
		ACTUATE_TEST(test_settle_that_xen_refuses_is_repeated),
		ACTUATE_TEST(test_quiet_mail_rings_no_bell),
		ACTUATE_TEST(test_mirror_is_queued_once_with_the_newest_target),
		ACTUATE_TEST(test_dry_run_touches_nothing),
	};

	return cmocka_run_group_tests_name("actuate", tests, NULL, NULL);
}
