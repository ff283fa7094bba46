// SPDX-License-Identifier: GPL-2.0-only
#include "actuate.h"
#include "guest.h"
#include "offset.h"
#include "units.h"

/* What Xen and a device model add themselves, and what that changes by. */
#define EXTRA_PAGES	((int64_t)cagma_mib_to_pages(16))
/* A shim takes a sixteenth of its guest, and rounds up. */
#define SHARE		8
#define SHARE_MAX_PAGES	cagma_mib_to_pages(512)
/* At rest: the facts may be of before the sample. */
#define STEADY_PAGES	((int64_t)cagma_mib_to_pages(1))
#define STEADY_NS	(200 * CAGMA_NS_PER_MS)
#define ODD_NS		(2 * CAGMA_NS_PER_S)

/* The most that can be believed of this guest. */
static int64_t most(const struct cagma_guest *guest)
{
	uint64_t alloc = guest->facts.alloc_pages;
	uint64_t video = cagma_min(guest->offset.videoram_pages, alloc);

	return cagma_max(EXTRA_PAGES + (int64_t)video,
			 (int64_t)cagma_min(alloc / SHARE, SHARE_MAX_PAGES));
}

/* What the limit leaves room for, if that is possible. */
static int64_t presumed(const struct cagma_guest *guest)
{
	int64_t video = (int64_t)guest->offset.videoram_pages;
	int64_t room = (int64_t)guest->facts.limit_pages -
		       (int64_t)cagma_limit_for(guest, guest->target_pages);

	return room > video && room <= most(guest) ? room : video;
}

void cagma_offset_begin(struct cagma_guest *guest)
{
	struct cagma_offset *offset = &guest->offset;

	if (!guest->present)
		return;
	if (!offset->begun) {
		offset->begun = true;
		offset->base_pages = presumed(guest);
		offset->first_target_pages = guest->target_pages;
	}
	guest->offset_pages = offset->base_pages;
}

static bool is_at_rest(const struct cagma_guest *guest)
{
	const struct cagma_sample *last = &guest->track.last;

	return last->balloon_pages == last->balloon_target_pages &&
	       last->balloon_pages == guest->target_pages;
}

/* Since when it has been at rest with about that offset. */
static uint64_t rests_since(struct cagma_offset *offset, int64_t pages,
			    uint64_t now_ns)
{
	int64_t moved = pages - offset->seen_pages;

	if (!offset->seen_ns || moved > STEADY_PAGES || moved < -STEADY_PAGES) {
		offset->seen_ns = now_ns;
		offset->seen_pages = pages;
	}
	return offset->seen_ns;
}

static bool is_explained(const struct cagma_guest *guest, int64_t pages)
{
	const struct cagma_offset *offset = &guest->offset;

	if (offset->known)
		return pages >= offset->base_pages - EXTRA_PAGES &&
		       pages <= offset->base_pages + EXTRA_PAGES;
	return pages >= -EXTRA_PAGES && pages <= most(guest);
}

static void learn(struct cagma_guest *guest, int64_t pages)
{
	struct cagma_offset *offset = &guest->offset;

	guest->offset_pages = pages;
	if (!offset->known)
		offset->base_pages = pages;
	offset->known = true;
}

bool cagma_offset_look(struct cagma_guest *guest, uint64_t now_ns)
{
	struct cagma_offset *offset = &guest->offset;
	int64_t pages = (int64_t)guest->facts.alloc_pages -
			(int64_t)guest->target_pages;
	bool was = offset->unexplained;
	uint64_t rested_ns;

	if (!offset->begun)
		cagma_offset_begin(guest);
	/* Who was asked to give may say that it has given. */
	offset->known |= guest->target_pages < offset->first_target_pages;
	if (!is_at_rest(guest)) {
		offset->seen_ns = 0;
		return false;
	}
	rested_ns = now_ns - rests_since(offset, pages, now_ns);
	if (is_explained(guest, pages)) {
		offset->unexplained = false;
		if (rested_ns >= STEADY_NS)
			learn(guest, pages);
	} else if (rested_ns >= ODD_NS) {
		offset->unexplained = true;
		offset->unexplained_pages = pages;
	}
	return offset->unexplained != was;
}
