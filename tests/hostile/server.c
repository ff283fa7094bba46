// SPDX-License-Identifier: GPL-2.0-only
/*
 * server: what a guest's agent must not do, over a vchan to dom0. For tests.
 *
 *   server CASE
 *
 * Serves a vchan where cagmad looks for one, plays the case when cagmad is there,
 * and begins anew when it has gone; for ever, but for "dies".
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <xenctrl.h>
/* Needs what xenctrl.h defines first. */
#include <libxenvchan.h>

#include "msg.h"

#define DOM0		0
#define ORDERS_BYTES	1024
#define SAMPLES_BYTES	2048
#define LARGE_BYTES	(1 << 20)	/* order 20, the most there is */
#define WAIT_STEP_US	20000
#define WAIT_STEPS	500

static void say(struct libxenvchan *chan, const void *data, size_t size)
{
	if (libxenvchan_write(chan, data, size) < 0)
		warnx("not sent");
}

static void say_header(struct libxenvchan *chan, uint32_t bytes, uint16_t type)
{
	const struct cagma_msg_header header = { .bytes = bytes, .type = type };

	say(chan, &header, sizeof(header));
}

static void say_hello(struct libxenvchan *chan)
{
	const struct cagma_hello hello = {
		.version = CAGMA_MSG_VERSION,
		.period_ms = 100,
	};

	say_header(chan, CAGMA_MSG_BYTES(cagma_hello), CAGMA_MSG_HELLO);
	say(chan, &hello, sizeof(hello));
}

static void say_report(struct libxenvchan *chan)
{
	const struct cagma_report report = {
		.sample = { .total_pages = 1024, .available_pages = 512,
			    .balloon_pages = 1024,
			    .balloon_target_pages = 1024 },
	};

	say_header(chan, CAGMA_MSG_MAX, CAGMA_MSG_SAMPLE);
	say(chan, &report, sizeof(report));
}

/* ---- the cases ---- */

static void say_nothing(struct libxenvchan *chan)
{
	(void)chan;
}

/* As one that was killed: the kernel tells dom0. */
static void die_at_once(struct libxenvchan *chan)
{
	(void)chan;
	_exit(0);
}

static void spoil_what_is_read(struct libxenvchan *chan)
{
	say_hello(chan);
	say_report(chan);
	sleep(1);
	chan->write.shr->prod += SAMPLES_BYTES + 1;
}

static void spoil_what_was_read(struct libxenvchan *chan)
{
	say_hello(chan);
	say_report(chan);
	sleep(1);
	chan->write.shr->cons -= 4711;
}

/* The first order comes after the first sample. */
static void spoil_the_orders(struct libxenvchan *chan)
{
	say_hello(chan);
	chan->read.shr->cons += 4711;
	say_report(chan);
}

static void say_a_byte(struct libxenvchan *chan)
{
	say_hello(chan);
	say_report(chan);
	say(chan, "", 1);
}

static void say_no_length(struct libxenvchan *chan)
{
	say_hello(chan);
	say_header(chan, 0, CAGMA_MSG_SAMPLE);
}

static void say_large_length(struct libxenvchan *chan)
{
	say_hello(chan);
	say_header(chan, CAGMA_MSG_MAX + 1, CAGMA_MSG_SAMPLE);
}

static void say_negative_length(struct libxenvchan *chan)
{
	say_hello(chan);
	say_header(chan, UINT32_MAX - 7, CAGMA_MSG_SAMPLE);
}

static void say_unknown_type(struct libxenvchan *chan)
{
	say_hello(chan);
	say_header(chan, CAGMA_MSG_MAX, 77);
}

static void say_report_first(struct libxenvchan *chan)
{
	say_report(chan);
}

static void say_much(struct libxenvchan *chan)
{
	say_hello(chan);
	while (libxenvchan_is_open(chan))
		say_report(chan);
}

static const struct play {
	const char *name;
	void (*act)(struct libxenvchan *chan);
	bool large;
} plays[] = {
	{ "large", say_nothing, true },
	{ "dies", die_at_once, false },
	{ "silent", say_nothing, false },
	{ "prod", spoil_what_is_read, false },
	{ "cons", spoil_what_was_read, false },
	{ "orders", spoil_the_orders, false },
	{ "slow", say_a_byte, false },
	{ "no-length", say_no_length, false },
	{ "large-length", say_large_length, false },
	{ "negative-length", say_negative_length, false },
	{ "type", say_unknown_type, false },
	{ "early", say_report_first, false },
	{ "flood", say_much, false },
};

/* ---- being there ---- */

static struct libxenvchan *serve(bool large)
{
	struct libxenvchan *chan = libxenvchan_server_init(
		NULL, DOM0, CAGMA_MSG_NODE, large ? LARGE_BYTES : ORDERS_BYTES,
		large ? LARGE_BYTES : SAMPLES_BYTES);

	if (!chan)
		err(1, "no vchan");
	chan->blocking = -1;	/* a signed bit */
	return chan;
}

/* 2: cagmad was never there; 1: it is; 0: it has gone. */
static void wait_while(struct libxenvchan *chan, int state)
{
	for (int i = 0; i < WAIT_STEPS; i++) {
		if (libxenvchan_is_open(chan) != state)
			return;
		usleep(WAIT_STEP_US);
	}
}

int main(int argc, char **argv)
{
	const struct play *play = plays, *end = plays + sizeof(plays) /
						sizeof(plays[0]);

	while (argc == 2 && play < end && strcmp(play->name, argv[1]) != 0)
		play++;
	if (argc != 2 || play == end)
		errx(2, "usage: server CASE");
	for (;;) {
		struct libxenvchan *chan = serve(play->large);

		wait_while(chan, 2);
		if (libxenvchan_is_open(chan) == 1)
			play->act(chan);
		wait_while(chan, 1);
		libxenvchan_close(chan);
	}
}
