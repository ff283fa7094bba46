// SPDX-License-Identifier: GPL-2.0-only
/*
 * Trials: memory is taken into use, dom0 is asked for as much, and what comes of it
 * is watched. What was taken is kept until the end of a round, and then given back.
 *
 *   echo "ROUTE ROUNDS GROUPS SMALL LARGE INTERVAL_US" >/sys/module/reaction/parameters/run
 *   cat /proc/reaction
 *
 * A round is GROUPS of SMALL trials of 4 MiB, and LARGE ones that are satisfied when
 * 64 MiB have come. /proc/reaction has a line for each trial: nanoseconds from asking until the
 * target was applied, until the first page, until satisfied; - is "not asked for", and
 * lost "not within 5 s".
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/random.h>
#include <linux/seq_file.h>
#include <xen/balloon.h>
#include <xen/xen.h>

#include "reaction.h"

#define TRIALS_MAX	4096
#define MIB_PAGES(mib)	((mib) << (20 - PAGE_SHIFT))
/* Twice the smallest change of a target: free pages are counted roughly. */
#define SMALL_PAGES	MIB_PAGES(4)
/* A little of it may be there already. */
#define LARGE_PAGES	MIB_PAGES(72)
/* Not measured: it uses up what the guest has beyond what it needs. */
#define FIRST_PAGES	MIB_PAGES(8)
#define REST_PAGES	MIB_PAGES(7)
#define LOST_MS		5000
#define REST_MS		20
#define REST_STEPS	25
#define REST_STEPS_MAX	6000

struct plan {
	unsigned int rounds, groups, small, large;
	unsigned int interval_us;	/* between two trials, and up to an eighth more */
};

static struct reaction_trial trials[TRIALS_MAX];
static unsigned int taken;
static LIST_HEAD(held);

static bool aligned;
module_param(aligned, bool, 0644);
MODULE_PARM_DESC(aligned, "ask at multiples of the interval of the wall clock, as all other guests do");

/* ---- memory ---- */

static void give_back(void)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, &held, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

static int take(unsigned int pages)
{
	while (pages--) {
		struct page *page = alloc_page(GFP_KERNEL | __GFP_NOWARN |
					       __GFP_NORETRY);

		if (!page)
			return -ENOMEM;
		list_add(&page->lru, &held);
	}
	return 0;
}

static void release(const struct reaction_route *route)
{
	give_back();
	if (route->release)
		route->release();
}

/*
 * Gives back what was taken, until the balloon has been where it should be for half
 * a second, and has `pages` at most.
 */
static int come_to_rest(const struct reaction_route *route, unsigned long pages)
{
	unsigned long last = 0;
	unsigned int still = 0, i;

	for (i = 0; still < REST_STEPS && i < REST_STEPS_MAX; i++) {
		unsigned long now = READ_ONCE(balloon_stats.current_pages);

		if (i % REST_STEPS == 0)
			release(route);
		still = now == last && now <= pages &&
			now == READ_ONCE(balloon_stats.target_pages) ?
			still + 1 : 0;
		last = now;
		msleep(REST_MS);
	}
	return still < REST_STEPS ? -ETIMEDOUT : 0;
}

/* ---- one trial ---- */

/*
 * To the microsecond, and at random: a sleep with slack would end with some other
 * timer's interrupt, and the trial run into what that one is for.
 */
static void pause(unsigned int interval_us)
{
	u32 into_us;

	if (aligned) {
		div_u64_rem(ktime_to_us(ktime_get_real()), interval_us, &into_us);
		interval_us -= into_us;
	} else {
		interval_us += get_random_u32() % (interval_us / 8 + 1);
	}
	usleep_range(interval_us, interval_us);
}

/* Nothing of it is kept if there is no room. */
static int try(const struct reaction_route *route, unsigned int pages,
	       unsigned int interval_us, struct reaction_trial *trial)
{
	unsigned int awaited = pages >= REACTION_SATISFIED_PAGES ?
			       REACTION_SATISFIED_PAGES : 1;
	int err = take(pages);

	if (err)
		return err;
	pause(interval_us);
	*trial = (struct reaction_trial){ 0 };
	reaction_watch_begin(trial, route->moves ? awaited : 0);
	err = route->ask();
	if (!reaction_watch_end(err ? 0 : LOST_MS) && !err)
		pr_warn("trial %u is lost\n", taken);
	return err;
}

