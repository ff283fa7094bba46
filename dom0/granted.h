/* SPDX-License-Identifier: GPL-2.0-only */
/* The shared page as a transport: a granted page, and an event channel. */
#ifndef CAGMA_GRANTED_H
#define CAGMA_GRANTED_H

#include "offer.h"
#include "reader.h"
#include "transport.h"

struct cagma_granted {
	struct cagma_link link;
	struct cagma_grants *grants;	/* where it was mapped */
	struct cagma_channel *channel;
	void *page;
	struct cagma_reader reader;
};

extern const struct cagma_transport cagma_transport_granted;

/*
 * Maps what the domain offers and looks whether it is a page of ours; `grants`
 * is the caller's and outlives the link. NULL with *link set, or a constant
 * that says why the page is no good.
 */
const char *cagma_granted_open(struct cagma_link **link,
			       struct cagma_grants *grants, uint16_t domid,
			       const struct cagma_offer *offer, uint32_t seed);

#endif
