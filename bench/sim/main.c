// SPDX-License-Identifier: GPL-2.0-only
/*
 * cagma-sim: plays scenario files, or random ones, and says whether what they
 * expect came true; or decides again what a daemon decided. Exits with 1 if it
 * didn't or it isn't the same, with 2 if it can't play.
 */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "liar.h"
#include "policy.h"
#include "random.h"
#include "replay.h"
#include "scenario.h"
#include "world.h"

static struct {
	struct world_options world;
	bool figures;
	const char *replay;	/* a file of cagmad --record */
	uint64_t random;	/* so many random scenarios */
	uint64_t liar;		/* so many cases of liars */
	uint64_t first;		/* the number of the first of them */
	bool total;
	bool print;		/* what is random, instead of playing it */
	size_t setting_count;	/* instead of the scenarios' own */
	struct scenario_setting setting[SCENARIO_SETTINGS_MAX];
} options;

static struct {
	unsigned int passed;
	unsigned int failed;
	int64_t figure[WORLD_FIGURES_MAX];	/* of all hosts together */
} sum;

#define KEPT_BYTES	(256 << 20)

static void help(void)
{
	printf("usage: cagma-sim [OPTION]... SCENARIO...\n"
	       "       cagma-sim [OPTION]... --random N\n"
	       "       cagma-sim [--policy NAME] --replay FILE\n"
	       "Plays scenarios with the daemon's own code on simulated guests.\n\n"
	       "  -p, --policy NAME  %s, instead of the scenario's\n"
	       "  -f, --figures      print the figures of every guest\n"
	       "      --total        print the sums of all hosts' figures\n"
	       "      --set NAME=VALUE  a setting of cagmad, instead of the scenario's\n"
	       "  -t, --trace FILE   what happened, one JSON object a line\n"
	       "      --record FILE  append every decision, as cagmad --record does\n"
	       "      --replay FILE  decide again, and compare\n"
	       "  -r, --random N     play N random scenarios\n"
	       "      --liar N       play N cases of guests that claim memory now and then\n"
	       "  -s, --seed N       number of the first of them (1)\n"
	       "      --print        print them as scenario files instead of playing them\n"
	       "  -w, --words        what a scenario can say\n"
	       "  -h, --help\n"
	       "  -V, --version\n", cagma_policy_names());
}

static void print_words(void)
{
	for (enum scenario_verb verb = 0; verb < VERB_EXPECT; verb++)
		printf("%s\n", scenario_verb_name(verb));
	for (int f = 0; world_figure_name(f); f++)
		printf("%s\n", world_figure_name(f));
}

static void print_figures(const struct scenario *s, const struct world *w)
{
	const char *name;

	for (int guest = SCENARIO_HOST; guest < (int)s->guest_count; guest++) {
		printf("  %s", guest == SCENARIO_HOST ? "host" :
						    s->guest[guest].name);
		for (int f = 0; (name = world_figure_name(f)); f++) {
			if (world_figure_find(name, guest == SCENARIO_HOST) !=
			    f)
				continue;
			printf(" %s %lld", name,
			       (long long)world_figure(w, guest, f));
		}
		printf("\n");
	}
}

static void add_up(const struct world *w)
{
	const char *name;

	for (int f = 0; (name = world_figure_name(f)); f++)
		if (world_figure_find(name, true) == f)
			sum.figure[f] += world_figure(w, SCENARIO_HOST, f);
}

/* Of what can be added up: counts, swapped memory and time. */
static void print_total(void)
{
	static const char *const names[] = { "swapped-out", "stalled-ms",
					     "changes", "turns",
					     "emergencies", "violations",
					     "refused", "unexplained" };

	printf("total");
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		printf(" %s %lld", names[i],
		       (long long)sum.figure[world_figure_find(names[i], true)]);
	printf("\n");
}

static void judge(const char *name, const struct scenario *s,
		  const struct world *w, const char *complaint)
{
	if (!complaint && world_failures(w))
		complaint = world_first_failure(w);
	if (complaint) {
		sum.failed++;
		printf("not ok %s (%s): %s\n", name, s->title, complaint);
	} else {
		sum.passed++;
		if (!options.random && !options.liar)
			printf("ok     %s: %s\n", name, s->title);
	}
	if (options.figures)
		print_figures(s, w);
	add_up(w);
}

