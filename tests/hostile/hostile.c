// SPDX-License-Identifier: GPL-2.0-only
/*
 * hostile.ko: a guest's end of the shared page that attacks dom0. For tests.
 *
 *   echo CASE >/sys/module/hostile/parameters/play
 *
 * ends the case before and plays CASE, which is one of attacks[] below;
 * "offer TEXT", an offer of one's own wording; "abandon", an honest page after
 * the one before was left without a word; "nodes" and "grants", which take all
 * of these that there are; or "none".
 * Each case has a page, grant, channel and epoch of its own. A prepared page
 * is offered once; a live attack then repeats its step until the next case.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/interrupt.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/sizes.h>
#include <linux/swap.h>
#include <xen/balloon.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <xen/page.h>
#include <xen/xenbus.h>

#include <asm/xen/hypercall.h>

#include "compat.h"
#include "sync.h"

#define DOM0		0
#define PERIOD_US	(50 * USEC_PER_MSEC)

struct attack {
	const char *name;
	/* Spoils what is about to be offered. */
	void (*prepare)(void);
	/* One step of a live attack, after the offer; NULL: publish samples. */
	void (*step)(void);
	unsigned int pause_us;		/* between steps; 0: as fast as it can */
};

static DEFINE_MUTEX(playing);
static struct cagma_page *page;
static struct cagma_header header;
static struct cagma_sample sample;
static u32 gref, port, offered_gref, offered_port;
static bool granted;
static int irq;
static u32 head;
static u64 offered_epoch;
static struct task_struct *player;
static const struct attack *attack;
static unsigned long steps;

module_param(steps, ulong, 0444);
MODULE_PARM_DESC(steps, "read-only: steps of the live attack");

/* ---- honest parts ---- */

static void fill_sample(void)
{
	memset(&sample, 0, sizeof(sample));
	sample.time_ns = ktime_get_mono_fast_ns();
	sample.total_pages = totalram_pages();
	sample.free_pages = global_zone_page_state(NR_FREE_PAGES);
	sample.available_pages = max(si_mem_available(), 0L);
	sample.balloon_pages = balloon_stats.current_pages;
	sample.balloon_target_pages = balloon_stats.target_pages;
}

static void publish(void)
{
	cagma_sample_write(page, head++, &sample);
}

static void kick(void)
{
	notify_remote_via_irq(irq);
}

static void step_honest(void)
{
	fill_sample();
	publish();
}

/* ---- what is offered ---- */

static void bad_magic(void)	{ header.magic = 0; }
static void bad_version(void)	{ header.version = CAGMA_PAGE_VERSION + 1; }
static void old_version(void)	{ header.version = CAGMA_PAGE_VERSION - 1; }
static void many_slots(void)	{ header.slot_count = 0xffff; }
static void no_slots(void)	{ header.slot_count = 0; }
static void odd_slots(void)	{ header.slot_bytes = 191; }
static void huge_slots(void)	{ header.slot_bytes = 0xffffffc0; }
static void bad_epoch(void)	{ offered_epoch++; }
static void port_0(void)	{ offered_port = 0; }
static void port_huge(void)	{ offered_port = 0xffffffff; }
static void port_unused(void)	{ offered_port = port + 100; }
static void gref_huge(void)	{ offered_gref = 0xffffffff; }
/* 0 to 7 are reserved for consoles and the store. */
static void gref_reserved(void)	{ offered_gref = 7; }
static void gref_unused(void)	{ offered_gref = gref + 200; }

static void revoked(void)
{
	gnttab_end_foreign_access_ref(gref);
	gnttab_free_grant_reference(gref);
	granted = false;
}

static void read_only(void)
{
	int other;

	revoked();
	other = gnttab_grant_foreign_access(DOM0, virt_to_gfn(page), 1);
	if (other < 0)
		return;
	gref = offered_gref = other;
	granted = true;
}

/* ---- what is done to a page that is attached ---- */

/* Samples are under way for ever; with a kick, so that dom0 looks. */
static void step_odd(void)
{
	WRITE_ONCE(page->slot[head % CAGMA_SLOT_COUNT].seq, 2 * head + 1);
	WRITE_ONCE(page->publication.head, ++head);
	kick();
}

