// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "guest.h"
#include "queue.h"
#include "units.h"
#include "vchan.h"

/* A message that was begun, and the first one, must be there by then. */
#define DEADLINE_NS	(5 * CAGMA_NS_PER_S)
/*
 * Of one visit: more than an honest ring can hold, two for each message. Whoever
 * fills it while it is read is left for the next tick, and can't wake us sooner.
 */
#define READS		(2 * CAGMA_BATCH)
/* An order that the agent didn't take, for reasons of its own, is sent again. */
#define AGAIN_NS	CAGMA_NS_PER_S
#define PERIOD_MIN_MS	10
#define PERIOD_MAX_MS	10000

static struct cagma_agent *agent_of(struct cagma_link *link)
{
	return cagma_container_of(link, struct cagma_agent, link);
}

/* ---- what the agent says ---- */

/* Size of a message that an agent may send; 0 for any other type. */
static uint32_t bytes_of(uint16_t type)
{
	switch (type) {
	case CAGMA_MSG_HELLO:
		return CAGMA_MSG_BYTES(cagma_hello);
	case CAGMA_MSG_SAMPLE:
		return CAGMA_MSG_BYTES(cagma_report);
	default:
		return 0;
	}
}

/* Before a byte more is read: a stream that is out of step can't be read on. */
static enum cagma_lie judge_header(const struct cagma_agent *agent)
{
	const struct cagma_msg_header *header = &agent->in.header;
	uint32_t bytes = bytes_of(header->type);

	if (!bytes)
		return CAGMA_LIE_TYPE;
	if (header->bytes != bytes)
		return CAGMA_LIE_SIZE;
	if ((header->type == CAGMA_MSG_HELLO) == agent->greeted)
		return CAGMA_LIE_TURN;
	return CAGMA_LIE_NONE;
}

static enum cagma_lie take_hello(struct cagma_agent *agent,
				 const struct cagma_hello *hello)
{
	if (hello->version != CAGMA_MSG_VERSION)
		return CAGMA_LIE_VERSION;
	agent->greeted = true;
	agent->link.period_ms = (uint32_t)cagma_clamp(hello->period_ms,
						      PERIOD_MIN_MS,
						      PERIOD_MAX_MS);
	return CAGMA_LIE_NONE;
}

static void take_report(struct cagma_agent *agent,
			const struct cagma_report *report,
			struct cagma_sample *sample)
{
	*sample = report->sample;
	agent->pressure = report->pressure;
	agent->link.pressure = &agent->pressure;
}

/* A whole message is there. */
static enum cagma_lie take_message(struct cagma_agent *agent,
				   struct cagma_sample *samples, size_t *count)
{
	const uint8_t *body = agent->in.byte + sizeof(agent->in.header);
	struct cagma_report report;
	struct cagma_hello hello;

	agent->have = 0;
	if (agent->in.header.type == CAGMA_MSG_HELLO) {
		memcpy(&hello, body, sizeof(hello));
		return take_hello(agent, &hello);
	}
	memcpy(&report, body, sizeof(report));
	take_report(agent, &report, &samples[(*count)++]);
	return CAGMA_LIE_NONE;
}

/* Bytes that complete the header, or the message whose header is known. */
static uint32_t missing(const struct cagma_agent *agent)
{
	const uint32_t header = sizeof(agent->in.header);

	return (agent->have < header ? header : agent->in.header.bytes) -
	       agent->have;
}

static enum cagma_lie take_bytes(struct cagma_agent *agent, uint32_t bytes,
				 uint64_t now_ns, struct cagma_sample *samples,
				 size_t *count)
{
	if (!agent->have && agent->greeted)
		agent->begun_ns = now_ns;
	agent->have += bytes;
	if (agent->have == sizeof(agent->in.header))
		return judge_header(agent);
	if (agent->have > sizeof(agent->in.header) && !missing(agent))
		return take_message(agent, samples, count);
	return CAGMA_LIE_NONE;
}

static enum cagma_lie lie_of(const struct cagma_agent *agent, int err)
{
	switch (err) {
	case -EPROTO:
		return CAGMA_LIE_INDEX;
	case -EPIPE:
		return agent->greeted ? CAGMA_LIE_CLOSED : CAGMA_LIE_HELLO;
	default:
		return CAGMA_LIE_CHANNEL;
	}
}

static enum cagma_lie read_some(struct cagma_agent *agent, uint64_t now_ns,
				struct cagma_sample *samples, size_t *count)
{
	enum cagma_lie lie = CAGMA_LIE_NONE;

