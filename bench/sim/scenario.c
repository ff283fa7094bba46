// SPDX-License-Identifier: GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "scenario.h"
#include "world.h"

#define WORDS_MAX	16

struct line {
	struct scenario *scenario;
	unsigned int number;
	int count;
	char *word[WORDS_MAX];
	char complaint[128];
};

static bool refuse(struct line *line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(line->complaint, sizeof(line->complaint), format, args);
	va_end(args);
	return false;
}

/* ---- words ---- */

static bool get_number(struct line *line, const char *text, uint64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)text[0]) || *end || errno ||
	    *value > UINT32_MAX)
		return refuse(line, "\"%s\" is no whole number", text);
	return true;
}

/* Seconds, with up to three decimals. */
static bool get_time(struct line *line, const char *text, uint64_t *ms)
{
	char *end;
	double seconds = strtod(text, &end);

	if (!isdigit((unsigned char)text[0]) || *end || seconds > 1e6)
		return refuse(line, "\"%s\" is no time in seconds", text);
	*ms = (uint64_t)(seconds * 1000 + 0.5);
	return true;
}

struct key {
	const char *name;
	uint64_t *value;
};

/* key=number words from `first` on. */
static bool get_pairs(struct line *line, int first, const struct key *keys)
{
	for (int i = first; i < line->count; i++) {
		char *text = strchr(line->word[i], '=');
		const struct key *key = keys;

		if (!text)
			return refuse(line, "\"%s\" is not KEY=NUMBER",
				      line->word[i]);
		*text++ = '\0';
		while (key->name && strcmp(key->name, line->word[i]))
			key++;
		if (!key->name)
			return refuse(line, "unknown key \"%s\"",
				      line->word[i]);
		if (!get_number(line, text, key->value))
			return false;
	}
	return true;
}

static bool get_guest(struct line *line, const char *name, int *index)
{
	struct scenario *s = line->scenario;

	for (size_t i = 0; i < s->guest_count; i++) {
		if (strcmp(s->guest[i].name, name))
			continue;
		*index = (int)i;
		return true;
	}
	return refuse(line, "no guest \"%s\"", name);
}

static bool copy_name(struct line *line, char *to, const char *name)
{
	if (strlen(name) >= SCENARIO_NAME_BYTES)
		return refuse(line, "\"%s\" is too long", name);
	memcpy(to, name, strlen(name) + 1);
	return true;
}

/* ---- lines ---- */

static bool read_host(struct line *line)
{
	struct scenario *s = line->scenario;
	const struct key keys[] = {
		{ "total", &s->total }, { "dom0", &s->dom0 },
		{ "disk", &s->disk }, { NULL, NULL },
	};

	return get_pairs(line, 1, keys);
}

static bool read_set(struct line *line)
{
	struct scenario *s = line->scenario;
	struct scenario_setting *setting = &s->setting[s->setting_count];

	if (line->count != 3)
		return refuse(line, "set NAME VALUE");
	if (s->setting_count == SCENARIO_SETTINGS_MAX)
		return refuse(line, "too many settings");
	s->setting_count++;
	return copy_name(line, setting->name, line->word[1]) &&
	       copy_name(line, setting->value, line->word[2]);
}

/* NAME becomes NAME1, and others like it are added. */
static bool add_copies(struct line *line, struct scenario_guest *first,
		       uint64_t copies)
{
	struct scenario *s = line->scenario;
	const struct scenario_guest is = *first;

	if (copies > SCENARIO_GUESTS_MAX - s->guest_count + 1)
		return refuse(line, "too many guests");
	for (uint64_t i = 0; i < copies; i++) {
		first[i] = is;
		if (snprintf(first[i].name, sizeof(is.name), "%.24s%llu",
			     is.name, (unsigned long long)i + 1) < 0)
			return false;
	}
	s->guest_count += copies - 1;
	return true;
}

