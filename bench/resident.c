// SPDX-License-Identifier: GPL-2.0-only
/*
 * What cagmad's memory grows by with its guests: the daemon's own code on a fake
 * hypervisor, whose own memory is not counted, all guests attached and asked for
 * their status. The rest of it, that of a daemon with few guests, is measured on real
 * Xen. Prints one JSON object per size, and the sum as test suites do.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "daemon.h"
#include "fake_daemon.h"
#include "fake_host.h"
#include "fake_xen.h"
#include "status.h"
#include "units.h"

#define MIB		UINT64_C(256)
#define KIB_PER_GUEST	16
#define FEW		8

static struct fake_daemon d;
static struct fake_guest *guest[FAKE_GUESTS_MAX];

static long long resident_kib(void)
{
	FILE *file = fopen("/proc/self/status", "re");
	long long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, "VmRSS:", 6))
			kib = strtoll(line + 6, NULL, 10);
	if (file)
		fclose(file);
	return kib;
}

/* Every guest has lived, so that its side of everything is there. */
static void begin(size_t guests)
{
	fake_host_reset();
	fake_xen_reset((guests + 8) * 600 * MIB, 512 * MIB);
	fake_ops_off();
	memset(&d, 0, sizeof(d));
	cagma_config_init(&d.config);
	for (size_t i = 0; i < guests; i++) {
		guest[i] = fake_guest_add((uint16_t)(i + 1), 512 * MIB,
					  2048 * MIB);
		guest[i]->used_pages = 464 * MIB;
		fake_guest_step(guest[i]);
		memset(&guest[i]->page->mailbox, 0,
		       sizeof(guest[i]->page->mailbox));
	}
}

static void live(size_t guests, int rounds)
{
	for (int i = 0; i < rounds; i++) {
		for (size_t k = 0; k < guests; k++)
			fake_guest_step(guest[k]);
		fake_clock_advance(250 * CAGMA_NS_PER_MS);
		fake_daemon_serve(&d);
	}
}

/* As often as somebody looks, what that took must come back. */
static void ask_for_status(size_t guests)
{
	struct cagma_status *status =
		calloc(1, sizeof(*status) + guests * sizeof(status->guest[0]));

	if (!status)
		abort();
	status->capacity = guests;
	cagma_status_fill(status, &d.state);
	free(cagma_answer_status(status, d.store, NULL));
	free(status);
}

/* KiB that a daemon with so many guests has more than one that just began. */
static long long measure(size_t guests)
{
	long long before;

	begin(guests);
	/* As the daemon does: what it has from the start is all there. */
	mlockall(MCL_FUTURE);
	if (fake_daemon_start(&d, NULL, NULL))
		abort();
	munlockall();
	before = resident_kib();
	live(guests, 60);
	if (d.state.guest_count != guests)
		abort();
	for (int i = 0; i < 3; i++)
		ask_for_status(guests);
	return resident_kib() - before;
}

/* In a process of its own: memory that was freed once would be found again. */
static long long measure_apart(size_t guests)
{
	long long *kib = mmap(NULL, sizeof(*kib), PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t child = kib == MAP_FAILED ? -1 : fork();
	int status = 1;

	if (!child) {
		*kib = measure(guests);
		_exit(0);
	}
	if (child < 0 || waitpid(child, &status, 0) != child || status)
		abort();
	return *kib;
}

/* Code that was never run before comes into memory as well, with the first few. */
static bool judge(size_t guests, long long few_kib)
{
	const size_t more = guests - FEW;
	long long kib = measure_apart(guests) - few_kib;
	long long bar = KIB_PER_GUEST * (long long)more;

	printf("{\"guests\":%zu,\"kib\":%lld,\"kib_per_guest\":%.2f}\n", more,
	       kib, (double)kib / (double)more);
	if (kib <= bar)
		return true;
	printf("not ok I7: %lld KiB for %zu guests, %lld are allowed\n", kib,
	       more, bar);
	return false;
}

int main(void)
{
	static const size_t sizes[] = { 1024, 4095 };
	const rlim_t most = 4ul * FAKE_GUESTS_MAX;
	const struct rlimit files = { most, most };
	unsigned int passed = 0, failed = 0;
	long long few_kib;

	cagma_daemon_spare_memory();
	if (setrlimit(RLIMIT_NOFILE, &files)) {
		perror("resident: open files");
		return 1;
	}
	few_kib = measure_apart(FEW);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (judge(sizes[i], few_kib))
			passed++;
		else
			failed++;
	printf("%u passed, %u failed, 0 skipped\n", passed, failed);
	return failed != 0;
}
