/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's only clock: monotonic, so that nobody can set it. */
#ifndef CAGMA_CLOCK_H
#define CAGMA_CLOCK_H

#include <stdint.h>

uint64_t cagma_now_ns(void);

#endif
