// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "least.h"
#include "proc.h"
#include "units.h"

#define BALLOON		"sys/devices/system/xen_memory/xen_memory0/"
#define OVERCOMMIT	"proc/sys/vm/overcommit_"
#define OVERCOMMIT_NEVER	2
/* /proc/vmstat has 5 KiB on Linux 6.12. */
#define TEXT_BYTES	32768
/*
 * A millisecond in which some task waited for memory, within half a second: the
 * shortest window that every kernel takes, looked at ten times as often.
 */
#define TRIGGER		"some 1000 500000"

/* A name in a file, and the member its number is added to. */
struct word {
	const char *name;
	size_t member;
	bool optional;
};

struct meminfo {
	uint64_t total, free, available, buffers, cached, anon, shmem, committed;
	uint64_t swap_total, swap_free, active_file, evictable, commit_limit;
};

#define KIB(name, member)	{ name, offsetof(struct meminfo, member), false }
#define MAYBE(name, member)	{ name, offsetof(struct meminfo, member), true }
static const struct word meminfo_words[] = {
	KIB("MemTotal", total),
	KIB("MemFree", free),
	KIB("MemAvailable", available),
	KIB("Buffers", buffers),
	KIB("Cached", cached),
	KIB("AnonPages", anon),
	KIB("Shmem", shmem),
	KIB("Committed_AS", committed),
	KIB("SwapTotal", swap_total),
	KIB("SwapFree", swap_free),
	/* What reclaim can drop or swap out. */
	MAYBE("Active(anon)", evictable),
	MAYBE("Inactive(anon)", evictable),
	MAYBE("Active(file)", active_file),
	MAYBE("Inactive(file)", evictable),
	MAYBE("SReclaimable", evictable),
	MAYBE("CommitLimit", commit_limit),
};

struct vmstat {
	uint64_t swap_in, swap_out, refault, stalls, kswapd;
	uint64_t refault_file, activate_file, isolated;
};

/*
 * What the kernel calls them has changed over time, and a kernel without swap
 * doesn't have all. A page in zswap's pool is swap traffic too. Before there were
 * two of each, only file pages were counted as refaults.
 */
#define COUNT(name, member)	{ name, offsetof(struct vmstat, member), true }
static const struct word vmstat_words[] = {
	COUNT("pswpin", swap_in),
	COUNT("zswpin", swap_in),
	COUNT("pswpout", swap_out),
	COUNT("zswpout", swap_out),
	COUNT("workingset_refault", refault_file),
	COUNT("workingset_refault_anon", refault),
	COUNT("workingset_refault_file", refault_file),
	COUNT("workingset_activate", activate_file),
	COUNT("workingset_activate_file", activate_file),
	COUNT("nr_isolated_anon", isolated),
	COUNT("nr_isolated_file", isolated),
	COUNT("allocstall", stalls),
	COUNT("allocstall_dma", stalls),
	COUNT("allocstall_dma32", stalls),
	COUNT("allocstall_normal", stalls),
	COUNT("allocstall_movable", stalls),
	COUNT("pageoutrun", kswapd),
	COUNT("pgscan_kswapd", kswapd),
};

static const char *file_names[] = {
	"proc/meminfo", "proc/vmstat", BALLOON "info/current_kb",
	BALLOON "target_kb",
};

/* The whole file, as text whose last line is complete. */
static int read_text(int fd, char *text)
{
	size_t n = 0;
	ssize_t got;

	do {
		got = pread(fd, text + n, TEXT_BYTES - n, (off_t)n);
		if (got < 0 && errno != EINTR)
			return -errno;
		n += got > 0 ? (size_t)got : 0;
	} while (got && n < TEXT_BYTES);
	if (n == TEXT_BYTES)
		return -EFBIG;
	if (!n || text[n - 1] != '\n' || memchr(text, '\0', n))
		return -EIO;
	text[n] = '\0';
	return 0;
}

