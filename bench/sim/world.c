// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "clock.h"
#include "fake_daemon.h"
#include "fake_host.h"
#include "fake_xen.h"
#include "page.h"
#include "units.h"
#include "world.h"

/* The module's period, and where a kernel of a small guest wakes kswapd. */
#define SAMPLE_MS	100
#define KSWAPD_PAGES	cagma_mib_to_pages(20)
/* A target that was changed by less is no change of mind. */
#define TURN_PAGES	512u
#define TURNS_MAX	256u
#define TURNS_MS	30000u
#define LAST_DOMID	(CAGMA_DOMAINS_MAX - 1u)
#define OTHERS_MAX	FAKE_DOMAINS_MAX
#define BUILD_RATE	512u		/* MiB/s, of a domain that is created */
#define LEASE_NS	(60 * CAGMA_NS_PER_S)

struct world_guest {
	const struct scenario_guest *is;
	struct fake_guest *fake;	/* NULL: not started, or destroyed */
	uint8_t uuid[CAGMA_UUID_BYTES];
	uint64_t base_pages;		/* what it uses, without noise */
	uint64_t goal_pages;
	uint64_t slope_pages;		/* per step; 0: at once */
	uint64_t noise_pages;
	uint64_t hidden_pages;
	bool trickles, rewinds, floods, storms, spams;

	bool attached;
	uint64_t target_pages;
	uint64_t least_pages;
	uint64_t most_pages;
	int direction;			/* of the latest change */
	uint64_t changes;
	uint64_t turns;			/* most within TURNS_MS */
	size_t turn_count;
	uint64_t turn_ms[TURNS_MAX];
	uint64_t stalled_ms;
	uint64_t emergencies;
	uint64_t swapped_out;		/* before its last reboot */
	uint64_t noted_changes;		/* of its target, with their records */
	uint32_t noted_records;
	bool started;
	uint64_t started_ms;
	uint64_t elastic_percent;	/* it uses so much of what it has; 0: no */
	uint64_t adapts_pages;		/* it frees memory down to that; 0: no */
	uint64_t used_pages;		/* at the step before */
	uint64_t hungry_ms;		/* so long it got nothing of what it wants */
	uint64_t oom_kills;
	uint64_t least_available;	/* in % of what it has */
	uint64_t least_has_pages;
};

struct world {
	const struct scenario *scenario;
	const struct world_options *options;
	struct fake_daemon daemon;
	struct fake_disk disk;
	struct fake_guest *other[OTHERS_MAX];	/* domains without a module */
	size_t other_count;
	struct build {
		struct fake_guest *domain;	/* NULL: none */
		uint64_t goal_pages;
		uint64_t step_pages;
	} build;
	size_t guest_count;
	uint64_t now_ms;
	uint64_t stopped_ms;		/* the daemon is, until then */
	uint64_t clock_ms;		/* dom0's clock stands, until then */
	uint64_t random;
	uint16_t next_domid;
	uint64_t refused;		/* domains that xl could not create */
	uint64_t violations;
	uint64_t unexplained;		/* changes without a reason record */
	int64_t least_spare_pages;
	size_t expectations;
	size_t failures;
	char failure[160];
	struct world_guest guest[];
};

/* ---- figures ---- */

static const char *const figure_names[] = {
	"target", "mirror", "has", "available", "uses", "swap", "least", "most",
	"swapped-out", "stalled-ms", "changes", "turns", "emergencies",
	"denied", "stuck", "attached", "refaulted", "lost", "hit-percent",
	"available-percent", "least-available-percent", "oom-kills", "failed",
	"least-has",
	"spare", "least-spare", "free", "violations", "refused", "guests",
	"swapped-out", "stalled-ms", "changes", "turns", "emergencies",
	"unexplained",
};

enum figure {
	FIG_TARGET, FIG_MIRROR, FIG_HAS, FIG_AVAILABLE, FIG_USES, FIG_SWAP, FIG_LEAST,
	FIG_MOST, FIG_SWAPPED_OUT, FIG_STALLED, FIG_CHANGES, FIG_TURNS,
	FIG_EMERGENCIES, FIG_DENIED, FIG_STUCK, FIG_ATTACHED, FIG_REFAULTED,
	FIG_LOST, FIG_HIT, FIG_AVAILABLE_SHARE, FIG_LEAST_AVAILABLE,
	FIG_OOM_KILLS, FIG_FAILED, FIG_LEAST_HAS,
	FIG_SPARE, FIG_LEAST_SPARE, FIG_FREE, FIG_VIOLATIONS, FIG_REFUSED,
	FIG_GUESTS, FIG_ALL_SWAPPED_OUT, FIG_ALL_STALLED, FIG_ALL_CHANGES,
	FIG_ALL_TURNS, FIG_ALL_EMERGENCIES, FIG_UNEXPLAINED,
	FIG_COUNT
};

