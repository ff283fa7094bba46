// SPDX-License-Identifier: GPL-2.0-only
/*
 * cost.ko: what the guest module costs, in picoseconds a call:
 *
 *   cat /sys/module/cost/parameters/hook       as reclaim calls it: all probes at the
 *                                              tracepoint where cagma.ko has its own
 *   cat /sys/module/cost/parameters/publish    one sample, by kmod/'s own sources, into
 *                                              a page of this module's
 *   cat /sys/module/cost/parameters/nothing    the measuring itself
 *
 * each: n p50 p90 p99 max, of n batches of calls.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/gfp.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/mmzone.h>
#include <linux/preempt.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/tracepoint.h>
#include <xen/xen.h>

/* Once more, for a page and a state that are nobody else's; nothing is exported. */
#undef EXPORT_SYMBOL_GPL
#define EXPORT_SYMBOL_GPL(name)
#include "../../kmod/balloon.c"
#include "../../kmod/counters.c"
#include "../../kmod/hotplug.c"
#include "../../kmod/publish.c"

#define BATCHES	500
#define CALLS	100

struct cagma cagma;
struct cagma_stats cagma_stats;

static struct tracepoint *tracepoint;
static u64 took_ps[BATCHES];

typedef void (*hook_fn)(void *data, int nid, int zid, int order, gfp_t flags);

/* Preemption is off, as at any tracepoint. */
static void hook(void)
{
	struct tracepoint_func *at = rcu_dereference_raw(tracepoint->funcs);

	for (; at && at->func; at++)
		((hook_fn)at->func)(at->data, 0, ZONE_NORMAL, 0, GFP_KERNEL);
}

static void publish(void)
{
	cagma_publish(CAGMA_REASON_PERIODIC);
}

static void nothing(void)
{
	barrier();
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static u64 batch_ps(void (*call)(void))
{
	u64 from;
	int i;

	preempt_disable();
	from = ktime_get_mono_fast_ns();
	for (i = 0; i < CALLS; i++)
		call();
	from = ktime_get_mono_fast_ns() - from;
	preempt_enable();
	return div_u64(from * 1000, CALLS);
}

static int cost_get(char *buffer, const struct kernel_param *kp)
{
	int i;

	for (i = 0; i < BATCHES; i++)
		took_ps[i] = batch_ps(kp->arg);
	sort(took_ps, BATCHES, sizeof(took_ps[0]), compare, NULL);
	return sysfs_emit(buffer, "%d %llu %llu %llu %llu\n", BATCHES,
		  took_ps[(BATCHES - 1) * 50 / 100],
		  took_ps[(BATCHES - 1) * 90 / 100],
		  took_ps[(BATCHES - 1) * 99 / 100], took_ps[BATCHES - 1]);
}

static const struct kernel_param_ops cost_ops = { .get = cost_get };

module_param_cb(hook, &cost_ops, hook, 0444);
MODULE_PARM_DESC(hook, "read-only: all probes at mm_vmscan_wakeup_kswapd");
module_param_cb(publish, &cost_ops, publish, 0444);
MODULE_PARM_DESC(publish, "read-only: one sample");
module_param_cb(nothing, &cost_ops, nothing, 0444);
MODULE_PARM_DESC(nothing, "read-only: an empty function");

static void find(struct tracepoint *each, void *unused)
{
	if (!strcmp(each->name, "mm_vmscan_wakeup_kswapd"))
		tracepoint = each;
}

static int __init cost_init(void)
{
	if (!xen_domain())
		return -ENODEV;
	for_each_kernel_tracepoint(find, NULL);
	if (!tracepoint)
		return -ENOENT;
	raw_spin_lock_init(&cagma.lock);
	cagma.facts.known = true;
	cagma.link.page = (void *)get_zeroed_page(GFP_KERNEL);
	return cagma.link.page ? 0 : -ENOMEM;
}

static void __exit cost_exit(void)
{
	free_page((unsigned long)cagma.link.page);
}

module_init(cost_init);
module_exit(cost_exit);
MODULE_DESCRIPTION("What a hook and a sample of CAGMA's guest module cost");
MODULE_LICENSE("GPL");
