// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "ask.h"
#include "member.h"
#include "reserve.h"

#define MIB_MAX		16777216u
#define POLLS_PER_S	5
#define POLL_NS		(1000000000L / POLLS_PER_S)

unsigned long long cagma_reserve_size(const char *text)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return 0;
	value = strtoull(text, &end, 10);
	if (value > MIB_MAX)
		return 0;
	if (!strcmp(end, "G") || !strcmp(end, "GiB"))
		value *= 1024;
	else if (*end && strcmp(end, "M") && strcmp(end, "MiB"))
		return 0;
	return value <= MIB_MAX ? value : 0;
}

/* ---- why it can't be had ---- */

/* What stands in the way of memory that is wanted. In MiB. */
struct hindrance {
	size_t stuck, left_alone, willing;
	long long owed, surplus;
};

static long long more(long long a, long long b)
{
	return a > b ? a - b : 0;
}

static void look_at_guest(struct hindrance *h, struct json_object *g)
{
	long long used = more(cagma_mib(g, "alloc_kib"),
			      cagma_mib(g, "avail_kib"));
	long long needs = used + cagma_mib(g, "cma_kib");

	if (needs < cagma_mib(g, "min_kib"))
		needs = cagma_mib(g, "min_kib");
	if (cagma_truth(g, "stuck")) {
		h->stuck++;
		h->owed += more(cagma_mib(g, "alloc_kib"),
				cagma_mib(g, "target_kib"));
	} else if (strcmp(cagma_text(g, "state"), "live")) {
		h->left_alone++;
	} else {
		h->willing++;
		h->surplus += more(cagma_mib(g, "target_kib"), needs);
	}
}

/* In one line; `status` may be NULL. */
static void put_into_words(struct json_object *status, char *text, size_t size)
{
	struct hindrance h = { 0 };
	struct json_object *g;
	size_t length;

	if (cagma_truth(status, "paused")) {
		snprintf(text, size, "all guests are paused by the operator");
		return;
	}
	if (cagma_truth(status, "dry_run") ||
	    !strcmp(cagma_text(status, "policy"), "static")) {
		snprintf(text, size, "cagmad changes nothing (%s)",
			 cagma_truth(status, "dry_run") ? "--dry-run" :
							  "policy static");
		return;
	}
	for (size_t i = 0; (g = cagma_item(status, "guests", i)); i++)
		look_at_guest(&h, g);
	length = (size_t)snprintf(text, size,
				  "%zu guests have %lld MiB beyond what they need and their minimum",
				  h.willing, h.surplus);
	if (h.left_alone && length < size)
		length += (size_t)snprintf(text + length, size - length,
					   "; %zu are left alone (paused, exempt or stale)",
					   h.left_alone);
	if (h.stuck && length < size)
		length += (size_t)snprintf(text + length, size - length,
					   "; %zu don't give back %lld MiB",
					   h.stuck, h.owed);
	if (cagma_number(status, "unattached") && length < size)
		snprintf(text + length, size - length,
			 "; %lld have no page and are not asked",
			 cagma_number(status, "unattached"));
}

/* ---- waiting ---- */

struct wait {
	const char *run_dir;
	bool as_json;
	int64_t lease;
	unsigned long long wanted;	/* MiB */
	long long ready;
};

/* True if the daemon has answered; *over: there is no such lease any more. */
static bool look_at_lease(struct wait *w, bool *whole, bool *over)
{
	struct json_object *s = cagma_demand(w->run_dir, "status\n"), *lease;

	*over = true;
	if (!s)
		return false;
	for (size_t i = 0; (lease = cagma_item(s, "leases", i)); i++) {
		if (cagma_number(lease, "lease") != w->lease)
			continue;
		*over = false;
		w->ready = cagma_mib(lease, "ready_kib");
		*whole = cagma_number(lease, "ready_kib") >=
			 cagma_number(lease, "left_kib");
	}
	json_object_put(s);
	return true;
}

static void print_failure(const struct wait *w, const char *reason)
{
	struct json_object *o;

	fprintf(stderr, "cagmactl: only %lld of %llu MiB could be freed within %d s: %s. Nothing is reserved.\n",
		w->ready, w->wanted, CAGMA_RESERVE_WAIT_S, reason);
	if (!w->as_json)
		return;
	o = json_object_new_object();
	json_object_object_add(o, "error", json_object_new_string(reason));
	json_object_object_add(o, "ready_mib", json_object_new_int64(w->ready));
	json_object_object_add(o, "wanted_mib",
			       json_object_new_int64((int64_t)w->wanted));
	printf("%s\n", json_object_to_json_string_ext(o,
						      JSON_C_TO_STRING_PLAIN));
	json_object_put(o);
}

static int give_up(const struct wait *w)
{
	struct json_object *s = cagma_demand(w->run_dir, "status\n"), *answer;
	char request[32], reason[256];

	put_into_words(s, reason, sizeof(reason));
	snprintf(request, sizeof(request), "release %lld\n",
		 (long long)w->lease);
	answer = cagma_demand(w->run_dir, request);
	json_object_put(answer);
	json_object_put(s);
	print_failure(w, reason);
	return EXIT_FAILURE;
}

static int wait_for_lease(struct wait *w)
{
	const struct timespec pause = { .tv_nsec = POLL_NS };
	bool whole = false, over;
	long long shown = -1;

	for (int i = 0; i < CAGMA_RESERVE_WAIT_S * POLLS_PER_S; i++) {
		if (!look_at_lease(w, &whole, &over))
			return EXIT_FAILURE;
		if (over) {
			fprintf(stderr, "cagmactl: the lease ended, or was released, before its memory was free\n");
			return EXIT_FAILURE;
		}
		if (!w->as_json && w->ready != shown)
			fprintf(stderr, "%lld of %llu MiB are free\n", w->ready,
				w->wanted);
		shown = w->ready;
		if (whole)
			return EXIT_SUCCESS;
		nanosleep(&pause, NULL);
	}
	return give_up(w);
}

int cagma_reserve(const char *run_dir, bool as_json, unsigned long long mib,
		  unsigned int lease_s)
{
	struct wait w = { .run_dir = run_dir, .as_json = as_json,
			  .wanted = mib };
	struct json_object *answer;
	char request[64];
	int status;

	snprintf(request, sizeof(request), "reserve %llu %u\n", mib, lease_s);
	answer = cagma_demand(run_dir, request);
	if (!answer)
		return EXIT_FAILURE;
	w.lease = cagma_number(answer, "lease");
	status = wait_for_lease(&w);
	if (!status && as_json)
		printf("%s\n", json_object_to_json_string_ext(
				       answer, JSON_C_TO_STRING_PLAIN));
	else if (!status)
		printf("lease %lld\n", (long long)w.lease);
	json_object_put(answer);
	return status;
}
