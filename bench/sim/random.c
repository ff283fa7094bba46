// SPDX-License-Identifier: GPL-2.0-only
/*
 * Half of the hosts are steady: after the beginning, what their guests use is
 * only noisy. Nobody may be moved to and fro there. On the others guests do
 * anything, lies included, domains come and go, the daemon is killed; whatever
 * happens, invariants and minimums must hold. On every other pair of hosts guests are
 * of every sort: without swap, with locked memory, caches, containers that churn.
 */
#include <string.h>

#include "draw.h"
#include "random.h"

#define RUN_MS		75000u
/* When a steady host has come to rest: much may have to be swapped. */
#define REST_MS		50000u
/* Noise up to this much is no reason to change anything twice. */
#define NOISE_MIB	12u
#define TURNS_MAX	1
/* Where others do anything, who is only noisy is moved that often at the most. */
#define AMONG_LIARS_MAX	4
/* Nobody's CMA is larger if that is all the noise there is. */
#define CONTENT_MIB	64u
#define RESERVE_MIB	130
#define HARD_RESERVE_MIB 64
/* Who has more than its share of a shortage has a part of it at the most. */
#define NEEDY_MIB	64
#define UNFAIR_SHARE	8
/* Less isn't worth a change. */
#define STEP_MIB	2

static void add_event(struct scenario *s, uint64_t at_ms, int guest,
		      enum scenario_verb verb, uint64_t value, uint64_t rate)
{
	const struct scenario_event event = {
		.at_ms = at_ms, .verb = verb, .guest = guest,
		.value = value, .rate = rate,
	};

	scenario_add_event(s, &event);
}

static void add_guest(struct scenario *s, uint64_t *state, bool steady)
{
	struct scenario_guest *g = &s->guest[s->guest_count];

	*g = (struct scenario_guest){
		.memory = 128 + below(state, 512),
		.weight = 1 + below(state, 4),
		.rate = 640,
	};
	snprintf(g->name, sizeof(g->name), "%s%zu", steady ? "steady" : "any",
		 s->guest_count);
	g->static_max = g->memory * (1 + below(state, 4));
	g->uses = g->memory / 4 + below(state, g->memory / 2);
	g->min = 96;
	add_event(s, 0, (int)s->guest_count, VERB_NOISE,
		  below(state, NOISE_MIB), 0);
	if (steady && below(state, 2))
		add_event(s, below(state, REST_MS / 5), (int)s->guest_count,
			  VERB_USES, below(state, g->static_max), 0);
	s->guest_count++;
}

static void add_deed(struct scenario *s, uint64_t *state, int guest)
{
	static const enum scenario_verb deeds[] = {
		VERB_USES, VERB_USES, VERB_USES, VERB_USES, VERB_NOISE,
		VERB_RATE, VERB_TRICKLES, VERB_HIDES, VERB_TASK, VERB_SILENT,
		VERB_DEAF, VERB_CONTRADICTS, VERB_REWINDS, VERB_FLOODS,
		VERB_STORMS, VERB_SPAMS, VERB_BOASTS, VERB_HONEST, VERB_PAUSED,
		VERB_RUNNING, VERB_DESTROYED, VERB_REBOOTS,
	};
	enum scenario_verb verb = one_of(state, deeds);
	uint64_t most = verb == VERB_USES ? s->guest[guest].static_max : 300;

	add_event(s, below(state, RUN_MS), guest, verb, below(state, most),
		  below(state, 2) ? 0 : 1 + below(state, 400));
}

static void add_host_deed(struct scenario *s, uint64_t *state)
{
	uint64_t at_ms = below(state, RUN_MS), size = 1 + below(state, 1024);

	switch (below(state, 6)) {
	case 0:
		add_event(s, at_ms, SCENARIO_HOST, VERB_KILLED, 0, 0);
		break;
	case 1:
		add_event(s, at_ms, SCENARIO_HOST, VERB_STOPPED,
			  below(state, 10000), 0);
		break;
	case 2:
		add_event(s, at_ms, SCENARIO_HOST, VERB_XENSTORE_FAILS, 0, 0);
		add_event(s, at_ms + below(state, 20000), SCENARIO_HOST,
			  VERB_WORKS, 0, 0);
		break;
	case 3:
		add_event(s, at_ms, SCENARIO_HOST, VERB_LIMITS_FAIL, 0, 0);
		add_event(s, at_ms + below(state, 20000), SCENARIO_HOST,
			  VERB_WORKS, 0, 0);
		break;
	default:
		add_event(s, at_ms, SCENARIO_HOST, VERB_TAKES, size, 0);
		add_event(s, at_ms + below(state, RUN_MS), SCENARIO_HOST,
			  VERB_RETURNS, size, 0);
	}
}

