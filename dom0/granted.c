// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "granted.h"
#include "log.h"
#include "queue.h"

_Static_assert(CAGMA_READER_BATCH <= CAGMA_BATCH, "a ring is one batch");

static struct cagma_granted *granted(struct cagma_link *link)
{
	return cagma_container_of(link, struct cagma_granted, link);
}

static enum cagma_lie drain(struct cagma_link *link, uint64_t now_ns,
			    struct cagma_sample *samples, size_t *count)
{
	struct cagma_reader *reader = &granted(link)->reader;
	enum cagma_lie lie = cagma_reader_drain(reader, samples, count);

	(void)now_ns;
	link->lost = reader->lost;
	return lie;
}

static void mail(struct cagma_link *link, const struct cagma_order *order,
		 bool quiet)
{
	struct cagma_granted *g = granted(link);

	cagma_reader_mail(&g->reader, order);
	link->mail_seq = g->reader.mail_seq;
	if (!quiet)
		cagma_channel_notify(g->channel);
}

static void start(struct cagma_link *link)
{
	struct cagma_granted *g = granted(link);

	cagma_reader_announce(&g->reader);
	cagma_channel_notify(g->channel);
}

static void leave(struct cagma_link *link)
{
	cagma_reader_leave(&granted(link)->reader);
}

static bool arm(struct cagma_link *link)
{
	return cagma_reader_arm(&granted(link)->reader);
}

static void disarm(struct cagma_link *link)
{
	cagma_reader_disarm(&granted(link)->reader);
}

static bool peek(struct cagma_link *link, struct cagma_sample *sample)
{
	return cagma_reader_peek(&granted(link)->reader, sample);
}

static int take(struct cagma_link *link)
{
	return cagma_channel_take(granted(link)->channel);
}

static int unmask(struct cagma_link *link)
{
	return cagma_channel_unmask(granted(link)->channel);
}

static void close_it(struct cagma_link *link)
{
	struct cagma_granted *g = granted(link);
	int err = g->page ? cagma_grants_unmap(g->grants, g->page) : 0;

	if (err)
		cagma_log_guest(LOG_ERR, "the page of domain %u cannot be unmapped: %s",
				link->domid, strerror(-err));
	cagma_channel_close(g->channel);
	free(g);
}

const struct cagma_transport cagma_transport_granted = {
	.rank = CAGMA_RANK_PAGE,
	.drain = drain,
	.mail = mail,
	.start = start,
	.leave = leave,
	.arm = arm,
	.disarm = disarm,
	.peek = peek,
	.take = take,
	.unmask = unmask,
	.close = close_it,
};

/* The channel first: the kernel signals it when the mapping goes. */
static const char *map(struct cagma_granted *g, const struct cagma_offer *offer,
		       uint32_t seed)
{
	enum cagma_lie lie;

	if (cagma_channel_open(&g->channel, g->link.domid, offer->port))
		return "cannot-bind-port";
	if (cagma_grants_map(g->grants, g->link.domid, offer->gref,
			     cagma_reader_dead_offset(), g->channel, &g->page))
		return "cannot-map-grant";
	lie = cagma_reader_attach(&g->reader, g->page, offer->epoch, seed);
	if (lie)
		return cagma_lie_name(lie);
	g->link.fd = cagma_channel_fd(g->channel);
	g->link.period_ms = g->reader.period_ms;
	return NULL;
}

const char *cagma_granted_open(struct cagma_link **link,
			       struct cagma_grants *grants, uint16_t domid,
			       const struct cagma_offer *offer, uint32_t seed)
{
	struct cagma_granted *g = calloc(1, sizeof(*g));
	const char *reason;

	if (!g)
		return "out-of-memory";
	g->link.transport = &cagma_transport_granted;
	g->link.domid = domid;
	g->link.fd = -1;
	g->grants = grants;
	reason = map(g, offer, seed);
	if (reason)
		close_it(&g->link);
	else
		*link = &g->link;
	return reason;
}
