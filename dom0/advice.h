/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What an operator should know of settings and guests, although nothing is broken:
 * sentences that say what is wrong, with which value, and what to do. cagmad
 * --check-config, cagmactl reload and cagmactl doctor have them from here.
 */
#ifndef CAGMA_ADVICE_H
#define CAGMA_ADVICE_H

#include <json-c/json.h>

#include "config.h"
#include "status.h"
#include "store.h"

/* What can be seen without Xen. An array of strings, the caller's. */
struct json_object *cagma_advice_settings(const struct cagma_config *config);

/*
 * Adds what can be seen with the host's and the guests' numbers. `refused`: the
 * guests that aren't attached; NULL: none.
 */
void cagma_advice_host(struct json_object *advice,
		       const struct cagma_config *config,
		       const struct cagma_status *status,
		       const struct cagma_quarantine *refused);

#endif
