/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Allocations of the daemon's own code, by way of the linker's --wrap: they are
 * counted, and one of them can be made to fail. Libraries' own are not seen.
 */
#ifndef CAGMA_FAKE_MEMORY_H
#define CAGMA_FAKE_MEMORY_H

#include <stdbool.h>

/* So far, in this process. */
unsigned long fake_allocations(void);

/* The nth from now on (1: the next) fails; 0: none does. */
void fake_memory_fails_at(unsigned long nth);

/* True if that one has come. */
bool fake_memory_has_failed(void);

#endif
