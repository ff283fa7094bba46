/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The store thread: everything slow. It looks for what guests offer, opens links
 * and hands them to the loop; writes targets to xenstore behind the loop's back;
 * closes what the loop gives back. It keeps no watches: a guest can't fill a
 * queue of ours by writing to xenstore, and a minute after its page was attached
 * a guest causes no xenstore traffic at all.
 */
#ifndef CAGMA_STORE_H
#define CAGMA_STORE_H

#include <pthread.h>
#include <stdatomic.h>

#include "config.h"
#include "queue.h"
#include "xen.h"

struct cagma_store;

/*
 * A domain whose page, or whatever it offered, was refused and will be tried
 * again; or that was, and is on probation until it has been attached for a minute.
 */
struct cagma_quarantined {
	uint16_t domid;
	char name[CAGMA_NAME_BYTES];	/* printable ASCII */
	enum cagma_rank rank;		/* of the transport */
	const char *reason;		/* a constant: what was wrong */
	uint32_t refusals;		/* so far */
	bool attached;			/* again: on probation */
	uint64_t retry_ns;		/* if not: when, by cagma_now_ns() */
};

struct cagma_quarantine {
	size_t count;
	struct cagma_quarantined entry[];
};

/* What xenstored seems to do. */
enum cagma_xenstore {
	CAGMA_XENSTORE_OK,
	CAGMA_XENSTORE_SILENT,	/* doesn't answer */
	CAGMA_XENSTORE_GONE,	/* has ended, and no other one has come */
};

/*
 * Opens xenstore and the grant device and starts the thread. Guests that can
 * be served are pushed to `attached`, as links; the caller pushes targets to mirror
 * to cagma_store_mirror() and links to close to cagma_store_released().
 */
int cagma_store_start(struct cagma_store **store,
		      const struct cagma_config *config,
		      struct cagma_queue *attached);
struct cagma_queue *cagma_store_mirror(struct cagma_store *store);
struct cagma_queue *cagma_store_released(struct cagma_store *store);

/*
 * Takes over what concerns the store, and looks for all anew; any thread. The
 * config isn't kept.
 */
void cagma_store_use(struct cagma_store *store,
		     const struct cagma_config *config);

/*
 * The domains in quarantine or on probation; NULL if there never was one. For any thread that
 * is registered with RCU, valid within its rcu_read_lock().
 */
const struct cagma_quarantine *
cagma_store_quarantine(const struct cagma_store *store);

/* By what the thread has met so far; for any thread. */
enum cagma_xenstore cagma_store_xenstore(const struct cagma_store *store,
					 uint64_t now_ns);

/*
 * Serves what is queued, then ends the thread and closes everything. False: it
 * waits for xenstored and doesn't end; what it uses must stay.
 */
bool cagma_store_stop(struct cagma_store *store);

/* The thread's steps, for tests: no thread is needed. */
int cagma_store_open(struct cagma_store **store,
		     const struct cagma_config *config,
		     struct cagma_queue *attached);
void cagma_store_step(struct cagma_store *store, uint64_t now_ns);
void cagma_store_close(struct cagma_store *store);

#endif