/* A decimal number at *text, which is moved behind it. */
static int parse_number(const char **text, uint64_t *number)
{
	const char *s = *text;
	uint64_t v = 0;

	if (*s < '0' || *s > '9')
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (v > (UINT64_MAX - digit) / 10)
			return -ERANGE;
		v = v * 10 + digit;
	}
	*text = s;
	*number = v;
	return 0;
}

static const struct word *find(const struct word *words, size_t n,
			       const char *name, size_t length)
{
	for (size_t i = 0; i < n; i++) {
		/* The first character tells nearly all of them apart. */
		if (*words[i].name == *name &&
		    !strncmp(words[i].name, name, length) &&
		    !words[i].name[length])
			return &words[i];
	}
	return NULL;
}

/* Lines of "NAME NUMBER" or "NAME:  NUMBER kB"; others are no business of ours. */
static int scan(const char *line, const struct word *words, size_t n, void *into)
{
	uint32_t missing = 0;

	for (size_t i = 0; i < n; i++)
		missing |= words[i].optional ? 0 : 1u << i;
	for (; *line; line = strchr(line, '\n') + 1) {
		size_t length = strcspn(line, ": \n");
		const struct word *word = find(words, n, line, length);
		const char *rest = line + length;
		uint64_t number;
		int err;

		if (!word)
			continue;
		rest += strspn(rest, ": ");
		err = parse_number(&rest, &number);
		if (err)
			return err;
		*(uint64_t *)((char *)into + word->member) += number;
		missing &= ~(1u << (word - words));
	}
	return missing ? -ENODATA : 0;
}

static void take_meminfo(const struct meminfo *kib, struct cagma_view *view)
{
	struct cagma_sample *sample = &view->sample;

	sample->total_pages = cagma_kib_to_pages(kib->total);
	sample->free_pages = cagma_kib_to_pages(kib->free);
	sample->available_pages = cagma_kib_to_pages(kib->available);
	sample->anon_pages = cagma_kib_to_pages(kib->anon);
	sample->shmem_pages = cagma_kib_to_pages(kib->shmem);
	sample->file_pages =
		cagma_less(cagma_kib_to_pages(kib->cached) +
			   cagma_kib_to_pages(kib->buffers), sample->shmem_pages);
	sample->active_file_pages =
		cagma_level(cagma_kib_to_pages(kib->active_file));
	sample->committed_pages = cagma_kib_to_pages(kib->committed);
	sample->swap_free_pages = cagma_kib_to_pages(kib->swap_free);
	view->pressure.swap_total_pages = cagma_kib_to_pages(kib->swap_total);
	sample->swap_total_pages = cagma_level(view->pressure.swap_total_pages);
}

static int read_meminfo(const struct cagma_proc *proc, char *text,
			struct meminfo *kib)
{
	int err = read_text(proc->meminfo, text);

	return err ? err : scan(text, meminfo_words,
				sizeof(meminfo_words) / sizeof(*meminfo_words), kib);
}

static void take_vmstat(const struct vmstat *count, uint64_t unit_pages,
			struct cagma_view *view)
{
	struct cagma_sample *sample = &view->sample;

	sample->swap_in_pages = count->swap_in * unit_pages;
	sample->swap_out_pages = count->swap_out * unit_pages;
	sample->refault_pages = (count->refault + count->refault_file) * unit_pages;
	/* These wrap. */
	sample->refault_file_pages = (uint32_t)(count->refault_file * unit_pages);
	sample->activate_file_pages = (uint32_t)(count->activate_file * unit_pages);
	sample->direct_stalls = count->stalls;
	view->kswapd_work = count->kswapd;
}

static int read_vmstat(const struct cagma_proc *proc, char *text,
		       struct vmstat *count)
{
	int err = read_text(proc->vmstat, text);

