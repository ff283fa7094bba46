/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Makes decisions come true in an order that is safe at every step:
 *
 *   grow    check that Xen has the memory; raise the limit; mail the target
 *   shrink  mail the target; as pages come back, lower the limit after them
 *
 * so that the sum of all limits never promises memory that isn't there, and a
 * guest is never told to take memory that isn't free yet. xenstore's copy of
 * the target is queued to another thread and written later.
 */
#ifndef CAGMA_ACTUATE_H
#define CAGMA_ACTUATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest.h"
#include "queue.h"
#include "xen.h"

struct cagma_actuator {
	struct cagma_xen *xen;
	struct cagma_queue *mirror;	/* of struct cagma_guest.mirror_node */
	bool unwoken;			/* the store doesn't know of the newest */
	bool dry_run;
	uint64_t total_pages;	/* of the host */
	int64_t spare_pages;	/* free and promised to nobody, kept current */
	uint64_t hard_pages;	/* of these, never given */
};

/*
 * What a domain may take of the host's free memory without asking: the rest of
 * its limit, or what it has claimed if that is more. A claim is inside the
 * limit, not beside it. A limit beyond the host's memory is no promise, and a
 * dying domain takes nothing.
 */
uint64_t cagma_promised(const struct cagma_domain_facts *domain,
			uint64_t total_pages);

/*
 * Memory that is free and that no domain may take on its own: free - sum of
 * what is promised to each. Ballooning doesn't change it; only limits and new
 * domains do. Negative if overpromised. Xen's count of free memory includes
 * what is claimed.
 */
int64_t cagma_spare(const struct cagma_host_facts *host,
		    const struct cagma_domain_facts *domains, size_t count);

/* Xen's limit for a guest whose memory/target is `target_pages`. */
uint64_t cagma_limit_for(const struct cagma_guest *guest,
			 uint64_t target_pages);

/* What the guest has beyond its target. */
uint64_t cagma_owed(const struct cagma_guest *guest);

/*
 * Raises the target to `target_pages`, or to what the spare memory allows.
 * -ENOSPC if that is nothing; -errno of Xen. The mail is sent on success only.
 */
int cagma_actuate_grow(struct cagma_actuator *actuator,
		       struct cagma_guest *guest, uint64_t target_pages);

/*
 * Asks once more for a target that wasn't reached, by one that differs. False
 * if the guest's range has no other.
 */
bool cagma_actuate_again(struct cagma_actuator *actuator,
			 struct cagma_guest *guest);

/* Lowers the target. Always possible. */
void cagma_actuate_shrink(struct cagma_actuator *actuator,
			  struct cagma_guest *guest, uint64_t target_pages);

/*
 * Has the target written to xenstore, after the next _flush(). A mirror that
 * waits already will find the newest target.
 */
void cagma_actuate_mirror(struct cagma_actuator *actuator,
			  struct cagma_guest *guest);

/*
 * Has the store thread read memory/target, behind all that was to be written;
 * what it was told is in guest->told_pages then. xenstore may take its time, or
 * never answer.
 */
void cagma_actuate_ask(struct cagma_actuator *actuator,
		       struct cagma_guest *guest);

/* When nobody waits for an answer any more: wakes who writes to xenstore. */
void cagma_actuate_flush(struct cagma_actuator *actuator);

/*
 * Lowers the limit to what the guest has, but not below its target; call with
 * fresh facts. True while its balloon isn't at rest: more is to come back.
 */
bool cagma_actuate_settle(struct cagma_actuator *actuator,
			  struct cagma_guest *guest);

/* Sends the current orders again, with an event unless `quiet`. */
void cagma_actuate_mail(struct cagma_actuator *actuator,
			struct cagma_guest *guest, bool quiet);

#endif