/* ---- guests of every sort ---- */

/* What its programs are like. */
static void add_programs(struct scenario *s, uint64_t *state, int guest)
{
	struct scenario_guest *g = &s->guest[guest];
	uint64_t at_ms = below(state, REST_MS / 5);

	switch (below(state, 8)) {
	case 0:
		g->no_swap = 1;
		break;
	case 1:
		g->swap = 16 + below(state, 256);
		break;
	case 2:
		add_event(s, 0, guest, VERB_PINS, 1 + below(state, g->uses), 0);
		break;
	case 3:
		add_event(s, 0, guest, VERB_CACHE, below(state, g->memory), 0);
		add_event(s, at_ms, guest, VERB_READS, below(state, 200), 0);
		break;
	case 4:
		add_event(s, 0, guest, VERB_HOLDS, below(state, 400), 0);
		add_event(s, at_ms, guest, VERB_CHURNS, below(state, 100), 0);
		break;
	case 5:
		add_event(s, 0, guest, VERB_ELASTIC, 20 + below(state, 79), 0);
		break;
	case 6:
		g->swap = 1 + below(state, 256);
		g->strict = 50 + below(state, 51);
		add_event(s, 0, guest, VERB_COMMITS, g->swap +
			  below(state, g->memory * g->strict / 100), 0);
		break;
	default:
		add_event(s, 0, guest, VERB_ADAPTS, below(state, g->uses), 0);
	}
}

/* What it is like in Xen and for its operator. */
static void add_sort(struct scenario *s, uint64_t *state, int guest)
{
	struct scenario_guest *g = &s->guest[guest];

	add_programs(s, state, guest);
	g->old = once_in(state, 4);
	if (once_in(state, 4))
		g->offset = below(state, once_in(state, 4) ? 300 : g->memory / 8);
	if (once_in(state, 8))
		g->hotplug_max = g->static_max + below(state, 1024);
	if (once_in(state, 8))
		g->max = g->min + below(state, g->memory);
	if (once_in(state, 8))
		g->module_ms = 1000 * below(state, REST_MS / 5000);
	s->total += g->offset;
}

static void add_deed_of_a_sort(struct scenario *s, uint64_t *state, int guest)
{
	static const enum scenario_verb deeds[] = {
		VERB_PINS, VERB_READS, VERB_HOLDS, VERB_CHURNS, VERB_ELASTIC,
		VERB_ADAPTS, VERB_SHUTS_DOWN, VERB_RUNNING, VERB_ZOMBIE,
	};
	enum scenario_verb verb = one_of(state, deeds);

	add_event(s, below(state, RUN_MS), guest, verb,
		  below(state, verb == VERB_ELASTIC ? 100 : 300), 0);
}

static void add_host_deed_of_a_sort(struct scenario *s, uint64_t *state)
{
	static const enum scenario_verb deeds[] = {
		VERB_LEAVES, VERB_CLAIMS, VERB_RESERVES,
	};
	enum scenario_verb verb = one_of(state, deeds);

	add_event(s, below(state, RUN_MS), SCENARIO_HOST, verb,
		  1 + below(state, 1024), 1 + below(state, 600));
}

#define LAST_DOMID	32751u

/* With a generator of their own, so that the other hosts stay what they were. */
static void add_sorts(struct scenario *s, uint64_t number, bool steady)
{
	uint64_t state = draw_begin(number, 2);

	for (size_t i = 0; i < s->guest_count; i++) {
		add_sort(s, &state, (int)i);
		for (uint64_t n = below(&state, 3); n-- && !steady;)
			add_deed_of_a_sort(s, &state, (int)i);
	}
	if (steady)
		return;
	if (once_in(&state, 4))
		add_event(s, 0, SCENARIO_HOST, VERB_DOMIDS,
			  LAST_DOMID - below(&state, 4), 0);
	for (uint64_t n = below(&state, 3); n--;)
		add_host_deed_of_a_sort(s, &state);
}

