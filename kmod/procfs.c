// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much swap space there is and what may be committed: no kernel from 5.10 on
 * exports either to modules, and /proc says both. It is read once a second, from a
 * work item that may sleep and allocate, and never on the way of a sample: those take
 * what was read last. Where it can't be read the samples say less.
 */
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/mman.h>
#include <linux/swap.h>
#include <linux/workqueue.h>

#include "cagma.h"

#define OVERCOMMIT	"/proc/sys/vm/overcommit_"
/* /proc/meminfo has 1.6 KiB on Linux 6.12. */
#define TEXT_BYTES	4096
/* Swap space that comes or goes is looked at before the second is over. */
#define SWAP_MOVED_PAGES	(16L << (20 - PAGE_SHIFT))

static int read_text(const char *name, char *text, size_t bytes)
{
	struct file *file = filp_open(name, O_RDONLY, 0);
	loff_t at = 0;
	ssize_t n;

	if (IS_ERR(file))
		return PTR_ERR(file);
	n = kernel_read(file, text, bytes - 1, &at);
	filp_close(file, NULL);
	if (n < 0)
		return n;
	text[n] = '\0';
	return 0;
}

static int read_setting(const char *name, unsigned int *value)
{
	char text[24];
	int err = read_text(name, text, sizeof(text));

	return err ? err : kstrtouint(text, 10, value);
}

/* Of a line "NAME:   NUMBER kB". */
static int find_pages(const char *text, const char *name, u64 *pages)
{
	const char *line = strstr(text, name);
	unsigned long long kib;

	if (!line || sscanf(line + strlen(name), "%llu", &kib) != 1)
		return -ENODATA;
	*pages = kib >> (PAGE_SHIFT - 10);
	return 0;
}

/* Left zero: what is committed does not depend on memory, or nobody knows. */
static void read_commit(const char *meminfo, struct cagma_commit *commit)
{
	unsigned int policy, kbytes, ratio;

	if (read_setting(OVERCOMMIT "memory", &policy) ||
	    policy != OVERCOMMIT_NEVER ||
	    read_setting(OVERCOMMIT "kbytes", &kbytes) || kbytes ||
	    read_setting(OVERCOMMIT "ratio", &ratio) || ratio > INT_MAX ||
	    find_pages(meminfo, "MemTotal:", &commit->total_pages) ||
	    find_pages(meminfo, "CommitLimit:", &commit->limit_pages))
		return;
	commit->ratio_percent = ratio;
}

static void read_facts(struct work_struct *work)
{
	static char text[TEXT_BYTES];	/* a work item isn't run twice at once */
	struct cagma_facts facts = {};
	unsigned long flags;
	u64 swap_free;

	if (read_text("/proc/meminfo", text, sizeof(text)) ||
	    find_pages(text, "SwapTotal:", &facts.swap_total_pages) ||
	    find_pages(text, "SwapFree:", &swap_free))
		return;
	facts.swap_free_pages = swap_free;
	read_commit(text, &facts.commit);
	facts.known = true;
	raw_spin_lock_irqsave(&cagma.lock, flags);
	cagma.facts = facts;
	raw_spin_unlock_irqrestore(&cagma.lock, flags);
}

static DECLARE_WORK(work, read_facts);

static bool has_moved(void)
{
	long moved = get_nr_swap_pages() -
		     READ_ONCE(cagma.facts.swap_free_pages);

	return abs(moved) >= SWAP_MOVED_PAGES;
}

/* From the sampler, every period. */
void cagma_procfs_look(void)
{
	if (time_before(jiffies, cagma.next_facts) && !has_moved())
		return;
	cagma.next_facts = jiffies + HZ;
	schedule_work(&work);
}

/* The sampler has ended. */
void cagma_procfs_exit(void)
{
	cancel_work_sync(&work);
}
