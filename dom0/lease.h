/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory that is kept free for a domain which is about to be created. It is
 * collected from surplus like the reserve, given to no guest, and handed back
 * when a new domain has taken it, or when its time is over. Pure.
 *
 * A domain is new to a lease if its UUID wasn't there when the lease began. Its
 * id says nothing: ids start again at 1 behind 32751, and a domain that reboots
 * is the old one with another id.
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
	uint64_t serial;	/* grows; domains of an older one are new */
};

/* Twice what a daemon serves. A slot is free as long as its serial is 0. */
#define CAGMA_KNOWN_SLOTS 8192

struct cagma_known {
	uint8_t key[CAGMA_UUID_BYTES];
	uint64_t serial;	/* of the newest lease at whose start it was there */
};

/* All zeroes: there is no lease. */
struct cagma_leases {
	uint32_t last_id;
	uint64_t last_serial;
	uint64_t total_pages;	/* of the host; 0: any limit is a promise */
	struct cagma_lease lease[CAGMA_LEASES_MAX];	/* oldest first */
	size_t known_count;
	struct cagma_known known[CAGMA_KNOWN_SLOTS];	/* hashed */
};

/* The new lease's id, or 0 if there are too many, or too many domains. */
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
