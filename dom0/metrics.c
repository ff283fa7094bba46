// SPDX-License-Identifier: GPL-2.0-only
#include <stdlib.h>

#include "member.h"
#include "metrics.h"

#define PAGE_BYTES	4096
#define US_PER_S	1e6

struct metric {
	const char *name;
	const char *type;
	const char *help;
	const char *key;	/* in the daemon's answer */
	double unit;		/* of the answer, in the metric's */
};

static const struct metric of_daemon[] = {
	{ "cagma_uptime_seconds", "gauge",
	  "Time since cagmad started.", "uptime_s", 1 },
	{ "cagma_paused", "gauge",
	  "1 if the operator paused all guests.", "paused", 1 },
	{ "cagma_dry_run", "gauge",
	  "1 if cagmad decides and changes nothing.", "dry_run", 1 },
	{ "cagma_host_memory_bytes", "gauge",
	  "Memory of the host.", "total_kib", 1024 },
	{ "cagma_host_free_bytes", "gauge",
	  "What is free in Xen.", "free_kib", 1024 },
	{ "cagma_host_spare_bytes", "gauge",
	  "What is free and promised to nobody; negative: promised and not there.",
	  "spare_kib", 1024 },
	{ "cagma_host_reserve_bytes", "gauge",
	  "What is to be spare, for emergencies.", "reserve_kib", 1024 },
	{ "cagma_host_hard_reserve_bytes", "gauge",
	  "What is never given to a guest.", "hard_reserve_kib", 1024 },
	{ "cagma_xenstore_up", "gauge",
	  "0 if xenstored doesn't answer or has ended.", "xenstore_ok", 1 },
	{ "cagma_unattached_domains", "gauge",
	  "Domains that are not attached, dom0 aside.", "unattached", 1 },
	{ "cagma_host_claimed_bytes", "gauge",
	  "What is claimed for domains under construction.", "claimed_kib",
	  1024 },
	{ "cagma_dying_domains", "gauge",
	  "Domains that have ended and still hold pages.", "dying", 1 },
	{ "cagma_beyond_domains", "gauge",
	  "Domains that there is no room to serve.", "beyond", 1 },
	{ "cagma_emergencies_total", "counter",
	  "Emergencies that guests raised.", "emergencies", 1 },
	{ "cagma_emergencies_answered_total", "counter",
	  "Emergencies that were answered with memory.", "answered", 1 },
	{ "cagma_target_changes_total", "counter",
	  "Changes of guests' targets.", "target_changes", 1 },
	{ "cagma_invariant_violations_total", "counter",
	  "Invariants that were broken: a fault in cagmad.",
	  "invariant_violations", 1 },
};

static const struct metric of_guest[] = {
	{ "cagma_guest_allocated_bytes", "gauge",
	  "Memory the guest has, by Xen's count.", "alloc_kib", 1024 },
	{ "cagma_guest_target_bytes", "gauge",
	  "Memory it is to have.", "target_kib", 1024 },
	{ "cagma_guest_limit_bytes", "gauge",
	  "The most it can have now.", "limit_kib", 1024 },
	{ "cagma_guest_available_bytes", "gauge",
	  "What it could use without swapping.", "avail_kib", 1024 },
	{ "cagma_guest_cma_bytes", "gauge",
	  "Its critical memory amount.", "cma_kib", 1024 },
	{ "cagma_guest_min_bytes", "gauge",
	  "It is never given less.", "min_kib", 1024 },
	{ "cagma_guest_max_bytes", "gauge",
	  "It is never given more.", "max_kib", 1024 },
	{ "cagma_guest_sample_age_seconds", "gauge",
	  "Age of its newest sample.", "age_ms", 1e-3 },
	{ "cagma_guest_stuck", "gauge",
	  "1 if it doesn't give back what it has beyond its target.", "stuck",
	  1 },
	{ "cagma_guest_swapped_in_bytes_total", "counter",
	  "What it brought back from swap.", "swap_in_pages", PAGE_BYTES },
	{ "cagma_guest_swapped_out_bytes_total", "counter",
	  "What it wrote to swap.", "swap_out_pages", PAGE_BYTES },
	{ "cagma_guest_emergencies_total", "counter",
	  "Emergencies that it raised.", "emergencies", 1 },
	{ "cagma_guest_emergencies_answered_total", "counter",
	  "Those that were answered with memory.", "answered", 1 },
	{ "cagma_guest_kicks_total", "counter",
	  "Its event channel's wake-ups of cagmad.", "kicks", 1 },
	{ "cagma_guest_lost_samples_total", "counter",
	  "Samples that it overwrote before they were read.", "lost_samples",
	  1 },
};

