// SPDX-License-Identifier: GPL-2.0-only
/*
 * A case is a host and a duty cycle: 1/10 to 9/10 of a period of 2 to 120 s. Three
 * cases share a host, a period and what they are compared with. Half of the periods
 * are shorter than 16 s, and a case lasts three of them and 30 s at least: what
 * the first claims cost is known then, and that the next ones cost nothing.
 */
#include <string.h>

#include "draw.h"
#include "liar.h"

#define BEGIN_MS	15000u		/* the daemon shrinks nobody before */
#define LEAST_MS	30000u
#define PERIODS		3
/*
 * The most by which a neighbour may be worse off than beside those who claim for ever,
 * for each of them: half as much again, and what one may give back in vain before that
 * counts (release_mib). Two that take turns are two who have others yield once.
 */
#define SLACK_MIB	32
/* Gains of less than release_mib add up before they count: some turns, for each liar. */
#define TURNS_MAX	3

struct claim {
	int guest;
	uint64_t size;
	uint64_t period_ms, duty_ms, phase_ms;
	bool uses;			/* it is true */
};

static struct scenario_guest *add_guest(struct scenario *s, const char *name)
{
	struct scenario_guest *g = &s->guest[s->guest_count++];

	*g = (struct scenario_guest){ .weight = 1, .rate = 640, .min = 96 };
	snprintf(g->name, sizeof(g->name), "%s%zu", name, s->guest_count);
	return g;
}

static void add_liar(struct scenario *s, uint64_t *state)
{
	struct scenario_guest *g = add_guest(s, "liar");

	g->memory = 128 + below(state, 512);
	g->static_max = 4096;
	g->uses = g->memory / 4 + below(state, g->memory / 4);
	g->weight += below(state, 3);
}

static void add_neighbour(struct scenario *s, uint64_t *state)
{
	struct scenario_guest *g = add_guest(s, "web");

	g->memory = 200 + below(state, 1000);
	g->static_max = 4096;
	g->uses = g->memory / 2 + below(state, g->memory / 2);
	g->weight += below(state, 3);
	if (once_in(state, 4))
		g->min += below(state, g->memory - g->min);
	g->no_swap = once_in(state, 8);
	g->old = once_in(state, 4);
}

/* 2 to 120 s; each doubling is as likely. */
static uint64_t period(uint64_t *state)
{
	uint64_t ms = UINT64_C(2000) << below(state, 6);

	ms += below(state, ms);
	return (ms < 120000 ? ms : 120000) / 100 * 100;
}

static void add_event(struct scenario *s, const struct claim *c,
		      uint64_t at_ms, bool on)
{
	scenario_add_event(s, &(struct scenario_event){
		.at_ms = at_ms, .guest = c->guest,
		.verb = c->uses ? VERB_USES : VERB_HIDES,
		.value = on ? c->size : c->uses ? s->guest[c->guest].uses : 0,
	});
}

static void add_claims(struct scenario *s, const struct claim *c,
		       enum liar_play play)
{
	uint64_t at_ms = BEGIN_MS + c->phase_ms;

	if (play != LIAR_NOW_AND_THEN) {
		if (play == LIAR_FOR_EVER_LAST && !c->guest)
			at_ms += c->period_ms;
		add_event(s, c, at_ms, true);
		return;
	}
	for (; at_ms < s->run_ms; at_ms += c->period_ms) {
		add_event(s, c, at_ms, true);
		add_event(s, c, at_ms + c->duty_ms, false);
	}
}

static void draw_claim(const struct scenario *s, uint64_t *state,
		       struct claim *c)
{
	c->size = 100 + below(state, 4900);
	if (c->guest)
		c->phase_ms = below(state, c->period_ms) / 100 * 100;
	c->uses = once_in(state, 4);
	if (c->uses)
		c->size += s->guest[c->guest].uses;
}

static void add_liars(struct scenario *s, uint64_t *state, uint64_t ms,
		      uint64_t duty, int count, enum liar_play play)
{
	for (int i = 0; i < count; i++) {
		struct claim c = { .guest = i, .period_ms = ms };

		add_liar(s, state);
		draw_claim(s, state, &c);
		c.duty_ms = ms * duty / 10 / 100 * 100;
		add_claims(s, &c, play);
	}
}

void liar_scenario(struct scenario *s, uint64_t number, enum liar_play play)
{
	uint64_t state = draw_begin(number / LIAR_CASES, 1), total = 512;
	uint64_t duty_state = draw_begin(number, 3), ms = period(&state);
	uint64_t duty = 1 + 3 * (number % LIAR_CASES) + below(&duty_state, 3);
	int liars = once_in(&state, 4) ? 2 : 1;

	scenario_init(s);
	snprintf(s->title, sizeof(s->title), "%llu/10 of %.1f s",
		 (unsigned long long)duty, (double)ms / 1000);
	s->seed = number;
	s->step_ms = 100;
	s->disk = 50 + below(&state, 150);
	s->run_ms = BEGIN_MS + PERIODS * ms;
	if (s->run_ms < BEGIN_MS + LEAST_MS)
		s->run_ms = BEGIN_MS + LEAST_MS;
	add_liars(s, &state, ms, duty, liars, play);
	for (uint64_t i = 1 + below(&state, 3); i--;)
		add_neighbour(s, &state);
	for (size_t i = 0; i < s->guest_count; i++)
		total += s->guest[i].memory + 1;
	s->total = total + 64 + below(&state, 600);
}

static bool is_honest(const struct scenario_guest *guest)
{
	return !strncmp(guest->name, "web", 3);
}

static int64_t figure(const struct world *w, size_t guest, const char *name)
{
	return world_figure(w, (int)guest, world_figure_find(name, false));
}

void liar_note_cost(struct liar_cost *cost, const struct scenario *s,
		    const struct world *w)
{
	for (size_t i = 0; i < s->guest_count; i++) {
		int64_t is = figure(w, i, "swapped-out");

		if (is > cost->swapped_out[i])
			cost->swapped_out[i] = is;
	}
}

int64_t liar_count(const struct scenario *s)
{
	return is_honest(&s->guest[1]) ? 1 : 2;
}

static bool is_too_much(const struct scenario *s, int64_t swapped_out,
			int64_t for_ever)
{
	return swapped_out > liar_count(s) * (for_ever * 3 / 2 + SLACK_MIB);
}

const char *liar_complaint(const struct scenario *s, const struct world *w,
			   const struct liar_cost *for_ever)
{
	static char text[128];

	if (world_figure(w, SCENARIO_HOST,
			 world_figure_find("violations", true)))
		return "an invariant was broken";
	for (size_t i = 0; i < s->guest_count; i++) {
		int64_t is = figure(w, i, "swapped-out");

		if (!is_honest(&s->guest[i]))
			continue;
		if (is_too_much(s, is, for_ever->swapped_out[i]))
			snprintf(text, sizeof(text), "%s swapped out %lld MiB, "
				 "%lld if it were for ever", s->guest[i].name,
				 (long long)is,
				 (long long)for_ever->swapped_out[i]);
		else if (figure(w, i, "turns") >
			 TURNS_MAX * (1 + liar_count(s)))
			snprintf(text, sizeof(text), "%s changed direction "
				 "%lld times within 30 s", s->guest[i].name,
				 (long long)figure(w, i, "turns"));
		else if (figure(w, i, "oom-kills"))
			snprintf(text, sizeof(text), "%s lost a program",
				 s->guest[i].name);
		else
			continue;
		return text;
	}
	return NULL;
}