	for (int i = 0; !lie && i < READS && *count < CAGMA_BATCH; i++) {
		int got = cagma_vchan_read(agent->vchan,
					   agent->in.byte + agent->have,
					   missing(agent));

		if (got <= 0)
			return got ? lie_of(agent, got) : CAGMA_LIE_NONE;
		lie = take_bytes(agent, (uint32_t)got, now_ns, samples, count);
	}
	return lie;
}

/* Once all has been read that was there. A paused guest has all time. */
static enum cagma_lie judge_pace(struct cagma_agent *agent, uint64_t now_ns)
{
	if (!agent->begun_ns || agent->link.guest->facts.paused)
		agent->begun_ns = now_ns;
	if (now_ns - agent->begun_ns <= DEADLINE_NS)
		return CAGMA_LIE_NONE;
	if (!agent->greeted)
		return CAGMA_LIE_HELLO;
	return agent->have ? CAGMA_LIE_SLOW : CAGMA_LIE_NONE;
}

/* ---- what it is told ---- */

/* The newest order only: it waits for room, nobody waits for it. */
static void send_order(struct cagma_agent *agent)
{
	int err;

	if (!agent->unsent)
		return;
	err = cagma_vchan_send(agent->vchan, &agent->out, sizeof(agent->out));
	agent->sent_ns = cagma_now_ns();
	/* That it was closed is found by reading, after its last words. */
	agent->unsent = err == -EAGAIN || err == -EPIPE;
	if (err && !agent->unsent)
		agent->lie = lie_of(agent, err);
}

/* The order to be sent is a new one. */
static void number(struct cagma_agent *agent)
{
	struct cagma_link *link = &agent->link;

	link->mail_seq++;
	link->mail_seq += !link->mail_seq;
	agent->out.order.seq = link->mail_seq;
	agent->unsent = true;
}

/* Beside a module the agent takes none, and a while after the module has gone. */
static void see_to_order(struct cagma_agent *agent, uint64_t now_ns,
			 const struct cagma_sample *newest)
{
	struct cagma_link *link = &agent->link;

	if (newest->mail_seq == link->mail_seq || !agent->out.header.bytes ||
	    link != link->guest->source || now_ns - agent->sent_ns < AGAIN_NS)
		return;
	number(agent);
	send_order(agent);
}

static enum cagma_lie drain(struct cagma_link *link, uint64_t now_ns,
			    struct cagma_sample *samples, size_t *count)
{
	struct cagma_agent *agent = agent_of(link);
	enum cagma_lie lie;

	*count = 0;
	/* Nothing is read behind one: the header that is there is no good. */
	if (agent->lie)
		return agent->lie;
	send_order(agent);
	lie = read_some(agent, now_ns, samples, count);
	if (!lie)
		lie = judge_pace(agent, now_ns);
	if (!lie && *count)
		see_to_order(agent, now_ns, &samples[*count - 1]);
	if (lie)
		agent->lie = lie;
	return agent->lie;
}

static void mail(struct cagma_link *link, const struct cagma_order *order,
		 bool quiet)
{
	struct cagma_agent *agent = agent_of(link);

	(void)quiet;
	agent->out = (struct cagma_order_message){
		.header.bytes = sizeof(agent->out),
		.header.type = CAGMA_MSG_ORDER,
		.order.mail.answered_event = order->answered_event,
		.order.mail.flags = order->denied ? CAGMA_MAIL_DENIED : 0,
		.order.mail.target_pages = order->target_pages,
		.order.mail.threshold_pages = order->threshold_pages,
	};
	number(agent);
	send_order(agent);
}

static int take(struct cagma_link *link)
{
	return cagma_vchan_take(agent_of(link)->vchan);
}

static int unmask(struct cagma_link *link)
{
	return cagma_vchan_unmask(agent_of(link)->vchan);
}

static void close_it(struct cagma_link *link)
{
	struct cagma_agent *agent = agent_of(link);

	cagma_vchan_close(agent->vchan);
	free(agent);
}

const struct cagma_transport cagma_transport_vchan = {
	.rank = CAGMA_RANK_VCHAN,
	.drain = drain,
	.mail = mail,
	.take = take,
	.unmask = unmask,
	.close = close_it,
};

const char *cagma_agent_open(struct cagma_link **link, uint16_t domid,
			     uint32_t seed)
{
	struct cagma_agent *agent = calloc(1, sizeof(*agent));
	int err;

	if (!agent)
		return "out-of-memory";
	err = cagma_vchan_open(&agent->vchan, domid, CAGMA_MSG_NODE);
	if (err) {
		free(agent);
		return err == -EMSGSIZE ? "rings-too-large" : "";
	}
	agent->link.transport = &cagma_transport_vchan;
	agent->link.domid = domid;
	agent->link.fd = cagma_vchan_fd(agent->vchan);
	agent->link.mail_seq = seed;
	*link = &agent->link;
	return NULL;
}
