/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A scenario: a host, its guests, what happens, and what is expected. The text
 * format is described in docs/simulator.md.
 */
#ifndef CAGMA_SCENARIO_H
#define CAGMA_SCENARIO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define SCENARIO_NAME_BYTES	32
#define SCENARIO_HOST		-1	/* in place of a guest's index */

/* Sizes in MiB, rates in MiB/s, times in ms. */
struct scenario_guest {
	char name[SCENARIO_NAME_BYTES];
	uint64_t memory;		/* at the start */
	uint64_t static_max;
	uint64_t min, max;		/* 0: the daemon's default */
	uint64_t weight;		/* 0: 1 */
	uint64_t uses;
	uint64_t rate;			/* its balloon's */
	uint64_t offset;		/* Xen's count less its own */
	uint64_t starts_ms;
	uint64_t module_ms;		/* its module comes so long after it */
	uint64_t old;			/* its module knows no details */
	uint64_t swap;			/* space; 0: as much as it needs */
	uint64_t no_swap;
	uint64_t strict;		/* overcommit, % of memory; 0: it isn't */
	uint64_t hotplug_max;		/* its maximum, if above static_max */
};

enum scenario_verb {
	VERB_USES,	/* value = size, rate = how fast; 0: at once */
	VERB_NOISE,	/* value = up to so much more or less than it uses */
	VERB_RATE,	/* value = its balloon's rate; 0: stuck */
	VERB_TRICKLES,	/* its balloon moves a page a second */
	VERB_HIDES,	/* value = available memory that it doesn't report */
	VERB_TASK,	/* value = size of the task that runs short */
	VERB_MEM_SET,	/* value = size; by xl mem-set */
	VERB_SILENT,	/* no samples */
	VERB_DEAF,	/* no mail is read */
	VERB_CONTRADICTS, /* samples that cannot be */
	VERB_REWINDS,	/* its count of swapped-in pages goes back all the time */
	VERB_FLOODS,	/* a ring full of samples at every step */
	VERB_STORMS,	/* a kick at every step */
	VERB_SPAMS,	/* another offer at every step */
	VERB_BOASTS,	/* claims that its balloon is at its target */
	VERB_HONEST,	/* none of these, and the first rate */
	VERB_PAUSED,
	VERB_RUNNING,
	VERB_DESTROYED,
	VERB_REBOOTS,
	VERB_CACHE,	/* value = files that are read over and over */
	VERB_READS,	/* value = of them, per second */
	VERB_PINS,	/* value = locked memory */
	VERB_HOLDS,	/* value = in swap, whatever memory there is */
	VERB_CHURNS,	/* value = to swap and back, per second */
	VERB_COMMITS,	/* value = committed memory */
	VERB_ELASTIC,	/* value = use, in % of what it has */
	VERB_ADAPTS,	/* value = frees memory down to that if little is left */
	VERB_SHUTS_DOWN, /* suspended: it doesn't run, and may resume */
	VERB_ZOMBIE,	/* reboots, and leaves a dying domain behind */
	VERB_TAKES,	/* host: another domain of that size is created */
	VERB_RETURNS,	/* host: and destroyed */
	VERB_LEAVES,	/* host: and a dying domain of that limit is left */
	VERB_CLAIMS,	/* host: it is built, rate = how fast, with a claim */
	VERB_CROWD,	/* host: value = number of domains of 1 MiB */
	VERB_DOMIDS,	/* host: value = id of the next domain */
	VERB_RESERVES,	/* host: value = size, for a domain to come */
	VERB_KILLED,	/* host: the daemon, with -9; it is started again */
	VERB_STOPPED,	/* host: the daemon, for value ms */
	VERB_XENSTORE_FAILS, /* host: no target is taken, no offer told */
	VERB_LIMITS_FAIL, /* host: Xen takes no limit */
	VERB_WORKS,	/* host: neither */
	VERB_CLOCK_STOPS, /* host: dom0's, for value ms */
	VERB_EXPECT,
	VERB_COUNT
};

enum scenario_operator { OP_LESS, OP_AT_MOST, OP_EQUAL, OP_AT_LEAST, OP_MORE };

struct scenario_event {
	uint64_t at_ms;
	enum scenario_verb verb;
	int guest;
	uint64_t value;
	uint64_t rate;
	/* VERB_EXPECT: */
	int figure;			/* world_figure_find()'s */
	enum scenario_operator op;
	unsigned int line;
};

struct scenario_setting {
	char name[SCENARIO_NAME_BYTES];
	char value[SCENARIO_NAME_BYTES];
};

#define SCENARIO_GUESTS_MAX	4095
#define SCENARIO_EVENTS_MAX	1024
#define SCENARIO_SETTINGS_MAX	32

struct scenario {
	char title[96];
	uint64_t total, dom0;		/* of the host */
	uint64_t disk;			/* what all guests together can swap */
	uint64_t run_ms;
	uint64_t rest_ms;		/* turns before that don't count */
	uint64_t step_ms;
	uint64_t seed;
	size_t setting_count, guest_count, event_count;
	struct scenario_setting setting[SCENARIO_SETTINGS_MAX];
	struct scenario_guest guest[SCENARIO_GUESTS_MAX];
	struct scenario_event event[SCENARIO_EVENTS_MAX];	/* by time */
};

void scenario_init(struct scenario *scenario);

/* Reads a file; false with "FILE:LINE: what" in `error`. */
bool scenario_read(struct scenario *scenario, const char *path, char *error,
		   size_t error_size);

/* Keeps the events sorted; false if there are too many. */
bool scenario_add_event(struct scenario *scenario,
			const struct scenario_event *event);

/* Writes it as such a file; of what is expected nothing. */
void scenario_print(const struct scenario *scenario, FILE *file);

const char *scenario_verb_name(enum scenario_verb verb);
int scenario_verb_values(enum scenario_verb verb);
bool scenario_verb_has_rate(enum scenario_verb verb);
const char *scenario_operator_name(enum scenario_operator op);
bool scenario_holds(int64_t is, enum scenario_operator op, int64_t value);

/* The settings and guests as the daemon's configuration file. */
void scenario_write_config(const struct scenario *scenario, FILE *file);

#endif
