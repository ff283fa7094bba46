/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CAGMA_PRINT_H
#define CAGMA_PRINT_H

#include <stdio.h>

#include "proc.h"

/*
 * One JSON object, with the names of shared/sample.h and shared/msg.h. Whether the
 * stream took it all, its error indicator says.
 */
void cagma_print_view(FILE *out, const struct cagma_view *view, bool has_pressure);

#endif
