/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A vchan as a transport: dom0's end of what shared/msg.h says. An agent may
 * send any bytes at any pace; what leaves this file is a whole message of a
 * known type, or a named reason why there will be none.
 */
#ifndef CAGMA_VCHAN_H
#define CAGMA_VCHAN_H

#include "msg.h"
#include "transport.h"

struct cagma_order_message {
	struct cagma_msg_header header;
	struct cagma_msg_order order;
};

struct cagma_agent {
	struct cagma_link link;
	struct cagma_vchan *vchan;
	bool greeted;			/* its hello has come */
	bool unsent;			/* `out` waits for room */
	uint64_t sent_ns;		/* when it went out */
	enum cagma_lie lie;		/* the end of it */
	uint64_t begun_ns;		/* what is under way, since when */
	uint32_t have;			/* bytes of it, in `in` */
	union {
		struct cagma_msg_header header;
		uint8_t byte[CAGMA_MSG_MAX];
	} in;
	struct cagma_order_message out;	/* the last order */
	struct cagma_pressure pressure;	/* the newest */
};

extern const struct cagma_transport cagma_transport_vchan;

/*
 * Connects to the domain's agent, through xenstore: it may take its time. NULL
 * with *link set; "" if no agent is there; or a constant that says what is wrong
 * with it. `seed` makes the sequence of the orders differ from an earlier one's.
 */
const char *cagma_agent_open(struct cagma_link **link, uint16_t domid,
			     uint32_t seed);

#endif
