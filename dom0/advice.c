// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "advice.h"
#include "units.h"

/* A guarantee or maximum of so much is more likely one in KiB or bytes. */
#define LIKELY_PAGES	cagma_mib_to_pages(UINT64_C(256) * 1024)
/* A name that differs by so many letters may be a slip of the pen. */
#define SLIPS		2
/* Comparing takes its time: for so many names at most. */
#define GUESSES		16
#define MIB(pages)	((unsigned long long)(pages) >> 8)

__attribute__((format(printf, 2, 3)))
static void advise(struct json_object *advice, const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_object_array_add(advice, json_object_new_string(text));
}

/* ---- settings alone ---- */

static const char *name_of(const struct cagma_guest_config *own)
{
	return *own->name ? own->name : "a guest of a uuid";
}

static bool means_dom0(const char *name)
{
	static const char *const names[] = { "dom0", "domain0", "domain-0",
					     "domain_0" };

	if (!strcmp(name, CAGMA_DOM0_NAME))
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (!strcasecmp(name, names[i]))
			return true;
	return false;
}

static void look_at_size(struct json_object *advice, const char *name,
			 const char *setting, uint64_t pages)
{
	if (pages >= LIKELY_PAGES)
		advise(advice, "%s: %s = %llu is %llu GiB: sizes are in MiB",
		       name, setting, MIB(pages), MIB(pages) >> 10);
}

static void look_at_own(struct json_object *advice,
			const struct cagma_config *config,
			const struct cagma_guest_config *own)
{
	const char *name = name_of(own);

	if (means_dom0(own->name))
		advise(advice, "settings for \"%s\": the control domain's name is "
		       "\"" CAGMA_DOM0_NAME "\"", own->name);
	look_at_size(advice, name, "min_mib", own->min_pages);
	look_at_size(advice, name, "max_mib", own->max_pages);
	if (own->max_pages && !own->min_pages &&
	    own->max_pages < config->min_pages)
		advise(advice, "%s: max_mib = %llu is below the minimum of all "
		       "guests, %llu: give it a min_mib of its own", name,
		       MIB(own->max_pages), MIB(config->min_pages));
}

struct json_object *cagma_advice_settings(const struct cagma_config *config)
{
	struct json_object *advice = json_object_new_array();

	for (size_t i = 0; i < config->guest_count; i++)
		look_at_own(advice, config, &config->guests[i]);
	return advice;
}

/* ---- settings and guests ---- */

/* In how many letters they differ; one more, or one less, is one. */
static size_t distance(const char *a, const char *b)
{
	size_t row[CAGMA_NAME_BYTES + 1], length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0]++;

		for (size_t j = 0; j < length; j++) {
			size_t other = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			row[j + 1] = cagma_min(other, 1 + cagma_min(row[j],
								diagonal));
		}
	}
	return row[length];
}

/* The guest's name that is likest to the settings', or NULL. */
static const char *likest(const struct cagma_status *status, const char *name)
{
	const char *best = NULL;
	size_t least = SLIPS + 1;

	for (size_t i = 0; i < status->count && i < status->capacity; i++) {
		size_t d = distance(status->guest[i].name, name);

		if (d < least && d < strlen(name)) {
			least = d;
			best = status->guest[i].name;
		}
	}
	return best;
}

static bool is_there(const struct cagma_guest_config *own,
		     const struct cagma_status *status,
		     const struct cagma_quarantine *refused)
{
	for (size_t i = 0; i < status->count && i < status->capacity; i++) {
		const struct cagma_status_guest *g = &status->guest[i];

		if (*own->name ? !strcmp(own->name, g->name) :
				 !memcmp(own->uuid, g->uuid, sizeof(g->uuid)))
			return true;
	}
	for (size_t i = 0; refused && i < refused->count; i++)
		if (*own->name && !strcmp(own->name, refused->entry[i].name))
			return true;
	return false;
}

static void look_for_guest(struct json_object *advice,
			   const struct cagma_guest_config *own,
			   const struct cagma_status *status,
			   const struct cagma_quarantine *refused, int *guesses)
{
	const char *like = NULL;

	if (means_dom0(own->name) || !strcmp(own->name, CAGMA_DOM0_NAME) ||
	    is_there(own, status, refused))
		return;
	if (*own->name && (*guesses)-- > 0)
		like = likest(status, own->name);
	if (like)
		advise(advice, "settings for \"%s\": no such guest is attached; is "
		       "\"%s\" meant?", own->name, like);
	else
		advise(advice, "settings for %s: no such guest is attached; they "
		       "count when it is", name_of(own));
}