/* What the command line sets comes before what the scenario sets. */
static bool override(struct scenario *s)
{
	for (size_t i = 0; i < options.setting_count; i++) {
		const struct scenario_setting *own = &options.setting[i];
		size_t k = 0;

		while (k < s->setting_count &&
		       strcmp(s->setting[k].name, own->name))
			k++;
		if (k == SCENARIO_SETTINGS_MAX) {
			fprintf(stderr, "cagma-sim: too many settings\n");
			return false;
		}
		s->setting[k] = *own;
		if (k == s->setting_count)
			s->setting_count++;
	}
	return true;
}

static bool play_file(const char *path)
{
	static struct scenario scenario;
	char error[256];
	struct world *world;

	if (!scenario_read(&scenario, path, error, sizeof(error))) {
		fprintf(stderr, "cagma-sim: %s\n", error);
		return false;
	}
	if (!override(&scenario))
		return false;
	world = world_play(&scenario, &options.world, error, sizeof(error));
	if (!world) {
		fprintf(stderr, "cagma-sim: %s: %s\n", path, error);
		return false;
	}
	judge(path, &scenario, world, NULL);
	world_free(world);
	return true;
}

static bool play_random(uint64_t number)
{
	static struct scenario scenario;
	char error[256], name[32];
	struct world *world;

	random_scenario(&scenario, number);
	if (!override(&scenario))
		return false;
	if (options.print) {
		scenario_print(&scenario, stdout);
		return true;
	}
	world = world_play(&scenario, &options.world, error, sizeof(error));
	if (!world) {
		fprintf(stderr, "cagma-sim: %s\n", error);
		return false;
	}
	snprintf(name, sizeof(name), "--seed %llu --random 1",
		 (unsigned long long)number);
	judge(name, &scenario, world, random_complaint(&scenario, world));
	world_free(world);
	return true;
}

static struct world *play_liars(struct scenario *s, uint64_t number,
				enum liar_play play)
{
	char error[256];
	struct world *world;

	liar_scenario(s, number, play);
	if (!override(s))
		return NULL;
	world = world_play(s, &options.world, error, sizeof(error));
	if (!world)
		fprintf(stderr, "cagma-sim: %s\n", error);
	return world;
}

/* What the case is compared with; it is the same for those in a row. */
static bool play_for_ever(struct scenario *s, uint64_t number,
			  struct liar_cost *cost)
{
	static uint64_t host = UINT64_MAX;
	enum liar_play play = LIAR_FOR_EVER;
	struct world *world;

	if (host == number / LIAR_CASES)
		return true;
	*cost = (struct liar_cost){ 0 };
	do {
		world = play_liars(s, number, play++);
		if (!world)
			return false;
		liar_note_cost(cost, s, world);
		world_free(world);
	} while (play <= LIAR_FOR_EVER_LAST && liar_count(s) > 1);
	host = number / LIAR_CASES;
	return true;
}

static bool play_liar(uint64_t number)
{
	static struct scenario scenario;
	static struct liar_cost for_ever;
	char name[32];
	struct world *world;

	if (options.print) {
		liar_scenario(&scenario, number, LIAR_NOW_AND_THEN);
		scenario_print(&scenario, stdout);
		return true;
	}
	if (!play_for_ever(&scenario, number, &for_ever))
		return false;
	world = play_liars(&scenario, number, LIAR_NOW_AND_THEN);
	if (!world)
		return false;
	snprintf(name, sizeof(name), "--seed %llu --liar 1",
		 (unsigned long long)number);
	judge(name, &scenario, world,
	      liar_complaint(&scenario, world, &for_ever));
	world_free(world);
	return true;
}

static bool parse_number(const char *text, uint64_t *value)
{
	char *end;

	*value = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && !*end)
		return true;
	fprintf(stderr, "cagma-sim: \"%s\" is no number\n", text);
	return false;
}

/* NAME=VALUE */
static bool parse_setting(const char *text)
{
	const char *value = strchr(text, '=');
	struct scenario_setting *to = &options.setting[options.setting_count];
	size_t length = value ? (size_t)(value - text) : 0;

	if (!length || length >= sizeof(to->name) || !value[1] ||
	    strlen(value + 1) >= sizeof(to->value) ||
	    options.setting_count == SCENARIO_SETTINGS_MAX) {
		fprintf(stderr, "cagma-sim: \"%s\" is not NAME=VALUE\n", text);
		return false;
	}
	memcpy(to->name, text, length);
	to->name[length] = '\0';
	snprintf(to->value, sizeof(to->value), "%s", value + 1);
	options.setting_count++;
	return true;
}

