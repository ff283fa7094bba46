// SPDX-License-Identifier: GPL-2.0-only
/*
 * scale [--xenstore | MOST]: what each guest costs the daemon, for 16 to 4,095 guests
 * or MOST. The daemon's own code on a fake hypervisor, whose two calls are counted in:
 *
 *   read    a wake-up of the timer: every guest's page is read
 *   decide  what a wake-up takes longer that ends in a periodic pass: every guest
 *           judged, everybody's target decided
 *   rss     what the process has more when it has attached them, the fake's pages
 *           not counted
 *
 * --xenstore: what it takes to read as much from xenstore, four keys for each guest,
 * through one handle. The keys are made for it below KEYS, which is no domain's; needs
 * a xenstored. Prints one JSON object per size.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <xenstore.h>

#include "clock.h"
#include "fake_daemon.h"
#include "fake_host.h"
#include "fake_xen.h"
#include "units.h"

#define MIB	UINT64_C(256)
#define ROUNDS	101
#define STORE_ROUNDS 5	/* of less than STORE_MANY guests; of more one */
#define STORE_MANY 1024
#define KEYS	"/tool/cagma-scale"

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

static uint64_t quantile(uint64_t *ns, size_t count, unsigned int percent)
{
	qsort(ns, count, sizeof(ns[0]), compare);
	return ns[(count - 1) * percent / 100];
}

/* ---- the daemon ---- */

static uint64_t rss_kib(void)
{
	unsigned long size, resident = 0;
	FILE *file = fopen("/proc/self/statm", "re");

	if (!file || fscanf(file, "%lu %lu", &size, &resident) != 2)
		err(1, "/proc/self/statm");
	fclose(file);
	return resident * (uint64_t)sysconf(_SC_PAGESIZE) / 1024;
}

static void live(size_t guests)
{
	for (size_t i = 0; i < guests; i++)
		fake_guest_step(guest[i]);
}

static void make_guests(size_t guests)
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
	}
	live(guests);
}

static void attach(size_t guests)
{
	if (fake_daemon_start(&d, NULL, NULL))
		errx(1, "the daemon doesn't start");
	for (int i = 0; i < 40; i++) {
		live(guests);
		fake_clock_advance(500 * CAGMA_NS_PER_MS);
		fake_daemon_serve(&d);
	}
	if (d.state.guest_count != guests)
		errx(1, "%zu of %zu guests are attached", d.state.guest_count,
		     guests);
}

/* Nanoseconds of the next wake-up. */
static uint64_t time_tick(size_t guests, bool *pass)
{
	uint64_t due_ns = d.loop.next_pass_ns, start;

	live(guests);
	fake_clock_advance(d.config.tick_ns);
	start = real_ns();
	cagma_loop_once(&d.loop, 0);
	start = real_ns() - start;
	*pass = d.loop.next_pass_ns != due_ns;
	return start;
}

static void measure(size_t guests)
{
	static uint64_t tick_ns[ROUNDS], pass_ns[ROUNDS];
	size_t ticks = 0, passes = 0;
	uint64_t rss, read, pass;

	make_guests(guests);
	rss = rss_kib();
	attach(guests);
	rss = rss_kib() - rss;
	while (ticks < ROUNDS || passes < ROUNDS) {
		bool with_pass;
		uint64_t ns = time_tick(guests, &with_pass);

		if (with_pass && passes < ROUNDS)
			pass_ns[passes++] = ns;
		else if (!with_pass && ticks < ROUNDS)
			tick_ns[ticks++] = ns;
	}
	read = quantile(tick_ns, ticks, 50);
	pass = quantile(pass_ns, passes, 50);
	printf("{\"guests\":%zu,\"n\":%d,\"read_ns\":%" PRIu64
	       ",\"read_p99_ns\":%" PRIu64 ",\"pass_ns\":%" PRIu64
	       ",\"pass_p99_ns\":%" PRIu64 ",\"rss_kib\":%" PRIu64 "}\n",
	       guests, ROUNDS, read, quantile(tick_ns, ticks, 99), pass,
	       quantile(pass_ns, passes, 99), rss);
}