_Static_assert(FIG_COUNT <= WORLD_FIGURES_MAX, "too many figures");

int world_figure_find(const char *name, bool host)
{
	int first = host ? FIG_SPARE : 0, last = host ? FIG_COUNT : FIG_SPARE;

	for (int i = first; i < last; i++)
		if (!strcmp(figure_names[i], name))
			return i;
	return -1;
}

const char *world_figure_name(int figure)
{
	return figure < FIG_COUNT ? figure_names[figure] : NULL;
}

static int64_t mib(uint64_t pages)
{
	return (int64_t)(pages >> 8);
}

static const struct cagma_guest *served(const struct world *w,
					const struct world_guest *g)
{
	const struct cagma_state *state = &w->daemon.state;
	size_t index;

	if (!w->daemon.store || !g->fake)
		return NULL;
	index = cagma_state_index(state, g->fake->domid);
	return index < state->guest_count &&
	       state->guests[index]->domid == g->fake->domid ?
		       state->guests[index] : NULL;
}

static uint64_t swapped_out(const struct world_guest *g)
{
	return g->swapped_out + (g->fake ? g->fake->swap_out_pages : 0);
}

static uint64_t percent(uint64_t part, uint64_t whole)
{
	return whole ? 100 * part / whole : 0;
}

static uint64_t available_percent(const struct fake_guest *fake)
{
	return percent(fake_guest_available(fake), fake->alloc_pages);
}

/* What its programs came to. */
static int64_t programs_figure(const struct world_guest *g, int figure)
{
	static const struct fake_guest none;
	const struct fake_guest *fake = g->fake ? g->fake : &none;
	const struct fake_programs *p = &fake->programs;

	switch (figure) {
	case FIG_REFAULTED:
		return mib(p->refault_pages);
	case FIG_LOST:
		return mib(p->lost_pages);
	case FIG_HIT:
		return (int64_t)percent(p->hit_pages, p->hit_pages +
					p->refault_pages + p->lost_pages);
	case FIG_AVAILABLE_SHARE:
		return (int64_t)available_percent(fake);
	case FIG_LEAST_AVAILABLE:
		return (int64_t)g->least_available;
	case FIG_OOM_KILLS:
		return (int64_t)g->oom_kills;
	case FIG_FAILED:
		return (int64_t)p->failed;
	default:
		return mib(g->least_has_pages);
	}
}

static int64_t guest_figure(const struct world *w, const struct world_guest *g,
			    int figure)
{
	const struct fake_guest *fake = g->fake;
	const struct cagma_guest *guest = served(w, g);

	switch (figure) {
	case FIG_TARGET:
		return mib(g->target_pages);
	case FIG_MIRROR:
		return fake ? atoll(fake_node_get(fake, "memory/target")) / 1024 : 0;
	case FIG_HAS:
		return fake ? mib(fake->alloc_pages) : 0;
	case FIG_AVAILABLE:
		return fake ? mib(fake_guest_available(fake)) : 0;
	case FIG_USES:
		return fake ? mib(fake->used_pages) : 0;
	case FIG_SWAP:
		return fake ? mib(fake->swapped_pages) : 0;
	case FIG_LEAST:
		return mib(g->least_pages);
	case FIG_MOST:
		return mib(g->most_pages);
	case FIG_SWAPPED_OUT:
		return mib(swapped_out(g));
	case FIG_STALLED:
		return (int64_t)g->stalled_ms;
	case FIG_CHANGES:
		return (int64_t)g->changes;
	case FIG_TURNS:
		return (int64_t)g->turns;
	case FIG_EMERGENCIES:
		return (int64_t)g->emergencies;
	case FIG_DENIED:
		return fake ? fake->denials : 0;
	case FIG_STUCK:
		return guest && guest->debt.stuck;
	case FIG_ATTACHED:
		return guest != NULL;
	default:
		return programs_figure(g, figure);
	}
}

