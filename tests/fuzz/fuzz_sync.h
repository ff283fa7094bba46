/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The primitives of shared/sync.h for fuzz_page.c: the input is the guest
 * behind the page, and may change it before every load.
 */
#ifndef CAGMA_FUZZ_SYNC_H
#define CAGMA_FUZZ_SYNC_H

#include <errno.h>
#include <stddef.h>
#include <stdint.h>

uint64_t fuzz_load(const void *from, size_t size);
void fuzz_store(void *to, uint64_t value, size_t size);

#define cagma_load(p)	((__typeof__(*(p)))fuzz_load((p), sizeof(*(p))))
#define cagma_store(p, v) fuzz_store((p), (v), sizeof(*(p)))
#define cagma_load_acquire(p) cagma_load(p)
#define cagma_store_release(p, v) cagma_store(p, v)
#define cagma_rmb()	((void)0)
#define cagma_wmb()	((void)0)
#define cagma_mb()	((void)0)

#endif
