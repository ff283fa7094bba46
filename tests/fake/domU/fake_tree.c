// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_tree.h"

#define OVERCOMMIT "proc/sys/vm/overcommit_"
#define BALLOON "sys/devices/system/xen_memory/xen_memory0/"

static char tree[64];

static char *path_of(const char *name)
{
	static char path[192];

	snprintf(path, sizeof(path), "%s/%s", tree, name);
	return path;
}

static void make_directories(char *path)
{
	for (char *s = path + strlen(tree) + 1; (s = strchr(s, '/')); s++) {
		*s = '\0';
		if (mkdir(path, 0755) && errno != EEXIST)
			abort();
		*s = '/';
	}
}

void fake_tree_write(const char *name, const char *text)
{
	char *path = path_of(name);
	int fd;

	make_directories(path);
	/* In place: whoever has the file open sees the new text. */
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		abort();
	close(fd);
}

void fake_tree_unlink(const char *name)
{
	unlink(path_of(name));
}

void fake_tree_memory(uint64_t available_pages)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "MemTotal:         400000 kB\n"
		 "MemFree:          100000 kB\n"
		 "MemAvailable:   %8" PRIu64 " kB\n"
		 "Buffers:            4000 kB\n"
		 "Cached:            60000 kB\n"
		 "SwapCached:          400 kB\n"
		 "Active(anon):      70000 kB\n"
		 "Inactive(anon):    30000 kB\n"
		 "Active(file):      24000 kB\n"
		 "Inactive(file):    20000 kB\n"
		 "Unevictable:        1000 kB\n"
		 "AnonPages:         80000 kB\n"
		 "Shmem:             20000 kB\n"
		 "SwapTotal:        262140 kB\n"
		 "SwapFree:         200000 kB\n"
		 "SReclaimable:       8000 kB\n"
		 "CommitLimit:      462140 kB\n"
		 "Committed_AS:     123456 kB\n", available_pages * 4);
	fake_tree_write("proc/meminfo", text);
}

void fake_tree_events(uint64_t swap_out_pages, uint64_t stalls, uint64_t kswapd_work)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "nr_free_pages 25000\n"
		 "nr_isolated_anon 300\n"
		 "nr_isolated_file 100\n"
		 "workingset_activate_file 8\n"
		 "workingset_refault_anon 10\n"
		 "workingset_refault_file 20\n"
		 "pswpin 3\n"
		 "pswpout %" PRIu64 "\n"
		 "allocstall_dma 0\n"
		 "allocstall_normal %" PRIu64 "\n"
		 "pgscan_kswapd 0\n"
		 "pageoutrun %" PRIu64 "\n"
		 "zswpin 0\n"
		 "zswpout 0\n", swap_out_pages, stalls, kswapd_work);
	fake_tree_write("proc/vmstat", text);
}

void fake_tree_overcommit(const char *memory, const char *kbytes, const char *ratio)
{
	fake_tree_write(OVERCOMMIT "memory", memory);
	fake_tree_write(OVERCOMMIT "kbytes", kbytes);
	fake_tree_write(OVERCOMMIT "ratio", ratio);
}

void fake_tree_balloon(uint64_t pages, uint64_t target_pages)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRIu64 "\n", pages * 4);
	fake_tree_write(BALLOON "info/current_kb", text);
	snprintf(text, sizeof(text), "%" PRIu64 "\n", target_pages * 4);
	fake_tree_write(BALLOON "target_kb", text);
}

uint64_t fake_tree_target_pages(void)
{
	FILE *file = fopen(path_of(BALLOON "target_kb"), "r");
	uint64_t kib = 0;

	if (!file || fscanf(file, "%" SCNu64, &kib) != 1)
		abort();
	fclose(file);
	return kib / 4;
}

const char *fake_tree_make(void)
{
	snprintf(tree, sizeof(tree), "/tmp/cagma-tree-XXXXXX");
	if (!mkdtemp(tree))
		return NULL;
	fake_tree_memory(50000);
	fake_tree_events(0, 0, 0);
	fake_tree_balloon(102400, 102400);
	fake_tree_write("proc/pressure/memory",
			"some avg10=0.00 avg60=0.00 avg300=0.00 total=1234\n"
			"full avg10=0.00 avg60=0.00 avg300=0.00 total=567\n");
	fake_tree_overcommit("0\n", "0\n", "50\n");
	fake_tree_write("sys/hypervisor/type", "xen\n");
	fake_tree_write("sys/hypervisor/guest_type", "PV\n");
	return tree;
}

void fake_tree_remove(void)
{
	static const char *const files[] = {
		"proc/meminfo", "proc/vmstat", "proc/pressure/memory",
		BALLOON "info/current_kb", BALLOON "target_kb",
		"sys/hypervisor/type", "sys/hypervisor/guest_type",
		"sys/module/cagma/refcnt",
		OVERCOMMIT "memory", OVERCOMMIT "kbytes", OVERCOMMIT "ratio",
	};
	static const char *const directories[] = {
		"proc/sys/vm", "proc/sys", "proc/pressure", "proc", BALLOON "info",
		"sys/devices/system/xen_memory/xen_memory0",
		"sys/devices/system/xen_memory", "sys/devices/system",
		"sys/devices", "sys/hypervisor", "sys/module/cagma", "sys/module",
		"sys", "",
	};

	for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++)
		unlink(path_of(files[i]));
	for (size_t i = 0; i < sizeof(directories) / sizeof(*directories); i++)
		rmdir(path_of(directories[i]));
}
