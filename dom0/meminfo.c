// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>

#include "guest.h"
#include "meminfo.h"
#include "offer.h"
#include "queue.h"
#include "units.h"

/* A guest calls its cache free. As Qubes does, leave it some: 30 % of the rest. */
#define WITH_CACHE(pages)	((pages) + (pages) / 10 * 3)
/* Xen's count may differ so much from memory/target's, at rest. */
#define EXTRA_PAGES		cagma_mib_to_pages(16)
#define PERIOD_MS		1000

static struct cagma_meminfo *meminfo_of(struct cagma_link *link)
{
	return cagma_container_of(link, struct cagma_meminfo, link);
}

int cagma_meminfo_parse(const char *text, uint64_t *used_pages)
{
	uint64_t kib;

	if (cagma_decimal_parse(&text, CAGMA_PAGES_MAX * 4, &kib) || *text)
		return -EINVAL;
	*used_pages = cagma_kib_to_pages(kib);
	return 0;
}

/*
 * What the guest has, as memory/target counts: the target, once the balloon has
 * come to rest near it; before, Xen's count less what we know it to be off by.
 */
static uint64_t has_pages(struct cagma_meminfo *meminfo)
{
	const struct cagma_guest *guest = meminfo->link.guest;
	uint64_t alloc = guest->facts.alloc_pages;
	uint64_t off = cagma_max(alloc, guest->target_pages) -
		       cagma_min(alloc, guest->target_pages);
	bool rests = alloc == meminfo->alloc_pages && off <= EXTRA_PAGES;
	int64_t counted = (int64_t)alloc - guest->offset_pages;

	meminfo->alloc_pages = alloc;
	if (rests)
		return guest->target_pages;
	return counted > 0 ? (uint64_t)counted : 0;
}

static enum cagma_lie drain(struct cagma_link *link, uint64_t now_ns,
			    struct cagma_sample *samples, size_t *count)
{
	struct cagma_meminfo *meminfo = meminfo_of(link);
	unsigned int polls = atomic_load(&meminfo->polls);
	uint64_t has, used;

	(void)now_ns;
	*count = 0;
	if (polls != meminfo->polls_seen) {
		meminfo->polls_seen = polls;
		has = has_pages(meminfo);
		used = atomic_load(&meminfo->used_pages);
		samples[(*count)++] = (struct cagma_sample){
			.mail_seq = link->mail_seq,
			.total_pages = has,
			.available_pages = cagma_less(has, WITH_CACHE(used)),
			.balloon_pages = has,
			.balloon_target_pages = link->guest->target_pages,
		};
	}
	return (enum cagma_lie)atomic_load(&meminfo->ended);
}

/* memory/target, which the store writes for all guests, is all there is. */
static void mail(struct cagma_link *link, const struct cagma_order *order,
		 bool quiet)
{
	(void)order;
	(void)quiet;
	link->mail_seq++;
}

static void close_it(struct cagma_link *link)
{
	free(meminfo_of(link));
}

const struct cagma_transport cagma_transport_meminfo = {
	.rank = CAGMA_RANK_XENSTORE,
	.drain = drain,
	.mail = mail,
	.close = close_it,
};

struct cagma_link *cagma_meminfo_open(uint16_t domid, uint64_t used_pages)
{
	struct cagma_meminfo *meminfo = calloc(1, sizeof(*meminfo));

	if (!meminfo)
		return NULL;
	meminfo->link.transport = &cagma_transport_meminfo;
	meminfo->link.domid = domid;
	meminfo->link.fd = -1;
	meminfo->link.period_ms = PERIOD_MS;
	cagma_meminfo_tell(&meminfo->link, used_pages);
	return &meminfo->link;
}

void cagma_meminfo_tell(struct cagma_link *link, uint64_t used_pages)
{
	struct cagma_meminfo *meminfo = meminfo_of(link);

	atomic_store(&meminfo->used_pages, used_pages);
	atomic_fetch_add(&meminfo->polls, 1);
}

void cagma_meminfo_end(struct cagma_link *link, enum cagma_lie lie)
{
	atomic_store(&meminfo_of(link)->ended, (int)lie);
}
