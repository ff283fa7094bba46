/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that the daemon knows of the host and its guests, and what it decides by. It is
 * the loop thread's: others read what is atomic, or ask.
 */
#ifndef CAGMA_STATE_H
#define CAGMA_STATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actuate.h"
#include "config.h"
#include "guest.h"
#include "lease.h"
#include "queue.h"
#include "trace.h"

struct cagma_journal;
struct cagma_store;

struct cagma_state {
	const struct cagma_config *config;
	struct cagma_actuator actuator;
	struct cagma_trace *trace;
	struct cagma_journal *journal;	/* NULL: none */
	const struct cagma_store *store; /* whether xenstored answers it; NULL: unknown */
	int xenstore;			/* enum cagma_xenstore, at the last tick */
	struct cagma_queue *released;	/* to the store: links to close */
	struct cagma_queue asked;	/* of struct cagma_status */
	atomic_uint_fast64_t beats;	/* it runs: for the watchdog */
	bool paused;			/* by the operator: change nothing */
	uint64_t paused_until_ns;	/* 0: no end is set */
	uint64_t start_ns;

	struct cagma_leases leases;
	uint64_t leased_pages;		/* of them, still to be kept free */

	bool listed;			/* host and domains are this tick's */
	struct cagma_host_facts host;
	size_t domain_count;
	size_t beyond;			/* domains that there is no room to serve */
	struct cagma_domain_facts *domains;	/* by domid */
	size_t domains_max;			/* room for so many */

	int links_fd;			/* epoll: the event channels of all links */
	bool leaving;			/* some link is to be let go */
	size_t guest_count;
	struct cagma_guest **guests;	/* in the order of domids */
	struct cagma_guest_view *views;
	struct cagma_decision *decisions;

	uint64_t emergencies;
	uint64_t answered;
	uint64_t target_changes;
	uint64_t violations;
	uint64_t xen_errors;
};

/* What a state is of; all is the caller's, and needed until _destroy(). */
struct cagma_parts {
	const struct cagma_config *config;
	struct cagma_xen *xen;
	struct cagma_trace *trace;
	struct cagma_journal *journal;		/* NULL: nothing is recorded */
	const struct cagma_store *store;	/* NULL: xenstored isn't watched */
	struct cagma_queue *mirror;		/* to the store: targets to write */
	struct cagma_queue *released;		/* to the store: links to close */
	bool dry_run;
};

/* -errno with nothing left open. */
int cagma_state_init(struct cagma_state *state, const struct cagma_parts *parts);
void cagma_state_destroy(struct cagma_state *state);

/* By the file or by command: nothing of the guest is to be changed. */
static inline bool cagma_state_lets_be(const struct cagma_state *state,
				       const struct cagma_guest *guest)
{
	return state->paused || guest->paused || guest->exempt;
}

/* Where the guest of that domid is in the table, or would be. */
size_t cagma_state_index(const struct cagma_state *state, uint16_t domid);

/*
 * The attached guest of that domid or name, or NULL. A number is a domid as long as
 * there is such a domain, attached or not.
 */
struct cagma_guest *cagma_state_find(const struct cagma_state *state,
				     const char *wanted);

#endif
