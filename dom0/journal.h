/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every round of deciding with all that was known and all that was decided, as
 * one JSON line each: policies are pure functions, so that `cagma-sim --replay`
 * comes to the same decisions again. The loop copies, the serve thread writes.
 */
#ifndef CAGMA_JOURNAL_H
#define CAGMA_JOURNAL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "feed.h"
#include "policy.h"

struct cagma_guest;
struct cagma_journal_entry;

struct cagma_round {
	uint64_t time_ns;		/* dom0's monotonic clock */
	const struct cagma_policy *policy;
	bool periodic;			/* not: for an emergency */
	struct cagma_tuning tuning;
	struct cagma_host_view host;
	size_t count;			/* of guests */
};

struct cagma_journal {
	FILE *file;			/* NULL: nothing is recorded */
	uint64_t start_ns;
	struct cagma_feed feed;
	struct cagma_journal_entry *idle;	/* the loop's own */
	size_t idle_count;
	size_t left;			/* serve: guests of the round yet to come */
	uint64_t written_lost;		/* serve: rounds the file says were lost */
	atomic_uint_fast64_t lost;	/* rounds without enough entries */
	atomic_bool broken;		/* the file can't be written any more */
};

/*
 * Appends to a file that is there. `path` NULL: nothing is recorded. -errno.
 * Pair with _close().
 */
int cagma_journal_open(struct cagma_journal *journal, const char *path,
		       uint64_t now_ns);
void cagma_journal_close(struct cagma_journal *journal);

/*
 * The loop: takes down a round, with `round->count` guests, views and
 * decisions. It is kept whole or, if the writer is too slow, counted as lost.
 */
void cagma_journal_add(struct cagma_journal *journal,
		       const struct cagma_round *round,
		       struct cagma_guest *const *guests,
		       const struct cagma_guest_view *views,
		       const struct cagma_decision *decisions);

/* The serve thread: writes what is there. */
void cagma_journal_write(struct cagma_journal *journal);

#endif
