/* SPDX-License-Identifier: GPL-2.0-only */
/* A guest kernel's /proc and /sys, as files in a directory of their own. */
#ifndef CAGMA_FAKE_TREE_H
#define CAGMA_FAKE_TREE_H

#include <stdbool.h>
#include <stdint.h>

/* The name of a new tree, of a PV guest on Linux 6.1 with 400 MiB; NULL: none. */
const char *fake_tree_make(void);
void fake_tree_remove(void);

/* The file of that name has that text from now on. */
void fake_tree_write(const char *name, const char *text);
void fake_tree_unlink(const char *name);

/* The numbers that an agent's tests turn, in pages of 4 KiB. */
void fake_tree_memory(uint64_t available_pages);
void fake_tree_events(uint64_t swap_out_pages, uint64_t stalls, uint64_t kswapd_work);
void fake_tree_balloon(uint64_t pages, uint64_t target_pages);
uint64_t fake_tree_target_pages(void);

/* The settings of that name below /proc/sys/vm. */
void fake_tree_overcommit(const char *memory, const char *kbytes, const char *ratio);

#endif