static void write_head(FILE *file, const char *name, const char *type,
		       const char *help)
{
	fprintf(file, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* Names are printable ASCII without quotes or backslashes: see store.c. */
static void write_name(FILE *file, const char *metric,
		       const struct json_object *guest)
{
	fprintf(file, "%s{domain=\"%lld\",name=\"%s\"", metric,
		cagma_number(guest, "dom"), cagma_text(guest, "name"));
}

static double value_of(const struct metric *m, const struct json_object *from)
{
	struct json_object *value = cagma_member(from, m->key);

	if (json_object_is_type(value, json_type_boolean))
		return json_object_get_boolean(value);
	return (double)json_object_get_int64(value) * m->unit;
}

static void write_of_daemon(FILE *file, const struct metric *m,
			    const struct json_object *status)
{
	write_head(file, m->name, m->type, m->help);
	fprintf(file, "%s %.15g\n", m->name, value_of(m, status));
}

static void write_of_guests(FILE *file, const struct metric *m,
			    const struct json_object *status)
{
	struct json_object *guest;

	write_head(file, m->name, m->type, m->help);
	for (size_t i = 0; (guest = cagma_item(status, "guests", i)); i++) {
		write_name(file, m->name, guest);
		fprintf(file, "} %.15g\n", value_of(m, guest));
	}
}

static void write_states(FILE *file, const struct json_object *status)
{
	struct json_object *guest;

	write_head(file, "cagma_guest_info", "gauge",
		   "Of each attached guest; its state is live, stale, paused or exempt.");
	for (size_t i = 0; (guest = cagma_item(status, "guests", i)); i++) {
		write_name(file, "cagma_guest_info", guest);
		fprintf(file, ",uuid=\"%s\",transport=\"%s\",state=\"%s\"} 1\n",
			cagma_text(guest, "uuid"),
			cagma_text(guest, "transport"),
			cagma_text(guest, "state"));
	}
}

/* Only of guests whose agent tells. */
static void write_pressure(FILE *file, const struct json_object *status)
{
	struct json_object *guest;

	write_head(file, "cagma_guest_pressure_seconds_total", "counter",
		   "Time for which some of its tasks, or all, waited for memory.");
	for (size_t i = 0; (guest = cagma_item(status, "guests", i)); i++) {
		static const char *const kinds[] = { "some", "full" };

		for (size_t k = 0; k < 2; k++) {
			char key[32];

			snprintf(key, sizeof(key), "pressure_%s_us", kinds[k]);
			if (!cagma_member(guest, key))
				continue;
			write_name(file, "cagma_guest_pressure_seconds_total",
				   guest);
			fprintf(file, ",kind=\"%s\"} %.15g\n", kinds[k],
				(double)cagma_number(guest, key) / US_PER_S);
		}
	}
}

static void write_swap(FILE *file, const struct json_object *status)
{
	struct json_object *guest;

	write_head(file, "cagma_guest_swap_bytes", "gauge",
		   "Its swap space, in use or not.");
	for (size_t i = 0; (guest = cagma_item(status, "guests", i)); i++) {
		if (!cagma_member(guest, "swap_total_kib"))
			continue;
		write_name(file, "cagma_guest_swap_bytes", guest);
		fprintf(file, "} %lld\n",
			cagma_number(guest, "swap_total_kib") * 1024);
	}
}

#define REACTION "cagma_guest_reaction_seconds"

static void write_reaction(FILE *file, const struct json_object *guest)
{
	const struct json_object *h = cagma_member(guest, "reaction_us");
	struct json_object *below = cagma_member(h, "below");

	json_object_object_foreach(below, edge, count) {
		write_name(file, REACTION "_bucket", guest);
		fprintf(file, ",le=\"%.9g\"} %lld\n",
			strtod(edge, NULL) / US_PER_S,
			(long long)json_object_get_int64(count));
	}
	write_name(file, REACTION "_bucket", guest);
	fprintf(file, ",le=\"+Inf\"} %lld\n", cagma_number(h, "n"));
	write_name(file, REACTION "_sum", guest);
	fprintf(file, "} %.15g\n", (double)cagma_number(h, "sum") / US_PER_S);
	write_name(file, REACTION "_count", guest);
	fprintf(file, "} %lld\n", cagma_number(h, "n"));
}

static void write_reactions(FILE *file, const struct json_object *status)
{
	struct json_object *guest;

	write_head(file, REACTION, "histogram",
		   "From the guest's kick to the answer, by its own clock.");
	for (size_t i = 0; (guest = cagma_item(status, "guests", i)); i++)
		if (cagma_member(cagma_member(guest, "reaction_us"), "below"))
			write_reaction(file, guest);
}

static void write_quarantined(FILE *file, const struct json_object *status)
{
	struct json_object *q;

	write_head(file, "cagma_refusals_total", "counter",
		   "Times that a domain in quarantine or on probation was refused.");
	for (size_t i = 0; (q = cagma_item(status, "quarantined", i)); i++) {
		write_name(file, "cagma_refusals_total", q);
		fprintf(file, ",transport=\"%s\",reason=\"%s\"} %lld\n",
			cagma_text(q, "transport"), cagma_text(q, "reason"),
			cagma_number(q, "refusals"));
	}
}

static void write_leases(FILE *file, const struct json_object *status)
{
	struct json_object *lease;

	write_head(file, "cagma_lease_left_bytes", "gauge",
		   "Of memory reserved for a new domain, what is not yet taken.");
	for (size_t i = 0; (lease = cagma_item(status, "leases", i)); i++)
		fprintf(file, "cagma_lease_left_bytes{lease=\"%lld\"} %lld\n",
			cagma_number(lease, "lease"),
			cagma_number(lease, "left_kib") * 1024);
}

void cagma_metrics_write(FILE *file, const struct json_object *status)
{
	write_head(file, "cagma_up", "gauge", "1 if cagmad answers.");
	fprintf(file, "cagma_up %d\n", status != NULL);
	if (!status)
		return;
	write_head(file, "cagma_policy_info", "gauge", "The policy's name.");
	fprintf(file, "cagma_policy_info{policy=\"%s\"} 1\n",
		cagma_text(status, "policy"));
	for (size_t i = 0; i < sizeof(of_daemon) / sizeof(of_daemon[0]); i++)
		write_of_daemon(file, &of_daemon[i], status);
	write_states(file, status);
	for (size_t i = 0; i < sizeof(of_guest) / sizeof(of_guest[0]); i++)
		write_of_guests(file, &of_guest[i], status);
	write_pressure(file, status);
	write_swap(file, status);
	write_reactions(file, status);
	write_quarantined(file, status);
	write_leases(file, status);
}
