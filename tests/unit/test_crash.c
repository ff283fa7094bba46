// SPDX-License-Identifier: GPL-2.0-only
/*
 * kill -9 behind every single action of the daemon: every limit, event, mapping
 * and mirror. What Xen and the guests are left with must be sound, and the next
 * daemon must go on from there.
 */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "fake_daemon.h"
#include "fake_host.h"
#include "fake_xen.h"
#include "unit.h"

#define STEP	(10 * MS)
#define PERIOD	(100 * MS)
#define GRACE	(10 * S)
#define STORY	(45 * S)
#define START	(200 * MS)	/* until the next daemon runs */

enum { WEB, IDLE, STUCK, GUESTS };

static struct fake_daemon d;
static struct fake_guest *guest[GUESTS];
static uint64_t began_ns;

static void add(int which, uint16_t domid, uint64_t pages, uint64_t used)
{
	guest[which] = fake_guest_add(domid, pages, 2 * GIB);
	guest[which]->used_pages = used;
}

static void begin_host(void)
{
	fake_host_reset();
	fake_xen_reset(2200 * MIB, 512 * MIB);
	fake_ops_off();
	memset(&d, 0, sizeof(d));
	cagma_config_init(&d.config);
	add(WEB, 1, 300 * MIB, 250 * MIB);
	add(IDLE, 2, 700 * MIB, 650 * MIB);
	add(STUCK, 3, 500 * MIB, 100 * MIB);
	guest[IDLE]->balloon_rate_pages = 10 * MIB;
	guest[STUCK]->balloon_rate_pages = 0;
	began_ns = cagma_now_ns();
}

/* Grace, a first release, a shortage that a donor has to serve, rest. */
static void tell(uint64_t at_ns)
{
	if (at_ns >= 20 * S)
		guest[IDLE]->used_pages = 200 * MIB;
	if (at_ns >= 21 * S)
		guest[WEB]->used_pages = 600 * MIB;
	if (at_ns >= 35 * S)
		guest[WEB]->used_pages = 300 * MIB;
}

static void check_sound(void)
{
	struct cagma_domain_facts facts[GUESTS + 1];
	struct cagma_host_facts host;
	int count = cagma_xen_domains(NULL, facts, GUESTS + 1);

	cagma_xen_host(NULL, &host);
	assert_true(cagma_spare(&host, facts, (size_t)count) >=
		    (int64_t)d.config.hard_pages);
	for (int i = 0; i < GUESTS; i++) {
		assert_true(guest[i]->balloon_target_pages >= 96 * MIB);
		assert_true(guest[i]->balloon_target_pages <= 2 * GIB);
	}
}

static void pass_time(void)
{
	fake_clock_advance(STEP);
	tell(cagma_now_ns() - began_ns);
	if (cagma_now_ns() % PERIOD == 0)
		for (int i = 0; i < GUESTS; i++)
			fake_guest_step(guest[i]);
}

static void step(void)
{
	pass_time();
	fake_daemon_serve(&d);
	assert_int_equal(d.state.violations, 0);
	check_sound();
}

static void restart(void)
{
	fake_daemon_stop(&d);
	for (uint64_t end_ns = cagma_now_ns() + START; cagma_now_ns() < end_ns;)
		pass_time();
	fake_daemon_dies_at(0);
	assert_int_equal(fake_daemon_start(&d, NULL, NULL), 0);
}

/*
 * The second daemon: all attached within a second, nobody shrunk in the grace
 * time; a page is only to remind a stuck guest of its target.
 */
static void check_adoption(uint64_t restarted_ns, const uint64_t *targets)
{
	uint64_t age_ns = cagma_now_ns() - restarted_ns;

	if (age_ns >= S)
		assert_int_equal(d.state.guest_count, GUESTS);
	for (int i = 0; i < GUESTS && age_ns < GRACE; i++)
		assert_true(guest[i]->balloon_target_pages + 1 >= targets[i]);
}

/* True if the story has that many actions. */
static bool die_at(unsigned int action)
{
	uint64_t restarted_ns = 0, targets[GUESTS];

	begin_host();
	assert_int_equal(fake_daemon_start(&d, NULL, NULL), 0);
	fake_daemon_dies_at(action);
	while (cagma_now_ns() < began_ns + STORY) {
		step();
		if (fake_daemon_is_dead()) {
			for (int i = 0; i < GUESTS; i++)
				targets[i] = guest[i]->balloon_target_pages;
			restart();
			restarted_ns = cagma_now_ns();
		}
		if (restarted_ns)
			check_adoption(restarted_ns, targets);
	}
	assert_true(guest[WEB]->alloc_pages >= 340 * MIB);
	assert_int_equal(guest[WEB]->swapped_pages, 0);
	fake_daemon_stop(&d);
	cagma_config_destroy(&d.config);
	fake_daemon_dies_at(0);
	return restarted_ns != 0;
}

static void test_C1_C13_killed_behind_every_action(void **state)
{
	unsigned int action = 1;

	(void)state;
	while (die_at(action))
		action++;
	printf("figures: %u crash points\n", action - 1);
	assert_true(action > 30);
	fake_xen_reset(0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_C1_C13_killed_behind_every_action),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
