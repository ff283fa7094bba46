// SPDX-License-Identifier: GPL-2.0-only
/*
 * attack: dom0's end of a guest's shared page, played by somebody who is no
 * cagmad. For tests; cagmad must not run.
 *
 *   attack CASE DOMID GREF PORT EPOCH SECONDS
 *
 * GREF, PORT and EPOCH are what the guest offers in xenstore. Prints one line
 * when the attack has begun, and one when it is over.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <xenevtchn.h>
#include <xengnttab.h>

#include "sync.h"

struct target {
	uint32_t domid, gref, remote_port;
	uint64_t epoch;
	int seconds;
	xenevtchn_handle *events;
	xenevtchn_port_or_error_t port;
	xengnttab_handle *grants;
	struct cagma_page *page;
};

static void open_channel(struct target *t)
{
	t->events = xenevtchn_open(NULL, 0);
	if (!t->events)
		err(1, "event channels");
	t->port = xenevtchn_bind_interdomain(t->events, t->domid,
					     t->remote_port);
	if (t->port < 0)
		err(1, "port %u of domain %u", t->remote_port, t->domid);
}

/* With a channel, the guest is told when the page is unmapped. */
static struct cagma_page *map(struct target *t)
{
	const size_t dead = offsetof(struct cagma_page, doorbell.dom0_alive);
	struct cagma_page *page;

	if (!t->grants)
		t->grants = xengnttab_open(NULL, 0);
	if (!t->grants)
		err(1, "grants");
	page = t->events ?
		xengnttab_map_grant_ref_notify(t->grants, t->domid, t->gref,
					       PROT_READ | PROT_WRITE,
					       (uint32_t)dead,
					       (evtchn_port_t)t->port) :
		xengnttab_map_grant_ref(t->grants, t->domid, t->gref,
					PROT_READ | PROT_WRITE);
	if (!page)
		err(1, "grant %u of domain %u", t->gref, t->domid);
	return page;
}

static void begun(void)
{
	puts("begun");
	fflush(stdout);
}

static bool is_over(const struct target *t)
{
	static time_t start;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (!start)
		start = now.tv_sec;
	return now.tv_sec - start >= t->seconds;
}

/* Events without mail, as fast as they go. */
static void storm(struct target *t)
{
	unsigned long sent = 0;

	open_channel(t);
	begun();
	while (!is_over(t))
		for (int i = 0; i < 100; i++, sent++)
			xenevtchn_notify(t->events, (evtchn_port_t)t->port);
	printf("%lu events\n", sent);
}

/* Every word but dom0's own line, all the time, with events. */
static void garbage(struct target *t)
{
	const size_t mine = offsetof(struct cagma_page, mailbox) / 4;
	const size_t end = offsetof(struct cagma_page, reserved) / 4;
	uint32_t *word;

	open_channel(t);
	t->page = map(t);
	word = (uint32_t *)t->page;
	cagma_dom0_announce(t->page);
	begun();
	while (!is_over(t)) {
		for (size_t i = 0; i < CAGMA_PAGE_BYTES / 4; i++)
			if (i < mine || i >= end)
				cagma_store(word + i, (uint32_t)random());
		xenevtchn_notify(t->events, (evtchn_port_t)t->port);
		usleep(1000);
	}
}

/* A proper attachment that never reads a sample and asks for all kicks. */
static void deaf(struct target *t)
{
	const struct cagma_mail mail = {
		.epoch = t->epoch,
		.target_pages = UINT64_C(128) << 8,
		.threshold_pages = UINT64_C(64) << 8,
	};

	open_channel(t);
	t->page = map(t);
	cagma_mail_write(t->page, 2, &mail);
	cagma_dom0_announce(t->page);
	xenevtchn_notify(t->events, (evtchn_port_t)t->port);
	begun();
	while (!is_over(t)) {
		cagma_arm(t->page);
		usleep(1000);
	}
}

/* Mapped twice, and the guest hears nothing of it, nor of the end. */
static void hold(struct target *t)
{
	map(t);
	map(t);
	begun();
	sleep((unsigned int)t->seconds);
}

/* One mail, and what the guest says to it. */
static void order(struct target *t, uint64_t target_pages, uint32_t flags)
{
	static uint32_t seq;
	const struct cagma_mail mail = {
		.epoch = t->epoch,
		.target_pages = target_pages,
		.flags = flags,
	};
	struct cagma_sample sample = { 0 };

	cagma_mail_write(t->page, seq += 2, &mail);
	if (seq == 2)
		cagma_dom0_announce(t->page);
	for (int ms = 0; sample.mail_seq != seq; ms++) {
		if (ms % 100 == 0)
			xenevtchn_notify(t->events, (evtchn_port_t)t->port);
		if (ms == 10000)
			errx(1, "nothing is heard of mail %u", seq);
		usleep(1000);
		cagma_sample_read(t->page, cagma_head_read(t->page) - 1, &sample);
	}
	printf("%llu flags %#x: %llu flags %#x\n",
	       (unsigned long long)target_pages, flags,
	       (unsigned long long)sample.balloon_target_pages, sample.flags);
}

/*
 * Targets that can't be, requests from the future, and a target that changes a
 * hundred times a second. The one of 0 is taken back at once.
 */
static void orders(struct target *t)
{
	const uint64_t good = UINT64_C(128) << 8;

	open_channel(t);
	t->page = map(t);
	begun();
	order(t, good, 0);
	order(t, UINT64_MAX, 0);
	order(t, good - 4096, UINT32_C(1) << 31);
	order(t, 0, 0);
	order(t, good, 0);
	for (int i = 0; i < 500; i++) {
		const struct cagma_mail mail = {
			.epoch = t->epoch,
			.target_pages = good - (i % 2 ? 2048 : 0),
		};

		cagma_mail_write(t->page, 100 + 2 * (uint32_t)i, &mail);
		xenevtchn_notify(t->events, (evtchn_port_t)t->port);
		usleep(10000);
	}
	order(t, good, 0);
}

static const struct {
	const char *name;
	void (*play)(struct target *t);
} cases[] = {
	{ "storm", storm },
	{ "garbage", garbage },
	{ "deaf", deaf },
	{ "hold", hold },
	{ "orders", orders },
};

int main(int argc, char **argv)
{
	struct target t = { 0 };

	if (argc != 7)
		errx(2, "usage: attack CASE DOMID GREF PORT EPOCH SECONDS");
	t.domid = (uint32_t)strtoul(argv[2], NULL, 10);
	t.gref = (uint32_t)strtoul(argv[3], NULL, 10);
	t.remote_port = (uint32_t)strtoul(argv[4], NULL, 10);
	t.epoch = strtoull(argv[5], NULL, 10);
	t.seconds = atoi(argv[6]);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (strcmp(argv[1], cases[i].name))
			continue;
		cases[i].play(&t);
		puts("over");
		return 0;
	}
	errx(2, "no such case: %s", argv[1]);
}
