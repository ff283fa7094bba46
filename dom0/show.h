/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's answers as text for people, on stdout. */
#ifndef CAGMA_SHOW_H
#define CAGMA_SHOW_H

#include <json-c/json.h>

void cagma_show_status(struct json_object *status);
void cagma_show_history(struct json_object *answer);

/* The last change, with what went into it; the rules are in docs/policy.md. */
void cagma_show_explanation(struct json_object *answer);

#endif
