// SPDX-License-Identifier: GPL-2.0-only
/*
 * What dom0 has sent is received here: a mail is found, judged, applied and answered
 * with a sample. Called from the sampler and from the event handler.
 */
#include <linux/ktime.h>
#include <xen/events.h>

#include "cagma.h"
#include "mail.h"

/* An emergency is closed by its answer. Caller holds cagma.lock. */
static void close_event(const struct cagma_mail *mail)
{
	if (!cagma.event_open || mail->answered_event != cagma.event)
		return;
	cagma.event_open = false;
	if (mail->flags & CAGMA_MAIL_DENIED) {
		WRITE_ONCE(cagma.denied_event, cagma.event);
		return;
	}
	cagma.reaction_event = cagma.event;
	cagma.reaction_ns = ktime_get_mono_fast_ns() - cagma.raised_ns;
}

/* Caller holds cagma.lock. */
static void accept(const struct cagma_mail *mail)
{
	if (mail->flags & ~CAGMA_MAIL_FLAGS_KNOWN) {
		cagma.sample_flags |= CAGMA_SAMPLE_REFUSED;
		cagma_stats.refused++;
		cagma_publish_locked(CAGMA_REASON_PERIODIC);
		return;
	}
	cagma.sample_flags &= ~CAGMA_SAMPLE_REFUSED;
	WRITE_ONCE(cagma.threshold_pages, mail->threshold_pages);
	if (!cagma.attached)
		cagma_stats.attachments++;
	WRITE_ONCE(cagma.attached, true);
	cagma_balloon_set_target(mail->target_pages);
	close_event(mail);
	cagma_stats.applied++;
	cagma_publish_locked(CAGMA_REASON_APPLIED);
}

/*
 * Caller holds cagma.lock, and dom0 was alive a moment ago. It must still be
 * so after the mail was read: the daemon may have died in between, and the
 * mail be that of its successor, which has not announced itself yet. Returns
 * whether a new mail was accepted.
 */
static bool fetch(void)
{
	struct cagma_mail mail;
	u32 seq;

	if (cagma_mail_read(cagma.link.page, &seq, &mail) || !seq ||
	    seq == cagma.mail_seq || mail.epoch != cagma.epoch ||
	    !cagma_dom0_is_alive(cagma.link.page))
		return false;
	cagma.mail_seq = seq;
	accept(&mail);
	return true;
}

void cagma_mail_detach(void)
{
	WRITE_ONCE(cagma.attached, false);
	cagma.event_open = false;
	cagma.offered = false;
}

/*
 * Looks for a mail that was not seen yet and applies it. A mail that is being
 * written is left for the event that follows it, or for the sampler. Returns
 * whether there was anything new.
 */
bool cagma_mail_poll(void)
{
	unsigned long flags;
	bool news = false;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	if (cagma.offered && cagma_dom0_is_alive(cagma.link.page)) {
		news = fetch();
	} else if (cagma.attached) {
		cagma_mail_detach();
		news = true;
	}
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
	return news;
}

/* An event without news is spurious: Xen's back-off then bounds a storm. */
irqreturn_t cagma_mail_on_event(int irq, void *data)
{
	bool news = cagma_mail_poll();

	xen_irq_lateeoi(irq, news ? 0 : XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}
