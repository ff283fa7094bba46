// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <string.h>

#include "link.h"
#include "units.h"

#define WAIT_FIRST_NS	(1 * CAGMA_NS_PER_S)
#define WAIT_LAST_NS	(32 * CAGMA_NS_PER_S)
/* A connection that has lasted so long was a good one: no reason to wait. */
#define GOOD_NS		(10 * CAGMA_NS_PER_S)
/* While nobody connects, xenstore is asked this often whether it still knows. */
#define LOOK_NS		(10 * CAGMA_NS_PER_S)
/*
 * dom0 reads once a second at least. One that hasn't for so long will never
 * again: the guest was moved to another host, or an index is lost.
 */
#define STUCK_NS	(10 * CAGMA_NS_PER_S)

void cagma_link_init(struct cagma_link *link, struct cagma_channel *channel,
		     uint32_t features, uint32_t period_ms)
{
	*link = (struct cagma_link){
		.channel = channel,
		.hello = { CAGMA_MSG_VERSION, features, period_ms, 0 },
	};
}

static void enter(struct cagma_link *link, enum cagma_link_state state,
		  uint64_t now_ns)
{
	link->state = state;
	link->since_ns = now_ns;
	link->look_ns = now_ns + LOOK_NS;
	link->stuck_ns = 0;
	link->in_bytes = 0;
}

/* After a failure: later and later. */
static void back_off(struct cagma_link *link, uint64_t now_ns)
{
	link->wait_ns = cagma_clamp(2 * link->wait_ns, WAIT_FIRST_NS, WAIT_LAST_NS);
	link->retry_ns = now_ns + link->wait_ns;
}

static void drop(struct cagma_link *link, uint64_t now_ns)
{
	bool was_good = now_ns - link->since_ns >= GOOD_NS;

	cagma_channel_withdraw(link->channel);
	enter(link, CAGMA_LINK_DOWN, now_ns);
	if (was_good) {
		link->wait_ns = 0;
		link->retry_ns = now_ns;
	} else {
		back_off(link, now_ns);
	}
}

bool cagma_link_is_due(const struct cagma_link *link, uint64_t now_ns)
{
	return link->state == CAGMA_LINK_DOWN && now_ns >= link->retry_ns;
}

int cagma_link_offer(struct cagma_link *link, uint64_t now_ns)
{
	int err = cagma_channel_offer(link->channel);

	if (err)
		back_off(link, now_ns);
	else
		enter(link, CAGMA_LINK_OFFERED, now_ns);
	return err;
}

void cagma_link_put_off(struct cagma_link *link, uint64_t now_ns)
{
	link->retry_ns = now_ns + WAIT_FIRST_NS;
}

static bool send_message(struct cagma_link *link, uint16_t type, const void *body,
			 size_t size, bool urgent)
{
	unsigned char message[CAGMA_MSG_MAX];
	struct cagma_msg_header header = { .type = type };

	header.bytes = (uint32_t)(sizeof(header) + size);
	memcpy(message, &header, sizeof(header));
	memcpy(message + sizeof(header), body, size);
	return cagma_channel_send(link->channel, message, header.bytes, urgent) ==
	       (int)header.bytes;
}

static void turn_offered(struct cagma_link *link, uint64_t now_ns,
			 enum cagma_channel_state channel)
{
	if (channel == CAGMA_CHANNEL_OPEN) {
		enter(link, CAGMA_LINK_UP, now_ns);
		if (!send_message(link, CAGMA_MSG_HELLO, &link->hello,
				  sizeof(link->hello), true))
			drop(link, now_ns);
	} else if (channel != CAGMA_CHANNEL_WAITING) {
		drop(link, now_ns);
	} else if (now_ns >= link->look_ns) {
		link->look_ns = now_ns + LOOK_NS;
		if (!cagma_channel_is_offered(link->channel))
			drop(link, now_ns);
	}
}

enum cagma_link_state cagma_link_turn(struct cagma_link *link, uint64_t now_ns)
{
	enum cagma_channel_state channel = cagma_channel_state(link->channel);

	if (link->state == CAGMA_LINK_OFFERED)
		turn_offered(link, now_ns, channel);
	else if (link->state == CAGMA_LINK_UP &&
		 (channel != CAGMA_CHANNEL_OPEN ||
		  (link->stuck_ns && now_ns - link->stuck_ns >= STUCK_NS)))
		drop(link, now_ns);
	return link->state;
}

uint64_t cagma_link_deadline_ns(const struct cagma_link *link)
{
	switch (link->state) {
	case CAGMA_LINK_DOWN:
		return link->retry_ns;
	case CAGMA_LINK_OFFERED:
		return link->look_ns;
	default:
		return UINT64_MAX;	/* there is a sample to send before */
	}
}

/* As far as it has come, the header is an order's. */
static bool is_order(const struct cagma_link *link)
{
	struct cagma_msg_header header;

	memcpy(&header, link->in, sizeof(header));
	return header.type == CAGMA_MSG_ORDER && header.bytes == sizeof(link->in);
}

/* Until there are `wanted` bytes: 1, 0 if more have to come, -errno. */
static int fill(struct cagma_link *link, size_t wanted)
{
	while (link->in_bytes < wanted) {
		int n = cagma_channel_read(link->channel, link->in + link->in_bytes,
					   wanted - link->in_bytes);

		if (n <= 0)
			return n;
		link->in_bytes += (size_t)n;
	}
	return 1;
}

int cagma_link_receive(struct cagma_link *link, struct cagma_msg_order *order,
		       uint64_t now_ns)
{
	int result = fill(link, sizeof(struct cagma_msg_header));

	if (result > 0 && !is_order(link))
		result = -EPROTO;
	if (result > 0)
		result = fill(link, sizeof(link->in));
	if (result < 0)
		drop(link, now_ns);
	if (result <= 0)
		return result;
	memcpy(order, link->in + sizeof(struct cagma_msg_header), sizeof(*order));
	link->in_bytes = 0;
	return 1;
}

bool cagma_link_report(struct cagma_link *link, const struct cagma_report *report,
		       bool urgent, uint64_t now_ns)
{
	if (send_message(link, CAGMA_MSG_SAMPLE, report, sizeof(*report), urgent)) {
		link->stuck_ns = 0;
		return true;
	}
	if (!link->stuck_ns)
		link->stuck_ns = now_ns;
	return false;
}