static void look_at_minimums(struct json_object *advice,
			     const struct cagma_config *config,
			     const struct cagma_status *status)
{
	uint64_t room = cagma_less(status->total_pages,
				   status->dom0_pages + config->hard_pages);
	uint64_t own = 0, guests = 0;

	for (size_t i = 0; i < config->guest_count; i++) {
		uint64_t pages = config->guests[i].min_pages;

		own = cagma_min(own + pages, CAGMA_PAGES_MAX);
		if (pages > status->total_pages)
			advise(advice, "%s: min_mib = %llu is more than the host "
			       "has, %llu MiB", name_of(&config->guests[i]),
			       MIB(pages), MIB(status->total_pages));
	}
	for (size_t i = 0; i < status->count && i < status->capacity; i++)
		if (status->guest[i].domid)
			guests += status->guest[i].min_pages;
	if (guests > room)
		advise(advice, "the guests' minimums are %llu MiB, and %llu are there "
		       "beside dom0 and hard_reserve_mib: not all can be kept; lower "
		       "min_mib", MIB(guests), MIB(room));
	else if (own > room)
		advise(advice, "the minimums in the configuration are %llu MiB, and "
		       "%llu are there beside dom0 and hard_reserve_mib: not all can "
		       "be kept when all these guests run", MIB(own), MIB(room));
}

static void look_at_dom0(struct json_object *advice,
			 const struct cagma_status *status)
{
	if (status->dom0_pages > status->total_pages / 2)
		advise(advice, "dom0 has %llu of the host's %llu MiB: guests can't be "
		       "given what it holds; boot Xen with dom0_mem=, or load the "
		       "module in dom0 and give \"" CAGMA_DOM0_NAME "\" a min_mib",
		       MIB(status->dom0_pages), MIB(status->total_pages));
}

/* ---- guests ---- */

static int by_name(const void *a, const void *b)
{
	const struct cagma_status_guest *const *left = a, *const *right = b;
	int order = strcmp((*left)->name, (*right)->name);

	return order ? order : (*left)->domid - (*right)->domid;
}

static void look_at_names(struct json_object *advice,
			  const struct cagma_status *status)
{
	size_t count = cagma_min(status->count, status->capacity);
	const struct cagma_status_guest **guest = calloc(count + 1,
							 sizeof(*guest));

	if (!guest)
		return;
	for (size_t i = 0; i < count; i++)
		guest[i] = &status->guest[i];
	qsort(guest, count, sizeof(*guest), by_name);
	for (size_t i = 1; i < count; i++)
		if (!strcmp(guest[i - 1]->name, guest[i]->name))
			advise(advice, "domains %u and %u have one name, %s: settings "
			       "by name are both's; use uuid", guest[i - 1]->domid,
			       guest[i]->domid, guest[i]->name);
	free(guest);
}

static void look_at_guest(struct json_object *advice,
			  const struct cagma_status_guest *g)
{
	unsigned long long denied = g->emergencies - g->answered;

	if (g->target_pages + CAGMA_STEP_PAGES <= g->max_pages)
		return;
	if (g->swapped_pages >= CAGMA_STEP_PAGES)
		advise(advice, "%s is at its maximum of %llu MiB, and %llu are in its "
		       "swap: raise max_mib, or maxmem of its domain", g->name,
		       MIB(g->max_pages), MIB(g->swapped_pages));
	else if (g->emergencies > g->answered)
		advise(advice, "%s is at its maximum of %llu MiB, and %llu of its "
		       "emergencies had no answer: raise max_mib, or maxmem of its "
		       "domain", g->name, MIB(g->max_pages), denied);
}

static void look_at_refused(struct json_object *advice,
			    const struct cagma_quarantine *refused)
{
	for (size_t i = 0; refused && i < refused->count; i++) {
		const struct cagma_quarantined *entry = &refused->entry[i];

		if (!strcmp(entry->reason, "populate-on-demand"))
			advise(advice, "%s was built with less memory than it believes "
			       "to have, and its balloon hasn't taken the rest away: "
			       "load its balloon driver, or set memory to maxmem",
			       entry->name);
	}
}

void cagma_advice_host(struct json_object *advice,
		       const struct cagma_config *config,
		       const struct cagma_status *status,
		       const struct cagma_quarantine *refused)
{
	int guesses = GUESSES;

	look_at_dom0(advice, status);
	look_at_minimums(advice, config, status);
	for (size_t i = 0; i < config->guest_count; i++)
		look_for_guest(advice, &config->guests[i], status, refused,
			       &guesses);
	look_at_names(advice, status);
	for (size_t i = 0; i < status->count && i < status->capacity; i++)
		look_at_guest(advice, &status->guest[i]);
	look_at_refused(advice, refused);
}
