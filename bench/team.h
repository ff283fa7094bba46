/* SPDX-License-Identifier: GPL-2.0-only */
/* The processes of a workload: started together, waited for, accounted. */
#ifndef CAGMA_BENCH_TEAM_H
#define CAGMA_BENCH_TEAM_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "task.h"

/* Shared between a worker, which writes it, and its parent. */
struct cagma_worker {
	uint64_t id;
	uint64_t rounds;
	uint64_t corrupt_pages;
	uint64_t lost_records;
	uint64_t start_ns;
	uint64_t metrics_ms;
	uint64_t round_ns; /* when the round under way began, or 0 */
};

/*
 * When workers begin: @first at once, all of the team in the last step, and as
 * many in between as a straight line says. After the last step the team ends.
 */
struct cagma_schedule {
	uint64_t first;	  /* 0: all */
	uint64_t steps;	  /* 0: no schedule, all begin at once */
	uint64_t step_ms;
};

struct cagma_team {
	const char *workload; /* one word */
	uint64_t size;
	uint64_t barrier; /* not 0: say "@B {...}" and wait for SIGUSR1 */
	uint64_t limit_s; /* 0: none */
	uint64_t metrics_ms; /* rounds go to the collector this often; 0: @R */
	struct cagma_schedule schedule;
	const dev_t *device; /* whose requests are counted, too; NULL: none */
	/* Returns an exit status; should return soon once stop is asked. */
	int (*work)(struct cagma_worker *worker, const void *context);
	const void *context;
};

struct cagma_team_result {
	uint64_t rounds;
	uint64_t corrupt_pages;
	uint64_t killed; /* ended by a signal, as the OOM killer does */
	uint64_t failed; /* ended with a status other than zero */
	uint64_t lost_records; /* that the collector had no room for */
	uint64_t elapsed_ms;
	bool limit_reached;
	bool interrupted; /* by SIGTERM, SIGINT or SIGHUP */
};

/* In the option table of every workload: what its team, a variable, can be told. */
#define CAGMA_TEAM_OPTIONS(team) \
	{ "procs", "processes", &(team).size, 1, 256 }, \
	{ "limit-s", "seconds after which to end, 0 for none", \
	  &(team).limit_s, 0, 86400 }, \
	{ "steps", "of a schedule, 0 for none", &(team).schedule.steps, 0, \
	  1000 }, \
	{ "step-ms", "length of a step", &(team).schedule.step_ms, 0, \
	  600000 }, \
	{ "first", "processes in the first step of a schedule, 0 for all", \
	  &(team).schedule.first, 0, 256 }, \
	{ "barrier", "1: say @B and wait for SIGUSR1", &(team).barrier, 0, 1 }, \
	{ "metrics-ms", "time between records, 0 for lines @R", \
	  &(team).metrics_ms, 0, 60000 }

/* Ends the program if what the team was told doesn't fit together. */
void cagma_team_check(const struct cagma_team *team);

/*
 * Waits at the barrier, so that several guests can begin at one moment. Forks the
 * workers, lets them all go at one moment and waits for the last. With a schedule
 * a timer's signal drives the steps, and SIGUSR1 lets a worker go. At the limit, or
 * when the program is told to end, the workers are asked to stop. Prints the
 * guest's counters before and after.
 */
struct cagma_team_result cagma_team_run(const struct cagma_team *team);

/*
 * Prints the outcome, "@E {...}", with more members of its own, each with a comma
 * before it. Returns whether no worker failed, was killed or met a corrupt page.
 */
bool cagma_team_report(const struct cagma_team *team,
		       const struct cagma_team_result *result,
		       const char *more);

/* Runs the team and prints the outcome; returns the program's exit status. */
int cagma_team_main(const struct cagma_team *team);

/* For workers: whether to come to an end. */
bool cagma_team_stopping(void);

/* For workers: a round begins now; one that is under way at the end was cut. */
void cagma_team_round_begin(struct cagma_worker *worker);

/* For workers: prints "@R {...}" for the round, or gives it to the metrics. */
void cagma_team_round_done(struct cagma_worker *worker);

/* For workers: a pause that signals do not shorten, but for those that end it. */
void cagma_team_pause(uint64_t ms);

#endif
