// SPDX-License-Identifier: GPL-2.0-only
/* A scenario as text, so that a host that was drawn becomes a file. */
#include "scenario.h"
#include "world.h"

#define NUMBER(n) ((unsigned long long)(n))

static void print_key(FILE *file, const char *key, uint64_t value)
{
	if (value)
		fprintf(file, " %s=%llu", key, NUMBER(value));
}

static void print_guest(const struct scenario_guest *g, FILE *file)
{
	fprintf(file, "guest %s", g->name);
	print_key(file, "memory", g->memory);
	print_key(file, "static-max", g->static_max);
	print_key(file, "min", g->min);
	print_key(file, "max", g->max);
	print_key(file, "weight", g->weight);
	print_key(file, "uses", g->uses);
	print_key(file, "rate", g->rate);
	print_key(file, "offset", g->offset);
	print_key(file, "starts", g->starts_ms / 1000);
	print_key(file, "module", g->module_ms / 1000);
	print_key(file, "old", g->old);
	print_key(file, "swap", g->swap);
	print_key(file, "no-swap", g->no_swap);
	print_key(file, "strict", g->strict);
	print_key(file, "hotplug-max", g->hotplug_max);
	fprintf(file, "\n");
}

static void print_event(const struct scenario *s,
			const struct scenario_event *e, FILE *file)
{
	fprintf(file, "at %llu.%03llu %s %s", NUMBER(e->at_ms / 1000),
		NUMBER(e->at_ms % 1000), e->guest == SCENARIO_HOST ? "host" :
		s->guest[e->guest].name, scenario_verb_name(e->verb));
	if (scenario_verb_values(e->verb))
		fprintf(file, " %llu", NUMBER(e->value));
	if (scenario_verb_has_rate(e->verb) && e->rate)
		fprintf(file, " rate=%llu", NUMBER(e->rate));
	fprintf(file, "\n");
}

void scenario_print(const struct scenario *s, FILE *file)
{
	fprintf(file, "# %s\nhost total=%llu dom0=%llu disk=%llu\n"
		"step %llu\nseed %llu\n", s->title, NUMBER(s->total),
		NUMBER(s->dom0), NUMBER(s->disk), NUMBER(s->step_ms),
		NUMBER(s->seed));
	for (size_t i = 0; i < s->setting_count; i++)
		fprintf(file, "set %s %s\n", s->setting[i].name,
			s->setting[i].value);
	for (size_t i = 0; i < s->guest_count; i++)
		print_guest(&s->guest[i], file);
	for (size_t i = 0; i < s->event_count; i++)
		if (s->event[i].verb != VERB_EXPECT)
			print_event(s, &s->event[i], file);
	fprintf(file, "rest %llu\nrun %llu.%03llu\n",
		NUMBER(s->rest_ms / 1000), NUMBER(s->run_ms / 1000),
		NUMBER(s->run_ms % 1000));
}
