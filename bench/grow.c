// SPDX-License-Identifier: GPL-2.0-only
/*
 * grow: takes memory at a steady rate, as a program that loads its data does,
 * and says how long it took and what the guest swapped meanwhile.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "task.h"

#define PAGE_BYTES	4096u
#define PAGES_PER_MIB	256u
#define STEP_PAGES	64u	/* between two looks at the clock */
#define NS_PER_S	UINT64_C(1000000000)

static uint64_t start_mib = 100, grow_mib = 300, rate_mib_s = 50;
static const struct cagma_option options[] = {
	{ "start-mib", "MiB that it has before", &start_mib, 1, 65536 },
	{ "grow-mib", "MiB that it takes", &grow_mib, 1, 65536 },
	{ "rate-mib-s", "MiB per second", &rate_mib_s, 1, 65536 },
	{ NULL, NULL, NULL, 0, 0 },
};

static uint64_t counter(const char *wanted)
{
	FILE *file = fopen("/proc/vmstat", "re");
	uint64_t value, found = 0;
	char key[64];

	if (!file)
		cagma_die(CAGMA_TASK_FAILED, "/proc/vmstat: %s",
			  strerror(errno));
	while (fscanf(file, "%63s %" SCNu64, key, &value) == 2)
		if (!strcmp(key, wanted))
			found = value;
	fclose(file);
	return found;
}

static void wait_until(uint64_t ns)
{
	const struct timespec until = {
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, NULL) ==
	       EINTR)
		;
}

static void touch(volatile char *memory, uint64_t first, uint64_t end)
{
	for (uint64_t page = first; page < end; page++)
		memory[page * PAGE_BYTES] = 1;
}

/* Never ahead of the rate; behind it, without a pause. */
static void grow(volatile char *memory, uint64_t first, uint64_t pages)
{
	uint64_t begin_ns = cagma_clock_ns();

	for (uint64_t done = 0; done < pages; done += STEP_PAGES) {
		wait_until(begin_ns + done * NS_PER_S /
				      (rate_mib_s * PAGES_PER_MIB));
		touch(memory, first + done, first + done + STEP_PAGES);
	}
}

int main(int argc, char **argv)
{
	uint64_t start, pages, begin_ns, in, out, stalls;
	char *memory;

	cagma_options_parse(argc, argv,
			    "Takes memory at a steady rate and says how it went.",
			    options);
	start = start_mib * PAGES_PER_MIB;
	pages = grow_mib * PAGES_PER_MIB;
	memory = mmap(NULL, (start + pages) * PAGE_BYTES,
		      PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		      0);
	if (memory == MAP_FAILED)
		cagma_die(CAGMA_TASK_FAILED, "cannot map: %s", strerror(errno));
	/* A huge page would make one touch count for 512. */
	madvise(memory, (start + pages) * PAGE_BYTES, MADV_NOHUGEPAGE);
	touch(memory, 0, start);
	cagma_sleep_ms(3000);
	in = counter("pswpin");
	out = counter("pswpout");
	stalls = counter("allocstall_normal") + counter("allocstall_dma32");
	begin_ns = cagma_clock_ns();
	grow(memory, start, pages);
	cagma_emit("@G {\"us\":%" PRIu64 ",\"swapped_in\":%" PRIu64
		   ",\"swapped_out\":%" PRIu64 ",\"stalls\":%" PRIu64 "}",
		   (cagma_clock_ns() - begin_ns) / 1000, counter("pswpin") - in,
		   counter("pswpout") - out, counter("allocstall_normal") +
		   counter("allocstall_dma32") - stalls);
	return CAGMA_TASK_OK;
}