static int try_some(const struct reaction_route *route, unsigned int count,
		    unsigned int pages, unsigned int interval_us)
{
	int err = 0;

	while (!err && count--) {
		err = try(route, route->moves ? pages : 0, interval_us,
			  &trials[taken]);
		taken += !err;
	}
	return err;
}

/* ---- a run ---- */

static int run_round(const struct reaction_route *route, const struct plan *plan)
{
	static struct reaction_trial first;
	unsigned long before = READ_ONCE(balloon_stats.current_pages);
	unsigned int i;
	int err = 0;

	if (route->moves)
		err = try(route, FIRST_PAGES, plan->interval_us, &first);
	for (i = 0; i < plan->groups && !err; i++) {
		err = try_some(route, plan->small, SMALL_PAGES, plan->interval_us);
		if (!err)
			err = try_some(route, plan->large, LARGE_PAGES,
				       plan->interval_us);
	}
	if (!err && route->moves)
		err = come_to_rest(route, before + REST_PAGES);
	give_back();
	return err;
}

static int run(const struct reaction_route *route, const struct plan *plan)
{
	unsigned int i;
	int err = 0;

	if (route->moves)
		err = come_to_rest(route, ULONG_MAX);
	for (i = 0; i < plan->rounds && !err; i++)
		err = run_round(route, plan);
	return err;
}

static bool plan_is_valid(const struct plan *plan)
{
	u64 most = TRIALS_MAX;

	return plan->rounds && plan->rounds <= most && plan->groups &&
	       plan->groups <= most && plan->small <= most && plan->large <= most &&
	       (u64)plan->rounds * plan->groups <= most &&
	       (u64)plan->rounds * plan->groups * (plan->small + plan->large) <=
	       most && plan->interval_us && plan->interval_us <= USEC_PER_SEC;
}

/* Serialised, like all accesses to the parameters of a module. */
static int run_set(const char *val, const struct kernel_param *kp)
{
	const struct reaction_route *route;
	struct plan plan;
	char name[16];
	int err = 0;

	if (sscanf(val, "%15s %u %u %u %u %u", name, &plan.rounds, &plan.groups,
		   &plan.small, &plan.large, &plan.interval_us) != 6 ||
	    !plan_is_valid(&plan))
		return -EINVAL;
	route = reaction_route_find(name);
	if (!route)
		return -EINVAL;
	taken = 0;
	if (route->begin)
		err = route->begin();
	if (err)
		return err;
	err = run(route, &plan);
	if (err)
		pr_err("route %s ended after %u trials: error %d\n", name,
		       taken, err);
	if (route->end)
		route->end();
	return err;
}

static const struct kernel_param_ops run_ops = { .set = run_set };

module_param_cb(run, &run_ops, NULL, 0200);
MODULE_PARM_DESC(run, "ROUTE ROUNDS GROUPS SMALL LARGE INTERVAL_US: measure; see /proc/reaction");

/* ---- what came of it ---- */

static void show_time(struct seq_file *file, u64 from, u64 to)
{
	if (to)
		seq_printf(file, " %llu", to - from);
	else
		seq_puts(file, " -");
}

static int show(struct seq_file *file, void *unused)
{
	unsigned int i;

	for (i = 0; i < taken; i++) {
		const struct reaction_trial *t = &trials[i];

		seq_puts(file, t->applied_ns ? "trial" : "lost");
		show_time(file, t->asked_ns, t->applied_ns);
		show_time(file, t->asked_ns, t->first_ns);
		show_time(file, t->asked_ns, t->satisfied_ns);
		seq_putc(file, '\n');
	}
	return 0;
}

static int __init reaction_init(void)
{
	int err;

	if (!xen_domain())
		return -ENODEV;
	err = reaction_watch_init();
	if (err)
		return err;
	err = reaction_route_init();
	if (err)
		goto err_watch;
	if (proc_create_single("reaction", 0444, NULL, show))
		return 0;
	err = -ENOMEM;
	reaction_route_exit();
err_watch:
	reaction_watch_exit();
	return err;
}

static void __exit reaction_exit(void)
{
	remove_proc_entry("reaction", NULL);
	reaction_route_exit();
	reaction_watch_exit();
}

module_init(reaction_init);
module_exit(reaction_exit);
MODULE_DESCRIPTION("Reaction time of dom0 to a guest that needs memory");
MODULE_LICENSE("GPL");