static int64_t spare(void)
{
	static struct cagma_domain_facts domains[CAGMA_DOMAINS_MAX];
	struct cagma_host_facts host;
	int count = cagma_xen_domains(NULL, domains, CAGMA_DOMAINS_MAX);

	cagma_xen_host(NULL, &host);
	return cagma_spare(&host, domains, (size_t)count);
}

static int64_t sum(const struct world *w, int figure)
{
	int64_t all = 0;

	for (size_t i = 0; i < w->guest_count; i++)
		all += guest_figure(w, &w->guest[i], figure);
	return all;
}

static int64_t most_turns(const struct world *w)
{
	uint64_t most = 0;

	for (size_t i = 0; i < w->guest_count; i++)
		most = cagma_max(most, w->guest[i].turns);
	return (int64_t)most;
}

static int64_t host_figure(const struct world *w, int figure)
{
	switch (figure) {
	case FIG_SPARE:
		return spare() / 256;
	case FIG_LEAST_SPARE:
		return w->least_spare_pages / 256;
	case FIG_FREE:
		return mib(fake_free_pages());
	case FIG_VIOLATIONS:
		return (int64_t)w->violations;
	case FIG_REFUSED:
		return (int64_t)w->refused;
	case FIG_GUESTS:
		return (int64_t)w->daemon.state.guest_count;
	case FIG_ALL_SWAPPED_OUT:
		return sum(w, FIG_SWAPPED_OUT);
	case FIG_ALL_STALLED:
		return sum(w, FIG_STALLED);
	case FIG_ALL_CHANGES:
		return sum(w, FIG_CHANGES);
	case FIG_ALL_TURNS:
		return most_turns(w);
	case FIG_ALL_EMERGENCIES:
		return sum(w, FIG_EMERGENCIES);
	default:
		return (int64_t)w->unexplained;
	}
}

int64_t world_figure(const struct world *w, int guest, int figure)
{
	if (guest == SCENARIO_HOST)
		return host_figure(w, figure);
	return guest_figure(w, &w->guest[guest], figure);
}

/* ---- expectations ---- */

static void fail(struct world *w, const char *format, ...)
{
	va_list args;

	if (w->failures++)
		return;
	va_start(args, format);
	vsnprintf(w->failure, sizeof(w->failure), format, args);
	va_end(args);
}

static void expect(struct world *w, const struct scenario_event *e)
{
	int64_t is = world_figure(w, e->guest, e->figure);

	w->expectations++;
	if (scenario_holds(is, e->op, (int64_t)e->value))
		return;
	fail(w, "line %u: %s.%s is %lld, not %s %llu", e->line,
	     e->guest == SCENARIO_HOST ? "host" :
					 w->scenario->guest[e->guest].name,
	     figure_names[e->figure], (long long)is,
	     scenario_operator_name(e->op), (unsigned long long)e->value);
}

/* ---- guests ---- */

static uint64_t per_step(const struct world *w, uint64_t mib_per_s)
{
	return cagma_mib_to_pages(mib_per_s) * w->scenario->step_ms / 1000;
}

#define ANY_SWAP_MIB	65536

static void start_programs(struct world_guest *g)
{
	const struct scenario_guest *is = g->is;
	char kib[24];
	int length;

	g->fake->no_module = is->module_ms;
	g->fake->old = is->old;
	g->fake->programs = (struct fake_programs){
		.swap_total_pages = is->no_swap ? 0 : cagma_mib_to_pages(
			is->swap ? is->swap : ANY_SWAP_MIB),
		.commit_percent = is->strict,
	};
	if (!is->hotplug_max)
		return;
	length = snprintf(kib, sizeof(kib), "%llu",
			  (unsigned long long)is->hotplug_max * 1024);
	fake_node_set(g->fake, "memory/hotplug-max", kib, (size_t)length);
}

static bool is_taken(uint16_t domid)
{
	static struct cagma_domain_facts domains[CAGMA_DOMAINS_MAX];
	int count = cagma_xen_domains(NULL, domains, CAGMA_DOMAINS_MAX);

	for (int i = 0; i < count; i++)
		if (domains[i].domid == domid)
			return true;
	return false;
}

/* As Xen counts them: the next free one, and 1 behind the last. */
static uint16_t next_domid(struct world *w)
{
	uint16_t domid;

	do {
		if (w->next_domid > LAST_DOMID)
			w->next_domid = 1;
		domid = w->next_domid++;
	} while (is_taken(domid));
	return domid;
}

