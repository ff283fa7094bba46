/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The serve thread: answers cagmactl on a root-only socket, who may only read on
 * another one, and writes the trace. A slow client delays nobody.
 */
#ifndef CAGMA_SERVE_H
#define CAGMA_SERVE_H

#include "state.h"
#include "options.h"
#include "store.h"
#include "trace.h"

#define CAGMA_RUN_DIR	"/run/cagma"
#define CAGMA_SOCKET	"cagmad.sock"
#define CAGMA_STATUS_SOCKET "status.sock"	/* tells, and takes no command */
#define CAGMA_GROUP	"cagma"			/* may use it, if there is one */
#define CAGMA_LOCK	"cagmad.lock"

struct cagma_serve;

/* Readers may enter a directory that root has just made for itself. -errno. */
int cagma_serve_share_dir(const char *dir);

/*
 * Listens in `run_dir` and starts the thread; `options` say what to reload.
 * Everything is the caller's, and is needed until cagma_serve_stop(). -errno.
 */
int cagma_serve_start(struct cagma_serve **serve, const char *run_dir,
		      struct cagma_state *state, struct cagma_store *store,
		      struct cagma_trace *trace,
		      const struct cagma_options *options);

/*
 * To be called when the loop has ended: it may use a config of ours. Writes the
 * rest of the trace, removes the sockets, ends the thread.
 */
void cagma_serve_stop(struct cagma_serve *serve);

#endif
