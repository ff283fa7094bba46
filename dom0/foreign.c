// SPDX-License-Identifier: GPL-2.0-only
#include "actuate.h"
#include "foreign.h"
#include "guest.h"
#include "units.h"

/* A mirror that was late passes in this time. */
#define LASTS_NS	CAGMA_NS_PER_S
/* Whoever set it may want to see it work. */
#define ALONE_NS	(10 * CAGMA_NS_PER_S)

/* What the guest may aim at without a promise that was not made yet. */
static uint64_t most(const struct cagma_guest *guest)
{
	return cagma_min(guest->facts.limit_pages,
			 cagma_max(guest->max_pages, guest->target_pages));
}

bool cagma_foreign_begin(struct cagma_guest *guest,
			 const struct cagma_sample *sample)
{
	uint64_t least = cagma_min(guest->min_pages, guest->target_pages);
	uint64_t aim = sample->balloon_target_pages;

	if (aim == guest->target_pages || aim < least || aim > most(guest))
		return false;
	guest->target_pages = aim;
	return true;
}

void cagma_foreign_note_limit(struct cagma_guest *guest, uint64_t now_ns)
{
	if (guest->own_limit_pages &&
	    guest->own_limit_pages != guest->facts.limit_pages)
		guest->limit_moved_ns = now_ns;
	guest->own_limit_pages = guest->facts.limit_pages;
}

bool cagma_foreign_is_limit_new(const struct cagma_guest *guest,
				uint64_t now_ns)
{
	return guest->limit_moved_ns &&
	       now_ns - guest->limit_moved_ns < 2 * LASTS_NS;
}

static bool is_foreign(const struct cagma_guest *guest)
{
	const struct cagma_sample *last = &guest->track.last;
	uint64_t aim = last->balloon_target_pages;

	return guest->track.any &&
	       last->mail_seq == guest->source->mail_seq &&
	       !(last->flags & CAGMA_SAMPLE_CLAMPED) &&
	       aim != guest->target_pages && aim >= guest->min_pages &&
	       aim <= most(guest);
}

bool cagma_foreign_is_likely(const struct cagma_guest *guest, uint64_t now_ns)
{
	return guest->foreign_since_ns || now_ns < guest->foreign_until_ns;
}

bool cagma_foreign_look(struct cagma_guest *guest, uint64_t now_ns)
{
	if (!is_foreign(guest)) {
		guest->foreign_since_ns = 0;
		return false;
	}
	if (!guest->foreign_since_ns)
		guest->foreign_since_ns = now_ns;
	if (now_ns - guest->foreign_since_ns < LASTS_NS)
		return false;
	guest->foreign_since_ns = 0;
	guest->foreign_until_ns = now_ns + ALONE_NS;
	guest->target_pages = guest->track.last.balloon_target_pages;
	return true;
}
