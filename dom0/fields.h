/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What a policy is given and what it decides, as members of JSON objects. They
 * have the names of the C fields; pages are pages, times are nanoseconds.
 */
#ifndef CAGMA_FIELDS_H
#define CAGMA_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct json_object;

enum cagma_field_type { CAGMA_BOOL, CAGMA_U32, CAGMA_U64, CAGMA_WHY };

struct cagma_field {
	const char *name;	/* NULL ends a table */
	size_t offset;
	enum cagma_field_type type;
};

/* Every field of struct cagma_tuning, _host_view, _guest_view, _decision. */
extern const struct cagma_field cagma_tuning_fields[];
extern const struct cagma_field cagma_host_view_fields[];
extern const struct cagma_field cagma_guest_view_fields[];
extern const struct cagma_field cagma_decision_fields[];

void cagma_fields_write(FILE *file, const struct cagma_field *fields,
			const void *object);

/*
 * NULL, or the name of the first member that is missing or can't be a value of
 * its field; the object is half filled then.
 */
const char *cagma_fields_read(const struct json_object *from,
			      const struct cagma_field *fields, void *object);

/* NULL, or the name of the first field in which the two differ. */
const char *cagma_fields_differ(const struct cagma_field *fields,
				const void *a, const void *b);

/* The value of a field, for messages; a reason is its number. */
unsigned long long cagma_fields_value(const struct cagma_field *field,
				      const void *object);

#endif
