// SPDX-License-Identifier: GPL-2.0-only
#include <stdio.h>
#include <stdlib.h>

#include <urcu.h>

#include "answer.h"
#include "clock.h"
#include "units.h"

static void add(struct json_object *to, const char *key, uint64_t value)
{
	json_object_object_add(to, key, json_object_new_uint64(value));
}

static void add_signed(struct json_object *to, const char *key, int64_t value)
{
	json_object_object_add(to, key, json_object_new_int64(value));
}

static void add_text(struct json_object *to, const char *key, const char *text)
{
	json_object_object_add(to, key, json_object_new_string(text));
}

static void add_uuid(struct json_object *to, const uint8_t *u)
{
	char text[37];

	snprintf(text, sizeof(text),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x",
		 u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9],
		 u[10], u[11], u[12], u[13], u[14], u[15]);
	add_text(to, "uuid", text);
}

/* From 64 us to a second, in powers of two: what a histogram is drawn from. */
#define LEAST_POWER	6
#define MOST_POWER	20

static struct json_object *histogram_json(const struct cagma_histogram *h)
{
	struct json_object *o = json_object_new_object();
	struct json_object *below = json_object_new_object();
	char edge[16];

	for (unsigned int power = LEAST_POWER; power <= MOST_POWER; power++) {
		snprintf(edge, sizeof(edge), "%u", 1u << power);
		add(below, edge, cagma_histogram_below(h, power));
	}
	add(o, "n", h->count);
	add(o, "sum", h->sum_us);
	add(o, "p50", cagma_histogram_quantile(h, 50));
	add(o, "p99", cagma_histogram_quantile(h, 99));
	add(o, "max", h->max_us);
	json_object_object_add(o, "below", below);
	return o;
}

static const char *state_of(const struct cagma_status_guest *g)
{
	if (g->paused)
		return "paused";
	if (g->exempt)
		return "exempt";
	return g->stale ? "stale" : "live";
}

/* Whole seconds, the last of which is one until it is over. */
static void add_resumption(struct json_object *o, uint64_t resumes_ns)
{
	if (resumes_ns)
		add(o, "resumes_s", (resumes_ns + CAGMA_NS_PER_S - 1) /
				    CAGMA_NS_PER_S);
}

/* What only user space of the guest can see, if an agent tells. */
static void add_pressure(struct json_object *o, bool known,
			 const struct cagma_pressure *pressure)
{
	if (!known)
		return;
	add(o, "pressure_some_us", pressure->some_us);
	add(o, "pressure_full_us", pressure->full_us);
	add(o, "swap_total_kib",
	    cagma_pages_to_kib(pressure->swap_total_pages));
}

/* The transports that are there beside the one that serves it. */
static struct json_object *beside_json(const struct cagma_status_guest *g)
{
	struct json_object *list = json_object_new_array();

	for (int i = 0; i < CAGMA_RANKS; i++) {
		enum cagma_rank rank = (enum cagma_rank)i;

		if (rank != g->source && g->linked[rank])
			json_object_array_add(list, json_object_new_string(
						cagma_transport_name(rank)));
	}
	return list;
}

static struct json_object *guest_json(const struct cagma_status_guest *g)
{
	struct json_object *o = json_object_new_object();

	add(o, "dom", g->domid);
	add_text(o, "name", g->name);
	add_uuid(o, g->uuid);
	add_text(o, "transport", cagma_transport_name(g->source));
	json_object_object_add(o, "beside", beside_json(g));
	add_text(o, "state", state_of(g));
	add_resumption(o, g->resumes_ns);
	json_object_object_add(o, "stuck", json_object_new_boolean(g->stuck));
	add(o, "age_ms", g->age_ns / CAGMA_NS_PER_MS);
	add(o, "period_ms", g->period_ms);
	add(o, "alloc_kib", cagma_pages_to_kib(g->alloc_pages));
	add_signed(o, "offset_kib", cagma_signed_pages_to_kib(g->offset_pages));
	add_text(o, "trouble", g->unexplained ? CAGMA_UNEXPLAINED : "");
	if (g->unexplained)
		add_signed(o, "unexplained_kib",
			   cagma_signed_pages_to_kib(g->unexplained_pages));
	add(o, "limit_kib", cagma_pages_to_kib(g->limit_pages));
	add(o, "target_kib", cagma_pages_to_kib(g->target_pages));
	add(o, "avail_kib", cagma_pages_to_kib(g->available_pages));
	add(o, "cma_kib", cagma_pages_to_kib(g->cma_pages));
	add(o, "min_kib", cagma_pages_to_kib(g->min_pages));
	add(o, "max_kib", cagma_pages_to_kib(g->max_pages));
	add(o, "swapped_kib", cagma_pages_to_kib(g->swapped_pages));
	add(o, "swap_in_pages", g->swap_in_pages);
	add(o, "swap_out_pages", g->swap_out_pages);
	add_pressure(o, g->has_pressure, &g->pressure);
	add(o, "emergencies", g->emergencies);
	add(o, "answered", g->answered);
	add(o, "kicks", g->kicks);
	add(o, "lost_samples", g->lost_samples);
	json_object_object_add(o, "reaction_us", histogram_json(&g->reaction));
	return o;
}

