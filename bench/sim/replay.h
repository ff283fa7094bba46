/* SPDX-License-Identifier: GPL-2.0-only */
/* Decides again what a daemon decided: see dom0/journal.h. */
#ifndef CAGMA_REPLAY_H
#define CAGMA_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"

struct replay {
	uint64_t rounds;
	uint64_t decisions;
	uint64_t differ;	/* of them */
	uint64_t lost;		/* rounds that the daemon could not write */
	uint64_t cut_short;	/* lines; a daemon that is killed leaves one */
	char first[192];	/* the first that differs */
};

/*
 * Reads a file of `cagmad --record`; `policy` NULL: each round's own. False
 * with a reason in `error` if that can't be done.
 */
bool replay_file(struct replay *replay, const char *path,
		 const struct cagma_policy *policy, char *error,
		 size_t error_size);

#endif
