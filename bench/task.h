/* SPDX-License-Identifier: GPL-2.0-only */
/* What every workload needs: options, a seeded generator, a clock, output. */
#ifndef CAGMA_BENCH_TASK_H
#define CAGMA_BENCH_TASK_H

#include <stdint.h>

/* Exit statuses of the workloads. */
enum {
	CAGMA_TASK_OK,
	CAGMA_TASK_FAILED,
	CAGMA_TASK_USAGE,
	CAGMA_TASK_CUT,
};

/* One "--name NUMBER" option. The table of a workload ends with a NULL name. */
struct cagma_option {
	const char *name;
	const char *help;
	uint64_t *value;
	uint64_t min;
	uint64_t max;
};

/*
 * Parses "--name NUMBER" and "--name=NUMBER"; --help prints @about and the
 * options with their defaults and exits. A mistake ends the program with
 * CAGMA_TASK_USAGE. Returns the index of the first argument that is no option.
 */
int cagma_options_parse(int argc, char **argv, const char *about,
			const struct cagma_option *options);

_Noreturn void cagma_die(int status, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Writes one line with a single write(), so that lines of processes that share
 * a terminal never mix.
 */
void cagma_emit(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The mixing step of splitmix64: a bijection that scatters its input. */
static inline uint64_t cagma_mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
	return x ^ (x >> 31);
}

static inline uint64_t cagma_random(uint64_t *state)
{
	*state += 0x9e3779b97f4a7c15u;
	return cagma_mix(*state);
}

uint64_t cagma_clock_ns(void);

/* Ends early when a signal arrives. */
void cagma_sleep_ms(uint64_t ms);

#endif
