/* SPDX-License-Identifier: GPL-2.0-only */
/* A daemon on a fake host, from its start to its end, for tests of the whole. */
#ifndef CAGMA_LIFE_H
#define CAGMA_LIFE_H

#include <stdbool.h>
#include <string.h>

#include "clock.h"
#include "fake_daemon.h"
#include "fake_host.h"
#include "fake_xen.h"
#include "unit.h"

#define STEP		(10 * MS)
#define PERIOD		(100 * MS)	/* of the guests' samples */
#define REST		(48 * MIB)	/* available, of a guest at rest */

static struct fake_daemon d;
static struct fake_guest *guest[FAKE_GUESTS_MAX];
static size_t guest_count;

/* ---- the daemon's life ---- */

static inline void init_config(void)
{
	memset(&d, 0, sizeof(d));
	cagma_config_init(&d.config);
	d.config.tuning.grace_ns = 0;
	/* Surplus is seen to go: nobody has to need it. */
	d.config.tuning.idle_host = true;
}

static inline int begin(void **state)
{
	(void)state;
	fake_host_reset();
	fake_xen_reset(8 * GIB, 2 * GIB);
	guest_count = 0;
	init_config();
	return 0;
}

static inline int start(void)
{
	return fake_daemon_start(&d, NULL, NULL);
}

static inline void assert_nothing_is_held(void)
{
	assert_int_equal(fake_mappings(), 0);
	assert_int_equal(fake_channels(), 0);
	assert_int_equal(fake_vchans(), 0);
	assert_int_equal(fake_handles(), 0);
}

static inline void stop(void)
{
	assert_int_equal(d.state.violations, 0);
	fake_daemon_stop(&d);
	assert_nothing_is_held();
}

static inline int end(void **state)
{
	(void)state;
	if (d.store)
		stop();
	cagma_config_destroy(&d.config);
	fake_xen_reset(0, 0);
	return 0;
}

static inline int begin_running(void **state)
{
	begin(state);
	return start();
}

static inline void serve(void)
{
	fake_daemon_serve(&d);
}

static inline void step_guests(void)
{
	for (size_t i = 0; i < guest_count; i++)
		fake_guest_step(guest[i]);
}

static inline void run(uint64_t ns)
{
	for (uint64_t end_ns = cagma_now_ns() + ns; cagma_now_ns() < end_ns;) {
		fake_clock_advance(STEP);
		if (cagma_now_ns() % PERIOD == 0)
			step_guests();
		serve();
	}
}

/* A guest that has what it wants: nobody will move its target. */
static inline struct fake_guest *add(uint16_t domid, uint64_t pages)
{
	struct fake_guest *g = fake_guest_add(domid, pages, 4 * GIB);

	g->used_pages = pages - REST;
	guest[guest_count++] = g;
	return g;
}

/* Another domain that takes all spare memory but `pages`. */
static inline struct fake_guest *add_filler(uint64_t pages)
{
	uint64_t taken = fake_free_pages() - pages - 64 * MIB;

	for (size_t i = 0; i < guest_count; i++)
		taken -= MIB;		/* a limit's slack is a promise */
	return fake_guest_add(99, taken - MIB, taken);
}

static inline struct cagma_guest *served(const struct fake_guest *g)
{
	for (size_t i = 0; i < d.state.guest_count; i++)
		if (!memcmp(d.state.guests[i]->uuid, g->uuid, sizeof(g->uuid)))
			return d.state.guests[i];
	return NULL;
}

static inline bool came_before(size_t one, size_t other)
{
	return one < other && other < fake_op_count();
}

#define RUNNING(name) cmocka_unit_test_setup_teardown(name, begin_running, end)
#define STOPPED(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
