/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the guest's kernel says about memory in /proc and /sys. The files are opened
 * once and read again and again; nothing is allocated.
 */
#ifndef CAGMA_PROC_H
#define CAGMA_PROC_H

#include <stdbool.h>
#include <stdint.h>

#include "msg.h"

struct cagma_proc {
	int root;		/* directory below which proc and sys are */
	int meminfo;
	int vmstat;
	int current_kb;		/* of the balloon */
	int target_kb;
	int pressure;		/* -1: this kernel has no pressure totals */
	int overcommit_memory;	/* -1: nor one of these settings */
	int overcommit_kbytes;
	int overcommit_ratio;
	uint64_t unit_pages;	/* of 4 KiB in a page of this kernel */
};

/* One look at all of them. */
struct cagma_view {
	struct cagma_sample sample;	/* memory alone; balloon as it counts itself */
	struct cagma_pressure pressure;
	uint64_t kswapd_work;		/* counter: its runs, and what it looks at */
};

/*
 * `root` is "/" but for tests. `writable`: the balloon's target is going to be set.
 * -errno with the file's name in *failed, or 0; pair with cagma_proc_close().
 */
int cagma_proc_open(struct cagma_proc *proc, const char *root, bool writable,
		    const char **failed);
void cagma_proc_close(struct cagma_proc *proc);

/* 0; -errno if a file cannot be read or doesn't say what every kernel says. */
int cagma_proc_read(const struct cagma_proc *proc, struct cagma_view *view);

/* The balloon alone, in 4 KiB pages of its own count. */
int cagma_proc_read_balloon(const struct cagma_proc *proc, uint64_t *pages,
			    uint64_t *target_pages);
int cagma_proc_write_target(const struct cagma_proc *proc, uint64_t pages);

/*
 * A descriptor that polls POLLPRI when tasks have waited for memory; -errno where
 * there is no such thing. The caller closes it.
 */
int cagma_proc_open_trigger(const struct cagma_proc *proc);

/* The module is loaded, or being loaded: it applies targets, nobody else. */
bool cagma_proc_has_module(const struct cagma_proc *proc);

/*
 * A file below the directory `root`, or of an absolute name, consists of that one
 * word; false if there is no such file.
 */
bool cagma_proc_says(int root, const char *file, const char *word);

/*
 * Xen's features in such a file are those of dom0. Unlike /proc/xen/capabilities it is
 * there without xenfs, and in a service's own /proc.
 */
bool cagma_proc_is_dom0(int root, const char *features);

#endif
