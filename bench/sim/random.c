// SPDX-License-Identifier: GPL-2.0-only
/*
 * Half of the hosts are steady: after the beginning, what their guests use is
 * only noisy. Nobody may be moved to and fro there. On the others guests do
 * anything, lies included, domains come and go, the daemon is killed; whatever
 * happens, invariants and minimums must hold.
 */
#include <string.h>

#include "random.h"

#define RUN_MS		75000u
/* When a steady host has come to rest: much may have to be swapped. */
#define REST_MS		50000u
/* Noise up to this much is no reason to change anything twice. */
#define NOISE_MIB	12u
#define TURNS_MAX	1

static uint64_t below(uint64_t *state, uint64_t n)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return (*state * UINT64_C(0x2545f4914f6cdd1d) >> 16) % n;
}

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
	enum scenario_verb verb = deeds[below(state, sizeof(deeds) /
						     sizeof(deeds[0]))];
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

void random_scenario(struct scenario *s, uint64_t number)
{
	uint64_t state = number * UINT64_C(0x9e3779b97f4a7c15) | 1;
	bool steady = number % 2;
	uint64_t count = 1 + below(&state, 6), used = 512;

	scenario_init(s);
	snprintf(s->title, sizeof(s->title), "random %llu",
		 (unsigned long long)number);
	s->seed = number;
	s->step_ms = 50;
	s->run_ms = RUN_MS;
	s->rest_ms = REST_MS;
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
}

static bool is_steady(const struct scenario_guest *guest)
{
	return !strncmp(guest->name, "steady", 6);
}

static const char *complain_of(const struct scenario *s, const struct world *w,
			       int guest)
{
	static char text[128];
	const struct scenario_guest *is = &s->guest[guest];
	int64_t turns = world_figure(w, guest, world_figure_find("turns", false));
	int64_t least = world_figure(w, guest, world_figure_find("least", false));
	int64_t most = world_figure(w, guest, world_figure_find("most", false));

	if (is_steady(is) && turns > TURNS_MAX)
		snprintf(text, sizeof(text), "%s changed direction %lld times "
			 "within 30 s", is->name, (long long)turns);
	else if (most && least < (int64_t)is->min)
		snprintf(text, sizeof(text), "%s was given less than its "
			 "minimum: %lld MiB", is->name, (long long)least);
	else if (most > (int64_t)is->static_max)
		snprintf(text, sizeof(text), "%s was given more than its "
			 "maximum: %lld MiB", is->name, (long long)most);
	else
		return NULL;
	return text;
}

const char *random_complaint(const struct scenario *s, const struct world *w)
{
	const char *complaint = NULL;

	if (world_figure(w, SCENARIO_HOST,
			 world_figure_find("violations", true)))
		return "an invariant was broken";
	if (world_figure(w, SCENARIO_HOST,
			 world_figure_find("unexplained", true)))
		return "a target was changed without a reason record";
	for (size_t i = 0; i < s->guest_count && !complaint; i++)
		complaint = complain_of(s, w, (int)i);
	return complaint;
}