static bool read_guest(struct line *line)
{
	struct scenario *s = line->scenario;
	struct scenario_guest *g = &s->guest[s->guest_count];
	uint64_t starts = 0, copies = 0, module = 0;
	const struct key keys[] = {
		{ "memory", &g->memory }, { "static-max", &g->static_max },
		{ "min", &g->min }, { "max", &g->max },
		{ "weight", &g->weight }, { "uses", &g->uses },
		{ "rate", &g->rate }, { "starts", &starts },
		{ "offset", &g->offset }, { "copies", &copies },
		{ "module", &module }, { "old", &g->old },
		{ "swap", &g->swap }, { "no-swap", &g->no_swap },
		{ "strict", &g->strict }, { "hotplug-max", &g->hotplug_max },
		{ NULL, NULL },
	};

	if (line->count < 2)
		return refuse(line, "guest NAME KEY=NUMBER...");
	if (s->guest_count == SCENARIO_GUESTS_MAX)
		return refuse(line, "too many guests");
	*g = (struct scenario_guest){ .memory = 512, .rate = 640 };
	if (!copy_name(line, g->name, line->word[1]) ||
	    !get_pairs(line, 2, keys))
		return false;
	if (!g->static_max)
		g->static_max = 4 * g->memory;
	if (!g->uses)
		g->uses = g->memory / 2;
	g->starts_ms = starts * 1000;
	g->module_ms = module * 1000;
	s->guest_count++;
	return !copies || add_copies(line, g, copies);
}

static const struct {
	const char *name;
	enum scenario_verb verb;
	bool host;
	int values;
} verbs[] = {
	{ "uses", VERB_USES, false, 1 },
	{ "noise", VERB_NOISE, false, 1 },
	{ "rate", VERB_RATE, false, 1 },
	{ "trickles", VERB_TRICKLES, false, 0 },
	{ "hides", VERB_HIDES, false, 1 },
	{ "task", VERB_TASK, false, 1 },
	{ "mem-set", VERB_MEM_SET, false, 1 },
	{ "silent", VERB_SILENT, false, 0 },
	{ "deaf", VERB_DEAF, false, 0 },
	{ "contradicts", VERB_CONTRADICTS, false, 0 },
	{ "rewinds", VERB_REWINDS, false, 0 },
	{ "floods", VERB_FLOODS, false, 0 },
	{ "storms", VERB_STORMS, false, 0 },
	{ "spams", VERB_SPAMS, false, 0 },
	{ "boasts", VERB_BOASTS, false, 0 },
	{ "honest", VERB_HONEST, false, 0 },
	{ "paused", VERB_PAUSED, false, 0 },
	{ "running", VERB_RUNNING, false, 0 },
	{ "destroyed", VERB_DESTROYED, false, 0 },
	{ "reboots", VERB_REBOOTS, false, 0 },
	{ "cache", VERB_CACHE, false, 1 },
	{ "reads", VERB_READS, false, 1 },
	{ "pins", VERB_PINS, false, 1 },
	{ "holds", VERB_HOLDS, false, 1 },
	{ "churns", VERB_CHURNS, false, 1 },
	{ "commits", VERB_COMMITS, false, 1 },
	{ "elastic", VERB_ELASTIC, false, 1 },
	{ "adapts", VERB_ADAPTS, false, 1 },
	{ "shuts-down", VERB_SHUTS_DOWN, false, 0 },
	{ "zombie", VERB_ZOMBIE, false, 0 },
	{ "takes", VERB_TAKES, true, 1 },
	{ "returns", VERB_RETURNS, true, 1 },
	{ "zombie", VERB_LEAVES, true, 1 },
	{ "claims", VERB_CLAIMS, true, 1 },
	{ "crowd", VERB_CROWD, true, 1 },
	{ "domids", VERB_DOMIDS, true, 1 },
	{ "reserves", VERB_RESERVES, true, 1 },
	{ "killed", VERB_KILLED, true, 0 },
	{ "stopped", VERB_STOPPED, true, 1 },
	{ "xenstore-fails", VERB_XENSTORE_FAILS, true, 0 },
	{ "limits-fail", VERB_LIMITS_FAIL, true, 0 },
	{ "works", VERB_WORKS, true, 0 },
	{ "clock-stops", VERB_CLOCK_STOPS, true, 1 },
};

const char *scenario_verb_name(enum scenario_verb verb)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].verb == verb)
			return verbs[i].name;
	return "";
}

int scenario_verb_values(enum scenario_verb verb)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].verb == verb)
			return verbs[i].values;
	return 0;
}

bool scenario_verb_has_rate(enum scenario_verb verb)
{
	return verb == VERB_USES || verb == VERB_CLAIMS;
}

