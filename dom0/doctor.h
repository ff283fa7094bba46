/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CAGMA_DOCTOR_H
#define CAGMA_DOCTOR_H

#include <json-c/json.h>

/*
 * Looks at what commonly goes wrong, on this host and in the daemon's status
 * (NULL: it doesn't run), and adds the daemon's own advice (NULL: there is none).
 * `xl_conf` is the path of xl's settings, `run_dir` where
 * the daemon's socket is. The caller puts what was found:
 * { "complaints": number, "findings": [ { "ok": bool, "text": text }, ... ] }
 */
struct json_object *cagma_doctor_look(struct json_object *status,
				      struct json_object *advice,
				      const char *xl_conf, const char *run_dir);

/* The findings, a line each. */
void cagma_doctor_print(const struct json_object *all);

#endif