static void start_guest(struct world *w, struct world_guest *g)
{
	const struct scenario_guest *is = g->is;

	g->fake = fake_guest_add(next_domid(w),
				 cagma_mib_to_pages(is->memory),
				 cagma_mib_to_pages(is->static_max));
	/* Another life has another id, and the same UUID. */
	if (g->started)
		memcpy(g->fake->uuid, g->uuid, sizeof(g->uuid));
	memcpy(g->uuid, g->fake->uuid, sizeof(g->uuid));
	g->started = true;
	g->started_ms = w->now_ms;
	g->least_available = 100;
	g->least_has_pages = g->fake->alloc_pages;
	start_programs(g);
	g->fake->disk = &w->disk;
	g->fake->balloon_rate_pages = per_step(w, is->rate);
	g->fake->offset_pages = cagma_mib_to_pages(is->offset);
	g->fake->alloc_pages += g->fake->offset_pages;
	g->fake->limit_pages += g->fake->offset_pages;
	g->base_pages = g->goal_pages = cagma_mib_to_pages(is->uses);
	fake_node_set(g->fake, "name", is->name, strlen(is->name));
}

static void end_guest(struct world_guest *g)
{
	if (!g->fake)
		return;
	g->swapped_out += g->fake->swap_out_pages;
	fake_guest_destroy(g->fake);
	g->fake = NULL;
}

static uint64_t random_below(struct world *w, uint64_t n)
{
	w->random = w->random * UINT64_C(6364136223846793005) +
		    UINT64_C(1442695040888963407);
	return n ? (w->random >> 33) % n : 0;
}

static void set_demand(struct world *w, struct world_guest *g)
{
	uint64_t noise = g->noise_pages;

	if (!g->slope_pages)
		g->base_pages = g->goal_pages;
	else if (g->base_pages < g->goal_pages)
		g->base_pages = cagma_min(g->goal_pages,
					  g->base_pages + g->slope_pages);
	else
		g->base_pages -= cagma_min(g->base_pages - g->goal_pages,
					   g->slope_pages);
	if (noise && w->now_ms % SAMPLE_MS)
		return;
	g->fake->demand_pages = cagma_less(g->base_pages + random_below(w,
							2 * noise), noise);
}

/* What costs it nothing and should cost nobody else anything. */
static void annoy(const struct world *w, struct world_guest *g)
{
	struct fake_guest *fake = g->fake;
	char offer[64];
	int length;

	if (g->rewinds)
		fake->swap_in_pages -= 1000;
	for (int i = 0; g->floods && i < 2 * CAGMA_SLOT_COUNT; i++)
		fake_guest_publish(fake, CAGMA_REASON_PERIODIC);
	if (g->storms && fake->channel)
		fake_channel_signal(fake->channel);
	if (!g->spams)
		return;
	length = snprintf(offer, sizeof(offer), "1 %llu 15 %llu",
			  (unsigned long long)w->now_ms,
			  (unsigned long long)w->now_ms);
	fake_node_set(fake, "data/cagma/offer", offer, (size_t)length);
}

/* Programs that suit themselves to the memory there is. */
#define ADAPTS_BELOW_MIB	200
#define ADAPTS_BY_MIB		20
#define ADAPTS_EACH_MS		1000

static void adapt(const struct world *w, struct world_guest *g)
{
	struct fake_guest *fake = g->fake;

	if (g->elastic_percent)
		fake->demand_pages = fake->alloc_pages * g->elastic_percent /
				     100;
	if (!g->adapts_pages || w->now_ms % ADAPTS_EACH_MS ||
	    g->base_pages <= g->adapts_pages ||
	    fake_guest_available(fake) >= cagma_mib_to_pages(ADAPTS_BELOW_MIB))
		return;
	g->goal_pages = g->base_pages = cagma_max(g->adapts_pages,
		cagma_less(g->base_pages, cagma_mib_to_pages(ADAPTS_BY_MIB)));
}

/* Without swap a program that gets nothing for so long is killed. */
#define OOM_MS	1000

