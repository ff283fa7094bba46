/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's answers as JSON objects; the caller puts them (json_object_put). */
#ifndef CAGMA_ANSWER_H
#define CAGMA_ANSWER_H

#include <json-c/json.h>

#include "status.h"
#include "store.h"

struct json_object *cagma_answer_status(const struct cagma_status *status,
					const struct cagma_store *store);

/* An object with an "error" if the command was refused. */
struct json_object *cagma_answer_command(const struct cagma_command *command);

/* An object with an "error" if there is no such guest. */
struct json_object *
cagma_answer_explanation(const struct cagma_explanation *explanation);

#endif
