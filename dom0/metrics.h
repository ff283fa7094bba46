/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's status in Prometheus' text format, version 0.0.4. */
#ifndef CAGMA_METRICS_H
#define CAGMA_METRICS_H

#include <stdio.h>

#include <json-c/json.h>

/* `status` NULL: there is no daemon to ask. */
void cagma_metrics_write(FILE *file, const struct json_object *status);

#endif
