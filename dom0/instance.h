/* SPDX-License-Identifier: GPL-2.0-only */
/* One instance of a program: a lock on a file that says whose it is. */
#ifndef CAGMA_INSTANCE_H
#define CAGMA_INSTANCE_H

#include <sys/types.h>

/*
 * Makes `dir` with `mode` and locks the file `name` in it, which has that mode but for
 * its execute bits. The descriptor holds the lock, until it is closed or its process
 * ends; -EBUSY with the other instance's pid in *owner (0 if unknown), or -errno. A
 * symbolic link is no lock: -ELOOP.
 */
int cagma_instance_lock(const char *dir, const char *name, mode_t mode, int *owner);

#endif
