// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <string.h>

#include "member.h"
#include "show.h"

/* ---- status ---- */

/* "page", or "page+vchan" if there is another beside it. */
static void name_transports(struct json_object *g, char *text, size_t size)
{
	struct json_object *beside;
	int n = snprintf(text, size, "%s", cagma_text(g, "transport"));

	for (size_t i = 0; (beside = cagma_item(g, "beside", i)); i++)
		if (n >= 0 && (size_t)n < size)
			n += snprintf(text + n, size - (size_t)n, "+%s",
				      json_object_get_string(beside));
}

static void print_guest(struct json_object *g)
{
	char transports[24];

	name_transports(g, transports, sizeof(transports));
	printf("%4lld %-16s %-6s %-10s %5lld %6lld %6lld %6lld %5lld %9lld %9lld %4lld/%-4lld %8lld\n",
	       cagma_number(g, "dom"), cagma_text(g, "name"),
	       cagma_truth(g, "stuck") ? "stuck" : cagma_text(g, "state"),
	       transports,
	       cagma_mib(g, "alloc_kib"), cagma_mib(g, "target_kib"),
	       cagma_mib(g, "avail_kib"), cagma_mib(g, "cma_kib"),
	       cagma_number(g, "age_ms"), cagma_number(g, "swap_in_pages"),
	       cagma_number(g, "swap_out_pages"), cagma_number(g, "answered"),
	       cagma_number(g, "emergencies"),
	       cagma_number(cagma_member(g, "reaction_us"), "p99"));
}

static void print_guests(struct json_object *s)
{
	struct json_object *guest;

	printf(" dom name             state  by         alloc target  avail    cma   age   swap-in  swap-out answered p99\n"
	       "                                          MiB    MiB    MiB    MiB    ms     pages     pages            us\n");
	for (size_t i = 0; (guest = cagma_item(s, "guests", i)); i++)
		print_guest(guest);
}

static void print_pauses(struct json_object *s)
{
	struct json_object *guest;

	if (cagma_number(s, "resumes_s"))
		printf("all guests are paused for another %lld s\n",
		       cagma_number(s, "resumes_s"));
	for (size_t i = 0; (guest = cagma_item(s, "guests", i)); i++)
		if (cagma_number(guest, "resumes_s"))
			printf("%4lld %-16s is paused for another %lld s\n",
			       cagma_number(guest, "dom"),
			       cagma_text(guest, "name"),
			       cagma_number(guest, "resumes_s"));
}

static void print_quarantined(struct json_object *s)
{
	struct json_object *q;

	for (size_t i = 0; (q = cagma_item(s, "quarantined", i)); i++) {
		bool attached = cagma_truth(q, "attached");

		printf("%4lld %-16s %s: %s (%s, refused %lld times",
		       cagma_number(q, "dom"), cagma_text(q, "name"),
		       attached ? "on probation" : "quarantined",
		       cagma_text(q, "reason"), cagma_text(q, "transport"),
		       cagma_number(q, "refusals"));
		if (!attached)
			printf(", next try in %lld s",
			       cagma_number(q, "retry_ms") / 1000);
		printf(")\n");
	}
}

static void print_leases(struct json_object *s)
{
	struct json_object *lease;

	for (size_t i = 0; (lease = cagma_item(s, "leases", i)); i++)
		printf("lease %lld: %lld MiB for a new domain, %lld taken, %lld ready; ends in %lld s\n",
		       cagma_number(lease, "lease"),
		       cagma_mib(lease, "size_kib"),
		       cagma_mib(lease, "size_kib") -
		       cagma_mib(lease, "left_kib"),
		       cagma_mib(lease, "ready_kib"),
		       cagma_number(lease, "ends_s"));
}

