// SPDX-License-Identifier: GPL-2.0-only
#include "actuate.h"
#include "foreign.h"
#include "guest.h"
#include "units.h"

/* A mirror that was late passes in this time. */
#define LASTS_NS	CAGMA_NS_PER_S
/* Whoever set it may want to see it work. */
#define ALONE_NS	(10 * CAGMA_NS_PER_S)
/* By its word alone a guest is held so long, and so often. */
#define HOLD_NS		(2 * CAGMA_NS_PER_S)
#define HOLD_EVERY_NS	(10 * CAGMA_NS_PER_S)
/*
 * xenstore is asked again after that, doubling while it denies what the guest
 * says.
 */
#define ASK_MIN_NS	CAGMA_NS_PER_S
#define ASK_MAX_NS	(64 * CAGMA_NS_PER_S)

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

	if (!guest->adopted || aim == guest->target_pages || aim < least ||
	    aim > most(guest))
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
	const struct cagma_foreign *f = &guest->foreign;

	return now_ns < f->until_ns ||
	       (f->since_ns && f->held && now_ns - f->since_ns < HOLD_NS);
}

static void begin(struct cagma_foreign *f, uint64_t now_ns)
{
	f->since_ns = now_ns;
	f->held = now_ns >= f->hold_ns;
	if (f->held)
		f->hold_ns = now_ns + HOLD_EVERY_NS;
}

/* What was our target in between says nothing of somebody else's. */
static bool is_asked(const struct cagma_guest *guest)
{
	return guest->foreign.asked &&
	       guest->foreign.asked_pages == guest->target_pages;
}

/* True if xenstore was asked and has told. */
static bool has_told(struct cagma_actuator *actuator, struct cagma_guest *guest,
		     uint64_t now_ns, uint64_t *pages)
{
	struct cagma_foreign *f = &guest->foreign;

	if (!is_asked(guest) && now_ns >= f->ask_ns) {
		f->asked = true;
		f->asked_pages = guest->target_pages;
		cagma_actuate_ask(actuator, guest);
	}
	if (!is_asked(guest) ||
	    atomic_load(&guest->told_seq) != atomic_load(&guest->ask_seq))
		return false;
	*pages = atomic_load(&guest->told_pages);
	f->asked = false;
	return true;
}

static void ask_later(struct cagma_foreign *f, bool denied, uint64_t now_ns)
{
	if (denied)
		f->wait_ns = cagma_clamp(2 * f->wait_ns, ASK_MIN_NS,
					 ASK_MAX_NS);
	f->ask_ns = now_ns + cagma_max(f->wait_ns, ASK_MIN_NS);
}

bool cagma_foreign_look(struct cagma_actuator *actuator,
			struct cagma_guest *guest, uint64_t now_ns)
{
	uint64_t aim = guest->track.last.balloon_target_pages, told;
	struct cagma_foreign *f = &guest->foreign;

	if (!is_foreign(guest)) {
		f->since_ns = 0;
		f->asked = false;
		return false;
	}
	if (!f->since_ns)
		begin(f, now_ns);
	if (now_ns - f->since_ns < LASTS_NS ||
	    !has_told(actuator, guest, now_ns, &told))
		return false;
	if (told != aim) {
		ask_later(f, told != CAGMA_TOLD_UNKNOWN, now_ns);
		return false;
	}
	*f = (struct cagma_foreign){ .until_ns = now_ns + ALONE_NS };
	guest->target_pages = aim;
	return true;
}
