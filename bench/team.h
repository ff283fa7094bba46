/* SPDX-License-Identifier: GPL-2.0-only */
/* The processes of a workload: started together, waited for, accounted. */
#ifndef CAGMA_BENCH_TEAM_H
#define CAGMA_BENCH_TEAM_H

#include <stdbool.h>
#include <stdint.h>

/* Shared between a worker, which writes it, and its parent. */
struct cagma_worker {
	uint64_t id;
	uint64_t rounds;
	uint64_t corrupt_pages;
	uint64_t start_ns;
};

struct cagma_team {
	uint64_t size;
	uint64_t limit_s; /* 0: none */
	/* Returns an exit status; should return soon once stop is asked. */
	int (*work)(struct cagma_worker *worker, const void *context);
	const void *context;
};

struct cagma_team_result {
	uint64_t rounds;
	uint64_t corrupt_pages;
	uint64_t killed; /* ended by a signal, as the OOM killer does */
	uint64_t failed; /* ended with a status other than zero */
	uint64_t elapsed_ms;
	bool limit_reached;
	bool interrupted; /* by SIGTERM, SIGINT or SIGHUP */
};

/*
 * Forks the workers, lets them all go at one moment and waits for the last. At
 * the limit, or when the program is told to end, the workers are asked to stop.
 */
struct cagma_team_result cagma_team_run(const struct cagma_team *team);

/* For workers: whether to come to an end. */
bool cagma_team_stopping(void);

/* For workers: prints "@R {...}" for a round that began at @begin_ns. */
void cagma_team_round_done(struct cagma_worker *worker, uint64_t begin_ns);

#endif