void cagma_show_status(struct json_object *s)
{
	printf("policy %s%s%s, up %lld s; host %lld MiB, free %lld, spare %lld, reserve %lld\n",
	       cagma_text(s, "policy"),
	       cagma_truth(s, "dry_run") ? " (dry run)" : "",
	       cagma_truth(s, "paused") ? " (paused)" : "",
	       cagma_number(s, "uptime_s"), cagma_mib(s, "total_kib"),
	       cagma_mib(s, "free_kib"), cagma_mib(s, "spare_kib"),
	       cagma_mib(s, "reserve_kib"));
	printf("emergencies %lld, answered %lld; target changes %lld; invariant violations %lld\n\n",
	       cagma_number(s, "emergencies"), cagma_number(s, "answered"),
	       cagma_number(s, "target_changes"),
	       cagma_number(s, "invariant_violations"));
	if (strcmp(cagma_text(s, "xenstore"), "ok"))
		printf("xenstored is %s: guests are served by their pages alone\n\n",
		       cagma_text(s, "xenstore"));
	print_guests(s);
	print_pauses(s);
	print_quarantined(s);
	print_leases(s);
}

/* ---- why ---- */

static const char *direction(struct json_object *r)
{
	long long change = cagma_number(r, "new_target_kib") -
			   cagma_number(r, "old_target_kib");

	return change > 0 ? "grows" : change < 0 ? "shrinks" : "stays";
}

/* One line: when, what, why. */
static void print_record(struct json_object *r)
{
	bool event = cagma_number(r, "event");

	printf("%8.1f s ago  %6lld -> %6lld MiB  %s%s%s%s\n",
	       (double)cagma_number(r, "ago_ms") / 1000,
	       cagma_mib(r, "old_target_kib"), cagma_mib(r, "new_target_kib"),
	       cagma_text(r, "why"), event ? " (" : "",
	       event ? cagma_text(r, "reason") : "", event ? ")" : "");
}

void cagma_show_history(struct json_object *answer)
{
	struct json_object *record;

	printf("%s (domain %lld): the last %zu of %lld changes\n",
	       cagma_text(answer, "name"), cagma_number(answer, "dom"),
	       cagma_count(answer, "records"),
	       cagma_number(answer, "changes"));
	for (size_t i = 0; (record = cagma_item(answer, "records", i)); i++)
		print_record(record);
}

static void print_sizes(struct json_object *r)
{
	printf("\nin MiB\n"
	       "  memory    has %lld, uses %lld (at most %lld lately), allowed %lld to %lld\n"
	       "  may have  %lld while others want more\n",
	       cagma_mib(r, "alloc_kib"), cagma_mib(r, "used_kib"),
	       cagma_mib(r, "used_release_kib"), cagma_mib(r, "min_kib"),
	       cagma_mib(r, "max_kib"), cagma_mib(r, "entitled_kib"));
	printf("  CMA       %lld: growth expected %lld, share of the task of %lld, back from swap %lld of %lld\n"
	       "  burst     %lld, the largest lately\n"
	       "  host      spare %lld, of which %lld are never given and %lld are for emergencies\n",
	       cagma_mib(r, "cma_kib"), cagma_mib(r, "growth_kib"),
	       cagma_mib(r, "task_kib"), cagma_mib(r, "swap_in_kib"),
	       cagma_mib(r, "swapped_kib"), cagma_mib(r, "burst_kib"),
	       cagma_mib(r, "spare_kib"),
	       cagma_mib(r, "hard_reserve_kib"),
	       cagma_mib(r, "reserve_kib") - cagma_mib(r, "hard_reserve_kib"));
	if (cagma_number(r, "unmet_kib"))
		printf("  not met   %lld\n", cagma_mib(r, "unmet_kib"));
}

/* Of the present, and since the guest was booted. */
static void print_pressure(struct json_object *answer)
{
	if (!cagma_member(answer, "swap_total_kib"))
		return;
	printf("  swap      %lld of space\n",
	       cagma_mib(answer, "swap_total_kib"));
	printf("  pressure  some task waited for memory for %.3f s in all, all for %.3f s\n",
	       (double)cagma_number(answer, "pressure_some_us") / 1e6,
	       (double)cagma_number(answer, "pressure_full_us") / 1e6);
}

void cagma_show_explanation(struct json_object *answer)
{
	size_t count = cagma_count(answer, "records");
	struct json_object *last;

	printf("%s (domain %lld)", cagma_text(answer, "name"),
	       cagma_number(answer, "dom"));
	if (!count) {
		printf(": its target was never changed by this daemon\n");
		return;
	}
	last = cagma_item(answer, "records", count - 1);
	printf(" %s:\n", direction(last));
	print_record(last);
	print_sizes(last);
	print_pressure(answer);
}
