// SPDX-License-Identifier: GPL-2.0-only
/* The guest's end of the protocol, as kmod/ speaks it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "fake_xen.h"
#include "sync.h"
#include "units.h"

#define PERIOD_MS	100

static bool is_up(const struct fake_guest *guest)
{
	return !guest->gone && !guest->paused && !guest->zombie &&
	       !guest->shut_down;
}

static uint64_t balloon_pages(const struct fake_guest *guest)
{
	return cagma_less(guest->alloc_pages, guest->offset_pages);
}

static uint64_t incoming_pages(const struct fake_guest *guest)
{
	return cagma_less(guest->balloon_target_pages, balloon_pages(guest));
}

static uint64_t resident_pages(const struct fake_guest *guest)
{
	return cagma_less(guest->used_pages, guest->swapped_pages);
}

uint64_t fake_guest_available(const struct fake_guest *guest)
{
	return cagma_less(balloon_pages(guest), resident_pages(guest));
}

struct cagma_sample fake_guest_look(const struct fake_guest *guest,
				    enum cagma_reason reason)
{
	uint64_t available = cagma_less(fake_guest_available(guest),
					guest->hidden_pages);
	struct cagma_sample sample = {
		.reason = reason,
		.event = guest->event_open ? guest->event : 0,
		.mail_seq = guest->mail_seq,
		.reaction_event = guest->reaction_event,
		.reaction_ns = guest->reaction_ns,
		.time_ns = cagma_now_ns(),
		.total_pages = balloon_pages(guest),
		.free_pages = available,
		.available_pages = available,
		.swap_in_pages = guest->swap_in_pages,
		.swap_out_pages = guest->swap_out_pages,
		.balloon_pages = balloon_pages(guest),
		.balloon_target_pages = guest->balloon_target_pages,
		.offset_pages = guest->offset_pages,
		.task_pages = guest->event_open ? guest->task_pages : 0,
	};

	fake_programs_tell(guest, !guest->old, &sample);
	return sample;
}

void fake_guest_publish(struct fake_guest *guest, enum cagma_reason reason)
{
	struct cagma_sample sample = fake_guest_look(guest, reason);

	if (guest->contradicts)
		sample.free_pages = sample.total_pages + 1;
	if (guest->boasts)
		sample.balloon_pages = guest->balloon_target_pages;
	cagma_sample_write(guest->page, guest->head++, &sample);
}

void fake_guest_kick(struct fake_guest *guest)
{
	guest->kicks++;
	if (guest->channel)
		fake_channel_signal(guest->channel);
}

void fake_guest_watch(struct fake_guest *guest, uint64_t least_pages)
{
	uint64_t available = cagma_less(fake_guest_available(guest),
					guest->hidden_pages);

	if (!guest->attached || guest->mute ||
	    available + incoming_pages(guest) >= least_pages)
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

static uint64_t pages_of_node(const struct fake_guest *guest, const char *name)
{
	return cagma_kib_to_pages(strtoull(fake_node_get(guest, name), NULL,
					   10));
}

/* What it was booted with, or what can be plugged in later. */
static uint64_t most_pages(const struct fake_guest *guest)
{
	return cagma_max(guest->static_max_pages,
			 pages_of_node(guest, "memory/hotplug-max"));
}

void fake_guest_aim(struct fake_guest *guest, uint64_t target_pages)
{
	target_pages = cagma_min(target_pages, most_pages(guest));
	if (target_pages != guest->balloon_target_pages) {
		guest->balloon_failures = 0;
		guest->balloon_retry_ns = 0;
	}
	guest->balloon_target_pages = target_pages;
}

/* The stock driver's watch on memory/target; it knows nothing of a limit. */
void fake_guest_target_changed(struct fake_guest *guest)
{
	if (is_up(guest))
		fake_guest_aim(guest, pages_of_node(guest, "memory/target"));
}

void fake_guest_mem_set(struct fake_guest *guest, uint64_t pages)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%llu",
			      (unsigned long long)cagma_pages_to_kib(pages));

	fake_node_set(guest, "memory/target", text, (size_t)length);
	guest->limit_pages = pages + guest->offset_pages +
			     cagma_mib_to_pages(1);
	fake_guest_target_changed(guest);
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
	fake_guest_aim(guest, mail.target_pages);
	close_event(guest, &mail);
	if (!guest->mute)
		fake_guest_publish(guest, CAGMA_REASON_APPLIED);
}

void fake_guest_event(struct fake_guest *guest)
{
	if (!is_up(guest) || guest->deaf)
		return;
	if (guest->offered && cagma_dom0_is_alive(guest->page)) {
		read_mail(guest);
	} else if (guest->attached) {
		guest->attached = false;
		guest->event_open = false;
		guest->offered = false;
	}
}

/* Linux's balloon: after 2 s, 4, 8 and 16; then in an hour. */
static void back_off(struct fake_guest *guest)
{
	unsigned int failures = ++guest->balloon_failures;

	guest->balloon_retry_ns = cagma_now_ns() + CAGMA_NS_PER_S *
				  (failures > 4 ? 3600 : 1u << failures);
}

static void inflate(struct fake_guest *guest, uint64_t pages)
{
	uint64_t possible = cagma_min(cagma_less(guest->limit_pages,
						 guest->alloc_pages),
				      cagma_less(fake_free_pages(),
						 fake_claimed_pages()));

	if (cagma_now_ns() < guest->balloon_retry_ns)
		return;
	guest->alloc_pages += cagma_min(pages, possible);
	if (possible < pages)
		back_off(guest);
	else
		guest->balloon_failures = 0;
}

/* What programs use must have gone to swap before it can be given back. */
static void deflate(struct fake_guest *guest, uint64_t pages)
{
	uint64_t possible = fake_guest_available(guest) +
			    fake_programs_swappable(guest);

	guest->alloc_pages -= cagma_min(pages, possible);
}

void fake_guest_balloon(struct fake_guest *guest)
{
	uint64_t goal = guest->balloon_target_pages + guest->offset_pages;
	uint64_t up = cagma_less(goal, guest->alloc_pages);
	uint64_t down = cagma_less(guest->alloc_pages, goal);

	if (up)
		inflate(guest, cagma_min(up, guest->balloon_rate_pages));
	else if (down)
		deflate(guest, cagma_min(down, guest->balloon_rate_pages));
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

void fake_guest_live(struct fake_guest *guest)
{
	if (!is_up(guest))
		return;
	if (!guest->offered && !guest->no_module)
		offer(guest);
	fake_guest_event(guest);
	fake_programs_live(guest);
}

void fake_guest_sample(struct fake_guest *guest)
{
	if (!is_up(guest) || guest->mute || guest->no_module)
		return;
	fake_guest_publish(guest, CAGMA_REASON_PERIODIC);
	fake_guest_watch(guest, guest->threshold_pages);
}

void fake_guest_step(struct fake_guest *guest)
{
	fake_guest_live(guest);
	fake_guest_sample(guest);
	if (guest->agent && is_up(guest))
		fake_agent_step(guest);
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
