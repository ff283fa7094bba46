/* SPDX-License-Identifier: GPL-2.0-only */
/* The guest's own statistics, as the lines "@S" report them. */
#ifndef CAGMA_BENCH_COUNTERS_H
#define CAGMA_BENCH_COUNTERS_H

#include <stdint.h>
#include <sys/types.h>

/* Completed requests of a block device, from its statistics in sysfs. */
struct cagma_disk_counters {
	uint64_t reads;
	uint64_t read_sectors;
	uint64_t writes;
	uint64_t write_sectors;
};

/* Ends the program if the kernel keeps no such statistics. */
struct cagma_disk_counters cagma_counters_disk(dev_t device);

/*
 * Prints "@S {...}" with the swap, out-of-memory and memory counters, and with
 * those of a disk unless @disk is NULL. @when is "start" or "end".
 */
void cagma_counters_emit(const char *when, const char *workload,
			 const dev_t *disk);

#endif
