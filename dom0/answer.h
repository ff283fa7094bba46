/* SPDX-License-Identifier: GPL-2.0-only */
/* The daemon's answers, in JSON. Objects are the caller's (json_object_put). */
#ifndef CAGMA_ANSWER_H
#define CAGMA_ANSWER_H

#include <json-c/json.h>

#include "status.h"
#include "store.h"

/*
 * A line, the caller's (free). `config` is the path of the configuration, or NULL.
 * NULL if memory is short.
 */
char *cagma_answer_status(const struct cagma_status *status,
			  const struct cagma_store *store, const char *config);

/* An object with an "error" if the command was refused. */
struct json_object *cagma_answer_command(const struct cagma_command *command);

/* An object with an "error" if there is no such guest. */
struct json_object *
cagma_answer_explanation(const struct cagma_explanation *explanation);

#endif
