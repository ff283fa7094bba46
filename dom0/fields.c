// SPDX-License-Identifier: GPL-2.0-only
#include <inttypes.h>
#include <string.h>

#include <json-c/json.h>

#include "fields.h"
#include "policy.h"

#define TUNING(name, type)	{ #name, offsetof(struct cagma_tuning, name), type }
#define HOST(name)		{ #name, offsetof(struct cagma_host_view, name), CAGMA_U64 }
#define GUEST(name, type)	{ #name, offsetof(struct cagma_guest_view, name), type }
#define DECISION(name, type)	{ #name, offsetof(struct cagma_decision, name), type }
#define MEMORY(of) \
	of(memory.rounds, CAGMA_U32), \
	of(memory.surplus_pages[0], CAGMA_U32), \
	of(memory.surplus_pages[1], CAGMA_U32), \
	of(memory.surplus_pages[2], CAGMA_U32), \
	of(memory.surplus_pages[3], CAGMA_U32), \
	of(memory.surplus_pages[4], CAGMA_U32), \
	of(memory.grown, CAGMA_U32), \
	of(memory.yielded_s, CAGMA_U32), \
	of(memory.before_pages, CAGMA_U32), \
	of(memory.most_pages, CAGMA_U32), \
	of(memory.asked_pages, CAGMA_U32), \
	of(memory.vain_pages, CAGMA_U32), \
	of(memory.wait_s, CAGMA_U32), \
	of(memory.until_s, CAGMA_U32), \
	of(memory.had_pages, CAGMA_U32), \
	of(memory.used_pages, CAGMA_U32), \
	of(memory.followed, CAGMA_U32)

_Static_assert(CAGMA_MEMORY_ROUNDS == 5, "a policy's memory has other fields");

const struct cagma_field cagma_tuning_fields[] = {
	TUNING(cma_floor_pages, CAGMA_U64),
	TUNING(release_pages, CAGMA_U64),
	TUNING(task_percent, CAGMA_U32),
	TUNING(threshold_percent, CAGMA_U32),
	TUNING(horizon_ns, CAGMA_U64),
	TUNING(window_ns, CAGMA_U64),
	TUNING(release_ns, CAGMA_U64),
	TUNING(donor_ns, CAGMA_U64),
	TUNING(grace_ns, CAGMA_U64),
	TUNING(stale_ns, CAGMA_U64),
	TUNING(shape_pages, CAGMA_U64),
	TUNING(shape_percent, CAGMA_U32),
	TUNING(idle_host, CAGMA_BOOL),
	{ NULL, 0, 0 },
};

const struct cagma_field cagma_host_view_fields[] = {
	HOST(spare_pages),
	HOST(overdrawn_pages),
	HOST(reserve_pages),
	HOST(hard_pages),
	HOST(up_ns),
	{ NULL, 0, 0 },
};

const struct cagma_field cagma_guest_view_fields[] = {
	GUEST(alloc_pages, CAGMA_U64),
	GUEST(limit_pages, CAGMA_U64),
	GUEST(target_pages, CAGMA_U64),
	GUEST(available_pages, CAGMA_U64),
	GUEST(used_pages, CAGMA_U64),
	GUEST(used_donor_pages, CAGMA_U64),
	GUEST(used_release_pages, CAGMA_U64),
	GUEST(growth_pages, CAGMA_U64),
	GUEST(burst_pages, CAGMA_U64),
	GUEST(task_pages, CAGMA_U64),
	GUEST(swapped_pages, CAGMA_U64),
	GUEST(swap_in_pages, CAGMA_U64),
	GUEST(firm_pages, CAGMA_U64),
	GUEST(quick_pages, CAGMA_U64),
	GUEST(steady_pages, CAGMA_U64),
	GUEST(min_pages, CAGMA_U64),
	GUEST(max_pages, CAGMA_U64),
	GUEST(weight, CAGMA_U32),
	GUEST(age_ns, CAGMA_U64),
	GUEST(settled_ns, CAGMA_U64),
	GUEST(yielded_ns, CAGMA_U64),
	GUEST(covered, CAGMA_BOOL),
	GUEST(emergency, CAGMA_BOOL),
	GUEST(held, CAGMA_BOOL),
	GUEST(stuck, CAGMA_BOOL),
	MEMORY(GUEST),
	{ NULL, 0, 0 },
};

