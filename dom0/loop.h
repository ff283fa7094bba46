/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The loop thread: event channels, reading, deciding, acting. Once a guest is
 * attached, nothing here blocks, allocates or talks to xenstore.
 */
#ifndef CAGMA_LOOP_H
#define CAGMA_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct cagma_link;
struct cagma_queue;
struct cagma_state;
struct epoll_event;

struct cagma_loop {
	struct cagma_state *state;
	struct cagma_queue *attached;	/* from the store: links to use */

	struct epoll_event *events;	/* of one wake-up */
	struct cagma_link *visits;	/* read in it, to be served */
	struct cagma_link **visits_end;
	bool due;			/* in it a tick is */

	int epoll_fd;
	int timer_fd;
	int signal_fd;
	bool stop;
	uint64_t next_pass_ns;
	uint64_t next_refill_ns;	/* of the guests' tokens */
	uint64_t tick_ns;		/* the timer's present interval */
};

/*
 * -errno with nothing left open. SIGINT and SIGTERM must be blocked. State and queue
 * are the caller's, and needed until _destroy(), which ends what was asked.
 */
int cagma_loop_init(struct cagma_loop *loop, struct cagma_state *state,
		    struct cagma_queue *attached);
void cagma_loop_destroy(struct cagma_loop *loop);

/* Until SIGINT or SIGTERM. Afterwards every link is in `released`. */
void cagma_loop_run(struct cagma_loop *loop);

/* One round of waiting (at most `timeout_ms`) and serving; for tests. */
void cagma_loop_once(struct cagma_loop *loop, int timeout_ms);

#endif
