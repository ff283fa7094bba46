/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How a guest is heard and told. There is more than one transport, and one kind
 * of sample and of order; whatever is above knows no more of them than this.
 *
 * A link is one transport to one guest. The store thread opens it and hands it to
 * the loop, which alone uses it from then on and gives it back to be closed. A
 * guest may have several: the best is its source, which is heard and told.
 */
#ifndef CAGMA_TRANSPORT_H
#define CAGMA_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <urcu/wfcqueue.h>

#include "lie.h"
#include "order.h"
#include "sample.h"
#include "xen.h"

/* Samples that one drain brings at most. */
#define CAGMA_BATCH 16

/* The transports, the best one first. */
enum cagma_rank {
	CAGMA_RANK_PAGE,		/* granted.h */
	CAGMA_RANK_VCHAN,		/* vchan.h */
	CAGMA_RANK_XENSTORE,		/* meminfo.h */
	CAGMA_RANKS
};

struct cagma_guest;
struct cagma_pressure;
struct cagma_transport;

struct cagma_link {
	/* Set when it is opened, constant. */
	const struct cagma_transport *transport;
	uint16_t domid;
	uint8_t uuid[CAGMA_UUID_BYTES];
	int fd;				/* readable: there is an event; -1: none */

	/*
	 * Whom it serves. The first link of a guest brings it along, and the last
	 * one takes it back; of the others the loop finds it, and the store must
	 * not look.
	 */
	struct cagma_guest *guest;

	/* The loop's. */
	enum cagma_lie lie;		/* why it is to be let go */
	bool armed;
	bool masked;			/* no event comes before unmask() */
	bool taken;			/* in this wake-up, and paid for */
	bool visited;			/* in this wake-up */
	struct cagma_link *next;	/* in a list of the loop's */
	uint32_t tokens;		/* wake-ups left in this second */
	uint64_t heard_ns;		/* when it last brought a sample */
	uint64_t excused_ns;		/* silence before this is no lie */

	/* The transport's, for the loop to read. */
	uint32_t mail_seq;		/* of the last order; samples name it */
	uint32_t period_ms;		/* the guest's word, clamped */
	uint64_t lost;			/* samples gone before we came */
	const struct cagma_pressure *pressure;	/* the newest; NULL: none came */

	struct cds_wfcq_node handover_node;
};

/* What a transport can do; NULL where there is nothing to be done. */
struct cagma_transport {
	enum cagma_rank rank;

	/*
	 * Copies the samples since the last call, oldest first, at most
	 * CAGMA_BATCH; their number goes to *count. Costs a bounded time
	 * whatever the guest does, and never waits.
	 */
	enum cagma_lie (*drain)(struct cagma_link *link, uint64_t now_ns,
				struct cagma_sample *samples, size_t *count);

	/* Never waits. `quiet`: without an event, if that is possible. */
	void (*mail)(struct cagma_link *link, const struct cagma_order *order,
		     bool quiet);

	/* After the first mail: the guest is told that dom0 is there. */
	void (*start)(struct cagma_link *link);
	void (*leave)(struct cagma_link *link);

	/* Asks for kicks. True: there is more; drain once more. */
	bool (*arm)(struct cagma_link *link);
	void (*disarm)(struct cagma_link *link);

	/* Copies the newest sample, if there is one, and leaves it there. */
	bool (*peek)(struct cagma_link *link, struct cagma_sample *sample);

	/* Takes an event; none follows until unmask(). -EAGAIN: there is none. */
	int (*take)(struct cagma_link *link);
	int (*unmask)(struct cagma_link *link);

	/* By the store thread: closes it and frees it. */
	void (*close)(struct cagma_link *link);
};

/* As the operator calls it. */
const char *cagma_transport_name(enum cagma_rank rank);

#endif