static struct json_object *quarantine_json(const struct cagma_store *store)
{
	struct json_object *list = json_object_new_array();
	const struct cagma_quarantine *q;
	uint64_t now_ns = cagma_now_ns();

	rcu_read_lock();
	q = cagma_store_quarantine(store);
	for (size_t i = 0; q && i < q->count; i++) {
		const struct cagma_quarantined *entry = &q->entry[i];
		struct json_object *o = json_object_new_object();

		add(o, "dom", entry->domid);
		add_text(o, "name", entry->name);
		add_text(o, "reason", entry->reason);
		add(o, "refusals", entry->refusals);
		add_text(o, "transport", cagma_transport_name(entry->rank));
		json_object_object_add(o, "attached",
				       json_object_new_boolean(entry->attached));
		if (!entry->attached)
			add(o, "retry_ms", cagma_less(entry->retry_ns, now_ns) /
					   CAGMA_NS_PER_MS);
		json_object_array_add(list, o);
	}
	rcu_read_unlock();
	return list;
}

/* Leases are served from what is spare in their order. */
static struct json_object *leases_json(const struct cagma_status *s)
{
	struct json_object *list = json_object_new_array();
	int64_t over = s->spare_pages - (int64_t)s->hard_pages;
	uint64_t free_pages = over > 0 ? (uint64_t)over : 0;
	uint64_t now_ns = cagma_now_ns();

	for (size_t i = 0; i < CAGMA_LEASES_MAX && s->lease[i].id; i++) {
		const struct cagma_lease *lease = &s->lease[i];
		uint64_t ready = cagma_min(free_pages, lease->left_pages);
		struct json_object *o = json_object_new_object();

		free_pages -= ready;
		add(o, "lease", lease->id);
		add(o, "size_kib", cagma_pages_to_kib(lease->pages));
		add(o, "left_kib", cagma_pages_to_kib(lease->left_pages));
		add(o, "ready_kib", cagma_pages_to_kib(ready));
		add(o, "ends_s", cagma_less(lease->until_ns, now_ns) /
				 CAGMA_NS_PER_S);
		json_object_array_add(list, o);
	}
	return list;
}

struct json_object *cagma_answer_command(const struct cagma_command *command)
{
	struct json_object *o = json_object_new_object();

	if (*command->refusal) {
		add_text(o, "error", command->refusal);
		return o;
	}
	json_object_object_add(o, "done", json_object_new_boolean(true));
	if (command->lease)
		add(o, "lease", command->lease);
	return o;
}

static struct json_object *head_json(const struct cagma_status *s,
				     const char *config)
{
	static const char *const xenstore[] = {
		[CAGMA_XENSTORE_OK] = "ok",
		[CAGMA_XENSTORE_SILENT] = "silent",
		[CAGMA_XENSTORE_GONE] = "gone",
	};
	struct json_object *o = json_object_new_object();

	add_text(o, "policy", s->policy);
	json_object_object_add(o, "paused", json_object_new_boolean(s->paused));
	add_resumption(o, s->resumes_ns);
	json_object_object_add(o, "dry_run",
			       json_object_new_boolean(s->dry_run));
	if (config)
		add_text(o, "config", config);
	add(o, "uptime_s", s->up_ns / CAGMA_NS_PER_S);
	add(o, "total_kib", cagma_pages_to_kib(s->total_pages));
	add(o, "free_kib", cagma_pages_to_kib(s->free_pages));
	add_signed(o, "spare_kib", cagma_signed_pages_to_kib(s->spare_pages));
	add(o, "hard_reserve_kib", cagma_pages_to_kib(s->hard_pages));
	add(o, "reserve_kib", cagma_pages_to_kib(s->reserve_pages));
	add(o, "claimed_kib", cagma_pages_to_kib(s->claimed_pages));
	add(o, "unattached", s->unattached);
	add(o, "dying", s->dying);
	add(o, "shut_down", s->shut_down);
	add(o, "beyond", s->beyond);
	add_text(o, "xenstore", xenstore[s->xenstore]);
	json_object_object_add(o, "xenstore_ok",
			       json_object_new_boolean(!s->xenstore));
	add(o, "emergencies", s->emergencies);
	add(o, "answered", s->answered);
	add(o, "target_changes", s->target_changes);
	add(o, "invariant_violations", s->invariant_violations);
	return o;
}

