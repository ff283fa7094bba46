/* SPDX-License-Identifier: GPL-2.0-only */
/* One instance of a program: a lock on a file that says whose it is. */
#ifndef CAGMA_INSTANCE_H
#define CAGMA_INSTANCE_H

/*
 * Not in a directory that a service manager makes and removes with the program's unit:
 * another instance's lock would go with it, and a third one would find none.
 */
#define CAGMA_LOCK_DIR	"/run/lock"

/*
 * Locks the file `name` in `dir`, which is made if need be. The descriptor holds the
 * lock, until it is closed or its process ends; -EBUSY with the other instance's pid in
 * *owner (0 if unknown), or -errno. Others may write to `dir`: a symbolic link is no
 * lock (-ELOOP), nor is what isn't our own file (-EPERM), and nobody else can open it.
 */
int cagma_instance_lock(const char *dir, const char *name, int *owner);

#endif
