// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "agent.h"
#include "clock.h"
#include "least.h"
#include "units.h"

/* Near an emergency the kernel is looked at this often. */
#define NEAR_NS		(10 * CAGMA_NS_PER_MS)
/*
 * dom0 knows that a module goes before it has gone: the order that makes the agent take
 * over is kept that long, and is said again by dom0 after as much.
 */
#define HELD_NS		CAGMA_NS_PER_S
/* More than dom0's ring has room for: a turn ends. */
#define ORDERS_MAX	16

void cagma_agent_init(struct cagma_agent *agent, const struct cagma_proc *proc,
		      struct cagma_channel *channel, uint32_t features,
		      uint32_t period_ms)
{
	*agent = (struct cagma_agent){
		.proc = proc,
		.balloon = { .proc = proc },
		.period_ns = period_ms * CAGMA_NS_PER_MS,
	};
	cagma_link_init(&agent->link, channel, features, period_ms);
}

static void note(struct cagma_agent *agent, enum cagma_problem problem, int err)
{
	static const char *const what[] = {
		[CAGMA_PROBLEM_COUNTERS] = "cannot read the kernel's counters",
		[CAGMA_PROBLEM_SETTLE] = "waiting for the balloon to settle",
		[CAGMA_PROBLEM_OFFER] = "cannot offer dom0 a connection",
		[CAGMA_PROBLEM_TARGET] = "cannot set the balloon's target",
	};

	if (err == agent->problem[problem])
		return;
	agent->problem[problem] = err;
	if (err)
		fprintf(stderr, "cagma-agent: %s: %s\n", what[problem],
			strerror(-err));
}

static void fill_sample(const struct cagma_agent *agent, enum cagma_reason reason,
			uint64_t now_ns, struct cagma_sample *sample)
{
	const struct cagma_event *event = &agent->event;

	sample->reason = reason;
	sample->event = event->is_open ? event->number : 0;
	sample->mail_seq = agent->mail_seq;
	sample->reaction_event = event->reaction_event;
	sample->reaction_ns = event->reaction_ns;
	sample->flags |= agent->flags;
	sample->time_ns = now_ns;
	sample->offset_pages = agent->balloon.offset_pages;
	sample->balloon_pages += agent->balloon.offset_pages;
	sample->balloon_target_pages += agent->balloon.offset_pages;
	if (sample->least_pages)
		sample->least_pages = cagma_level(sample->least_pages +
						  agent->balloon.offset_pages);
}

static void report(struct cagma_agent *agent, enum cagma_reason reason,
		   uint64_t now_ns, const struct cagma_view *view)
{
	struct cagma_report message = { view->sample, view->pressure };
	bool urgent = cagma_event_is_urgent(&agent->event, now_ns);

	fill_sample(agent, reason, now_ns, &message.sample);
	if (!cagma_link_report(&agent->link, &message, urgent, now_ns))
		return;
	agent->sent_ns = now_ns;
	if (urgent)
		agent->event.told = agent->event.number;
}

static bool look(struct cagma_agent *agent, struct cagma_view *view)
{
	int err = cagma_proc_read(agent->proc, view);

	note(agent, CAGMA_PROBLEM_COUNTERS, err);
	return !err;
}

/* The module is loaded: orders are its affair. */
static bool is_passive(const struct cagma_agent *agent)
{
	return cagma_proc_has_module(agent->proc);
}

/* A period has passed, memory may be short, or the kernel says that it is. */
static void sample(struct cagma_agent *agent, uint64_t now_ns)
{
	enum cagma_reason reason;
	struct cagma_view view;

	agent->look_ns = now_ns + agent->period_ns;
	if (!look(agent, &view))
		return;
	if (is_passive(agent))
		cagma_event_detach(&agent->event);
	reason = cagma_event_judge(&agent->event, &view, now_ns);
	if (agent->asked && reason == CAGMA_REASON_PERIODIC &&
	    cagma_event_request(&agent->event, now_ns))
		reason = CAGMA_REASON_REQUEST;
	agent->asked = false;
	if (cagma_event_is_near(&agent->event, &view))
		agent->look_ns = now_ns + cagma_min(NEAR_NS, agent->period_ns);
	if (reason != CAGMA_REASON_PERIODIC ||
	    now_ns - agent->sent_ns >= agent->period_ns)
		report(agent, reason, now_ns, &view);
}