static void kill_hungry(const struct world *w, struct world_guest *g)
{
	struct fake_guest *fake = g->fake;
	bool hungry = !fake->programs.swap_total_pages &&
		      fake->demand_pages > fake->used_pages &&
		      fake->used_pages <= g->used_pages;

	g->hungry_ms = hungry ? g->hungry_ms + w->scenario->step_ms : 0;
	g->used_pages = fake->used_pages;
	if (g->hungry_ms <= OOM_MS)
		return;
	g->oom_kills++;
	g->hungry_ms = 0;
	g->goal_pages = g->base_pages = fake->used_pages / 2;
}

static void live(struct world *w, struct world_guest *g)
{
	struct fake_guest *fake = g->fake;

	if (g->is->module_ms &&
	    w->now_ms >= g->started_ms + g->is->module_ms)
		fake->no_module = false;
	set_demand(w, g);
	adapt(w, g);
	if (g->trickles)
		fake->balloon_rate_pages = w->now_ms % 1000 == 0;
	fake->hidden_pages = g->hidden_pages;
	fake_guest_live(fake);
	annoy(w, g);
	if (w->now_ms % SAMPLE_MS == 0)
		fake_guest_sample(fake);
	else if (fake_guest_available(fake) < KSWAPD_PAGES)
		fake_guest_watch(fake, cagma_min(KSWAPD_PAGES,
						 fake->threshold_pages));
	if (fake->demand_pages > fake->used_pages + TURN_PAGES)
		g->stalled_ms += w->scenario->step_ms;
	kill_hungry(w, g);
	g->least_available = cagma_min(g->least_available,
				       available_percent(fake));
	g->least_has_pages = cagma_min(g->least_has_pages, fake->alloc_pages);
}

/* Somebody maps a page of the one that ends. */
static void leave_zombie(struct world *w, struct world_guest *g)
{
	g->swapped_out += g->fake->swap_out_pages;
	fake_guest_leave_zombie(g->fake);
	start_guest(w, g);
}

/* ---- what happens ---- */

static struct fake_guest *add_other(struct world *w, uint64_t pages)
{
	struct fake_guest *other = fake_domain_add(next_domid(w), pages);

	other->static_max_pages = pages;
	return w->other[w->other_count++] = other;
}

static bool has_room(struct world *w, uint64_t pages)
{
	if (pages + 256 <= cagma_less(fake_free_pages(),
				      fake_claimed_pages()) &&
	    w->other_count < OTHERS_MAX)
		return true;
	w->refused++;
	return false;
}

static void create_other(struct world *w, uint64_t size_mib)
{
	uint64_t pages = cagma_mib_to_pages(size_mib);

	if (has_room(w, pages))
		add_other(w, pages);
}

static void crowd(struct world *w, uint64_t count)
{
	while (count--)
		create_other(w, 1);
}

/* One that was destroyed, but for the page that somebody has mapped. */
static void leave_other(struct world *w, uint64_t size_mib)
{
	struct fake_guest *other = add_other(w, 0);

	other->limit_pages = cagma_mib_to_pages(size_mib);
	fake_guest_leave_zombie(other);
}

/* xl create: the limit first, then a claim of all, then page after page. */
static void begin_build(struct world *w, const struct scenario_event *e)
{
	uint64_t pages = cagma_mib_to_pages(e->value);

	if (!has_room(w, pages))
		return;
	w->build = (struct build){
		.domain = add_other(w, 0),
		.goal_pages = pages,
		.step_pages = per_step(w, e->rate ? e->rate : BUILD_RATE),
	};
	w->build.domain->static_max_pages = pages;
	w->build.domain->limit_pages = pages + cagma_mib_to_pages(1);
	w->build.domain->paused = true;
	fake_domain_claim(w->build.domain, pages);
}

static void go_on_building(struct world *w)
{
	struct build *b = &w->build;

	if (!b->domain)
		return;
	fake_domain_build(b->domain, cagma_min(b->step_pages,
					       cagma_less(b->goal_pages,
						b->domain->alloc_pages)));
	if (b->domain->alloc_pages < b->goal_pages && !b->domain->gone)
		return;
	b->domain->claim_pages = 0;
	b->domain->paused = false;
	b->domain = NULL;
}

static void destroy_other(struct world *w, uint64_t size_mib)
{
	for (size_t i = 0; i < w->other_count; i++) {
		struct fake_guest *other = w->other[i];

		if (other->gone ||
		    other->static_max_pages != cagma_mib_to_pages(size_mib))
			continue;
		fake_guest_destroy(other);
		return;
	}
}

