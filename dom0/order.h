/* SPDX-License-Identifier: GPL-2.0-only */
/* What a guest is told, whatever carries it. */
#ifndef CAGMA_ORDER_H
#define CAGMA_ORDER_H

#include <stdbool.h>
#include <stdint.h>

/* The last one is the one that counts. */
struct cagma_order {
	uint64_t target_pages;
	uint64_t threshold_pages;
	uint32_t answered_event;
	bool denied;
};

#endif
