// SPDX-License-Identifier: GPL-2.0-only
#include "clock.h"
#include "fake_daemon.h"

static int open_loop(struct fake_daemon *d)
{
	const struct cagma_parts parts = {
		.config = &d->config,
		.xen = d->xen,
		.trace = &d->trace,
		.journal = &d->journal,
		.store = d->store,
		.mirror = cagma_store_mirror(d->store),
		.released = cagma_store_released(d->store),
		.dry_run = d->dry_run,
	};
	int err = cagma_state_init(&d->state, &parts);

	if (err)
		return err;
	err = cagma_loop_init(&d->loop, &d->state, &d->attached);
	if (err)
		cagma_state_destroy(&d->state);
	return err;
}

static int open_parts(struct fake_daemon *d)
{
	int err = cagma_store_open(&d->store, &d->config, &d->attached);

	if (err)
		return err;
	err = open_loop(d);
	if (err) {
		cagma_store_close(d->store);
		d->store = NULL;
	}
	return err;
}

int fake_daemon_start(struct fake_daemon *d, const char *trace,
		      const char *record)
{
	int err = cagma_xen_open(&d->xen);

	if (err)
		return err;
	err = cagma_queue_init(&d->attached);
	if (err)
		goto no_queue;
	err = cagma_trace_open(&d->trace, trace, cagma_now_ns());
	if (err)
		goto no_trace;
	err = cagma_journal_open(&d->journal, record, cagma_now_ns());
	if (err)
		goto no_journal;
	err = open_parts(d);
	if (!err)
		return 0;
	cagma_journal_close(&d->journal);
no_journal:
	cagma_trace_close(&d->trace);
no_trace:
	cagma_queue_destroy(&d->attached);
no_queue:
	cagma_xen_close(d->xen);
	return err;
}

void fake_daemon_stop(struct fake_daemon *d)
{
	d->loop.stop = true;
	cagma_loop_run(&d->loop);
	cagma_store_step(d->store, cagma_now_ns());
	cagma_loop_destroy(&d->loop);
	cagma_state_destroy(&d->state);
	cagma_store_close(d->store);
	cagma_journal_close(&d->journal);
	cagma_trace_close(&d->trace);
	cagma_queue_destroy(&d->attached);
	cagma_xen_close(d->xen);
	d->store = NULL;
}

void fake_daemon_serve(struct fake_daemon *d)
{
	for (int i = 0; i < 4; i++) {
		cagma_store_step(d->store, cagma_now_ns());
		cagma_loop_once(&d->loop, 0);
	}
}
