// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "trace.h"
#include "units.h"

/* Four seconds of the busiest minute seen, with 64 guests. */
#define POOL_RECORDS 4096

static const struct {
	const char *ev;
	const char *text;	/* name of the text field */
	const char *value[CAGMA_TRACE_VALUES];
} formats[CAGMA_TRACE_KINDS] = {
	[CAGMA_TRACE_GUEST] = { "guest", NULL, {
		"alloc_kib", "avail_kib", "target_kib", "cma_kib",
		"swap_in", "swap_out", "kicks" } },
	[CAGMA_TRACE_HOST] = { "host", NULL, {
		"free_kib", "spare_kib", "reserve_kib" } },
	[CAGMA_TRACE_ATTACH] = { "attach", NULL, { NULL } },
	[CAGMA_TRACE_SOURCE] = { "source", "transport", { NULL } },
	[CAGMA_TRACE_DETACH] = { "detach", "reason", { NULL } },
	[CAGMA_TRACE_EMERGENCY] = { "emergency", "reason", {
		"event", "avail_kib", "old_kib", "new_kib" } },
	[CAGMA_TRACE_TARGET] = { "target", "why", { "old_kib", "new_kib" } },
	[CAGMA_TRACE_REACTION] = { "reaction", NULL, { "event", "us" } },
	[CAGMA_TRACE_DEBT] = { "debt", "state", { "owed_kib" } },
	[CAGMA_TRACE_OFFSET] = { "offset", "state", { NULL } },
	[CAGMA_TRACE_VIOLATION] = { "violation", "what", { NULL } },
};

int cagma_trace_open(struct cagma_trace *trace, const char *path,
		     uint64_t now_ns)
{
	struct timespec wall;
	int err;

	*trace = (struct cagma_trace){ .start_ns = now_ns };
	if (path)
		trace->file = fopen(path, "we");
	if (path && !trace->file)
		return -errno;
	err = cagma_feed_open(&trace->feed, path ? POOL_RECORDS : 0,
			      sizeof(struct cagma_trace_record));
	if (err && path)
		fclose(trace->file);
	if (err || !path)
		return err;
	clock_gettime(CLOCK_REALTIME, &wall);
	fprintf(trace->file, "{\"t_ms\":0,\"ev\":\"start\",\"wall_ms\":%lld}\n",
		(long long)wall.tv_sec * 1000 + wall.tv_nsec / (long)CAGMA_NS_PER_MS);
	fflush(trace->file);
	return 0;
}

void cagma_trace_close(struct cagma_trace *trace)
{
	if (trace->file)
		fclose(trace->file);
	cagma_feed_close(&trace->feed);
}

struct cagma_trace_record *cagma_trace_begin(struct cagma_trace *trace,
					     enum cagma_trace_kind kind,
					     uint64_t now_ns,
					     const struct cagma_guest *guest)
{
	struct cagma_trace_record *record;

	if (!trace->file)
		return NULL;
	record = cagma_feed_take(&trace->feed);
	if (!record) {
		trace->feed.lost++;
		return NULL;
	}
	record->kind = kind;
	record->time_ns = now_ns;
	record->text = NULL;
	record->domid = guest ? guest->domid : -1;
	if (guest)
		memcpy(record->name, guest->name, sizeof(record->name));
	return record;
}

void cagma_trace_commit(struct cagma_trace *trace,
			struct cagma_trace_record *record)
{
	cagma_feed_commit(&trace->feed, record);
}

void cagma_trace_event(struct cagma_trace *trace, enum cagma_trace_kind kind,
		       const struct cagma_guest *guest, const char *text,
		       uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	struct cagma_trace_record *r =
		cagma_trace_begin(trace, kind, cagma_now_ns(), guest);

	if (!r)
		return;
	r->text = text;
	r->value[0] = (int64_t)a;
	r->value[1] = (int64_t)b;
	r->value[2] = (int64_t)c;
	r->value[3] = (int64_t)d;
	cagma_trace_commit(trace, r);
}

/* Names are printable ASCII without quotes or backslashes: see store.c. */
static void write_one(const struct cagma_trace *trace,
		      const struct cagma_trace_record *r)
{
	fprintf(trace->file, "{\"t_ms\":%" PRIu64 ",\"ev\":\"%s\"",
		(r->time_ns - trace->start_ns) / CAGMA_NS_PER_MS,
		formats[r->kind].ev);
	if (r->domid >= 0)
		fprintf(trace->file, ",\"dom\":%d,\"name\":\"%s\"", r->domid,
			r->name);
	if (formats[r->kind].text)
		fprintf(trace->file, ",\"%s\":\"%s\"", formats[r->kind].text,
			r->text);
	for (int i = 0; i < CAGMA_TRACE_VALUES; i++)
		if (formats[r->kind].value[i])
			fprintf(trace->file, ",\"%s\":%" PRId64,
				formats[r->kind].value[i], r->value[i]);
	fputs("}\n", trace->file);
}

void cagma_trace_write(struct cagma_trace *trace)
{
	struct cagma_trace_record *record;

	cagma_feed_begin(&trace->feed);
	while ((record = cagma_feed_next(&trace->feed))) {
		write_one(trace, record);
		cagma_feed_give_back(&trace->feed, record);
	}
	if (trace->file)
		fflush(trace->file);
}
