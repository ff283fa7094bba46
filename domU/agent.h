/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The agent without its process: samples out, orders in. Everything is given to it,
 * the time as well, so that a test can be the world around it.
 */
#ifndef CAGMA_AGENT_H
#define CAGMA_AGENT_H

#include "balloon.h"
#include "event.h"
#include "link.h"
#include "proc.h"

#define CAGMA_AGENT_PERIOD_MS		100
#define CAGMA_AGENT_PERIOD_MIN_MS	10
#define CAGMA_AGENT_PERIOD_MAX_MS	1000

/* What can go wrong for a while; the log is told once, not each time. */
enum cagma_problem {
	CAGMA_PROBLEM_COUNTERS,
	CAGMA_PROBLEM_SETTLE,
	CAGMA_PROBLEM_OFFER,
	CAGMA_PROBLEM_TARGET,
	CAGMA_PROBLEM_COUNT
};

struct cagma_agent {
	const struct cagma_proc *proc;
	struct cagma_balloon balloon;
	struct cagma_event event;
	struct cagma_link link;
	uint64_t period_ns;
	uint64_t look_ns;	/* when to look next */
	uint64_t sent_ns;	/* newest sample */
	bool asked;		/* somebody in the guest asks for memory */
	struct cagma_msg_order held; /* came while the module was there */
	uint64_t held_ns;	/* when; 0: none is held */
	uint32_t mail_seq;
	uint32_t flags;		/* CAGMA_SAMPLE_* */
	int problem[CAGMA_PROBLEM_COUNT]; /* -errno that the log was told; 0: none */
};

/* `proc` and `channel` stay the caller's. */
void cagma_agent_init(struct cagma_agent *agent, const struct cagma_proc *proc,
		      struct cagma_channel *channel, uint32_t features,
		      uint32_t period_ms);

/*
 * The next turn tells dom0 at once, as if memory were short. In vain while dom0 isn't
 * connected.
 */
void cagma_agent_ask(struct cagma_agent *agent);

/*
 * Does what there is to do. `pressed`: the kernel says that tasks wait for memory.
 * Returns when to call again at the latest, if nothing happens before.
 */
uint64_t cagma_agent_turn(struct cagma_agent *agent, bool pressed);

#endif