static void step_race(void)
{
	static u32 seq;

	WRITE_ONCE(page->slot[seq % CAGMA_SLOT_COUNT].seq, seq);
	WRITE_ONCE(page->publication.head, head += !(++seq % 64));
}

static void step_ones(void)
{
	memset(&sample, 0xff, sizeof(sample));
	sample.event = 0;
	publish();
}

static void step_backwards(void)
{
	static u64 down;

	fill_sample();
	down -= 1000;
	sample.swap_in_pages = sample.swap_out_pages = down;
	sample.refault_pages = sample.direct_stalls = down;
	publish();
}

static void step_jump(void)
{
	WRITE_ONCE(page->publication.head, head += 1 << 20);
	kick();
}

static void step_head_back(void)
{
	step_honest();
	if (head > 40)
		WRITE_ONCE(page->publication.head, head -= 30);
}

static void step_scribble(void)
{
	u32 *word = (u32 *)page;

	for (int i = 0; i < 64; i++)
		WRITE_ONCE(word[get_random_u32() % (PAGE_SIZE / 4)],
			   get_random_u32());
}

static void step_mailbox(void)
{
	memset(&page->mailbox, get_random_u32(), sizeof(page->mailbox));
	memset(&page->doorbell, get_random_u32(), sizeof(page->doorbell));
	step_honest();
}

static void step_unknown(void)
{
	fill_sample();
	sample.reason = get_random_u32();
	sample.flags = sample.least_pages = get_random_u32();
	sample.swap_total_pages = sample.mail_seq = get_random_u32();
	publish();
}

static void step_full_ring(void)
{
	for (int i = 0; i < CAGMA_SLOT_COUNT; i++)
		step_honest();
}

static void step_storm(void)
{
	kick();
	if (!(steps % 4096))
		step_honest();
}

/* The same without kicks: what a busy guest costs anyway. */
static void step_busy(void)
{
	for (int i = 0; i < 100; i++)
		barrier();
	if (!(steps % 4096))
		step_honest();
}

/* An emergency after the other, each with all signs of distress. */
static void step_distress(void)
{
	static u64 swapped;

	fill_sample();
	swapped += 5000;
	sample.reason = CAGMA_REASON_SWAP;
	sample.event = head + 1;
	sample.free_pages = sample.available_pages = 0;
	sample.swap_in_pages = sample.swap_out_pages = swapped;
	sample.task_pages = 1 << 20;
	publish();
	kick();
}

static void step_idle(void)
{
	fill_sample();
	sample.available_pages = sample.total_pages;
	publish();
}

/* It says that it uses nothing, and aims at more than it has instead of at less. */
static void step_stubborn(void)
{
	if (steps % 32 == 0)
		step_idle();
	balloon_set_new_target(balloon_stats.current_pages + SZ_16M / PAGE_SIZE);
}

/*
 * The grant ends while dom0 has the page mapped, and nobody writes any more.
 * Linux frees the page when dom0 has unmapped it.
 */
static void step_revoke(void)
{
	if (steps == 40) {
		cagma_grant_end(gref, page);
		granted = false;
		page = NULL;
	}
	if (steps < 40)
		step_honest();
}

/* What it offers changes all the time, and is never any good. */
static void step_flood(void)
{
	xenbus_printf(XBT_NIL, "data", "cagma/offer", "%u %u %u %lu",
		      CAGMA_PAGE_VERSION, offered_gref, offered_port, steps);
	if (steps % 16 == 0)
		xenbus_rm(XBT_NIL, "data", "cagma/offer");
}

static void step_empty(void)
{
	WRITE_ONCE(page->publication.head, ++head);
	kick();
}

static void step_time(void)
{
	fill_sample();
	sample.time_ns = steps % 2 ? U64_MAX : 0;
	sample.reaction_ns = U64_MAX;
	sample.reaction_event = steps;
	publish();
}

static void step_close(void)
{
	WRITE_ONCE(page->publication.state, steps % 2 ? CAGMA_STATE_LIVE :
							CAGMA_STATE_CLOSING);
	step_honest();
}

