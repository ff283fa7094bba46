// SPDX-License-Identifier: GPL-2.0-only
/* The agent's end of shared/msg.h, as domU/cagma-agent speaks it. */
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fake_xen.h"
#include "units.h"

#define PERIOD_MS	100
#define RING_REF	CAGMA_MSG_NODE "/ring-ref"

struct fake_agent *fake_agent_start(struct fake_guest *guest)
{
	struct fake_agent *agent = guest->agent;

	if (!agent)
		agent = calloc(1, sizeof(*agent));
	if (!agent || agent->client)
		abort();
	*agent = (struct fake_agent){ .live = true };
	guest->agent = agent;
	fake_node_set(guest, RING_REF, "8", 1);
	return agent;
}

void fake_agent_die(struct fake_guest *guest)
{
	guest->agent->live = false;
	if (guest->agent->client)
		fake_vchan_signal(guest->agent->client);
}

void fake_agent_stop(struct fake_guest *guest)
{
	fake_node_remove(guest, RING_REF);
	fake_agent_die(guest);
}

/* ---- what it says ---- */

static uint32_t room(const struct fake_agent *agent)
{
	return FAKE_RING_IN - (agent->in_prod - agent->in_cons);
}

/* dom0 finds it when it looks. */
static bool put(struct fake_guest *guest, const void *data, size_t size)
{
	struct fake_agent *agent = guest->agent;
	const uint8_t *byte = data;

	if (!agent->live || !agent->client || room(agent) < size)
		return false;
	for (size_t i = 0; i < size; i++)
		agent->in[agent->in_prod++ % FAKE_RING_IN] = byte[i];
	return true;
}

bool fake_agent_write(struct fake_guest *guest, const void *data, size_t size)
{
	struct fake_agent *agent = guest->agent;

	if (!put(guest, data, size))
		return false;
	if (agent->notify_written) {
		agent->notify_written = false;
		fake_vchan_signal(agent->client);
	}
	return true;
}

void fake_agent_hello(struct fake_guest *guest)
{
	const struct {
		struct cagma_msg_header header;
		struct cagma_hello hello;
	} message = {
		.header = { .bytes = sizeof(message),
			    .type = CAGMA_MSG_HELLO },
		.hello = { .version = CAGMA_MSG_VERSION,
			   .features = CAGMA_HELLO_PSI,
			   .period_ms = PERIOD_MS },
	};

	guest->agent->greeted = fake_agent_write(guest, &message,
						 sizeof(message));
}

void fake_agent_report(struct fake_guest *guest, enum cagma_reason reason)
{
	const struct fake_agent *agent = guest->agent;
	struct {
		struct cagma_msg_header header;
		struct cagma_report report;
	} message = {
		.header = { .bytes = sizeof(message),
			    .type = CAGMA_MSG_SAMPLE },
		.report = { .sample = fake_guest_look(guest, reason),
			    .pressure = agent->pressure },
	};
	struct cagma_sample *sample = &message.report.sample;

	sample->event = agent->event_open ? agent->event : 0;
	sample->mail_seq = agent->order_seq;
	sample->reaction_event = agent->reaction_event;
	sample->reaction_ns = agent->reaction_ns;
	if (agent->event_open || room(agent) < FAKE_RING_IN / 2)
		fake_agent_write(guest, &message, sizeof(message));
	else
		put(guest, &message, sizeof(message));
}

static void watch(struct fake_guest *guest)
{
	struct fake_agent *agent = guest->agent;
	uint64_t incoming = cagma_less(guest->balloon_target_pages,
				       cagma_less(guest->alloc_pages,
						  guest->offset_pages));

	if (agent->event_open || fake_guest_available(guest) + incoming >=
				 agent->mail.threshold_pages)
		return;
	agent->event++;
	agent->event_open = true;
	agent->raised_ns = cagma_now_ns();
	fake_agent_report(guest, CAGMA_REASON_SAMPLER);
}

/* ---- what it is told ---- */

static void obey(struct fake_guest *guest, const struct cagma_msg_order *order)
{
	struct fake_agent *agent = guest->agent;

	if (!order->seq || order->seq == agent->order_seq)
		abort();
	agent->orders++;
	if (agent->passive)
		return;
	agent->order_seq = order->seq;
	agent->mail = order->mail;
	fake_guest_aim(guest, order->mail.target_pages);
	if (agent->event_open && order->mail.answered_event == agent->event) {
		agent->event_open = false;
		if (order->mail.flags & CAGMA_MAIL_DENIED) {
			agent->denials++;
		} else {
			agent->reaction_event = agent->event;
			agent->reaction_ns = cagma_now_ns() - agent->raised_ns;
		}
	}
	if (!agent->mute && agent->greeted)
		fake_agent_report(guest, CAGMA_REASON_APPLIED);
}

void fake_agent_event(struct fake_guest *guest)
{
	struct fake_agent *agent = guest->agent;
	struct {
		struct cagma_msg_header header;
		struct cagma_msg_order order;
	} message;
	uint8_t *byte = (uint8_t *)&message;

	if (!agent->live || agent->deaf || guest->gone || guest->paused)
		return;
	while (agent->out_prod - agent->out_cons >= sizeof(message)) {
		for (size_t i = 0; i < sizeof(message); i++)
			byte[i] = agent->out[agent->out_cons++ % FAKE_RING_OUT];
		if (message.header.bytes != sizeof(message) ||
		    message.header.type != CAGMA_MSG_ORDER)
			abort();
		obey(guest, &message.order);
	}
}

void fake_agent_step(struct fake_guest *guest)
{
	struct fake_agent *agent = guest->agent;

	if (!agent->live)
		return;
	if (!agent->client) {
		/* dom0 went: as libxenvchan wants it, all begins anew. */
		if (agent->greeted)
			fake_agent_start(guest);
		return;
	}
	fake_agent_event(guest);
	if (agent->mute)
		return;
	if (!agent->greeted)
		fake_agent_hello(guest);
	fake_agent_report(guest, CAGMA_REASON_PERIODIC);
	watch(guest);
}
