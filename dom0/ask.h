/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CAGMA_ASK_H
#define CAGMA_ASK_H

#include <json-c/json.h>

/*
 * What the daemon that uses this run directory answers to `request`, a line;
 * the caller puts it. NULL after an error that was printed to stderr: there is
 * no daemon, or it said nothing whole within 5 s. What changes nothing is asked
 * where readers may ask, if the control socket is closed to this user.
 */
struct json_object *cagma_ask(const char *run_dir, const char *request);

/* The same, but an answer that is an error is printed and is none. */
struct json_object *cagma_demand(const char *run_dir, const char *request);

/* As that, and at the readers' socket alone, whoever this is. */
struct json_object *cagma_read(const char *run_dir, const char *request);

#endif
