/* SPDX-License-Identifier: GPL-2.0-only */
/* What a guest can do, or meet, that ends the talk with it. */
#ifndef CAGMA_LIE_H
#define CAGMA_LIE_H

/* Why a link is let go. Shown to the operator by name. */
enum cagma_lie {
	CAGMA_LIE_NONE,
	CAGMA_LIE_MAGIC,	/* no CAGMA page */
	CAGMA_LIE_VERSION,	/* a version this daemon doesn't know */
	CAGMA_LIE_LAYOUT,	/* slot count or size isn't the version's */
	CAGMA_LIE_EPOCH,	/* not the epoch that was offered */
	CAGMA_LIE_HEAD,		/* the head went backwards */
	CAGMA_LIE_TORN,		/* no readable slot for too long */
	CAGMA_LIE_SILENT,	/* no sample for too long */
	CAGMA_LIE_IMPOSSIBLE,	/* for too long, none that could be true */
	CAGMA_LIE_HELLO,	/* no greeting, or gone before it */
	CAGMA_LIE_TURN,		/* a message where another belongs */
	CAGMA_LIE_TYPE,		/* a message of no known type */
	CAGMA_LIE_SIZE,		/* not the size of its type */
	CAGMA_LIE_SLOW,		/* a message begun and not ended */
	CAGMA_LIE_INDEX,	/* a ring's indices that can't be true */
	CAGMA_LIE_NUMBER,	/* memory/meminfo is no number */
	CAGMA_LIE_CHANNEL,	/* no lie: its channel can't be read */
	CAGMA_LIE_CLOSED,	/* no lie: the guest closes it */
	CAGMA_LIE_COUNT
};

const char *cagma_lie_name(enum cagma_lie lie);

#endif