/* ---- the whole ---- */

void random_scenario(struct scenario *s, uint64_t number)
{
	uint64_t state = draw_begin(number, 0);
	bool steady = number % 2;
	uint64_t count = 1 + below(&state, 6), used = 512;

	scenario_init(s);
	snprintf(s->title, sizeof(s->title), "random %llu",
		 (unsigned long long)number);
	s->seed = number;
	s->step_ms = 50;
	s->run_ms = RUN_MS;
	s->rest_ms = steady ? REST_MS : 0;
	for (uint64_t i = 0; i < count; i++) {
		add_guest(s, &state, steady);
		used += s->guest[i].memory + 1;
	}
	for (uint64_t i = 0; i < count && !steady; i++)
		for (uint64_t n = below(&state, 8); n--;)
			add_deed(s, &state, (int)i);
	for (uint64_t n = below(&state, 3); n-- && !steady;)
		add_host_deed(s, &state);
	s->total = used + below(&state, 1024);
	if (number % 4 >= 2)
		add_sorts(s, number, steady);
}

/* ---- what must hold ---- */

static bool is_steady(const struct scenario_guest *guest)
{
	return !strncmp(guest->name, "steady", 6);
}

static int64_t figure(const struct world *w, int guest, const char *name)
{
	return world_figure(w, guest, world_figure_find(name, guest ==
							SCENARIO_HOST));
}

/* The largest value of a verb for that guest; 0: it isn't in the scenario. */
static uint64_t most_of(const struct scenario *s, int guest,
			enum scenario_verb verb)
{
	uint64_t most = 0;

	for (size_t i = 0; i < s->event_count; i++)
		if (s->event[i].guest == guest && s->event[i].verb == verb &&
		    s->event[i].value > most)
			most = s->event[i].value;
	return most;
}

static uint64_t most_used(const struct scenario *s, int guest)
{
	const struct scenario_guest *is = &s->guest[guest];
	uint64_t uses = most_of(s, guest, VERB_USES);

	return (uses > is->uses ? uses : is->uses) +
	       most_of(s, guest, VERB_NOISE);
}

static int64_t spare_at_first(const struct scenario *s)
{
	int64_t spare = (int64_t)(s->total - s->dom0);

	for (size_t i = 0; i < s->guest_count; i++)
		spare -= (int64_t)(s->guest[i].memory + s->guest[i].offset + 1);
	return spare;
}

/* It has, all the time, more than it wants. */
static bool is_content(const struct scenario *s, int guest)
{
	const struct scenario_guest *is = &s->guest[guest];

	return is_steady(is) && !most_of(s, guest, VERB_USES) &&
	       !most_of(s, guest, VERB_ELASTIC) &&
	       !most_of(s, guest, VERB_CHURNS) &&
	       most_used(s, guest) + CONTENT_MIB <= is->memory &&
	       (!is->max || is->max >= is->memory);
}

static bool all_are_content(const struct scenario *s)
{
	for (size_t i = 0; i < s->guest_count; i++)
		if (!is_content(s, (int)i))
			return false;
	return spare_at_first(s) >= RESERVE_MIB;
}

#define COMPLAIN(...) (snprintf(text, sizeof(text), __VA_ARGS__), text)

static const char *complain_of_steady(const struct scenario *s,
				      const struct world *w, int guest)
{
	static char text[128];
	const struct scenario_guest *is = &s->guest[guest];
	int64_t turns = figure(w, guest, "turns");
	int64_t pins = (int64_t)most_of(s, guest, VERB_PINS);

	if (turns > TURNS_MAX)
		return COMPLAIN("%s changed direction %lld times within 30 s",
				is->name, (long long)turns);
	if (pins && !is->old && figure(w, guest, "least") < pins)
		return COMPLAIN("%s was to yield what it has locked", is->name);
	if (most_used(s, guest) <= is->memory && (!is->max || is->max >=
	    is->memory) && figure(w, guest, "oom-kills"))
		return COMPLAIN("%s lost a program for others", is->name);
	if (!is->old && figure(w, guest, "failed"))
		return COMPLAIN("%s had committed more than its limit",
				is->name);
	if (is->max && is->offset <= is->memory / 8 && !pins &&
	    !is->swap && !is->no_swap &&
	    figure(w, guest, "target") > (int64_t)is->max + STEP_MIB)
		return COMPLAIN("%s keeps more than its maximum", is->name);
	if (figure(w, guest, "changes") && all_are_content(s))
		return COMPLAIN("%s was changed although nobody lacks anything",
				is->name);
	return NULL;
}

