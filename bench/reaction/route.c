// SPDX-License-Identifier: GPL-2.0-only
/*
 * The ways to ask.
 *
 *   floor     a bare event channel to dom0 and back (echo.c answers); nothing is
 *             decided. No daemon can react faster. The port is in data/floor.
 *   page      cagma.ko: the shared page, and its kick.
 *   vchan     cagma-agent, which samples at once when it gets SIGUSR1.
 *   xenstore  one key, data/ask, written from a work item (answer.c decides), and the
 *             stock balloon driver's watch on memory/target.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/interrupt.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/swap.h>
#include <linux/vmstat.h>
#include <linux/workqueue.h>
#include <xen/balloon.h>
#include <xen/events.h>
#include <xen/xenbus.h>

#include <asm/processor.h>
#include <asm/xen/hypercall.h>

#include "cagma.h"
#include "reaction.h"

#define DOM0	0

/* ---- floor ---- */

static int irq;

static irqreturn_t on_answer(int number, void *data)
{
	reaction_watch_answered();
	xen_irq_lateeoi(number, 0);
	return IRQ_HANDLED;
}

static int floor_ask(void)
{
	notify_remote_via_irq(irq);
	/* As cagma.ko does. */
	cpu_relax();
	return 0;
}

/* ---- page ---- */

static typeof(cagma_raise_now) *raise_now;

static int page_begin(void)
{
	raise_now = symbol_get(cagma_raise_now);
	return raise_now ? 0 : -ENOENT;
}

static void page_end(void)
{
	symbol_put(cagma_raise_now);
}

static int page_ask(void)
{
	return raise_now(CAGMA_REASON_REQUEST) ? 0 : -ENOTCONN;
}

/* ---- vchan ---- */

static int agent_pid;
module_param(agent_pid, int, 0644);
MODULE_PARM_DESC(agent_pid, "process id of cagma-agent, for the route vchan");

static int vchan_ask(void)
{
	struct pid *pid = find_get_pid(agent_pid);
	int err = pid ? kill_pid(pid, SIGUSR1, 1) : -ESRCH;

	put_pid(pid);
	return err;
}

/* ---- xenstore ---- */

static enum cagma_reason reason;
static u32 asked;

/* What the policy looks at, in one write. */
static void write_key(struct work_struct *work)
{
	int err = xenbus_printf(XBT_NIL, "data", "ask",
		"%u %u %lu %lu %lu %lu %lu %lu", reason, asked,
		totalram_pages(), global_zone_page_state(NR_FREE_PAGES),
		max(si_mem_available(), 0L), max(get_nr_swap_pages(), 0L),
		READ_ONCE(balloon_stats.current_pages),
		READ_ONCE(balloon_stats.target_pages));

	if (err)
		pr_warn("data/ask: error %d\n", err);
}

static DECLARE_WORK(key_work, write_key);

static int store_say(enum cagma_reason why)
{
	flush_work(&key_work);
	reason = why;
	asked++;
	queue_work(system_highpri_wq, &key_work);
	return 0;
}

static int store_ask(void)
{
	return store_say(CAGMA_REASON_REQUEST);
}

static void store_release(void)
{
	store_say(CAGMA_REASON_PERIODIC);
}

static void store_end(void)
{
	flush_work(&key_work);
}

/* ---- all of them ---- */

static const struct reaction_route routes[] = {
	{ .name = "floor", .ask = floor_ask },
	{ .name = "page", .moves = true, .begin = page_begin, .end = page_end,
	  .ask = page_ask },
	{ .name = "vchan", .moves = true, .ask = vchan_ask },
	{ .name = "xenstore", .moves = true, .ask = store_ask,
	  .release = store_release, .end = store_end },
};

const struct reaction_route *reaction_route_find(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(routes); i++)
		if (!strcmp(routes[i].name, name))
			return &routes[i];
	return NULL;
}

int reaction_route_init(void)
{
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF,
		.remote_dom = DOM0,
	};
	int err = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);

	if (err)
		return err;
	irq = bind_evtchn_to_irqhandler_lateeoi(alloc.port, on_answer, 0,
						"reaction", &irq);
	if (irq < 0)
		return irq;
	err = xenbus_printf(XBT_NIL, "data", "floor", "%u", alloc.port);
	if (err)
		unbind_from_irqhandler(irq, &irq);
	return err;
}

void reaction_route_exit(void)
{
	xenbus_rm(XBT_NIL, "data", "floor");
	unbind_from_irqhandler(irq, &irq);
}
