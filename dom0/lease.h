/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that is kept free for a domain which is about to be created. It is
 * collected from surplus like the reserve, given to no guest, and handed back
 * when a new domain has taken it, or when its time is over. Pure.
 */
#ifndef CAGMA_LEASE_H
#define CAGMA_LEASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "xen.h"

#define CAGMA_LEASES_MAX 16

struct cagma_lease {
	uint32_t id;		/* 0: none */
	uint64_t pages;		/* asked for */
	uint64_t left_pages;	/* not yet taken by a new domain */
	uint64_t until_ns;
	uint16_t newest;	/* domids above are new */
};

struct cagma_leases {
	uint32_t last_id;
	struct cagma_lease lease[CAGMA_LEASES_MAX];	/* oldest first */
};

/* The new lease's id, or 0 if there are too many. */
uint32_t cagma_lease_add(struct cagma_leases *leases, uint64_t pages,
			 uint64_t until_ns,
			 const struct cagma_domain_facts *domains,
			 size_t count);
bool cagma_lease_end(struct cagma_leases *leases, uint32_t id);

/*
 * Ends leases whose time is over or whose domain is there. Returns the pages
 * that are still to be kept free.
 */
uint64_t cagma_lease_look(struct cagma_leases *leases,
			  const struct cagma_domain_facts *domains,
			  size_t count, uint64_t now_ns);

#endif
