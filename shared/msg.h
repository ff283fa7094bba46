/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * What cagma-agent in a guest and cagmad in dom0 say to each other over a vchan,
 * version 1. For guests that cannot load the module; also what the agent adds
 * where the module runs.
 *
 * The guest is the vchan's server, at data/cagma/vchan below its xenstore home,
 * with both rings inside the one control page. A message is a header and a body
 * of the type's own size, little-endian. The guest says CAGMA_MSG_HELLO first, once;
 * then each says what it has to say at any time, and neither waits for the other.
 * Whoever meets a size that is not the type's, or a type it doesn't know, closes:
 * a stream that is out of step cannot be read on.
 *
 * Growth. An unknown feature bit is an offer and is ignored. A version that dom0
 * doesn't know is not attached; reserved fields are zero and not looked at.
 */
#ifndef CAGMA_SHARED_MSG_H
#define CAGMA_SHARED_MSG_H

#include "page.h"

#define CAGMA_MSG_NODE		"data/cagma/vchan"
#define CAGMA_MSG_VERSION	1

enum cagma_msg_type {
	CAGMA_MSG_HELLO = 1,		/* guest to dom0, once, first */
	CAGMA_MSG_SAMPLE = 2,		/* guest to dom0 */
	CAGMA_MSG_ORDER = 3,		/* dom0 to guest */
};

struct cagma_msg_header {
	__u32 bytes;			/* of the message, with this header */
	__u16 type;			/* enum cagma_msg_type */
	__u16 reserved;
};

/* cagma_hello.features */
#define CAGMA_HELLO_PSI		(1u << 0)	/* samples carry pressure totals */
#define CAGMA_HELLO_TRIGGER	(1u << 1)	/* a PSI trigger wakes the agent */

struct cagma_hello {
	__u32 version;			/* CAGMA_MSG_VERSION */
	__u32 features;			/* CAGMA_HELLO_* */
	__u32 period_ms;		/* of the agent's samples */
	__u32 reserved;
};

/* What only user space can see. Totals only grow, as /proc/pressure/memory's. */
struct cagma_pressure {
	__u64 some_us;			/* some task waited for memory, in all */
	__u64 full_us;			/* all did */
	__u64 swap_total_pages;		/* swap space, in use or not */
	__u64 reserved;
};

struct cagma_report {
	struct cagma_sample sample;
	struct cagma_pressure pressure;
};

/* sample.mail_seq names the order that the guest accepted last. */
struct cagma_msg_order {
	__u32 seq;			/* never 0, never the one before */
	__u32 reserved;
	struct cagma_mail mail;		/* its epoch is 0 */
};

#define CAGMA_MSG_BYTES(type)	(sizeof(struct cagma_msg_header) + \
				 sizeof(struct type))
/* The longest there is; nobody needs a larger buffer. */
#define CAGMA_MSG_MAX		CAGMA_MSG_BYTES(cagma_report)

CAGMA_ASSERT_OFFSET(cagma_msg_header, bytes, 0);
CAGMA_ASSERT_OFFSET(cagma_msg_header, type, 4);
CAGMA_ASSERT_OFFSET(cagma_msg_header, reserved, 6);
CAGMA_ASSERT_OFFSET(cagma_hello, version, 0);
CAGMA_ASSERT_OFFSET(cagma_hello, features, 4);
CAGMA_ASSERT_OFFSET(cagma_hello, period_ms, 8);
CAGMA_ASSERT_OFFSET(cagma_hello, reserved, 12);
CAGMA_ASSERT_OFFSET(cagma_pressure, some_us, 0);
CAGMA_ASSERT_OFFSET(cagma_pressure, full_us, 8);
CAGMA_ASSERT_OFFSET(cagma_pressure, swap_total_pages, 16);
CAGMA_ASSERT_OFFSET(cagma_pressure, reserved, 24);
CAGMA_ASSERT_OFFSET(cagma_report, sample, 0);
CAGMA_ASSERT_OFFSET(cagma_report, pressure, 184);
CAGMA_ASSERT_OFFSET(cagma_msg_order, seq, 0);
CAGMA_ASSERT_OFFSET(cagma_msg_order, mail, 8);
_Static_assert(sizeof(struct cagma_msg_header) == 8, "cagma_msg_header resized");
_Static_assert(sizeof(struct cagma_hello) == 16, "cagma_hello resized");
_Static_assert(sizeof(struct cagma_report) == 216, "cagma_report resized");
_Static_assert(sizeof(struct cagma_msg_order) == 64,
	       "cagma_msg_order resized");

#endif