static const struct attack attacks[] = {
	{ "honest", NULL, step_honest, PERIOD_US },
	{ "magic", bad_magic },
	{ "new-version", bad_version },
	{ "old-version", old_version },
	{ "many-slots", many_slots },
	{ "no-slots", no_slots },
	{ "odd-slots", odd_slots },
	{ "huge-slots", huge_slots },
	{ "epoch", bad_epoch },
	{ "port-0", port_0 },
	{ "port-huge", port_huge },
	{ "port-unused", port_unused },
	{ "gref-huge", gref_huge },
	{ "gref-reserved", gref_reserved },
	{ "gref-unused", gref_unused },
	{ "revoked", revoked },
	{ "read-only", read_only },
	{ "odd", NULL, step_odd, 1000 },
	{ "race", NULL, step_race },
	{ "ones", NULL, step_ones, PERIOD_US },
	{ "backwards", NULL, step_backwards, PERIOD_US },
	{ "jump", NULL, step_jump, 1000 },
	{ "head-back", NULL, step_head_back, PERIOD_US },
	{ "scribble", NULL, step_scribble, 1000 },
	{ "mailbox", NULL, step_mailbox, PERIOD_US },
	{ "unknown", NULL, step_unknown, PERIOD_US },
	{ "full-ring", NULL, step_full_ring, 100 },
	{ "storm", NULL, step_storm },
	{ "busy", NULL, step_busy },
	{ "distress", NULL, step_distress, 1000 },
	{ "idle", NULL, step_idle, PERIOD_US },
	{ "stubborn", NULL, step_stubborn, 2000 },
	{ "revoke", NULL, step_revoke, PERIOD_US },
	{ "empty", NULL, step_empty, 1000 },
	{ "time", NULL, step_time, PERIOD_US },
	{ "close", NULL, step_close, 1000 },
	{ "flood", bad_magic, step_flood, 2000 },
};

/* ---- playing ---- */

static irqreturn_t on_event(int number, void *data)
{
	xen_irq_lateeoi(number, XEN_EOI_FLAG_SPURIOUS);
	return IRQ_HANDLED;
}

static int play(void *data)
{
	while (!kthread_should_stop()) {
		attack->step();
		steps++;
		if (attack->pause_us)
			usleep_range(attack->pause_us, 2 * attack->pause_us);
		else
			cond_resched();
	}
	return 0;
}

static int open_channel(void)
{
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF,
		.remote_dom = DOM0,
	};
	int err = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);

	if (err)
		return err;
	port = offered_port = alloc.port;
	irq = bind_evtchn_to_irqhandler_lateeoi(port, on_event, 0, "hostile",
						&irq);
	return irq < 0 ? irq : 0;
}

static int open_page(void)
{
	int ref;

	page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	ref = gnttab_grant_foreign_access(DOM0, virt_to_gfn(page), 0);
	if (ref < 0) {
		free_page((unsigned long)page);
		page = NULL;
		return ref;
	}
	gref = offered_gref = ref;
	granted = true;
	offered_epoch = get_random_u64() | 1;
	head = 0;
	header = (struct cagma_header){
		.magic = CAGMA_PAGE_MAGIC,
		.version = CAGMA_PAGE_VERSION,
		.slot_count = CAGMA_SLOT_COUNT,
		.slot_bytes = CAGMA_SLOT_BYTES,
		.epoch = offered_epoch,
		.period_ms = 50,
	};
	return 0;
}

/* ---- taking all there is ---- */

#define NODES_MAX	4096
#define NODES_PER_DIR	64	/* a node's children must fit into 2 KiB */
#define GRANT_BATCH	64
#define BATCHES_MAX	4096

static unsigned int nodes;
static unsigned int batches;
static grant_ref_t batch[BATCHES_MAX];

static int take_nodes(void)
{
	char dir[32], name[16];
	int err = 0;

	while (!err && nodes < NODES_MAX) {
		snprintf(dir, sizeof(dir), "data/hoard/%u", nodes / NODES_PER_DIR);
		snprintf(name, sizeof(name), "%u", nodes);
		err = xenbus_write(XBT_NIL, dir, name, "");
		nodes += !err;
	}
	pr_info("%u nodes are taken, then error %d\n", nodes, err);
	return err ? 0 : -E2BIG;
}

/* The last few one by one. */
static int take_grants(void)
{
	unsigned int count = GRANT_BATCH, taken = 0;

	while (batches < BATCHES_MAX && count) {
		if (gnttab_alloc_grant_references(count, &batch[batches])) {
			count /= 2;
			continue;
		}
		taken += count;
		batches++;
	}
	pr_info("%u grants are taken\n", taken);
	return count ? -E2BIG : 0;
}

