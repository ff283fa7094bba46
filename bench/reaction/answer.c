// SPDX-License-Identifier: GPL-2.0-only
/*
 * answer DOMID CONFIG: what cagmad would be without the shared page, and nothing
 * spared that xenstore can do. The guest writes one key when it is short (route.c);
 * here there is one watch and one handle, and nobody waits or polls; the daemon's own
 * objects read Xen's memory, decide and set the limit, with the same settings; the
 * answer is one write of memory/target, for the stock balloon driver. Runs until it
 * is killed.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <xenstore.h>

#include "clock.h"
#include "config.h"
#include "daemon.h"
#include "state.h"
#include "pass.h"
#include "state.h"
#include "units.h"

#define PATH_BYTES	64

static struct {
	struct xs_handle *handle;
	char ask[PATH_BYTES];
	char target[PATH_BYTES];
} store;
static struct cagma_state state;
static struct cagma_guest guest;
/* memory/target less what the guest's balloon counts. */
static int64_t offset_pages;

/* The order goes out through xenstore, which tells the guest itself. */
static void mail(struct cagma_link *link, const struct cagma_order *order,
		 bool quiet)
{
	char value[24];
	int length = snprintf(value, sizeof(value), "%" PRIu64,
			      cagma_pages_to_kib(order->target_pages));

	(void)link;
	(void)quiet;
	if (!xs_write(store.handle, XBT_NULL, store.target, value,
		      (unsigned int)length))
		err(1, "%s", store.target);
}

static const struct cagma_transport transport = { .mail = mail };
static struct cagma_link source = { .transport = &transport, .guest = &guest };

static uint64_t read_pages(const char *node)
{
	char path[PATH_BYTES];
	unsigned int length;
	char *text;
	uint64_t kib;

	snprintf(path, sizeof(path), "/local/domain/%u/memory/%s", guest.domid,
		 node);
	text = xs_read(store.handle, XBT_NULL, path, &length);
	if (!text)
		err(1, "%s", path);
	kib = strtoull(text, NULL, 10);
	free(text);
	return cagma_kib_to_pages(kib);
}

/* False: the key says nothing yet. */
static bool parse(const char *text, struct cagma_sample *sample)
{
	*sample = (struct cagma_sample){ 0 };
	return sscanf(text, "%" SCNu32 " %" SCNu32 " %llu %llu %llu %llu %llu %llu",
		      &sample->reason, &sample->event, &sample->total_pages,
		      &sample->free_pages, &sample->available_pages,
		      &sample->swap_free_pages, &sample->balloon_pages,
		      &sample->balloon_target_pages) == 8;
}

static bool read_key(struct cagma_sample *sample)
{
	unsigned int length;
	char *text = xs_read(store.handle, XBT_NULL, store.ask, &length);
	bool good = text && parse(text, sample);

	free(text);
	return good;
}

/* As the daemon's settle_all() does: the limit follows the pages that came back. */
static void settle(const struct cagma_sample *sample)
{
	if (sample->balloon_pages == sample->balloon_target_pages &&
	    sample->balloon_pages == guest.target_pages)
		guest.offset_pages = (int64_t)guest.facts.alloc_pages -
				     (int64_t)sample->balloon_pages;
	cagma_actuate_settle(&state.actuator, &guest);
}

static void take_in(struct cagma_sample *sample)
{
	uint64_t now_ns = cagma_now_ns();

	if (!guest.track.any)
		offset_pages = (int64_t)guest.target_pages -
			       (int64_t)sample->balloon_target_pages;
	sample->balloon_pages += (uint64_t)offset_pages;
	sample->balloon_target_pages += (uint64_t)offset_pages;
	if (!cagma_track_add(&guest.track, sample,
			     cagma_max(guest.facts.alloc_pages,
				       guest.facts.limit_pages), now_ns))
		warnx("an impossible sample");
	if (sample->reason == CAGMA_REASON_REQUEST) {
		guest.open_event = sample->event;
		guest.open_reason = sample->reason;
		cagma_pass_emergency(&state);
	} else if (cagma_pass_refresh(&state)) {
		settle(sample);
		cagma_pass_periodic(&state, now_ns);
	}
}

static void find_guest(uint16_t domid)
{
	guest.domid = domid;
	guest.present = true;
	guest.aims = true;
	guest.source = &source;
	guest.static_max_pages = read_pages("static-max");
	guest.target_pages = read_pages("target");
	state.guests[0] = &guest;
	state.guest_count = 1;
	cagma_config_apply(state.config, &guest);
	if (!cagma_pass_refresh(&state))
		errx(1, "Xen says nothing about its memory");
	for (size_t i = 0; i < state.domain_count; i++)
		if (state.domains[i].domid == domid)
			memcpy(guest.uuid, state.domains[i].uuid,
			       sizeof(guest.uuid));
	if (!cagma_pass_refresh(&state) || !guest.present)
		errx(1, "there is no domain %u", domid);
}

static void open_all(struct cagma_config *config, const char *settings)
{
	static struct cagma_queue mirror, released;
	static struct cagma_trace trace;
	struct cagma_parts parts = {
		.config = config,
		.trace = &trace,
		.mirror = &mirror,
		.released = &released,
	};
	char error[256];

	cagma_config_init(config);
	if (cagma_config_read(config, settings, error, sizeof(error)))
		errx(1, "%s", error);
	if (cagma_xen_open(&parts.xen))
		errx(1, "this is no control domain");
	store.handle = xs_open(0);
	if (!store.handle)
		err(1, "xenstore");
	if (cagma_queue_init(&mirror) || cagma_queue_init(&released) ||
	    cagma_trace_open(&trace, NULL, cagma_now_ns()) ||
	    cagma_state_init(&state, &parts))
		errx(1, "out of memory or descriptors");
}

int main(int argc, char **argv)
{
	struct cagma_config config;
	struct cagma_sample sample;
	unsigned int count;
	char **fired;

	if (argc != 3)
		errx(2, "usage: answer DOMID CONFIG");
	/* As the daemon's loop does; and the thread of libxenstore's that hears of watches. */
	if (cagma_daemon_go_first())
		errx(1, "cannot go before other processes");
	open_all(&config, argv[2]);
	find_guest((uint16_t)strtoul(argv[1], NULL, 10));
	snprintf(store.ask, sizeof(store.ask), "/local/domain/%u/data/ask",
		 guest.domid);
	snprintf(store.target, sizeof(store.target),
		 "/local/domain/%u/memory/target", guest.domid);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	if (!xs_watch(store.handle, store.ask, "ask"))
		err(1, "%s", store.ask);
	while ((fired = xs_read_watch(store.handle, &count))) {
		free(fired);
		if (read_key(&sample)) {
			cagma_clock_hold();
			take_in(&sample);
			cagma_clock_release();
		}
	}
	err(1, "waiting for the watch");
}
