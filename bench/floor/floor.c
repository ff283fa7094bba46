// SPDX-License-Identifier: GPL-2.0-only
/*
 * floor.ko: how long a bare event channel takes to dom0 and back, when a
 * process there (echo.c) answers and nothing is decided. No reaction of a
 * daemon can be faster.
 *
 *   echo "COUNT INTERVAL_US" >/sys/module/floor/parameters/run
 *   cat /sys/module/floor/parameters/result      n p50 p90 p99 max, in ns
 *
 * The port is offered in xenstore as data/floor.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sort.h>
#include <xen/events.h>
#include <xen/interface/event_channel.h>
#include <xen/xen.h>
#include <xen/xenbus.h>

#include <asm/xen/hypercall.h>

#define DOM0		0
#define COUNT_MAX	4096
#define LOST_MS		1000

static int irq;
static u64 sent_ns;
static u64 took_ns[COUNT_MAX];
static unsigned int taken;
static DECLARE_COMPLETION(answered);

static irqreturn_t on_answer(int number, void *data)
{
	if (taken < COUNT_MAX)
		took_ns[taken] = ktime_get_mono_fast_ns() - sent_ns;
	complete(&answered);
	xen_irq_lateeoi(number, 0);
	return IRQ_HANDLED;
}

/* False: nobody answers. */
static bool ping(void)
{
	reinit_completion(&answered);
	sent_ns = ktime_get_mono_fast_ns();
	notify_remote_via_irq(irq);
	if (!wait_for_completion_timeout(&answered, msecs_to_jiffies(LOST_MS)))
		return false;
	taken++;
	return true;
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

/* Serialised, like all accesses to the parameters of a module. */
static int run_set(const char *val, const struct kernel_param *kp)
{
	unsigned int count, interval_us;

	if (sscanf(val, "%u %u", &count, &interval_us) != 2 || !count ||
	    count > COUNT_MAX || interval_us > USEC_PER_SEC)
		return -EINVAL;
	for (taken = 0; taken < count;) {
		if (!ping())
			return -ETIMEDOUT;
		usleep_range(interval_us, interval_us + interval_us / 8 + 1);
	}
	sort(took_ns, taken, sizeof(took_ns[0]), compare, NULL);
	return 0;
}

static u64 percentile(unsigned int percent)
{
	return taken ? took_ns[(taken - 1) * percent / 100] : 0;
}

static int result_get(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%u %llu %llu %llu %llu\n", taken,
			  percentile(50), percentile(90), percentile(99),
			  percentile(100));
}

static const struct kernel_param_ops run_ops = { .set = run_set };
static const struct kernel_param_ops result_ops = { .get = result_get };

module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "COUNT INTERVAL_US: ping dom0 that often");
module_param_cb(result, &result_ops, NULL, 0444);
MODULE_PARM_DESC(result, "read-only: n p50 p90 p99 max of the last run, in ns");

static int __init floor_init(void)
{
	struct evtchn_alloc_unbound alloc = {
		.dom = DOMID_SELF,
		.remote_dom = DOM0,
	};
	int err;

	if (!xen_domain())
		return -ENODEV;
	err = HYPERVISOR_event_channel_op(EVTCHNOP_alloc_unbound, &alloc);
	if (err)
		return err;
	irq = bind_evtchn_to_irqhandler_lateeoi(alloc.port, on_answer, 0,
						"floor", &irq);
	if (irq < 0)
		return irq;
	err = xenbus_printf(XBT_NIL, "data", "floor", "%u", alloc.port);
	if (err)
		unbind_from_irqhandler(irq, &irq);
	return err;
}

static void __exit floor_exit(void)
{
	xenbus_rm(XBT_NIL, "data", "floor");
	unbind_from_irqhandler(irq, &irq);
}

module_init(floor_init);
module_exit(floor_exit);
MODULE_DESCRIPTION("Round trip of a bare event channel to dom0");
MODULE_LICENSE("GPL");
