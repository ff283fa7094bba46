/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loop thread: event channels, reading, deciding, acting. Once a guest is
 * attached, nothing here blocks, allocates or talks to xenstore.
 */
#ifndef CAGMA_LOOP_H
#define CAGMA_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "actuate.h"
#include "config.h"
#include "lease.h"
#include "queue.h"
#include "trace.h"

/* Guests and domains a daemon serves; Xen's own limit is 32752 domains. */
#define CAGMA_GUESTS_MAX 4096

struct cagma_journal;
struct cagma_store;

struct cagma_loop {
	const struct cagma_config *config;
	struct cagma_actuator actuator;
	struct cagma_trace *trace;
	struct cagma_journal *journal;	/* NULL: none */
	const struct cagma_store *store; /* whether xenstored answers it */
	int xenstore;			/* enum cagma_xenstore, at the last tick */
	struct cagma_queue *attached;	/* from the store: links to use */
	struct cagma_queue *released;	/* to the store: links to close */
	struct cagma_queue asked;	/* of struct cagma_status */

	int epoll_fd;
	int timer_fd;
	int signal_fd;
	atomic_uint_fast64_t beats;	/* it runs: for the watchdog */
	bool stop;
	bool leaving;			/* some link is to be let go */
	bool paused;			/* by the operator: change nothing */
	uint64_t paused_until_ns;	/* 0: no end is set */
	uint64_t start_ns;
	uint64_t next_pass_ns;
	uint64_t next_refill_ns;	/* of the guests' tokens */
	uint64_t tick_ns;		/* the timer's present interval */

	struct cagma_leases leases;
	uint64_t leased_pages;		/* of them, still to be kept free */

	struct cagma_host_facts host;
	size_t domain_count;
	struct cagma_domain_facts *domains;
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

/*
 * -errno with nothing left open. SIGINT and SIGTERM must be blocked. The
 * journal and the store are for the caller to set afterwards.
 */
int cagma_loop_init(struct cagma_loop *loop, const struct cagma_config *config,
		    struct cagma_xen *xen, struct cagma_trace *trace,
		    struct cagma_queue *attached, struct cagma_queue *mirror,
		    struct cagma_queue *released, bool dry_run);
void cagma_loop_destroy(struct cagma_loop *loop);

/* Until SIGINT or SIGTERM. Afterwards every link is in `released`. */
void cagma_loop_run(struct cagma_loop *loop);

/* One round of waiting (at most `timeout_ms`) and serving; for tests. */
void cagma_loop_once(struct cagma_loop *loop, int timeout_ms);

/* By the file or by command: nothing of the guest is to be changed. */
static inline bool cagma_loop_lets_be(const struct cagma_loop *loop,
				      const struct cagma_guest *guest)
{
	return loop->paused || guest->paused || guest->exempt;
}

/*
 * The attached guest of that domid or name, or NULL. A number is a domid as long as
 * there is such a domain, attached or not.
 */
struct cagma_guest *cagma_loop_find(struct cagma_loop *loop, const char *wanted);

#endif
