/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a worker measures, through the collector of its guest. A timer's signal
 * writes the rounds that ended since the last one to /proc/cagma/buffer:
 *
 *   R WORKLOAD TASK BEGIN_MS:SPENT_US ...
 *   C WORKLOAD TASK BEGIN_MS:SPENT_US      a round that was cut short
 *
 * BEGIN_MS counts from the start of the team.
 */
#ifndef CAGMA_BENCH_METRICS_H
#define CAGMA_BENCH_METRICS_H

#include <stdbool.h>
#include <stdint.h>

struct cagma_metrics {
	const char *workload;	/* one word */
	uint64_t task;
	uint64_t start_ns;	/* of the team, CLOCK_MONOTONIC */
	uint64_t period_ms;	/* of the signal */
};

/*
 * From here on this process's SIGALRM belongs to the metrics. Ends the program
 * if there is no collector.
 */
void cagma_metrics_begin(const struct cagma_metrics *metrics);

void cagma_metrics_round(uint64_t begin_ns, uint64_t end_ns);

/* Writes what is left, and the round that began at @begin_ns unless it is 0. */
void cagma_metrics_end(uint64_t begin_ns);

/* How many records the buffer had no room for. */
uint64_t cagma_metrics_lost(void);

#endif