static bool start_daemon(struct world *w)
{
	return !fake_daemon_start(&w->daemon, w->options->trace,
				  w->options->record);
}

static void stop_daemon(struct world *w)
{
	w->violations += w->daemon.state.violations;
	fake_daemon_stop(&w->daemon);
}

static void kill_daemon(struct world *w)
{
	fake_daemon_kill();
	stop_daemon(w);
	fake_daemon_dies_at(0);
	if (!start_daemon(w))
		fail(w, "the daemon doesn't start again");
}

static void break_port(enum scenario_verb verb)
{
	int xenstore = verb == VERB_XENSTORE_FAILS ? -EIO : 0;

	if (verb == VERB_LIMITS_FAIL) {
		fake_fail_always(FAKE_XEN_SET_LIMIT, -EBUSY);
		return;
	}
	fake_fail_always(FAKE_XS_READ, xenstore);
	fake_fail_always(FAKE_XS_IS_WRITABLE, xenstore);
	fake_fail_always(FAKE_XS_REPLACE, xenstore);
	if (verb == VERB_WORKS)
		fake_fail_always(FAKE_XEN_SET_LIMIT, 0);
}

static void on_host(struct world *w, const struct scenario_event *e)
{
	if (e->verb == VERB_TAKES)
		create_other(w, e->value);
	else if (e->verb == VERB_RETURNS)
		destroy_other(w, e->value);
	else if (e->verb == VERB_LEAVES)
		leave_other(w, e->value);
	else if (e->verb == VERB_CLAIMS)
		begin_build(w, e);
	else if (e->verb == VERB_CROWD)
		crowd(w, e->value);
	else if (e->verb == VERB_DOMIDS)
		w->next_domid = (uint16_t)e->value;
	else if (e->verb == VERB_RESERVES)
		cagma_lease_add(&w->daemon.state.leases,
				cagma_mib_to_pages(e->value),
				cagma_now_ns() + LEASE_NS,
				w->daemon.state.domains,
				w->daemon.state.domain_count);
	else if (e->verb == VERB_KILLED)
		kill_daemon(w);
	else if (e->verb == VERB_STOPPED)
		w->stopped_ms = w->now_ms + e->value;
	else if (e->verb == VERB_CLOCK_STOPS)
		w->clock_ms = w->now_ms + e->value;
	else
		break_port(e->verb);
}

static void make_honest(const struct world *w, struct world_guest *g)
{
	g->trickles = g->rewinds = g->floods = g->storms = g->spams = false;
	g->hidden_pages = 0;
	g->fake->balloon_rate_pages = per_step(w, g->is->rate);
	g->fake->mute = g->fake->deaf = false;
	g->fake->contradicts = g->fake->boasts = false;
}

static void on_programs(const struct world *w, struct world_guest *g,
			const struct scenario_event *e)
{
	uint64_t pages = cagma_mib_to_pages(e->value);
	struct fake_programs *p = &g->fake->programs;

	switch (e->verb) {
	case VERB_CACHE:
		fake_programs_read(g->fake, pages);
		break;
	case VERB_READS:
		p->reads_pages = per_step(w, e->value);
		break;
	case VERB_PINS:
		p->pinned_pages = pages;
		break;
	case VERB_HOLDS:
		p->held_pages = pages;
		break;
	case VERB_CHURNS:
		p->churn_pages = per_step(w, e->value);
		break;
	case VERB_COMMITS:
		p->committed_pages = pages;
		break;
	case VERB_ELASTIC:
		g->elastic_percent = e->value;
		break;
	case VERB_ADAPTS:
		g->adapts_pages = pages;
		break;
	default:
		break;
	}
}

