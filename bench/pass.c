// SPDX-License-Identifier: GPL-2.0-only
/*
 * What a periodic pass costs in dom0: every guest's page is read, every guest
 * judged, everybody's target decided. The daemon's own code on a fake
 * hypervisor, whose two calls are counted in. Prints one JSON object per size.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "clock.h"
#include "fake_daemon.h"
#include "fake_host.h"
#include "fake_xen.h"
#include "units.h"

#define MIB	UINT64_C(256)
#define ROUNDS	201

static struct fake_daemon d;
static struct fake_guest *guest[FAKE_GUESTS_MAX];

static uint64_t real_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * CAGMA_NS_PER_S + (uint64_t)now.tv_nsec;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void begin(size_t guests)
{
	fake_host_reset();
	fake_xen_reset((uint64_t)(guests + 8) * 600 * MIB, 512 * MIB);
	fake_ops_off();
	memset(&d, 0, sizeof(d));
	cagma_config_init(&d.config);
	for (size_t i = 0; i < guests; i++) {
		guest[i] = fake_guest_add((uint16_t)(i + 1), 512 * MIB,
					  2048 * MIB);
		guest[i]->used_pages = (464 - i % 16) * MIB;
		fake_guest_step(guest[i]);
	}
	if (fake_daemon_start(&d, NULL, NULL))
		abort();
}

static void live(size_t guests)
{
	for (size_t i = 0; i < guests; i++)
		fake_guest_step(guest[i]);
}

/* Nanoseconds of the wake-up that ends in a periodic pass. */
static uint64_t time_pass(size_t guests)
{
	uint64_t start;

	live(guests);
	fake_clock_advance(d.config.period_ns);
	start = real_ns();
	cagma_loop_once(&d.loop, 0);
	return real_ns() - start;
}

static void measure(size_t guests)
{
	enum { MEDIAN = ROUNDS / 2, LATE = ROUNDS * 99 / 100 };
	static uint64_t ns[ROUNDS];
	double p50_us;

	begin(guests);
	for (int i = 0; i < 40; i++) {
		live(guests);
		fake_clock_advance(500 * CAGMA_NS_PER_MS);
		fake_daemon_serve(&d);
	}
	if (d.loop.guest_count != guests)
		abort();
	for (int i = 0; i < ROUNDS; i++)
		ns[i] = time_pass(guests);
	qsort(ns, ROUNDS, sizeof(ns[0]), compare);
	p50_us = (double)ns[MEDIAN] / 1000;
	printf("{\"guests\":%zu,\"passes\":%d,\"us_p50\":%.1f,\"us_p99\":%.1f,"
	       "\"us_per_guest_p50\":%.3f}\n", guests, ROUNDS,
	       p50_us, (double)ns[LATE] / 1000, p50_us / (double)guests);
	fake_daemon_stop(&d);
	cagma_config_destroy(&d.config);
}

int main(void)
{
	const rlim_t most = 4ul * FAKE_GUESTS_MAX;
	const struct rlimit files = { most, most };

	if (setrlimit(RLIMIT_NOFILE, &files)) {
		perror("pass: open files");
		return 1;
	}
	for (size_t guests = 16; guests <= 4096; guests *= 4)
		measure(guests < 4096 ? guests : 4095);
	return 0;
}