/* An offer with a value of its own below it, many times. */
static int offer_directory(void)
{
	char name[16];
	int err = 0;

	for (unsigned int i = 0; !err && i < 300; i++) {
		snprintf(name, sizeof(name), "%u", i);
		err = xenbus_write(XBT_NIL, "data/cagma/offer", name, "1");
	}
	return err;
}

/* Nodes that are not the guest's to write. */
static int tamper(void)
{
	static const struct {
		const char *dir, *node;
	} others[] = {
		{ "memory", "target" },
		{ "memory", "static-max" },
		{ "", "name" },
		{ "/local/domain/0", "name" },
		{ "/local/domain/0/data/cagma", "offer" },
		{ "/tool", "cagma" },
	};
	unsigned int refused = 0;

	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		refused += xenbus_write(XBT_NIL, others[i].dir, others[i].node,
					"1") == -EACCES;
	pr_info("%u of %zu writes are refused\n", refused, ARRAY_SIZE(others));
	return 0;
}

static void give_back(void)
{
	if (nodes)
		xenbus_rm(XBT_NIL, "data", "hoard");
	nodes = 0;
	while (batches)
		gnttab_free_grant_references(batch[--batches]);
}

/* ---- from one case to the next ---- */

/* Without a word, as a kernel that crashes or is replaced, or politely. */
static void stop(bool politely)
{
	if (player)
		kthread_stop(player);
	player = NULL;
	give_back();
	xenbus_rm(XBT_NIL, "data", "cagma");
	if (page && politely)
		cagma_header_close(page);
	if (irq > 0)
		unbind_from_irqhandler(irq, &irq);
	irq = 0;
	if (granted)
		cagma_grant_end(gref, page);
	else if (page)
		free_page((unsigned long)page);
	granted = false;
	page = NULL;
	attack = NULL;
}

static int start(const struct attack *chosen)
{
	int err = open_page();

	if (!err)
		err = open_channel();
	if (err)
		return err;
	attack = chosen;
	steps = 0;
	if (attack->prepare)
		attack->prepare();
	cagma_header_offer(page, &header);
	err = xenbus_printf(XBT_NIL, "data", "cagma/offer", "%u %u %u %llu",
			    CAGMA_PAGE_VERSION, offered_gref, offered_port,
			    offered_epoch);
	if (err || !attack->step)
		return err;
	player = kthread_run(play, NULL, "hostile");
	if (!IS_ERR(player))
		return 0;
	err = PTR_ERR(player);
	player = NULL;
	return err;
}

static int choose(const char *name)
{
	if (!strcmp(name, "none"))
		return 0;
	if (!strcmp(name, "abandon"))
		return start(&attacks[0]);
	if (!strcmp(name, "nodes"))
		return take_nodes();
	if (!strcmp(name, "grants"))
		return take_grants();
	if (!strcmp(name, "tamper"))
		return tamper();
	if (!strcmp(name, "offer-directory"))
		return offer_directory();
	if (!strncmp(name, "offer", 5))
		return xenbus_write(XBT_NIL, "data", "cagma/offer",
				    skip_spaces(name + 5));
	for (size_t i = 0; i < ARRAY_SIZE(attacks); i++)
		if (!strcmp(name, attacks[i].name))
			return start(&attacks[i]);
	return -EINVAL;
}

static int play_set(const char *val, const struct kernel_param *kp)
{
	char *name = kstrdup(val, GFP_KERNEL);
	int err;

	if (!name)
		return -ENOMEM;
	mutex_lock(&playing);
	stop(strncmp(name, "abandon", 7));
	err = choose(strim(name));
	if (err)
		stop(true);
	mutex_unlock(&playing);
	kfree(name);
	return err;
}

static const struct kernel_param_ops play_ops = { .set = play_set };

module_param_cb(play, &play_ops, NULL, 0200);
MODULE_PARM_DESC(play, "the case to play from now on");

static int __init hostile_init(void)
{
	return xen_domain() ? 0 : -ENODEV;
}

static void __exit hostile_exit(void)
{
	stop(true);
}

module_init(hostile_init);
module_exit(hostile_exit);
MODULE_DESCRIPTION("A guest that attacks dom0 through CAGMA's shared page");
MODULE_LICENSE("GPL");