static enum cagma_reason accept(struct cagma_agent *agent,
				const struct cagma_mail *mail)
{
	int err;

	if (mail->flags & ~CAGMA_MAIL_FLAGS_KNOWN) {
		agent->flags |= CAGMA_SAMPLE_REFUSED;
		return CAGMA_REASON_PERIODIC;
	}
	agent->flags &= ~CAGMA_SAMPLE_REFUSED;
	agent->event.threshold_pages = mail->threshold_pages;
	agent->event.attached = true;
	err = cagma_balloon_apply(&agent->balloon, mail->target_pages,
				  &agent->flags);
	note(agent, CAGMA_PROBLEM_TARGET, err);
	cagma_event_answer(&agent->event, mail, cagma_now_ns());
	return CAGMA_REASON_APPLIED;
}

static void carry_out(struct cagma_agent *agent, const struct cagma_msg_order *order)
{
	enum cagma_reason reason;
	struct cagma_view view;

	agent->held_ns = 0;
	agent->mail_seq = order->seq;
	reason = accept(agent, &order->mail);
	if (look(agent, &view))
		report(agent, reason, cagma_now_ns(), &view);
	/* The threshold may be another one. */
	agent->look_ns = 0;
}

/* What was seen already, or has no number, is no order. */
static void take_order(struct cagma_agent *agent,
		       const struct cagma_msg_order *order, uint64_t now_ns)
{
	if (!order->seq || order->seq == agent->mail_seq)
		return;
	if (is_passive(agent)) {
		agent->held = *order;
		agent->held_ns = now_ns;
	} else {
		carry_out(agent, order);
	}
}

static void take_held_order(struct cagma_agent *agent, uint64_t now_ns)
{
	if (!agent->held_ns)
		return;
	if (now_ns - agent->held_ns >= HELD_NS)
		agent->held_ns = 0;
	else if (!is_passive(agent))
		carry_out(agent, &agent->held);
}

static void take_orders(struct cagma_agent *agent, uint64_t now_ns)
{
	struct cagma_msg_order order;

	for (int i = 0; i < ORDERS_MAX; i++) {
		if (cagma_link_receive(&agent->link, &order, now_ns) != 1)
			return;
		take_order(agent, &order, now_ns);
	}
}

/* dom0 counts its orders anew for every connection. */
static void forget_dom0(struct cagma_agent *agent)
{
	cagma_event_detach(&agent->event);
	agent->held_ns = 0;
	agent->mail_seq = 0;
	agent->flags = 0;
	agent->look_ns = 0;
}

static void offer(struct cagma_agent *agent, uint64_t now_ns)
{
	int err = cagma_balloon_settle(&agent->balloon, agent->link.channel);

	note(agent, CAGMA_PROBLEM_SETTLE, err);
	if (err)
		cagma_link_put_off(&agent->link, now_ns);
	else
		note(agent, CAGMA_PROBLEM_OFFER,
		     cagma_link_offer(&agent->link, now_ns));
}

void cagma_agent_ask(struct cagma_agent *agent)
{
	agent->asked = true;
	agent->look_ns = 0;
}

uint64_t cagma_agent_turn(struct cagma_agent *agent, bool pressed)
{
	uint64_t now_ns = cagma_now_ns();

	if (cagma_link_is_due(&agent->link, now_ns))
		offer(agent, now_ns);
	if (cagma_link_turn(&agent->link, now_ns) == CAGMA_LINK_UP)
		take_orders(agent, now_ns);
	if (agent->link.state != CAGMA_LINK_UP) {
		forget_dom0(agent);
		return cagma_link_deadline_ns(&agent->link);
	}
	take_held_order(agent, now_ns);
	/* No sample is older than the one that an order has caused. */
	now_ns = cagma_now_ns();
	if (pressed || now_ns >= agent->look_ns)
		sample(agent, now_ns);
	return agent->held_ns ? cagma_min(agent->look_ns, now_ns + NEAR_NS) :
				agent->look_ns;
}