const struct cagma_field cagma_decision_fields[] = {
	DECISION(target_pages, CAGMA_U64),
	DECISION(cma_pages, CAGMA_U64),
	DECISION(threshold_pages, CAGMA_U64),
	DECISION(entitled_pages, CAGMA_U64),
	DECISION(unmet_pages, CAGMA_U64),
	DECISION(why, CAGMA_WHY),
	MEMORY(DECISION),
	{ NULL, 0, 0 },
};

unsigned long long cagma_fields_value(const struct cagma_field *field,
				      const void *object)
{
	const void *at = (const char *)object + field->offset;

	switch (field->type) {
	case CAGMA_BOOL:
		return *(const bool *)at;
	case CAGMA_U32:
		return *(const uint32_t *)at;
	case CAGMA_U64:
		return *(const uint64_t *)at;
	case CAGMA_WHY:
		return *(const enum cagma_why *)at;
	}
	return 0;
}

static void write_value(FILE *file, const struct cagma_field *field,
			const void *object)
{
	unsigned long long value = cagma_fields_value(field, object);

	if (field->type == CAGMA_BOOL)
		fputs(value ? "true" : "false", file);
	else if (field->type == CAGMA_WHY)
		fprintf(file, "\"%s\"", cagma_why_name((enum cagma_why)value));
	else
		fprintf(file, "%llu", value);
}

void cagma_fields_write(FILE *file, const struct cagma_field *fields,
			const void *object)
{
	for (const struct cagma_field *f = fields; f->name; f++) {
		fprintf(file, "%s\"%s\":", f == fields ? "{" : ",", f->name);
		write_value(file, f, object);
	}
	fputs("}", file);
}

static bool read_bool(struct json_object *value, bool *to)
{
	if (!json_object_is_type(value, json_type_boolean))
		return false;
	*to = json_object_get_boolean(value);
	return true;
}

/* Numbers beyond a signed 64 bit one are exact, too. */
static bool read_number(struct json_object *value, uint64_t most, uint64_t *to)
{
	if (!json_object_is_type(value, json_type_int) ||
	    json_object_get_int64(value) < 0)
		return false;
	*to = json_object_get_uint64(value);
	return *to <= most;
}

static bool read_why(struct json_object *value, enum cagma_why *to)
{
	const char *name = json_object_get_string(value);

	for (int why = 0; name && why < CAGMA_WHY_COUNT; why++) {
		if (strcmp(cagma_why_name((enum cagma_why)why), name))
			continue;
		*to = (enum cagma_why)why;
		return true;
	}
	return false;
}

static bool read_value(struct json_object *value,
		       const struct cagma_field *field, void *object)
{
	void *at = (char *)object + field->offset;
	uint64_t number;

	switch (field->type) {
	case CAGMA_BOOL:
		return read_bool(value, at);
	case CAGMA_U32:
		if (!read_number(value, UINT32_MAX, &number))
			return false;
		*(uint32_t *)at = (uint32_t)number;
		return true;
	case CAGMA_U64:
		return read_number(value, UINT64_MAX, at);
	case CAGMA_WHY:
		return read_why(value, at);
	}
	return false;
}

const char *cagma_fields_read(const struct json_object *from,
			      const struct cagma_field *fields, void *object)
{
	for (const struct cagma_field *f = fields; f->name; f++) {
		struct json_object *value = NULL;

		if (!json_object_object_get_ex(from, f->name, &value) ||
		    !read_value(value, f, object))
			return f->name;
	}
	return NULL;
}

const char *cagma_fields_differ(const struct cagma_field *fields,
				const void *a, const void *b)
{
	for (const struct cagma_field *f = fields; f->name; f++)
		if (cagma_fields_value(f, a) != cagma_fields_value(f, b))
			return f->name;
	return NULL;
}