/* Writes an object without its last `less` characters, and puts it. */
static void write_json(FILE *file, struct json_object *o, size_t less)
{
	size_t length;
	const char *text = json_object_to_json_string_length(
		o, JSON_C_TO_STRING_PLAIN, &length);

	if (text)
		fwrite(text, 1, length - less, file);
	json_object_put(o);
}

/* One guest's objects at a time: those of thousands take more than all else. */
char *cagma_answer_status(const struct cagma_status *s,
			  const struct cagma_store *store, const char *config)
{
	char *line = NULL;
	size_t size;
	FILE *file = open_memstream(&line, &size);

	if (!file)
		return NULL;
	write_json(file, head_json(s, config), 1);
	fputs(",\"guests\":[", file);
	for (size_t i = 0; i < s->count && i < s->capacity; i++) {
		if (i)
			fputc(',', file);
		write_json(file, guest_json(&s->guest[i]), 0);
	}
	fputs("],\"leases\":", file);
	write_json(file, leases_json(s), 0);
	fputs(",\"quarantined\":", file);
	write_json(file, quarantine_json(store), 0);
	fputs("}\n", file);
	if (fclose(file)) {
		free(line);
		return NULL;
	}
	return line;
}

/* ---- why ---- */

static void add_kib(struct json_object *to, const char *key, uint64_t pages)
{
	add(to, key, cagma_pages_to_kib(pages));
}

static struct json_object *record_json(const struct cagma_record *r,
				       uint64_t now_ns)
{
	struct json_object *o = json_object_new_object();

	add(o, "ago_ms", cagma_less(now_ns, r->time_ns) / CAGMA_NS_PER_MS);
	add_text(o, "why", r->denied ? "denied" :
				       cagma_why_name(r->decision.why));
	add(o, "event", r->event);
	add_text(o, "reason", r->event ? cagma_reason_name(r->reason) : "");
	add_kib(o, "old_target_kib", r->guest.target_pages);
	add_kib(o, "new_target_kib", r->decision.target_pages);
	add_kib(o, "entitled_kib", r->decision.entitled_pages);
	add_kib(o, "unmet_kib", r->decision.unmet_pages);
	add_kib(o, "cma_kib", r->decision.cma_pages);
	add_kib(o, "alloc_kib", r->guest.alloc_pages);
	add_kib(o, "used_kib", r->guest.used_pages);
	add_kib(o, "used_donor_kib", r->guest.used_donor_pages);
	add_kib(o, "used_release_kib", r->guest.used_release_pages);
	add_kib(o, "growth_kib", r->guest.growth_pages);
	add_kib(o, "burst_kib", r->guest.burst_pages);
	add_kib(o, "task_kib", r->guest.task_pages);
	add_kib(o, "swapped_kib", r->guest.swapped_pages);
	add_kib(o, "swap_in_kib", r->guest.swap_in_pages);
	add_kib(o, "min_kib", r->guest.min_pages);
	add_kib(o, "max_kib", r->guest.max_pages);
	add(o, "weight", r->guest.weight);
	add_kib(o, "spare_kib", r->host.spare_pages);
	add_kib(o, "reserve_kib", r->host.reserve_pages);
	add_kib(o, "hard_reserve_kib", r->host.hard_pages);
	return o;
}

struct json_object *
cagma_answer_explanation(const struct cagma_explanation *e)
{
	struct json_object *o = json_object_new_object();
	struct json_object *list;
	uint64_t now_ns = cagma_now_ns();

	if (!e->found) {
		add_text(o, "error", "no guest of that name or id is attached");
		return o;
	}
	list = json_object_new_array();
	add(o, "dom", e->domid);
	add_text(o, "name", e->name);
	add(o, "changes", e->records.count);
	add_pressure(o, e->has_pressure, &e->pressure);
	for (uint32_t i = 0; i < cagma_records_kept(&e->records); i++)
		json_object_array_add(list,
			record_json(cagma_records_get(&e->records, i), now_ns));
	json_object_object_add(o, "records", list);
	return o;
}
