// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page, its grant, its event channel, and the xenstore node that offers
 * them to dom0. The life cycle is described in shared/page.h.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/module.h>
#include <linux/random.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <xen/page.h>
#include <xen/xenbus.h>

#include <asm/xen/hypercall.h>

#include "cagma.h"
#include "compat.h"
#include "mail.h"

#define DOM0	0

static int channel_open(struct cagma_link *link)
{
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF,
		.remote_dom = DOM0,
	};
	struct evtchn_close close;
	int err, irq;

	err = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
	if (err)
		return err;
	irq = bind_evtchn_to_irqhandler_lateeoi(alloc.port, cagma_mail_on_event,
						0, "cagma", &cagma);
	if (irq < 0) {
		close.port = alloc.port;
		HYPERVISOR_event_channel_op(EVTCHNOP_close, &close);
		return irq;
	}
	link->port = alloc.port;
	link->irq = irq;
	return 0;
}

/* Nothing but this page may be in the frame that dom0 can see. */
static int page_grant(struct cagma_link *link)
{
	int gref;

	link->page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!link->page)
		return -ENOMEM;
	gref = gnttab_grant_foreign_access(DOM0, virt_to_gfn(link->page), 0);
	if (gref < 0) {
		free_page((unsigned long)link->page);
		return gref;
	}
	link->gref = gref;
	return 0;
}

/* dom0 may still map the page: Linux keeps it until it doesn't. */
static void page_revoke(const struct cagma_link *link)
{
	cagma_grant_end(link->gref, link->page);
}

static int link_open(struct cagma_link *link)
{
	int err = page_grant(link);

	if (err)
		return err;
	err = channel_open(link);
	if (err)
		page_revoke(link);
	return err;
}

/* Xen may have forgotten grant and channel: nothing here depends on them. */
static void link_close(const struct cagma_link *link)
{
	cagma_header_close(link->page);
	notify_remote_via_irq(link->irq);
	unbind_from_irqhandler(link->irq, &cagma);
	page_revoke(link);
}

int cagma_offer_init(void)
{
	return link_open(&cagma.link);
}

/* Nothing raises after this: a write to a parameter may be under way. */
static void detach_for_good(void)
{
	unsigned long flags;

	kernel_param_lock(THIS_MODULE);
	raw_spin_lock_irqsave(&cagma.lock, flags);
	cagma_mail_detach();
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
	kernel_param_unlock(THIS_MODULE);
}

void cagma_offer_exit(void)
{
	detach_for_good();
	link_close(&cagma.link);
}

/*
 * The guest has been suspended. In another domain the grant and the channel are
 * void, and the page says what another host's dom0 wrote; if the suspend was
 * cancelled dom0 still has both, which does no harm. Does not sleep.
 */
void cagma_offer_lose(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	cagma.link_lost = true;
	cagma_mail_detach();
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
}

/*
 * Replaces a lost link. There is always one: if no other can be had, the lost one
 * is kept, on offer to nobody, and the sampler tries again.
 */
int cagma_offer_reopen(void)
{
	struct cagma_link old, new;
	unsigned long flags;
	int err = link_open(&new);

	if (err)
		return err;
	raw_spin_lock_irqsave(&cagma.lock, flags);
	old = cagma.link;
	cagma.link = new;
	cagma.link_lost = false;
	cagma_mail_detach();
	cagma.head = 0;
	cagma.mail_seq = 0;
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
	link_close(&old);
	return 0;
}

/* Caller holds cagma.lock. */
static void write_header(void)
{
	const struct cagma_header header = {
		.magic = CAGMA_PAGE_MAGIC,
		.version = CAGMA_PAGE_VERSION,
		.slot_count = CAGMA_SLOT_COUNT,
		.slot_bytes = CAGMA_SLOT_BYTES,
		.features = CAGMA_FEATURE_HOOKS,
		.epoch = cagma.epoch,
		.period_ms = READ_ONCE(cagma_period_ms),
	};

	cagma_header_offer(cagma.link.page, &header);
}

/* Whoever had the page mapped may have left garbage in it for the next. */
void cagma_offer_repair(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	if (cagma.offered && !cagma.attached)
		write_header();
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
}

/*
 * Offers the page under a new epoch; may be repeated. Sleeps in xenbus, from
 * the sampler only. An error leaves no offer and the sampler tries again.
 */
int cagma_offer_publish(void)
{
	unsigned long flags;
	int err;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	do {
		cagma.epoch = get_random_u64();
	} while (!cagma.epoch);
	write_header();
	cagma.offered = true;
	raw_spin_unlock_irqrestore(&cagma.lock, flags);

	err = xenbus_printf(XBT_NIL, "data", "cagma/offer", "%u %u %u %llu",
			    CAGMA_PAGE_VERSION, cagma.link.gref, cagma.link.port,
			    cagma.epoch);
	if (err)
		cagma.offered = false;
	return err;
}

void cagma_offer_withdraw(void)
{
	xenbus_rm(XBT_NIL, "data/cagma", "offer");
}
