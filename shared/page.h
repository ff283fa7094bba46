/* SPDX-License-Identifier: GPL-2.0-only OR MIT */
/*
 * The shared page, version 1: layout, and who writes what.
 *
 * One granted 4 KiB page per guest, little-endian, owned by the guest and
 * mapped read-write by dom0. Every field has exactly one writer, and nobody
 * reads back what it wrote: each side keeps its own copy, because the other
 * side could have overwritten the page. Fields of different writers never
 * share a cache line. All access goes through shared/sync.h.
 *
 * Life cycle. The guest zeroes the page, fills the header, and stores the
 * magic last. It grants the page, allocates an event channel, and offers both
 * in xenstore as data/cagma/offer = "VERSION GREF PORT EPOCH", decimal, one
 * node, so that an offer is never seen half-written. dom0 maps the page,
 * checks the header, writes a first mail, sets dom0_alive and armed. When dom0
 * unmaps, death by SIGKILL included, the kernel clears dom0_alive and signals
 * the event channel; the guest then takes a new epoch and offers again. Mail
 * of an older epoch is void.
 *
 * Growth. An unknown feature bit is an offer and is ignored; an unknown mail
 * flag is a request and makes the guest refuse the whole mail. Reserved fields
 * are zero. A version that the reader doesn't know is not attached.
 */
#ifndef CAGMA_SHARED_PAGE_H
#define CAGMA_SHARED_PAGE_H

#include "sample.h"

#if !defined(__BYTE_ORDER__) || __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the page is little-endian"
#endif

#define CAGMA_PAGE_BYTES	4096
#define CAGMA_PAGE_MAGIC	0x414d4743u	/* "CGMA" in memory order */
#define CAGMA_PAGE_VERSION	1
#define CAGMA_SLOT_COUNT	16		/* power of two: indices wrap */
#define CAGMA_SLOT_BYTES	192

/* cagma_header.features */
#define CAGMA_FEATURE_HOOKS	(1u << 0)	/* reclaim hooks are attached */

/* cagma_publication.state; 0 means gone. */
#define CAGMA_STATE_GONE	0
#define CAGMA_STATE_LIVE	1
#define CAGMA_STATE_CLOSING	2

/* Guest: written before the offer; magic last. epoch changes per offer. */
struct cagma_header {
	__u32 magic;			/* CAGMA_PAGE_MAGIC */
	__u16 version;			/* CAGMA_PAGE_VERSION */
	__u16 slot_count;		/* CAGMA_SLOT_COUNT */
	__u32 slot_bytes;		/* CAGMA_SLOT_BYTES */
	__u32 features;			/* CAGMA_FEATURE_* */
	__u64 epoch;			/* of the current offer; never 0 */
	__u32 period_ms;		/* sampler's period */
	__u32 reserved[9];
};

/* Guest: moves with every sample. */
struct cagma_publication {
	__u32 head;			/* samples published, free-running */
	__u32 state;			/* CAGMA_STATE_* */
	__u32 reserved[14];
};

/* cagma_mail.flags; the guest refuses mail with any other bit. */
#define CAGMA_MAIL_DENIED	(1u << 0)	/* no memory for answered_event */
#define CAGMA_MAIL_FLAGS_KNOWN	(CAGMA_MAIL_DENIED)

/* dom0 to guest: the orders of the moment; the last mail wins. */
struct cagma_mail {
	__u32 answered_event;		/* newest emergency this mail answers */
	__u32 flags;			/* CAGMA_MAIL_* */
	__u64 target_pages;		/* as memory/target counts */
	__u64 threshold_pages;		/* kick when available is below this */
	__u64 epoch;			/* of the offer that was attached */
	__u64 reserved[3];
};

struct cagma_mailbox {
	__u32 seq;			/* odd: being written; 0: never */
	__u32 reserved;
	struct cagma_mail mail;
};

/* dom0: one line, so that arming never disturbs the mail. */
struct cagma_doorbell {
	__u32 armed;			/* 1: kick me; 0: I am looking already */
	__u8 dom0_alive;		/* 1: attached; cleared on unmap */
	__u8 reserved[59];
};

