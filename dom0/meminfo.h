/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * xenstore as a transport, for guests that say no more than how much they use, as
 * those of Qubes OS do: memory/meminfo is one decimal number, used memory and swap
 * in KiB. The store thread polls that node and tells the loop. All else of a sample
 * is what Xen knows, or 0; there are no emergencies; orders are memory/target alone.
 */
#ifndef CAGMA_MEMINFO_H
#define CAGMA_MEMINFO_H

#include <stdatomic.h>

#include "transport.h"

#define CAGMA_MEMINFO_NODE	"memory/meminfo"
#define CAGMA_MEMINFO_MAX	24	/* longer text is no number */

struct cagma_meminfo {
	struct cagma_link link;

	/* The store's word to the loop; the count moves last. */
	atomic_uint_fast64_t used_pages;
	atomic_uint polls;
	atomic_int ended;		/* enum cagma_lie */

	/* The loop's. */
	unsigned int polls_seen;
	uint64_t alloc_pages;		/* Xen's count at the poll before */
};

extern const struct cagma_transport cagma_transport_meminfo;

/* -EINVAL unless the text is a number and nothing else. */
int cagma_meminfo_parse(const char *text, uint64_t *used_pages);

/* NULL if there is no memory. */
struct cagma_link *cagma_meminfo_open(uint16_t domid, uint64_t used_pages);

/* The store thread: what it has read, or that it doesn't read on and why. */
void cagma_meminfo_tell(struct cagma_link *link, uint64_t used_pages);
void cagma_meminfo_end(struct cagma_link *link, enum cagma_lie lie);

#endif
