// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <json-c/json.h>

#include "fields.h"
#include "replay.h"

/* One line of the file. */
struct line {
	const struct cagma_policy *policy;
	bool periodic;
	struct cagma_tuning tuning;
	struct cagma_host_view host;
	size_t count;
	const char **name;
	struct cagma_guest_view *views;
	struct cagma_decision *recorded;
	struct cagma_decision *decided;
	struct json_object *json;
};

static struct json_object *member(const struct json_object *from,
				  const char *key)
{
	struct json_object *value = NULL;

	json_object_object_get_ex(from, key, &value);
	return value;
}

static void release(struct line *line)
{
	free(line->name);
	free(line->views);
	free(line->recorded);
	free(line->decided);
	json_object_put(line->json);
}

static bool allocate(struct line *line)
{
	size_t count = line->count + 1;

	line->name = calloc(count, sizeof(*line->name));
	line->views = calloc(count, sizeof(*line->views));
	line->recorded = calloc(count, sizeof(*line->recorded));
	line->decided = calloc(count, sizeof(*line->decided));
	return line->name && line->views && line->recorded && line->decided;
}

/* NULL, or what is wrong. */
static const char *parse_guest(struct line *line, size_t i,
			       struct json_object *guest)
{
	const char *bad;

	line->name[i] = json_object_get_string(member(guest, "name"));
	if (!line->name[i])
		return "name";
	bad = cagma_fields_read(member(guest, "view"), cagma_guest_view_fields,
				&line->views[i]);
	if (bad)
		return bad;
	return cagma_fields_read(member(guest, "decision"),
				 cagma_decision_fields, &line->recorded[i]);
}

static const char *parse(struct line *line)
{
	struct json_object *guests = member(line->json, "guests");
	const char *policy =
		json_object_get_string(member(line->json, "policy"));
	const char *bad;

	line->policy = policy ? cagma_policy_find(policy) : NULL;
	if (!line->policy)
		return "policy";
	line->periodic = json_object_get_boolean(member(line->json, "periodic"));
	bad = cagma_fields_read(member(line->json, "tuning"),
				cagma_tuning_fields, &line->tuning);
	if (!bad)
		bad = cagma_fields_read(member(line->json, "host"),
					cagma_host_view_fields, &line->host);
	if (!bad && !json_object_is_type(guests, json_type_array))
		bad = "guests";
	if (bad)
		return bad;
	line->count = json_object_array_length(guests);
	if (!allocate(line))
		return strerror(ENOMEM);
	for (size_t i = 0; !bad && i < line->count; i++)
		bad = parse_guest(line, i, json_object_array_get_idx(guests, i));
	return bad;
}

static void compare(struct replay *r, const struct line *line, size_t i)
{
	const struct cagma_field *f = cagma_decision_fields;
	const char *differs = cagma_fields_differ(f, &line->recorded[i],
						  &line->decided[i]);

	r->decisions++;
	if (!differs || r->differ++)
		return;
	while (strcmp(f->name, differs))
		f++;
	snprintf(r->first, sizeof(r->first), "at %lld ms, %s, %s: %s was %llu, is %llu",
		 (long long)json_object_get_int64(member(line->json, "t_ms")),
		 line->name[i], line->periodic ? "periodic" : "emergency",
		 differs, cagma_fields_value(f, &line->recorded[i]),
		 cagma_fields_value(f, &line->decided[i]));
}

static void decide(struct replay *r, const struct line *line,
		   const struct cagma_policy *policy)
{
	(policy ? policy : line->policy)->decide(
		&line->tuning, &line->host, line->views, line->count,
		line->periodic, line->decided);
	r->rounds++;
	r->lost += json_object_get_uint64(member(line->json, "lost"));
	for (size_t i = 0; i < line->count; i++)
		compare(r, line, i);
}

/* NULL, or what is wrong with a line that is whole. */
static const char *play(struct replay *r, const char *text,
			const struct cagma_policy *policy)
{
	struct line line = { .json = json_tokener_parse(text) };
	const char *bad;
	static char which[64];

	if (!line.json) {
		r->cut_short++;
		return NULL;
	}
	bad = parse(&line);
	if (!bad)
		decide(r, &line, policy);
	else
		snprintf(which, sizeof(which), "%s", bad);
	release(&line);
	return bad ? which : NULL;
}

bool replay_file(struct replay *replay, const char *path,
		 const struct cagma_policy *policy, char *error,
		 size_t error_size)
{
	FILE *file = fopen(path, "re");
	const char *bad = NULL;
	char *text = NULL;
	size_t size = 0, number = 0;

	*replay = (struct replay){ .rounds = 0 };
	if (!file) {
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
		return false;
	}
	while (!bad && getline(&text, &size, file) > 0) {
		number++;
		if (*text != '\n')
			bad = play(replay, text, policy);
	}
	free(text);
	fclose(file);
	if (bad)
		snprintf(error, error_size, "%s:%zu: \"%s\" is missing or wrong",
			 path, number, bad);
	else if (!replay->rounds)
		snprintf(error, error_size, "%s: no round was recorded", path);
	return !bad && replay->rounds;
}
