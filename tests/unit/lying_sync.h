/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primitives of shared/sync.h for test_lies.c: there is no page, the test
 * says what each load of it brings.
 */
#ifndef CAGMA_LYING_SYNC_H
#define CAGMA_LYING_SYNC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

uint64_t lying_load(const void *from, size_t size);
void lying_store(void *to, size_t size);

#define cagma_load(p)	((__typeof__(*(p)))lying_load((p), sizeof(*(p))))
#define cagma_store(p, v) ((void)(v), lying_store((p), sizeof(*(p))))
#define cagma_load_acquire(p) cagma_load(p)
#define cagma_store_release(p, v) cagma_store(p, v)
#define cagma_rmb()	((void)0)
#define cagma_wmb()	((void)0)
#define cagma_mb()	((void)0)

#endif