static int replay(void)
{
	const struct cagma_policy *other = options.world.policy ?
		cagma_policy_find(options.world.policy) : NULL;
	struct replay r;
	char error[256];

	if (!replay_file(&r, options.replay, other, error, sizeof(error))) {
		fprintf(stderr, "cagma-sim: %s\n", error);
		return 2;
	}
	printf("%llu rounds, %llu decisions, %llu differ; %llu rounds were lost, %llu lines are cut short\n",
	       (unsigned long long)r.rounds, (unsigned long long)r.decisions,
	       (unsigned long long)r.differ, (unsigned long long)r.lost,
	       (unsigned long long)r.cut_short);
	if (r.differ)
		printf("the first: %s\n", r.first);
	return r.differ && !other;
}

/* -1: go on; else the exit status. */
static int parse(int argc, char **argv)
{
	enum { RECORD = 256, REPLAY, SET, TOTAL, LIAR, PRINT };
	static const struct option longs[] = {
		{ "record", required_argument, NULL, RECORD },
		{ "replay", required_argument, NULL, REPLAY },
		{ "policy", required_argument, NULL, 'p' },
		{ "figures", no_argument, NULL, 'f' },
		{ "set", required_argument, NULL, SET },
		{ "total", no_argument, NULL, TOTAL },
		{ "liar", required_argument, NULL, LIAR },
		{ "print", no_argument, NULL, PRINT },
		{ "trace", required_argument, NULL, 't' },
		{ "random", required_argument, NULL, 'r' },
		{ "seed", required_argument, NULL, 's' },
		{ "words", no_argument, NULL, 'w' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	options.first = 1;
	while ((c = getopt_long(argc, argv, "p:ft:r:s:whV", longs, NULL)) != -1) {
		if (c == 'h') {
			help();
			return 0;
		} else if (c == 'V') {
			printf("cagma-sim %s\n", CAGMA_VERSION);
			return 0;
		} else if (c == 'w') {
			print_words();
			return 0;
		} else if (c == 'f') {
			options.figures = true;
		} else if (c == TOTAL) {
			options.total = true;
		} else if (c == PRINT) {
			options.print = true;
		} else if (c == SET) {
			if (!parse_setting(optarg))
				return 2;
		} else if (c == RECORD) {
			options.world.record = optarg;
		} else if (c == REPLAY) {
			options.replay = optarg;
		} else if (c == 't') {
			options.world.trace = optarg;
		} else if (c == 'p' && cagma_policy_find(optarg)) {
			options.world.policy = optarg;
		} else if (c == 'p') {
			fprintf(stderr, "cagma-sim: no policy \"%s\"; there are %s\n",
				optarg, cagma_policy_names());
			return 2;
		} else if (c == LIAR) {
			if (!parse_number(optarg, &options.liar))
				return 2;
		} else if (c == 'r' || c == 's') {
			if (!parse_number(optarg, c == 'r' ? &options.random :
							     &options.first))
				return 2;
		} else {
			return 2;
		}
	}
	if (options.replay)
		return replay();
	if (optind == argc && !options.random && !options.liar) {
		fprintf(stderr, "cagma-sim: no scenario given\n");
		return 2;
	}
	return -1;
}

int main(int argc, char **argv)
{
	int status = parse(argc, argv);
	bool ok = true;

	if (status >= 0)
		return status;
	/* The next host needs it again: the kernel need not clear it each time. */
	mallopt(M_TRIM_THRESHOLD, KEPT_BYTES);
	mallopt(M_MMAP_THRESHOLD, KEPT_BYTES / 8);
	for (int i = optind; ok && i < argc; i++)
		ok = play_file(argv[i]);
	for (uint64_t i = 0; ok && i < options.random; i++)
		ok = play_random(options.first + i);
	for (uint64_t i = 0; ok && i < options.liar; i++)
		ok = play_liar(options.first + i);
	if (!ok)
		return 2;
	if (options.total)
		print_total();
	if (options.print)
		return 0;
	printf("%u passed, %u failed, 0 skipped\n", sum.passed, sum.failed);
	return sum.failed ? 1 : 0;
}
