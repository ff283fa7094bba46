/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The whole daemon but its threads: store and loop take turns, on a fake host
 * with fake guests and a clock that moves when the caller says so.
 */
#ifndef CAGMA_FAKE_DAEMON_H
#define CAGMA_FAKE_DAEMON_H

#include <stdbool.h>

#include "config.h"
#include "journal.h"
#include "loop.h"
#include "state.h"
#include "store.h"

struct fake_daemon {
	struct cagma_config config;	/* to be set before the start */
	struct cagma_xen *xen;
	struct cagma_trace trace;
	struct cagma_journal journal;
	struct cagma_queue attached;
	struct cagma_store *store;	/* NULL: it doesn't run */
	struct cagma_state state;
	struct cagma_loop loop;
	bool dry_run;
};

/*
 * `trace` and `record` as cagma_trace_open() and cagma_journal_open() have
 * them. -errno with nothing left open.
 */
int fake_daemon_start(struct fake_daemon *daemon, const char *trace,
		      const char *record);

/* As SIGTERM would. The configuration stays. */
void fake_daemon_stop(struct fake_daemon *daemon);

/* Both threads, until neither has anything to do. */
void fake_daemon_serve(struct fake_daemon *daemon);

#endif
