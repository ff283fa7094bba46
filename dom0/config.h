/* SPDX-License-Identifier: GPL-2.0-only */
/* The configuration file (libconfig syntax), read whole or refused whole. */
#ifndef CAGMA_CONFIG_H
#define CAGMA_CONFIG_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "guest.h"
#include "policy.h"

/* The name that xl gives dom0. */
#define CAGMA_DOM0_NAME	"Domain-0"

/* Of one guest, which is named by its name or by its UUID. */
struct cagma_guest_config {
	char name[CAGMA_NAME_BYTES];	/* empty: by UUID */
	uint8_t uuid[CAGMA_UUID_BYTES];
	uint64_t min_pages;	/* 0: the default */
	uint64_t max_pages;	/* 0: static-max */
	uint32_t weight;	/* 0: 1 */
	bool exempt;		/* its memory isn't changed */
};

struct cagma_config {
	struct cagma_tuning tuning;
	const struct cagma_policy *policy;
	uint64_t hard_pages;
	uint64_t reserve_pages;
	uint64_t period_ns;	/* of the periodic pass */
	bool own_period;	/* set by the file, not by the policy */
	uint64_t tick_ns;	/* of reading the pages */
	uint64_t retry_max_ns;	/* of trying a guest in quarantine again */
	bool meminfo_guests;	/* those that only write a number count, too */
	uint64_t min_pages;	/* guarantee of guests without one of their own */
	size_t guest_count;
	struct cagma_guest_config *guests;	/* owned */
};

/* Everything at its default. Pair with cagma_config_destroy(). */
void cagma_config_init(struct cagma_config *config);
void cagma_config_destroy(struct cagma_config *config);

/*
 * Reads `path` over the defaults. On any error writes one line to `error` and
 * returns -errno with *config unchanged.
 */
int cagma_config_read(struct cagma_config *config, const char *path,
		      char *error, size_t error_size);

/* Chooses the policy, and with it the period unless the file sets one. */
void cagma_config_use(struct cagma_config *config,
		      const struct cagma_policy *policy);

/*
 * The settings of a guest, or NULL. Those by its UUID come before those by its
 * name, which another domain may have had before.
 */
const struct cagma_guest_config *
cagma_config_guest(const struct cagma_config *config, const char *name,
		   const uint8_t uuid[CAGMA_UUID_BYTES]);

/*
 * True if the file gives dom0 a minimum: it is then a guest like any other, if it
 * has the module. Otherwise it is left alone.
 */
bool cagma_config_manages_dom0(const struct cagma_config *config);

/* Gives a guest its minimum, maximum and weight, and whether it is exempt. */
void cagma_config_apply(const struct cagma_config *config,
			struct cagma_guest *guest);

/* Prints every global setting: name, default, range, unit, meaning. */
void cagma_config_describe(FILE *out);

#endif
