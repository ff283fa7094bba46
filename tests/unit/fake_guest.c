// SPDX-License-Identifier: GPL-2.0-only
/* The guest's end of the protocol, as kmod/ speaks it. */
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "fake_xen.h"
#include "sync.h"
#include "units.h"

#define PERIOD_MS	100
#define SWAP_PAGES	cagma_mib_to_pages(1024)

static uint64_t balloon_pages(const struct fake_guest *guest)
{
	return cagma_less(guest->alloc_pages, guest->offset_pages);
}

static uint64_t incoming_pages(const struct fake_guest *guest)
{
	return cagma_less(guest->balloon_target_pages, balloon_pages(guest));
}

uint64_t fake_guest_available(const struct fake_guest *guest)
{
	return cagma_less(balloon_pages(guest), guest->used_pages);
}

static void swap(struct fake_guest *guest)
{
	uint64_t out = cagma_less(guest->used_pages, balloon_pages(guest));

	guest->swap_out_pages += cagma_less(out, guest->swapped_pages);
	guest->swap_in_pages += cagma_less(guest->swapped_pages, out);
	guest->swapped_pages = out;
}

void fake_guest_publish(struct fake_guest *guest, enum cagma_reason reason)
{
	const struct cagma_sample sample = {
		.reason = reason,
		.event = guest->event_open ? guest->event : 0,
		.mail_seq = guest->mail_seq,
		.reaction_event = guest->reaction_event,
		.reaction_ns = guest->reaction_ns,
		.time_ns = cagma_now_ns(),
		.total_pages = balloon_pages(guest),
		.free_pages = fake_guest_available(guest),
		.available_pages = fake_guest_available(guest),
		.swap_free_pages = cagma_less(SWAP_PAGES, guest->swapped_pages),
		.swap_in_pages = guest->swap_in_pages,
		.swap_out_pages = guest->swap_out_pages,
		.balloon_pages = balloon_pages(guest),
		.balloon_target_pages = guest->balloon_target_pages,
		.offset_pages = guest->offset_pages,
		.task_pages = guest->event_open ? guest->task_pages : 0,
	};

	cagma_sample_write(guest->page, guest->head++, &sample);
}

void fake_guest_kick(struct fake_guest *guest)
{
	guest->kicks++;
	if (guest->channel)
		fake_channel_signal(guest->channel);
}

static void report_shortage(struct fake_guest *guest)
{
	if (!guest->attached || fake_guest_available(guest) +
	    incoming_pages(guest) >= guest->threshold_pages)
		return;
	if (!guest->event_open) {
		guest->event++;
		guest->event_open = true;
		guest->raised_ns = cagma_now_ns();
	}
	fake_guest_publish(guest, CAGMA_REASON_SAMPLER);
	if (cagma_kick_wanted(guest->page))
		fake_guest_kick(guest);
}

static void close_event(struct fake_guest *guest,
			const struct cagma_mail *mail)
{
	if (!guest->event_open || mail->answered_event != guest->event)
		return;
	guest->event_open = false;
	if (mail->flags & CAGMA_MAIL_DENIED) {
		guest->denials++;
		return;
	}
	guest->reaction_event = guest->event;
	guest->reaction_ns = cagma_now_ns() - guest->raised_ns;
}

static void read_mail(struct fake_guest *guest)
{
	struct cagma_mail mail;
	uint32_t seq;

	if (cagma_mail_read(guest->page, &seq, &mail) || !seq ||
	    seq == guest->mail_seq || mail.epoch != guest->epoch ||
	    (mail.flags & ~CAGMA_MAIL_FLAGS_KNOWN))
		return;
	guest->mail_seq = seq;
	guest->attached = true;
	guest->threshold_pages = mail.threshold_pages;
	guest->balloon_target_pages = cagma_min(mail.target_pages,
						guest->static_max_pages);
	close_event(guest, &mail);
	fake_guest_publish(guest, CAGMA_REASON_APPLIED);
}

void fake_guest_event(struct fake_guest *guest)
{
	if (guest->gone || guest->paused || guest->deaf)
		return;
	if (guest->offered && cagma_dom0_is_alive(guest->page)) {
		read_mail(guest);
	} else if (guest->attached) {
		guest->attached = false;
		guest->event_open = false;
		guest->offered = false;
	}
}

/* Xen gives what is free, up to the limit; the balloon then tries later. */
static void balloon(struct fake_guest *guest)
{
	uint64_t goal = guest->balloon_target_pages + guest->offset_pages;
	uint64_t up = cagma_min(cagma_less(goal, guest->alloc_pages),
				cagma_less(guest->limit_pages,
					   guest->alloc_pages));
	uint64_t down = cagma_less(guest->alloc_pages, goal);

	up = cagma_min(up, fake_free_pages());
	guest->alloc_pages += cagma_min(up, guest->balloon_rate_pages);
	guest->alloc_pages -= cagma_min(down, guest->balloon_rate_pages);
}

static void offer(struct fake_guest *guest)
{
	char text[64];
	int length;

	guest->offered = true;
	guest->epoch++;
	cagma_header_offer(guest->page, &(struct cagma_header){
		.magic = CAGMA_PAGE_MAGIC,
		.version = CAGMA_PAGE_VERSION,
		.slot_count = CAGMA_SLOT_COUNT,
		.slot_bytes = CAGMA_SLOT_BYTES,
		.epoch = guest->epoch,
		.period_ms = PERIOD_MS,
	});
	length = snprintf(text, sizeof(text), "%u %u %u %llu",
			  CAGMA_PAGE_VERSION, guest->gref, guest->port,
			  (unsigned long long)guest->epoch);
	fake_node_set(guest, "data/cagma/offer", text, (size_t)length);
}

void fake_guest_step(struct fake_guest *guest)
{
	if (guest->gone || guest->paused)
		return;
	if (!guest->offered)
		offer(guest);
	fake_guest_event(guest);
	balloon(guest);
	swap(guest);
	if (guest->mute)
		return;
	fake_guest_publish(guest, CAGMA_REASON_PERIODIC);
	report_shortage(guest);
}

void fake_guest_close(struct fake_guest *guest)
{
	fake_node_remove(guest, "data/cagma/offer");
	cagma_header_close(guest->page);
	guest->attached = false;
	guest->mute = true;
	guest->deaf = true;
	fake_guest_kick(guest);
}