/*
 * Guest: slot n % CAGMA_SLOT_COUNT holds sample n. seq is 2n + 1 while it is
 * written and 2n + 2 (mod 2^32) after, so a slot also proves which sample it
 * holds.
 */
struct cagma_slot {
	__u32 seq;
	__u32 reserved;
	struct cagma_sample sample;
};

struct cagma_page {
	struct cagma_header header;		/* 0x000 guest */
	struct cagma_publication publication;	/* 0x040 guest */
	struct cagma_mailbox mailbox;		/* 0x080 dom0 */
	struct cagma_doorbell doorbell;		/* 0x0c0 dom0 */
	__u8 reserved[768];			/* 0x100 */
	struct cagma_slot slot[CAGMA_SLOT_COUNT]; /* 0x400 guest */
};

CAGMA_ASSERT_OFFSET(cagma_header, magic, 0);
CAGMA_ASSERT_OFFSET(cagma_header, version, 4);
CAGMA_ASSERT_OFFSET(cagma_header, slot_count, 6);
CAGMA_ASSERT_OFFSET(cagma_header, slot_bytes, 8);
CAGMA_ASSERT_OFFSET(cagma_header, features, 12);
CAGMA_ASSERT_OFFSET(cagma_header, epoch, 16);
CAGMA_ASSERT_OFFSET(cagma_header, period_ms, 24);
CAGMA_ASSERT_OFFSET(cagma_header, reserved, 28);
CAGMA_ASSERT_OFFSET(cagma_publication, head, 0);
CAGMA_ASSERT_OFFSET(cagma_publication, state, 4);
CAGMA_ASSERT_OFFSET(cagma_publication, reserved, 8);
CAGMA_ASSERT_OFFSET(cagma_mail, answered_event, 0);
CAGMA_ASSERT_OFFSET(cagma_mail, flags, 4);
CAGMA_ASSERT_OFFSET(cagma_mail, target_pages, 8);
CAGMA_ASSERT_OFFSET(cagma_mail, threshold_pages, 16);
CAGMA_ASSERT_OFFSET(cagma_mail, epoch, 24);
CAGMA_ASSERT_OFFSET(cagma_mail, reserved, 32);
CAGMA_ASSERT_OFFSET(cagma_mailbox, seq, 0);
CAGMA_ASSERT_OFFSET(cagma_mailbox, reserved, 4);
CAGMA_ASSERT_OFFSET(cagma_mailbox, mail, 8);
CAGMA_ASSERT_OFFSET(cagma_doorbell, armed, 0);
CAGMA_ASSERT_OFFSET(cagma_doorbell, dom0_alive, 4);
CAGMA_ASSERT_OFFSET(cagma_doorbell, reserved, 5);
CAGMA_ASSERT_OFFSET(cagma_slot, seq, 0);
CAGMA_ASSERT_OFFSET(cagma_slot, reserved, 4);
CAGMA_ASSERT_OFFSET(cagma_slot, sample, 8);
CAGMA_ASSERT_OFFSET(cagma_page, header, 0x000);
CAGMA_ASSERT_OFFSET(cagma_page, publication, 0x040);
CAGMA_ASSERT_OFFSET(cagma_page, mailbox, 0x080);
CAGMA_ASSERT_OFFSET(cagma_page, doorbell, 0x0c0);
CAGMA_ASSERT_OFFSET(cagma_page, reserved, 0x100);
CAGMA_ASSERT_OFFSET(cagma_page, slot, 0x400);
_Static_assert(sizeof(struct cagma_header) == 64, "header resized");
_Static_assert(sizeof(struct cagma_publication) == 64, "publication resized");
_Static_assert(sizeof(struct cagma_mailbox) == 64, "mailbox resized");
_Static_assert(sizeof(struct cagma_doorbell) == 64, "doorbell resized");
_Static_assert(sizeof(struct cagma_slot) == CAGMA_SLOT_BYTES, "slot resized");
_Static_assert(sizeof(struct cagma_page) == CAGMA_PAGE_BYTES, "page resized");
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the shared page is little-endian"
#endif

#endif
