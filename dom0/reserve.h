/* SPDX-License-Identifier: GPL-2.0-only */
/* cagmactl reserve: asks for memory for a new domain, and waits until it is free. */
#ifndef CAGMA_RESERVE_H
#define CAGMA_RESERVE_H

#include <stdbool.h>

#define CAGMA_LEASE_S		120	/* unless asked for otherwise */
#define CAGMA_LEASE_MAX_S	3600
#define CAGMA_RESERVE_WAIT_S	30

/* "2048", "2048M" or "2G" in MiB; 0 if it is nothing like that. */
unsigned long long cagma_reserve_size(const char *text);

/*
 * Reserves `mib` for `lease_s` and prints the lease. If that can't be had, nothing
 * is reserved, and what stands in the way is printed. An exit status.
 */
int cagma_reserve(const char *run_dir, bool as_json, unsigned long long mib,
		  unsigned int lease_s);

#endif