static bool read_verb(struct line *line, struct scenario_event *event)
{
	bool host = !strcmp(line->word[2], "host") ||
		    !strcmp(line->word[2], "daemon");
	const struct key rate[] = { { "rate", &event->rate }, { NULL, NULL } };

	if (line->count < 4)
		return refuse(line, "at SECONDS GUEST|host|daemon VERB...");
	event->guest = SCENARIO_HOST;
	if (!host && !get_guest(line, line->word[2], &event->guest))
		return false;
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(verbs[i].name, line->word[3]) ||
		    verbs[i].host != host)
			continue;
		event->verb = verbs[i].verb;
		if (line->count < 4 + verbs[i].values)
			return refuse(line, "\"%s\" needs a number",
				      line->word[3]);
		if (verbs[i].values &&
		    !get_number(line, line->word[4], &event->value))
			return false;
		if (scenario_verb_has_rate(event->verb))
			return get_pairs(line, 5, rate);
		if (line->count > 4 + verbs[i].values)
			return refuse(line, "\"%s\" is too much",
				      line->word[4 + verbs[i].values]);
		return true;
	}
	return refuse(line, "%s can't do \"%s\"", line->word[2],
		      line->word[3]);
}

/* FIGURE OP NUMBER, with FIGURE = GUEST.NAME or host.NAME. */
static bool read_expectation(struct line *line, int first,
			     struct scenario_event *event)
{
	static const char *const names[] = { "<", "<=", "==", ">=", ">" };
	char *dot;

	event->verb = VERB_EXPECT;
	event->guest = SCENARIO_HOST;
	if (line->count != first + 3)
		return refuse(line, "expect GUEST.FIGURE OPERATOR NUMBER");
	dot = strrchr(line->word[first], '.');
	if (!dot)
		return refuse(line, "\"%s\" is no figure", line->word[first]);
	*dot++ = '\0';
	if (strcmp(line->word[first], "host") &&
	    !get_guest(line, line->word[first], &event->guest))
		return false;
	event->figure = world_figure_find(dot, event->guest == SCENARIO_HOST);
	if (event->figure < 0)
		return refuse(line, "%s has no figure \"%s\"",
			      line->word[first], dot);
	for (int i = 0; i < 5; i++)
		if (!strcmp(line->word[first + 1], names[i])) {
			event->op = (enum scenario_operator)i;
			return get_number(line, line->word[first + 2],
					  &event->value);
		}
	return refuse(line, "\"%s\" is no operator", line->word[first + 1]);
}

static bool read_event(struct line *line)
{
	struct scenario_event event = { .line = line->number };
	bool timed = !strcmp(line->word[0], "at");
	bool ok;

	event.at_ms = UINT64_MAX;
	if (timed && line->count < 3)
		return refuse(line, "at SECONDS what?");
	if (timed && !get_time(line, line->word[1], &event.at_ms))
		return false;
	if (!timed)
		ok = read_expectation(line, 1, &event);
	else if (!strcmp(line->word[2], "expect"))
		ok = read_expectation(line, 3, &event);
	else
		ok = read_verb(line, &event);
	if (!ok)
		return false;
	return scenario_add_event(line->scenario, &event) ? true :
		refuse(line, "too many events");
}

static bool read_number(struct line *line)
{
	struct scenario *s = line->scenario;
	const char *what = line->word[0];

	if (line->count != 2)
		return refuse(line, "%s NUMBER", what);
	if (!strcmp(what, "run"))
		return get_time(line, line->word[1], &s->run_ms);
	if (!strcmp(what, "rest"))
		return get_time(line, line->word[1], &s->rest_ms);
	if (!strcmp(what, "step"))
		return get_number(line, line->word[1], &s->step_ms) &&
		       (s->step_ms ? true : refuse(line, "a step takes time"));
	return get_number(line, line->word[1], &s->seed);
}

static bool read_line(struct line *line)
{
	static const struct {
		const char *name;
		bool (*read)(struct line *line);
	} readers[] = {
		{ "host", read_host }, { "set", read_set },
		{ "guest", read_guest }, { "at", read_event },
		{ "expect", read_event }, { "run", read_number },
		{ "rest", read_number }, { "step", read_number },
		{ "seed", read_number },
	};

	for (size_t i = 0; i < sizeof(readers) / sizeof(readers[0]); i++)
		if (!strcmp(readers[i].name, line->word[0]))
			return readers[i].read(line);
	return refuse(line, "unknown word \"%s\"", line->word[0]);
}

