/* SPDX-License-Identifier: GPL-2.0-only */
/* What cagmactl may ask for, and what it is told: lines, and lines of JSON. */
#ifndef CAGMA_REQUESTS_H
#define CAGMA_REQUESTS_H

#include "state.h"
#include "options.h"
#include "queue.h"
#include "store.h"

struct cagma_requests {
	struct cagma_state *state;
	struct cagma_store *store;
	const struct cagma_options *options;
	struct cagma_config *reloaded;	/* the loop's config if not the first */
	struct cagma_queue answers;	/* of struct cagma_status */
	int stop_fd;			/* readable: the loop answers no more */
};

/* All is the caller's, and needed until _destroy(). -errno. */
int cagma_requests_init(struct cagma_requests *requests,
			struct cagma_state *state, struct cagma_store *store,
			const struct cagma_options *options, int stop_fd);

/* To be called when the loop has ended: it may use a config of ours. */
void cagma_requests_destroy(struct cagma_requests *requests);

/*
 * The answer to a request, for the caller to free; NULL without memory. Waits
 * for the loop, which answers between two events.
 */
char *cagma_requests_answer(struct cagma_requests *requests, char *request);

/* The same to one who may read, and no more: each command is refused. */
char *cagma_requests_tell(struct cagma_requests *requests, char *request);

#endif
