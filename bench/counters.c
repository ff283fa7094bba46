// SPDX-License-Identifier: GPL-2.0-only
#include "counters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>

#include "task.h"

struct counter {
	const char *key;
	uint64_t value;
};

static FILE *open_or_die(const char *path)
{
	FILE *file = fopen(path, "re");

	if (!file)
		cagma_die(CAGMA_TASK_FAILED, "%s: %s", path, strerror(errno));
	return file;
}

/* Looks for lines "key value"; one that is missing ends the program. */
static void read_counters(const char *path, struct counter *counters, int count)
{
	FILE *file = open_or_die(path);
	int found = 0;
	char key[64];
	uint64_t value;

	while (fscanf(file, "%63s %" SCNu64 "%*[^\n]", key, &value) == 2)
		for (int i = 0; i < count; i++)
			if (!strcmp(counters[i].key, key)) {
				counters[i].value = value;
				found++;
			}
	fclose(file);
	if (found != count)
		cagma_die(CAGMA_TASK_FAILED, "%s lacks a counter", path);
}

struct cagma_disk_counters cagma_counters_disk(dev_t device)
{
	struct cagma_disk_counters disk;
	char path[64];
	FILE *file;
	int fields;

	snprintf(path, sizeof(path), "/sys/dev/block/%u:%u/stat", major(device),
		 minor(device));
	file = open_or_die(path);
	fields = fscanf(file,
			"%" SCNu64 " %*u %" SCNu64 " %*u %" SCNu64
			" %*u %" SCNu64,
			&disk.reads, &disk.read_sectors, &disk.writes,
			&disk.write_sectors);
	fclose(file);
	if (fields != 4)
		cagma_die(CAGMA_TASK_FAILED, "%s: unknown format", path);
	return disk;
}

static void format_disk(char *text, size_t size, dev_t device)
{
	struct cagma_disk_counters disk = cagma_counters_disk(device);

	snprintf(text, size,
		 ",\"reads\":%" PRIu64 ",\"read_sectors\":%" PRIu64
		 ",\"writes\":%" PRIu64 ",\"write_sectors\":%" PRIu64,
		 disk.reads, disk.read_sectors, disk.writes,
		 disk.write_sectors);
}

void cagma_counters_emit(const char *when, const char *workload,
			 const dev_t *disk)
{
	struct counter vm[] = { { "pswpin", 0 },
				{ "pswpout", 0 },
				{ "oom_kill", 0 } };
	struct counter memory[] = { { "MemTotal:", 0 },
				    { "MemFree:", 0 },
				    { "MemAvailable:", 0 },
				    { "SwapTotal:", 0 },
				    { "SwapFree:", 0 } };
	char disk_text[160] = "";

	read_counters("/proc/vmstat", vm, 3);
	read_counters("/proc/meminfo", memory, 5);
	if (disk)
		format_disk(disk_text, sizeof(disk_text), *disk);
	cagma_emit("@S {\"when\":\"%s\",\"workload\":\"%s\",\"at_ms\":%" PRIu64
		   ",\"pswpin\":%" PRIu64 ",\"pswpout\":%" PRIu64
		   ",\"oom_kill\":%" PRIu64 ",\"mem_total_kib\":%" PRIu64
		   ",\"mem_free_kib\":%" PRIu64
		   ",\"mem_available_kib\":%" PRIu64
		   ",\"swap_total_kib\":%" PRIu64
		   ",\"swap_free_kib\":%" PRIu64 "%s}",
		   when, workload, cagma_clock_ns() / 1000000, vm[0].value,
		   vm[1].value, vm[2].value, memory[0].value, memory[1].value,
		   memory[2].value, memory[3].value, memory[4].value,
		   disk_text);
}
