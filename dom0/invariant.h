/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold after every step of the daemon. The checks know nothing of
 * the policy that decided; they only look at what was done.
 */
#ifndef CAGMA_INVARIANT_H
#define CAGMA_INVARIANT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy.h"

/* Bits of a violation mask. */
#define CAGMA_I1	(1u << 1)	/* spare memory fell below the hard reserve */
#define CAGMA_I2	(1u << 2)	/* a target left, or stays out of, [min, max] */
#define CAGMA_I3	(1u << 3)	/* an increase spent what a decrease brings */
#define CAGMA_I4	(1u << 4)	/* a decrease on stale data */
#define CAGMA_I5	(1u << 5)	/* a claim was granted beyond the entitlement */

/*
 * Checks one round; `periodic`: of a pass that brings guests down to their maximum. `before` and `after` are spare pages before and after its
 * actions; a round that found too little already may only not make it worse.
 */
unsigned int cagma_invariant_check(const struct cagma_tuning *tuning,
				   const struct cagma_host_view *host,
				   int64_t before, int64_t after,
				   const struct cagma_guest_view *guests,
				   const struct cagma_decision *decisions,
				   size_t count, bool periodic);

#endif
