/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CAGMA_DOCTOR_H
#define CAGMA_DOCTOR_H

#include <json-c/json.h>

/*
 * Looks at what commonly goes wrong, on this host and in the daemon's status
 * (NULL: it doesn't run), and says so, a line each. `xl_conf` is the path of xl's
 * settings. Returns the number of complaints.
 */
int cagma_doctor_look(struct json_object *status, const char *xl_conf);

#endif