static bool does_anything(const struct scenario *s, int guest)
{
	for (size_t i = 0; i < s->event_count; i++)
		if (s->event[i].guest == guest && s->event[i].at_ms)
			return true;
	return false;
}

static const char *complain_of(const struct scenario *s, const struct world *w,
			       int guest)
{
	static char text[128];
	const struct scenario_guest *is = &s->guest[guest];
	int64_t least = figure(w, guest, "least"), most = figure(w, guest, "most");
	uint64_t max = is->static_max > is->hotplug_max ? is->static_max :
							  is->hotplug_max;

	if (most && least < (int64_t)is->min)
		return COMPLAIN("%s was given less than its minimum: %lld MiB",
				is->name, (long long)least);
	if (most > (int64_t)max)
		return COMPLAIN("%s was given more than its maximum: %lld MiB",
				is->name, (long long)most);
	if (is_steady(is))
		return complain_of_steady(s, w, guest);
	if (figure(w, guest, "turns") > AMONG_LIARS_MAX &&
	    !does_anything(s, guest))
		return COMPLAIN("%s changed direction %lld times within 30 s",
				is->name, (long long)figure(w, guest, "turns"));
	return NULL;
}

/* It lacks much, and could be given more. */
static bool is_needy(const struct scenario *s, const struct world *w, int guest)
{
	const struct scenario_guest *is = &s->guest[guest];
	uint64_t max = is->max ? is->max : is->static_max;

	return figure(w, guest, "swap") >= NEEDY_MIB &&
	       figure(w, guest, "target") + NEEDY_MIB <= (int64_t)max &&
	       is->offset <= is->memory / 8;
}

/* What it has beyond its minimum, for each unit of weight; in 1/16 MiB. */
static int64_t level(const struct scenario *s, const struct world *w, int guest,
		     int64_t less)
{
	const struct scenario_guest *is = &s->guest[guest];

	return 16 * (figure(w, guest, "target") - less - (int64_t)is->min) /
	       (int64_t)is->weight;
}

/* It could swap out what it uses, and give that. */
static bool can_yield(const struct scenario *s, int guest)
{
	const struct scenario_guest *is = &s->guest[guest];

	return !is->no_swap && !is->swap && !most_of(s, guest, VERB_PINS) &&
	       is->offset <= is->memory / 8;
}

/* What one doesn't give back that has more than its share is missing to all others. */
static bool is_any_stuck(const struct scenario *s, const struct world *w)
{
	for (int i = 0; i < (int)s->guest_count; i++)
		if (figure(w, i, "stuck"))
			return true;
	return false;
}

/* M10: nobody is left with less than its share by one that has more. */
static bool is_starved(const struct scenario *s, const struct world *w,
		       int guest)
{
	if (!is_steady(&s->guest[guest]) || !is_needy(s, w, guest) ||
	    is_any_stuck(s, w))
		return false;
	for (int i = 0; i < (int)s->guest_count; i++)
		if (i != guest && can_yield(s, i) &&
		    level(s, w, i, figure(w, i, "target") / UNFAIR_SHARE) >
			    level(s, w, guest, 0))
			return true;
	return false;
}

/* I1, by who isn't the daemon; nobody else spends any on a steady host. */
static bool spends_the_reserve(const struct scenario *s, const struct world *w)
{
	int64_t first = spare_at_first(s), hard = HARD_RESERVE_MIB;

	return figure(w, SCENARIO_HOST, "least-spare") <
	       (first < hard ? first : hard);
}

const char *random_complaint(const struct scenario *s, const struct world *w)
{
	const char *complaint = NULL;

	if (figure(w, SCENARIO_HOST, "violations"))
		return "an invariant was broken";
	if (figure(w, SCENARIO_HOST, "unexplained"))
		return "a target was changed without a reason record";
	if (is_steady(&s->guest[0]) && spends_the_reserve(s, w))
		return "the hard reserve was spent";
	for (size_t i = 0; i < s->guest_count && !complaint; i++)
		complaint = is_starved(s, w, (int)i) ?
			    "one swaps beside another that has more than its share" :
			    complain_of(s, w, (int)i);
	return complaint;
}