	return err ? err : scan(text, vmstat_words,
				sizeof(vmstat_words) / sizeof(*vmstat_words), count);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=US", and the same for "full". */
static int read_total(const char *text, const char *kind, uint64_t *total)
{
	const char *line = strstr(text, kind);
	const char *end = line ? strchr(line, '\n') : NULL;
	const char *word = line ? strstr(line, " total=") : NULL;

	if (!word || !end || word > end)
		return -ENODATA;
	word += strlen(" total=");
	return parse_number(&word, total);
}

static int read_pressure(const struct cagma_proc *proc, char *text,
			 struct cagma_view *view)
{
	uint64_t some, full;
	int err;

	if (proc->pressure < 0)
		return 0;
	err = read_text(proc->pressure, text);
	if (!err)
		err = read_total(text, "some ", &some);
	if (!err)
		err = read_total(text, "full ", &full);
	if (err)
		return err;
	view->pressure.some_us = some;
	view->pressure.full_us = full;
	return 0;
}

static int read_kib(int fd, uint64_t *pages)
{
	char text[32];
	const char *s = text;
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
	uint64_t kib;
	int err;

	if (n < 0)
		return -errno;
	text[n] = '\0';
	err = parse_number(&s, &kib);
	if (err || *s != '\n')
		return err ? err : -EIO;
	*pages = cagma_kib_to_pages(kib);
	return 0;
}

int cagma_proc_read_balloon(const struct cagma_proc *proc, uint64_t *pages,
			    uint64_t *target_pages)
{
	int err = read_kib(proc->current_kb, pages);

	return err ? err : read_kib(proc->target_kb, target_pages);
}

int cagma_proc_write_target(const struct cagma_proc *proc, uint64_t pages)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%llu\n",
			 (unsigned long long)cagma_pages_to_kib(pages));
	ssize_t written = pwrite(proc->target_kb, text, (size_t)n, 0);

	if (written < 0)
		return -errno;
	return written == n ? 0 : -EIO;
}