static void on_guest(struct world *w, struct world_guest *g,
		     const struct scenario_event *e)
{
	uint64_t pages = cagma_mib_to_pages(e->value);

	if (!g->fake && e->verb != VERB_REBOOTS)
		return;
	switch (e->verb) {
	case VERB_USES:
		g->goal_pages = pages;
		g->slope_pages = per_step(w, e->rate);
		break;
	case VERB_NOISE:
		g->noise_pages = pages;
		break;
	case VERB_RATE:
		g->fake->balloon_rate_pages = per_step(w, e->value);
		break;
	case VERB_TRICKLES:
		g->trickles = true;
		break;
	case VERB_HIDES:
		g->hidden_pages = pages;
		break;
	case VERB_TASK:
		g->fake->task_pages = pages;
		break;
	case VERB_MEM_SET:
		fake_guest_mem_set(g->fake, pages);
		break;
	case VERB_SILENT:
		g->fake->mute = true;
		break;
	case VERB_DEAF:
		g->fake->deaf = true;
		break;
	case VERB_CONTRADICTS:
		g->fake->contradicts = true;
		break;
	case VERB_BOASTS:
		g->fake->boasts = true;
		break;
	case VERB_FLOODS:
		g->floods = true;
		break;
	case VERB_STORMS:
		g->storms = true;
		break;
	case VERB_SPAMS:
		g->spams = true;
		break;
	case VERB_REWINDS:
		g->rewinds = true;
		g->fake->swap_in_pages = UINT64_C(1) << 30;
		break;
	case VERB_HONEST:
		make_honest(w, g);
		break;
	case VERB_PAUSED:
	case VERB_RUNNING:
		g->fake->paused = e->verb == VERB_PAUSED;
		g->fake->shut_down = false;
		break;
	case VERB_SHUTS_DOWN:
		g->fake->shut_down = true;
		break;
	case VERB_ZOMBIE:
		leave_zombie(w, g);
		break;
	case VERB_DESTROYED:
		end_guest(g);
		break;
	case VERB_REBOOTS:
		end_guest(g);
		start_guest(w, g);
		break;
	default:
		on_programs(w, g, e);
		break;
	}
}

static void apply(struct world *w, const struct scenario_event *e)
{
	if (e->verb == VERB_EXPECT)
		expect(w, e);
	else if (e->guest == SCENARIO_HOST)
		on_host(w, e);
	else
		on_guest(w, &w->guest[e->guest], e);
}

/* ---- what is noticed ---- */

static void note_turn(const struct world *w, struct world_guest *g)
{
	uint64_t within = 0;

	if (w->now_ms < w->scenario->rest_ms)
		return;
	g->turn_ms[g->turn_count++ % TURNS_MAX] = w->now_ms;
	for (size_t i = 0; i < cagma_min(g->turn_count, TURNS_MAX); i++)
		within += g->turn_ms[i] + TURNS_MS >= w->now_ms;
	g->turns = cagma_max(g->turns, within);
}

static void note_target(const struct world *w, struct world_guest *g,
			uint64_t pages)
{
	int direction = pages > g->target_pages ? 1 : -1;

	if (cagma_less(pages, g->target_pages) < TURN_PAGES &&
	    cagma_less(g->target_pages, pages) < TURN_PAGES)
		return;
	g->changes++;
	if (g->direction && direction != g->direction)
		note_turn(w, g);
	g->direction = direction;
	g->target_pages = pages;
	g->least_pages = cagma_min(g->least_pages, pages);
	g->most_pages = cagma_max(g->most_pages, pages);
}

/* Each change of a target has a record that says why; denials have one, too. */
static void note_records(struct world *w, struct world_guest *g,
			 const struct cagma_guest *guest)
{
	const struct cagma_records *r = &guest->records;
	uint64_t changes, reasons = 0;

	if (guest->target_changes < g->noted_changes ||
	    r->count < g->noted_records)	/* another session */
		g->noted_changes = g->noted_records = 0;
	changes = guest->target_changes - g->noted_changes;
	for (uint32_t i = g->noted_records; i < r->count; i++)
		reasons += r->record[i % CAGMA_RECORDS].decision.why !=
			   CAGMA_WHY_KEEP;
	w->unexplained += cagma_less(changes, reasons);
	g->noted_changes = guest->target_changes;
	g->noted_records = r->count;
}

static void note_guest(struct world *w, struct world_guest *g)
{
	const struct cagma_guest *guest = served(w, g);

	if (!guest)
		return;
	note_records(w, g, guest);
	if (!g->attached) {
		g->attached = true;
		g->target_pages = g->most_pages = guest->target_pages;
		g->least_pages = guest->target_pages;
	}
	g->emergencies = guest->emergencies;
	note_target(w, g, guest->target_pages);
}

/* ---- time ---- */

static void serve(struct world *w)
{
	if (w->now_ms < w->stopped_ms)
		return;
	if (w->now_ms % SAMPLE_MS == 0)
		cagma_store_step(w->daemon.store, cagma_now_ns());
	for (int i = 0; i < 2; i++)
		cagma_loop_once(&w->daemon.loop, 0);
	if (w->options->trace)
		cagma_trace_write(&w->daemon.trace);
	if (w->options->record)
		cagma_journal_write(&w->daemon.journal);
}

