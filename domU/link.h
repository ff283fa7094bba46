/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The connection to dom0: offered, lost and offered again for ever, and the messages
 * of shared/msg.h on it. A link never waits: what dom0 has no room for is left out,
 * and the next sample says more than the one before.
 */
#ifndef CAGMA_LINK_H
#define CAGMA_LINK_H

#include "channel.h"
#include "msg.h"

enum cagma_link_state {
	CAGMA_LINK_DOWN,	/* to be offered at retry_ns */
	CAGMA_LINK_OFFERED,
	CAGMA_LINK_UP,
};

struct cagma_link {
	struct cagma_channel *channel;
	struct cagma_hello hello;
	enum cagma_link_state state;
	uint64_t retry_ns;
	uint64_t wait_ns;		/* after the latest failure; 0: none */
	uint64_t since_ns;		/* in this state */
	uint64_t look_ns;		/* OFFERED: when to look after the nodes */
	uint64_t stuck_ns;		/* UP: no room since then; 0: there is */
	unsigned char in[CAGMA_MSG_BYTES(cagma_msg_order)];
	size_t in_bytes;
};

void cagma_link_init(struct cagma_link *link, struct cagma_channel *channel,
		     uint32_t features, uint32_t period_ms);

/* DOWN, and the time has come: the caller may call cagma_link_offer(). */
bool cagma_link_is_due(const struct cagma_link *link, uint64_t now_ns);
/* 0 or -errno; the next try is put off then. */
int cagma_link_offer(struct cagma_link *link, uint64_t now_ns);
/* Not now: try again in a second. */
void cagma_link_put_off(struct cagma_link *link, uint64_t now_ns);

/* Looks at the channel; the state afterwards. */
enum cagma_link_state cagma_link_turn(struct cagma_link *link, uint64_t now_ns);

/* When cagma_link_turn() is to be called at the latest. */
uint64_t cagma_link_deadline_ns(const struct cagma_link *link);

/* UP only: 1 with an order, 0 without; -errno: the link is DOWN. */
int cagma_link_receive(struct cagma_link *link, struct cagma_msg_order *order,
		       uint64_t now_ns);

/* UP only: whether it was sent. `urgent`: dom0 is to hear it now. */
bool cagma_link_report(struct cagma_link *link, const struct cagma_report *report,
		       bool urgent, uint64_t now_ns);

#endif