/* False: a kernel without this setting, or one that may not be read. */
static bool read_setting(int fd, uint64_t *value)
{
	char text[32];
	const char *s = text;
	ssize_t n = fd < 0 ? -1 : pread(fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return false;
	text[n] = '\0';
	return !parse_number(&s, value) && *s == '\n';
}

/* Zero: what is committed does not depend on memory, or nobody knows. */
static struct cagma_commit read_commit(const struct cagma_proc *proc,
				       const struct meminfo *kib)
{
	struct cagma_commit commit = {
		.limit_pages = cagma_kib_to_pages(kib->commit_limit),
		.total_pages = cagma_kib_to_pages(kib->total),
	};
	uint64_t policy, kbytes, ratio;

	if (read_setting(proc->overcommit_memory, &policy) &&
	    policy == OVERCOMMIT_NEVER &&
	    read_setting(proc->overcommit_kbytes, &kbytes) && !kbytes &&
	    read_setting(proc->overcommit_ratio, &ratio) && ratio <= INT32_MAX)
		commit.ratio_percent = (uint32_t)ratio;
	return commit;
}

/* The larger of what is known of it. The balloon has been read. */
static uint32_t least_pages(const struct cagma_proc *proc,
			    const struct meminfo *kib, const struct vmstat *count,
			    const struct cagma_sample *sample)
{
	const struct cagma_commit commit = read_commit(proc, kib);
	uint64_t evictable = cagma_kib_to_pages(kib->evictable + kib->active_file);
	uint64_t least = cagma_least_of_commit(&commit, sample->balloon_pages,
					       sample->total_pages,
					       sample->committed_pages);

	/* Old kernels say less; no kernel has nothing of it. */
	if (evictable)
		least = cagma_max(least, cagma_least_of_reclaim(
				  sample->balloon_pages, sample->free_pages,
				  evictable + count->isolated * proc->unit_pages));
	return cagma_level(least);
}

int cagma_proc_read(const struct cagma_proc *proc, struct cagma_view *view)
{
	static char text[TEXT_BYTES];
	struct cagma_sample *sample = &view->sample;
	uint64_t pages = 0, target_pages = 0;
	struct meminfo kib = { 0 };
	struct vmstat count = { 0 };
	int err;

	memset(view, 0, sizeof(*view));
	err = read_meminfo(proc, text, &kib);
	if (!err)
		err = read_vmstat(proc, text, &count);
	if (!err)
		err = read_pressure(proc, text, view);
	if (!err)
		err = cagma_proc_read_balloon(proc, &pages, &target_pages);
	if (err)
		return err;
	take_meminfo(&kib, view);
	take_vmstat(&count, proc->unit_pages, view);
	sample->balloon_pages = pages;
	sample->balloon_target_pages = target_pages;
	sample->least_pages = least_pages(proc, &kib, &count, sample);
	sample->flags = CAGMA_SAMPLE_DETAILED;
	return 0;
}

int cagma_proc_open_trigger(const struct cagma_proc *proc)
{
	int fd = openat(proc->root, "proc/pressure/memory",
			O_RDWR | O_NONBLOCK | O_CLOEXEC);
	int err;

	if (fd < 0)
		return -errno;
	if (write(fd, TRIGGER, sizeof(TRIGGER)) == sizeof(TRIGGER))
		return fd;
	err = errno ? -errno : -EIO;
	close(fd);
	return err;
}

bool cagma_proc_has_module(const struct cagma_proc *proc)
{
	return !faccessat(proc->root, "sys/module/cagma", F_OK, 0);
}

/* Its first line; empty if there is none. */
static void read_line(int root, const char *file, char *text, size_t size)
{
	int fd = openat(root, file, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, size - 1);

	if (fd >= 0)
		close(fd);
	text[n < 0 ? 0 : n] = '\0';
	text[strcspn(text, "\n")] = '\0';
}

bool cagma_proc_says(int root, const char *file, const char *word)
{
	char text[64];

	read_line(root, file, text, sizeof(text));
	return !strcmp(text, word);
}

/* Not in every kernel; the first isn't in one that was booted with psi=0 either. */
static void open_what_there_is(struct cagma_proc *proc)
{
	const struct {
		int *fd;
		const char *name;
	} all[] = {
		{ &proc->pressure, "proc/pressure/memory" },
		{ &proc->overcommit_memory, OVERCOMMIT "memory" },
		{ &proc->overcommit_kbytes, OVERCOMMIT "kbytes" },
		{ &proc->overcommit_ratio, OVERCOMMIT "ratio" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
		*all[i].fd = openat(proc->root, all[i].name, O_RDONLY | O_CLOEXEC);
}

/* XENFEAT_dom0 of Xen's public/features.h. */
#define FEATURE_DOM0	11

bool cagma_proc_is_dom0(int root, const char *features)
{
	char text[64];

	read_line(root, features, text, sizeof(text));
	return strtoul(text, NULL, 16) & 1ul << FEATURE_DOM0;
}

int cagma_proc_open(struct cagma_proc *proc, const char *root, bool writable,
		    const char **failed)
{
	int *fds[] = { &proc->meminfo, &proc->vmstat, &proc->current_kb,
		       &proc->target_kb };
	int err;

	*proc = (struct cagma_proc){ -1, -1, -1, -1, -1, -1, -1, -1, -1,
		(uint64_t)sysconf(_SC_PAGESIZE) / CAGMA_PAGE_BYTES };
	*failed = root;
	proc->root = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (proc->root < 0)
		return -errno;
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		bool write = writable && fds[i] == &proc->target_kb;

		*failed = file_names[i];
		*fds[i] = openat(proc->root, file_names[i],
				 (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
		if (*fds[i] < 0) {
			err = -errno;
			cagma_proc_close(proc);
			return err;
		}
	}
	open_what_there_is(proc);
	return 0;
}

void cagma_proc_close(struct cagma_proc *proc)
{
	int fds[] = { proc->root, proc->meminfo, proc->vmstat, proc->current_kb,
		      proc->target_kb, proc->pressure, proc->overcommit_memory,
		      proc->overcommit_kbytes, proc->overcommit_ratio };

	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}
