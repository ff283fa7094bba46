// SPDX-License-Identifier: GPL-2.0-only
#include "clock.h"
#include "fake_daemon.h"

static int open_parts(struct fake_daemon *d)
{
	int err = cagma_store_open(&d->store, &d->config, &d->attached);

	if (err)
		return err;
	err = cagma_loop_init(&d->loop, &d->config, d->xen, &d->trace,
			      &d->attached, cagma_store_mirror(d->store),
			      cagma_store_released(d->store), d->dry_run);
	if (err) {
		cagma_store_close(d->store);
		d->store = NULL;
		return err;
	}
	d->loop.journal = &d->journal;
	d->loop.store = d->store;
	return 0;
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
