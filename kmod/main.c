// SPDX-License-Identifier: GPL-2.0-only
/*
 * cagma.ko: publishes this guest's memory counters in a page granted to dom0,
 * kicks dom0 when memory runs short, and applies the targets dom0 answers.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <xen/xen.h>

#include "cagma.h"
#include "compat.h"
#include "mail.h"

struct cagma cagma;
struct cagma_stats cagma_stats;

unsigned int cagma_period_ms = 100;

static int period_set(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 10, 1000);
}

static const struct kernel_param_ops period_ops = {
	.set = period_set,
	.get = param_get_uint,
};

module_param_cb(period_ms, &period_ops, &cagma_period_ms, 0644);
MODULE_PARM_DESC(period_ms, "sampling period in ms, 10 to 1000 (default 100)");

static int oom_wait_set(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, 10000);
}

static const struct kernel_param_ops oom_wait_ops = {
	.set = oom_wait_set,
	.get = param_get_uint,
};

module_param_cb(oom_wait_ms, &oom_wait_ops, &cagma_oom_wait_ms, 0644);
MODULE_PARM_DESC(oom_wait_ms, "wait for memory from dom0 before a task is killed, in ms, 0 to 10000 (default 1000)");

static int raise_set(const char *val, const struct kernel_param *kp)
{
	return cagma_raise_now(CAGMA_REASON_REQUEST) ? 0 : -ENOTCONN;
}

static const struct kernel_param_ops raise_ops = { .set = raise_set };

module_param_cb(raise, &raise_ops, NULL, 0200);
MODULE_PARM_DESC(raise, "write anything: ask dom0 at once, as if memory were short");

/* What dom0 is told, whether or not it is there. */
static int least_get(char *buffer, const struct kernel_param *kp)
{
	struct cagma_sample sample = {};
	unsigned long flags;

	raw_spin_lock_irqsave(&cagma.lock, flags);
	cagma_counters_read(&sample);
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
	if (!(sample.flags & CAGMA_SAMPLE_DETAILED))
		return -EAGAIN;
	return scnprintf(buffer, PAGE_SIZE, "%u\n", sample.least_pages);
}

static const struct kernel_param_ops least_ops = { .get = least_get };

module_param_cb(least_pages, &least_ops, NULL, 0444);
MODULE_PARM_DESC(least_pages, "read-only: what this guest can't do without, as memory/target counts");

#define CAGMA_STAT(name, text) \
	module_param_named(name, cagma_stats.name, ulong, 0444); \
	MODULE_PARM_DESC(name, text)

CAGMA_STAT(samples, "read-only: samples published");
CAGMA_STAT(emergencies, "read-only: emergencies raised");
CAGMA_STAT(kicks, "read-only: event-channel kicks sent to dom0");
CAGMA_STAT(applied, "read-only: mails applied");
CAGMA_STAT(refused, "read-only: mails refused for an unknown request");
CAGMA_STAT(clamped, "read-only: targets clamped to the guest's range");
CAGMA_STAT(attachments, "read-only: times a dom0 daemon attached");
CAGMA_STAT(oom_averted, "read-only: times that memory came before a task was killed");
CAGMA_STAT(nudges, "read-only: times that the balloon driver had to be woken up");

module_param_named(offset_pages, cagma.offset_pages, ulong, 0444);
MODULE_PARM_DESC(offset_pages, "read-only: memory/target in xenstore less the balloon driver's own target");

static bool is_offered(void)
{
	return READ_ONCE(cagma.offered) && !READ_ONCE(cagma.link_lost);
}

/*
 * May sleep, in xenbus, for long, and be asked for once more meanwhile. Where there
 * is no room for an offer it is tried again, later and later.
 */