static void start_guests(struct world *w)
{
	for (size_t i = 0; i < w->guest_count; i++) {
		struct world_guest *g = &w->guest[i];

		if (!g->started && g->is->starts_ms <= w->now_ms)
			start_guest(w, g);
	}
}

/* Guests take turns at the disk. */
static void step_guests(struct world *w)
{
	size_t first = w->guest_count ? w->now_ms / w->scenario->step_ms %
					w->guest_count : 0;

	w->disk.pages = per_step(w, w->scenario->disk);
	for (size_t i = 0; i < w->guest_count; i++) {
		struct world_guest *g = &w->guest[(first + i) % w->guest_count];

		if (g->fake)
			live(w, g);
	}
}

static void step(struct world *w)
{
	int64_t spare_pages;

	if (w->now_ms >= w->clock_ms)
		fake_clock_advance(w->scenario->step_ms * CAGMA_NS_PER_MS);
	w->now_ms += w->scenario->step_ms;
	step_guests(w);
	go_on_building(w);
	serve(w);
	for (size_t i = 0; i < w->guest_count; i++)
		note_guest(w, &w->guest[i]);
	spare_pages = spare();
	if (spare_pages < w->least_spare_pages)
		w->least_spare_pages = spare_pages;
}

static void play(struct world *w)
{
	const struct scenario *s = w->scenario;
	size_t next = 0;

	while (w->now_ms < s->run_ms) {
		start_guests(w);
		while (next < s->event_count &&
		       s->event[next].at_ms <= w->now_ms)
			apply(w, &s->event[next++]);
		step(w);
	}
	w->violations += w->daemon.state.violations;
	w->daemon.state.violations = 0;
	while (next < s->event_count)
		apply(w, &s->event[next++]);
}

/* ---- the whole ---- */

/* The daemon reads its settings from a file, as ever. */
static bool configure(struct world *w, char *error, size_t error_size)
{
	char path[] = "/tmp/cagma-sim-XXXXXX";
	int fd = mkstemp(path);
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	int err;

	if (!file) {
		snprintf(error, error_size, "cannot write to /tmp");
		return false;
	}
	scenario_write_config(w->scenario, file);
	fclose(file);
	cagma_config_init(&w->daemon.config);
	err = cagma_config_read(&w->daemon.config, path, error, error_size);
	unlink(path);
	if (!err && w->options->policy)
		cagma_config_use(&w->daemon.config,
				 cagma_policy_find(w->options->policy));
	return !err;
}

static struct world *new_world(const struct scenario *scenario,
			       const struct world_options *options)
{
	struct world *w = calloc(1, sizeof(*w) + scenario->guest_count *
						 sizeof(w->guest[0]));

	if (!w)
		abort();
	w->scenario = scenario;
	w->options = options;
	w->guest_count = scenario->guest_count;
	w->random = scenario->seed;
	w->next_domid = 1;
	w->least_spare_pages = INT64_MAX;
	for (size_t i = 0; i < w->guest_count; i++)
		w->guest[i].is = &scenario->guest[i];
	return w;
}

/* A guest takes four descriptors. */
static void allow_files(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files))
		return;
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
}

struct world *world_play(const struct scenario *scenario,
			 const struct world_options *options, char *error,
			 size_t error_size)
{
	struct world *w = new_world(scenario, options);

	allow_files();
	fake_host_reset();
	fake_xen_reset(cagma_mib_to_pages(scenario->total),
		       cagma_mib_to_pages(scenario->dom0));
	fake_ops_off();
	if (!configure(w, error, error_size)) {
		world_free(w);
		return NULL;
	}
	if (!start_daemon(w)) {
		snprintf(error, error_size, "the daemon doesn't start");
		world_free(w);
		return NULL;
	}
	play(w);
	return w;
}

void world_free(struct world *w)
{
	if (!w)
		return;
	if (w->daemon.store)
		fake_daemon_stop(&w->daemon);
	cagma_config_destroy(&w->daemon.config);
	fake_xen_reset(0, 0);
	free(w);
}

size_t world_failures(const struct world *w)
{
	return w->failures;
}

size_t world_expectations(const struct world *w)
{
	return w->expectations;
}

const char *world_first_failure(const struct world *w)
{
	return w->failure;
}
