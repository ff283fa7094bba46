/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What happened, as JSON lines. The loop fills records and never waits; the
 * serve thread formats and writes them.
 */
#ifndef CAGMA_TRACE_H
#define CAGMA_TRACE_H

#include <stdint.h>
#include <stdio.h>

#include "feed.h"
#include "guest.h"

enum cagma_trace_kind {
	CAGMA_TRACE_GUEST,	/* alloc, avail, target, cma KiB; in, out; kicks */
	CAGMA_TRACE_HOST,	/* free, spare, reserve KiB */
	CAGMA_TRACE_ATTACH,
	CAGMA_TRACE_SOURCE,	/* text = transport */
	CAGMA_TRACE_DETACH,	/* text = reason */
	CAGMA_TRACE_EMERGENCY,	/* event, avail, old, new KiB; text = reason */
	CAGMA_TRACE_TARGET,	/* old, new KiB; text = why */
	CAGMA_TRACE_REACTION,	/* event, us */
	CAGMA_TRACE_DEBT,	/* owed KiB; text = stuck or settled */
	CAGMA_TRACE_OFFSET,	/* text = unexplained-offset or explained */
	CAGMA_TRACE_VIOLATION,	/* text = which */
	CAGMA_TRACE_KINDS
};

#define CAGMA_TRACE_VALUES 7

struct cagma_trace_record {
	struct cds_wfcq_node node;
	enum cagma_trace_kind kind;
	uint64_t time_ns;
	int domid;			/* -1: the host */
	char name[CAGMA_NAME_BYTES];
	const char *text;		/* a constant string */
	int64_t value[CAGMA_TRACE_VALUES];
};

struct cagma_trace {
	FILE *file;			/* NULL: nothing is recorded */
	uint64_t start_ns;
	struct cagma_feed feed;
};

/* `path` NULL: a trace that records nothing. -errno. Pair with _close(). */
int cagma_trace_open(struct cagma_trace *trace, const char *path,
		     uint64_t now_ns);
void cagma_trace_close(struct cagma_trace *trace);

/* The loop: a record to fill, or NULL; then _commit() it. */
struct cagma_trace_record *cagma_trace_begin(struct cagma_trace *trace,
					     enum cagma_trace_kind kind,
					     uint64_t now_ns,
					     const struct cagma_guest *guest);
void cagma_trace_commit(struct cagma_trace *trace,
			struct cagma_trace_record *record);

/* The loop: a whole record, of at most four values. `text` is a constant. */
void cagma_trace_event(struct cagma_trace *trace, enum cagma_trace_kind kind,
		       const struct cagma_guest *guest, const char *text,
		       uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* The serve thread: writes what is there. */
void cagma_trace_write(struct cagma_trace *trace);

#endif
