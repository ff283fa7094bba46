/* SPDX-License-Identifier: GPL-2.0-only */
/* Members of the daemon's answers; one that is missing is 0, "" or empty. */
#ifndef CAGMA_MEMBER_H
#define CAGMA_MEMBER_H

#include <stdbool.h>
#include <stddef.h>

#include <json-c/json.h>

static inline struct json_object *cagma_member(const struct json_object *from,
					       const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(from, key, &value);
	return value;
}

static inline long long cagma_number(const struct json_object *from,
				     const char *key)
{
	return (long long)json_object_get_int64(cagma_member(from, key));
}

/* From a number of KiB. */
static inline long long cagma_mib(const struct json_object *from,
				  const char *key)
{
	return cagma_number(from, key) / 1024;
}

static inline bool cagma_truth(const struct json_object *from, const char *key)
{
	return json_object_get_boolean(cagma_member(from, key));
}

static inline const char *cagma_text(const struct json_object *from,
				     const char *key)
{
	struct json_object *value = cagma_member(from, key);

	return value ? json_object_get_string(value) : "";
}

static inline size_t cagma_count(const struct json_object *from,
				 const char *key)
{
	struct json_object *list = cagma_member(from, key);

	return list ? json_object_array_length(list) : 0;
}

/* The i-th of a list, or NULL behind its end. */
static inline struct json_object *cagma_item(const struct json_object *from,
					     const char *key, size_t i)
{
	return i < cagma_count(from, key) ?
		       json_object_array_get_idx(cagma_member(from, key), i) :
		       NULL;
}

#endif