static void split(struct line *line, char *text)
{
	char *rest = NULL;

	line->count = 0;
	for (char *word = strtok_r(text, " \t\n", &rest);
	     word && line->count < WORDS_MAX;
	     word = strtok_r(NULL, " \t\n", &rest))
		line->word[line->count++] = word;
}

/* The first comment says what the scenario is about. */
static void take_title(struct scenario *s, char *comment)
{
	comment += strspn(comment, "# \t");
	comment[strcspn(comment, "\n")] = '\0';
	if (!s->title[0])
		snprintf(s->title, sizeof(s->title), "%s", comment);
}

/* ---- the whole ---- */

void scenario_init(struct scenario *scenario)
{
	memset(scenario, 0, sizeof(*scenario));
	scenario->total = 4096;
	scenario->dom0 = 512;
	scenario->disk = 100;
	scenario->step_ms = 10;
	scenario->seed = 1;
}

bool scenario_add_event(struct scenario *scenario,
			const struct scenario_event *event)
{
	size_t i = scenario->event_count;

	if (i == SCENARIO_EVENTS_MAX)
		return false;
	for (; i && scenario->event[i - 1].at_ms > event->at_ms; i--)
		scenario->event[i] = scenario->event[i - 1];
	scenario->event[i] = *event;
	scenario->event_count++;
	return true;
}

bool scenario_read(struct scenario *scenario, const char *path, char *error,
		   size_t error_size)
{
	struct line line = { .scenario = scenario };
	char text[512];
	FILE *file = fopen(path, "re");
	bool ok = true;

	if (!file) {
		snprintf(error, error_size, "%s: %s", path, strerror(errno));
		return false;
	}
	scenario_init(scenario);
	while (ok && fgets(text, sizeof(text), file)) {
		char *comment = strchr(text, '#');

		line.number++;
		if (comment) {
			take_title(scenario, comment);
			*comment = '\0';
		}
		split(&line, text);
		ok = !line.count || read_line(&line);
	}
	fclose(file);
	if (ok && !scenario->run_ms)
		ok = refuse(&line, "it says nowhere how long to run");
	if (!ok)
		snprintf(error, error_size, "%s:%u: %s", path, line.number,
			 line.complaint);
	return ok;
}

const char *scenario_operator_name(enum scenario_operator op)
{
	static const char *const names[] = {
		[OP_LESS] = "less than", [OP_AT_MOST] = "at most",
		[OP_EQUAL] = "exactly", [OP_AT_LEAST] = "at least",
		[OP_MORE] = "more than",
	};

	return names[op];
}

bool scenario_holds(int64_t is, enum scenario_operator op, int64_t value)
{
	switch (op) {
	case OP_LESS:
		return is < value;
	case OP_AT_MOST:
		return is <= value;
	case OP_EQUAL:
		return is == value;
	case OP_AT_LEAST:
		return is >= value;
	default:
		return is > value;
	}
}

static bool is_text(const char *value)
{
	return !isdigit((unsigned char)value[0]);
}

void scenario_write_config(const struct scenario *scenario, FILE *file)
{
	for (size_t i = 0; i < scenario->setting_count; i++) {
		const struct scenario_setting *s = &scenario->setting[i];
		const char *quote = is_text(s->value) ? "\"" : "";

		fprintf(file, "%s = %s%s%s;\n", s->name, quote, s->value,
			quote);
	}
	fprintf(file, "guests = (");
	for (size_t i = 0; i < scenario->guest_count; i++) {
		const struct scenario_guest *g = &scenario->guest[i];

		fprintf(file, "%s\n\t{ name = \"%s\"; ", i ? "," : "", g->name);
		if (g->min)
			fprintf(file, "min_mib = %llu; ",
				(unsigned long long)g->min);
		if (g->max)
			fprintf(file, "max_mib = %llu; ",
				(unsigned long long)g->max);
		if (g->weight)
			fprintf(file, "weight = %llu; ",
				(unsigned long long)g->weight);
		fprintf(file, "}");
	}
	fprintf(file, ");\n");
}
