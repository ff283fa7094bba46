// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "state.h"

size_t cagma_state_index(const struct cagma_state *state, uint16_t domid)
{
	size_t low = 0, high = state->guest_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (state->guests[middle]->domid < domid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* As xl takes it: digits alone. False: it can be a name only. */
static bool is_domid(const char *wanted, uint16_t *domid)
{
	size_t digits = strspn(wanted, "0123456789");
	unsigned long value = strtoul(wanted, NULL, 10);

	*domid = (uint16_t)value;
	return digits && !wanted[digits] && value <= UINT16_MAX;
}

/* Somebody's, if only of a domain that isn't attached: then no name will do. */
static bool is_taken(const struct cagma_state *state, uint16_t domid)
{
	for (size_t i = 0; i < state->domain_count; i++)
		if (state->domains[i].domid == domid)
			return true;
	return false;
}

struct cagma_guest *cagma_state_find(const struct cagma_state *state,
				     const char *wanted)
{
	uint16_t domid;

	if (is_domid(wanted, &domid)) {
		size_t index = cagma_state_index(state, domid);

		if (index < state->guest_count &&
		    state->guests[index]->domid == domid)
			return state->guests[index];
		if (is_taken(state, domid))
			return NULL;
	}
	for (size_t i = 0; i < state->guest_count; i++)
		if (!strcmp(state->guests[i]->name, wanted))
			return state->guests[i];
	return NULL;
}

static int allocate(struct cagma_state *state)
{
	size_t n = CAGMA_GUESTS_MAX;

	state->domains_max = n + 1;
	state->domains = calloc(state->domains_max, sizeof(*state->domains));
	state->guests = calloc(n + 1, sizeof(*state->guests));
	state->views = calloc(n, sizeof(*state->views));
	state->decisions = calloc(n, sizeof(*state->decisions));
	return state->domains && state->guests && state->views &&
	       state->decisions ? 0 : -ENOMEM;
}

int cagma_state_init(struct cagma_state *state, const struct cagma_parts *parts)
{
	int err;

	*state = (struct cagma_state){
		.config = parts->config,
		.actuator = {
			.xen = parts->xen,
			.mirror = parts->mirror,
			.dry_run = parts->dry_run,
			.hard_pages = parts->config->hard_pages,
		},
		.trace = parts->trace,
		.journal = parts->journal,
		.store = parts->store,
		.released = parts->released,
		.links_fd = -1,
		.start_ns = cagma_now_ns(),
	};
	err = cagma_queue_init(&state->asked);
	if (err)
		return err;
	err = allocate(state);
	if (err)
		cagma_state_destroy(state);
	return err;
}

void cagma_state_destroy(struct cagma_state *state)
{
	cagma_queue_destroy(&state->asked);
	free(state->domains);
	free(state->guests);
	free(state->views);
	free(state->decisions);
}