/* In a process of its own, so that nothing is left from the size before. */
static void measure_alone(size_t guests)
{
	int status;
	pid_t child;

	fflush(stdout);
	child = fork();
	if (!child) {
		measure(guests);
		fflush(stdout);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) < 0 || status)
		errx(1, "%zu guests couldn't be measured", guests);
}

/* ---- xenstore ---- */

/* What a balancer without shared pages reads of a guest. */
static const char *const keys[] = {
	"memory/target", "memory/static-max", "data/meminfo", "data/updated",
};
#define KEYS_EACH (sizeof(keys) / sizeof(keys[0]))

static void key_path(char *path, size_t size, size_t index, size_t key)
{
	snprintf(path, size, KEYS "/%zu/%s", index, keys[key]);
}

static void make_keys(struct xs_handle *store, size_t from, size_t guests)
{
	char path[64];

	for (size_t i = from; i < guests; i++)
		for (size_t key = 0; key < KEYS_EACH; key++) {
			key_path(path, sizeof(path), i, key);
			if (!xs_write(store, XBT_NULL, path, "524288", 6))
				err(1, "%s", path);
		}
}

static uint64_t time_reading(struct xs_handle *store, size_t guests)
{
	uint64_t start = real_ns();
	unsigned int length;
	char path[64];

	for (size_t i = 0; i < guests; i++)
		for (size_t key = 0; key < KEYS_EACH; key++) {
			char *value;

			key_path(path, sizeof(path), i, key);
			value = xs_read(store, XBT_NULL, path, &length);
			if (!value)
				err(1, "%s", path);
			free(value);
		}
	return real_ns() - start;
}

static void measure_store(struct xs_handle *store, size_t guests)
{
	size_t rounds = guests < STORE_MANY ? STORE_ROUNDS : 1;
	uint64_t ns[STORE_ROUNDS] = { 0 }, median;

	for (size_t i = 0; i < rounds; i++)
		ns[i] = time_reading(store, guests);
	median = quantile(ns, rounds, 50);
	printf("{\"guests\":%zu,\"n\":%zu,\"xenstore_read_ns\":%" PRIu64
	       ",\"xenstore_read_max_ns\":%" PRIu64 "}\n", guests, rounds,
	       median, quantile(ns, rounds, 100));
}

/* ---- both ---- */

static size_t size_of(unsigned int step)
{
	size_t guests = (size_t)16 << 2 * step;

	/* dom0 is one of the domains. */
	return guests < CAGMA_GUESTS_MAX ? guests : CAGMA_GUESTS_MAX - 1;
}

#define STEPS 5

static void all_of_store(void)
{
	struct xs_handle *store = xs_open(0);
	size_t made = 0;

	if (!store)
		err(1, "xenstore");
	for (unsigned int i = 0; i < STEPS; i++) {
		make_keys(store, made, size_of(i));
		made = size_of(i);
		measure_store(store, made);
	}
	xs_rm(store, XBT_NULL, KEYS);
	xs_close(store);
}

int main(int argc, char **argv)
{
	const rlim_t most = 4ul * FAKE_GUESTS_MAX;
	const struct rlimit files = { most, most };
	size_t guests_max = CAGMA_GUESTS_MAX;

	setlinebuf(stdout);
	if (argc == 2 && !strcmp(argv[1], "--xenstore")) {
		all_of_store();
		return 0;
	}
	if (argc == 2)
		guests_max = strtoul(argv[1], NULL, 10);
	if (argc > 2 || !guests_max)
		errx(2, "usage: scale [--xenstore | MOST]");
	if (setrlimit(RLIMIT_NOFILE, &files))
		err(1, "open files");
	for (unsigned int i = 0; i < STEPS && size_of(i) <= guests_max; i++)
		measure_alone(size_of(i));
	return 0;
}