static void offer(struct work_struct *work)
{
	static const unsigned long first = HZ, last = 16 * HZ;
	int err = 0;

	if (is_offered() || cagma_balloon_settle())
		return;
	if (cagma.link_lost)
		err = cagma_offer_reopen();
	if (!err)
		err = cagma_offer_publish();
	if (!err) {
		cagma.offer_wait = 0;
		return;
	}
	if (!cagma.offer_wait)
		pr_warn("dom0 can't be offered the page: error %d\n", err);
	cagma.offer_wait = clamp(2 * cagma.offer_wait, first, last);
	WRITE_ONCE(cagma.next_offer, jiffies + cagma.offer_wait);
}

/*
 * The sampler never waits, neither for dom0 nor for a worker, which would cost more
 * than it does. It looks at the mailbox in case an event was lost, publishes, has the
 * page offered when it isn't, and sees to it that the balloon driver is at work.
 */
static void sampler(struct timer_list *timer)
{
	unsigned int wait_ms;

	if (is_offered())
		cagma_offer_repair();
	else if (time_after_eq(jiffies, READ_ONCE(cagma.next_offer)))
		queue_work(cagma.wq, &cagma.offer);
	cagma_procfs_look();
	cagma_mail_poll();
	cagma_publish(CAGMA_REASON_PERIODIC);
	cagma_raise(CAGMA_REASON_SAMPLER);
	wait_ms = cagma_hotplug_look(READ_ONCE(cagma_period_ms));
	mod_timer(timer, jiffies + msecs_to_jiffies(wait_ms));
}

/*
 * Runs while devices and xenstore are still asleep, and whether the guest woke up
 * in another domain or never left: what has to be done is left to the sampler.
 */
static void on_resume(CAGMA_SYSCORE_ARGS)
{
	cagma_offer_lose();
	mod_timer(&cagma.sampler, jiffies);
}

CAGMA_SYSCORE(resume, on_resume);

static int __init cagma_init(void)
{
	int err;

	if (!xen_domain())
		return -ENODEV;
	raw_spin_lock_init(&cagma.lock);
	cagma.next_offer = jiffies;
	cagma.next_raise = jiffies;
	cagma.next_facts = jiffies;
	INIT_WORK(&cagma.offer, offer);
	timer_setup(&cagma.sampler, sampler, 0);
	/* Frozen from before a suspend until interrupts are resumed. */
	cagma.wq = alloc_workqueue("cagma", WQ_MEM_RECLAIM | WQ_HIGHPRI |
				   WQ_FREEZABLE, 1);
	if (!cagma.wq)
		return -ENOMEM;
	err = cagma_offer_init();
	if (err)
		goto err_wq;
	err = cagma_hooks_init();
	if (err)
		goto err_offer;
	err = cagma_oom_init();
	if (err)
		goto err_hooks;
	err = cagma_hotplug_init();
	if (err)
		goto err_oom;
	cagma_syscore_register(&resume);
	mod_timer(&cagma.sampler, jiffies);
	return 0;

err_oom:
	cagma_oom_exit();
err_hooks:
	cagma_hooks_exit();
err_offer:
	cagma_offer_exit();
err_wq:
	destroy_workqueue(cagma.wq);
	return err;
}

/*
 * In this order: nobody publishes any more, xenstore has no offer, dom0 is
 * told to unmap, no handler runs, and only then the page goes.
 */
static void __exit cagma_exit(void)
{
	cagma_oom_exit();
	cagma_hooks_exit();
	cagma_syscore_unregister(&resume);
	cagma_hotplug_exit();
	cagma_timer_stop(&cagma.sampler);
	cagma_procfs_exit();
	cagma_hotplug_restore();
	cancel_work_sync(&cagma.offer);
	cagma_offer_withdraw();
	cagma_offer_exit();
	destroy_workqueue(cagma.wq);
}

module_init(cagma_init);
module_exit(cagma_exit);
MODULE_DESCRIPTION("CAGMA guest: memory counters and emergencies for dom0");
MODULE_LICENSE("GPL");
MODULE_VERSION(CAGMA_VERSION);
