// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <syslog.h>
#include <time.h>

#include <urcu.h>

#include "clock.h"
#include "granted.h"
#include "log.h"
#include "meminfo.h"
#include "offer.h"
#include "page.h"
#include "store.h"
#include "units.h"
#include "vchan.h"

#define LOOK_NS		(500 * CAGMA_NS_PER_MS)
#define NO_OFFER_MAX_NS	(4 * CAGMA_NS_PER_S)
#define POLL_NS		(1 * CAGMA_NS_PER_S)
#define BESIDE_MAX_NS	(32 * CAGMA_NS_PER_S)
#define REFUSED_MIN_NS	(1 * CAGMA_NS_PER_S)
/* Who behaved for this long is pardoned and begins with a clean record. */
#define FORGIVEN_NS	(60 * CAGMA_NS_PER_S)
/* R8: a guest that comes and goes has one line in that time, and a few at once. */
#define LOG_NS		(10 * CAGMA_NS_PER_S)
#define LOG_AT_ONCE	6
/* A target that xenstore didn't take is written again after that. */
#define MIRROR_AGAIN_NS	(2 * CAGMA_NS_PER_S)
/* C4: what takes longer is waiting for a xenstored that doesn't answer. */
#define SILENT_NS	(5 * CAGMA_NS_PER_S)
#define END_S		5
/* Domains that are listed at a time. */
#define LIST_MAX	512
#define STACK_BYTES	((size_t)256 * 1024)

/* One transport of a domain. */
struct way {
	bool attached;
	uint64_t look_ns;	/* not before this */
	uint64_t wait_ns;	/* latest interval without an offer */
	uint64_t refused_ns;	/* latest interval after a refusal */
	uint64_t attached_ns;	/* since when */
	const char *reason;	/* why it was refused last; NULL: it wasn't */
	uint32_t refusals;
	struct cagma_link *polled;	/* while attached; NULL: it needs no poll */
	uint64_t poll_ns;	/* not before this */
};

/* A domain seen in the latest listing. */
struct seen {
	uint16_t domid;
	uint8_t uuid[CAGMA_UUID_BYTES];
	bool listed;
	bool early;		/* it was there before the daemon, and is new to it */
	struct cagma_offset offset;	/* of its last attachment */
	struct way way[CAGMA_RANKS];
	struct cagma_guest *unmirrored;	/* its target isn't in xenstore yet */
	char name[CAGMA_NAME_BYTES];	/* once it was attached or refused */
	uint64_t log_ns;	/* its lines are paid for until then */
	uint32_t unlogged;	/* lines left out since the last */
};

struct cagma_store {
	atomic_uint_fast64_t retry_max_ns;
	atomic_bool manages_dom0;
	atomic_bool meminfo_guests;
	atomic_bool anew;		/* look for everything again, soon */
	struct cagma_xen *xen;
	struct cagma_xs *xs;
	struct cagma_grants *grants;
	struct cagma_queue *attached;
	struct cagma_queue mirror;
	struct cagma_queue released;
	uint64_t next_look_ns;
	uint64_t next_mirror_ns;	/* of what failed; 0: nothing did */
	size_t seen_count;
	struct seen *seen;		/* CAGMA_GUESTS_MAX, as they came */
	size_t found;			/* the last that was looked for */
	struct cagma_domain_facts *domains;	/* LIST_MAX */
	struct cagma_quarantine *quarantine;	/* published by RCU */
	bool quarantine_changed;
	bool looked;			/* at all domains, once */
	pthread_t thread;
	atomic_bool stop;
	atomic_uint_fast64_t began_ns;	/* its present piece of work; 0: it rests */
	atomic_bool gone;		/* xenstored is */
};

/* ---- whether xenstored answers ---- */

/* Before each piece of work that asks it. */
static void begin_work(struct cagma_store *store)
{
	atomic_store(&store->began_ns, cagma_now_ns());
}

/* Another xenstored may know what the one before didn't. */
static void note_whether_gone(struct cagma_store *store)
{
	bool gone = cagma_xs_check(store->xs);

	if (atomic_exchange(&store->gone, gone) && !gone)
		atomic_store(&store->anew, true);
	atomic_store(&store->began_ns, 0);
}

enum cagma_xenstore cagma_store_xenstore(const struct cagma_store *store,
					 uint64_t now_ns)
{
	uint64_t began_ns = atomic_load(&store->began_ns);

	if (began_ns && cagma_less(now_ns, began_ns) > SILENT_NS)
		return CAGMA_XENSTORE_SILENT;
	return atomic_load(&store->gone) ? CAGMA_XENSTORE_GONE :
					   CAGMA_XENSTORE_OK;
}

/* ---- what the log says of a guest ---- */

static bool may_log(struct seen *seen, uint64_t now_ns)
{
	if (seen->log_ns > now_ns + (LOG_AT_ONCE - 1) * LOG_NS) {
		seen->unlogged++;
		return false;
	}
	seen->log_ns = cagma_max(seen->log_ns, now_ns) + LOG_NS;
	return true;
}

static void tell(struct seen *seen, enum cagma_rank rank, uint64_t now_ns,
		 int priority, const char *what, const char *reason)
{
	char left_out[48] = "";

	if (!may_log(seen, now_ns))
		return;
	if (seen->unlogged)
		snprintf(left_out, sizeof(left_out),
			 " (%" PRIu32 " lines of it were left out)",
			 seen->unlogged);
	seen->unlogged = 0;
	cagma_log_guest(priority, "%s (domain %u) is %s%s%s [%s]%s", seen->name,
			seen->domid, what, *reason ? ": " : "", reason,
			cagma_transport_name(rank), left_out);
}

/* ---- attaching ---- */

static int read_pages(struct cagma_xs *xs, uint16_t domid, const char *node,
		      uint64_t *pages)
{
	char text[32];
	const char *end = text;
	uint64_t kib;
	int len = cagma_xs_read(xs, domid, node, text, sizeof(text));

	if (len < 0)
		return len;
	if (cagma_decimal_parse(&end, CAGMA_PAGES_MAX * 4, &kib) || *end)
		return -EINVAL;
	*pages = cagma_kib_to_pages(kib);
	return 0;
}

/* The name is the toolstack's, but it is printed: only plain characters. */
static void read_name(struct cagma_xs *xs, uint16_t domid,
		      char name[CAGMA_NAME_BYTES])
{
	if (cagma_xs_read(xs, domid, "name", name, CAGMA_NAME_BYTES) <= 0)
		snprintf(name, CAGMA_NAME_BYTES, "dom%u", domid);
	for (char *c = name; *c; c++)
		if (*c <= ' ' || *c > '~' || *c == '"' || *c == '\\')
			*c = '_';
}

/*
 * S4: what the guest can change itself is no limit: -EPERM. dom0's are its own, but
 * it is who sets everybody's.
 */
static int check_owner(struct cagma_store *store, uint16_t domid)
{
	static const struct { const char *name; bool optional; } nodes[] = {
		{ "memory/target", false },
		{ "memory/static-max", false },
		{ "memory/hotplug-max", true },
		{ "memory/videoram", true },
	};
	int writable;

	if (!domid)
		return 0;
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++) {
		writable = cagma_xs_is_writable(store->xs, domid,
						nodes[i].name);
		if (writable == -ENOENT && nodes[i].optional)
			continue;
		if (writable)
			return writable > 0 ? -EPERM : writable;
	}
	return 0;
}

/* Not every domain has it; what can't be parsed says nothing. */
static int read_optional(struct cagma_store *store, uint16_t domid,
			 const char *node, uint64_t *pages)
{
	int err = read_pages(store->xs, domid, node, pages);

	return err == -ENOENT || err == -EINVAL ? 0 : err;
}

/*
 * N6: static-max is what the guest was booted with if memory can be plugged in later;
 * then hotplug-max is what it may have.
 */
static int read_limits(struct cagma_store *store, struct cagma_guest *guest)
{
	uint64_t plugged = 0;
	int err = read_pages(store->xs, guest->domid, "memory/target",
			     &guest->target_pages);

	if (!err)
		err = read_pages(store->xs, guest->domid, "memory/static-max",
				 &guest->static_max_pages);
	if (!err)
		err = read_optional(store, guest->domid, "memory/hotplug-max",
				    &plugged);
	if (!err)
		err = read_optional(store, guest->domid, "memory/videoram",
				    &guest->offset.videoram_pages);
	guest->static_max_pages = cagma_max(guest->static_max_pages, plugged);
	/* A guest that has more than its maximum is nothing to be acted upon. */
	if (!err && guest->static_max_pages < guest->target_pages)
		err = -ERANGE;
	return err ? err : check_owner(store, guest->domid);
}

static uint32_t random_seed(void)
{
	uint32_t seed = 0;

	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != sizeof(seed))
		seed = (uint32_t)cagma_now_ns();
	return seed;
}

static bool is_attached(const struct seen *seen)
{
	for (int rank = 0; rank < CAGMA_RANKS; rank++)
		if (seen->way[rank].attached)
			return true;
	return false;
}

/* NULL, or why the domain can't be one of our guests. */
static const char *make_guest(struct cagma_store *store, struct seen *seen,
			      struct cagma_guest **out)
{
	struct cagma_guest *guest;
	int err;

	/* M7: it would die when it touches more than there is. */
	if (cagma_xen_unbacked(store->xen, seen->domid))
		return "populate-on-demand";
	guest = calloc(1, sizeof(*guest));
	if (!guest)
		return "out-of-memory";
	guest->domid = seen->domid;
	memcpy(guest->uuid, seen->uuid, sizeof(guest->uuid));
	memcpy(guest->name, seen->name, sizeof(guest->name));
	guest->adopted = seen->early;
	guest->offset = seen->offset;
	err = read_limits(store, guest);
	if (err) {
		free(guest);
		return err == -EPERM ? "writable-limits" : "no-limits";
	}
	*out = guest;
	return NULL;
}

/* Not a reason, but that there is nothing to be opened. */
static const char nothing[] = "nothing";
/* Nor that, but that xenstore didn't say. */
static const char unread[] = "unread";

/* What was found in xenstore, before anything is opened. */
struct found {
	struct cagma_offer offer;
	uint64_t used_pages;
};

static const char *look_for_page(struct cagma_store *store,
				 const struct seen *seen, struct found *found)
{
	char text[CAGMA_OFFER_MAX];
	int len = cagma_xs_read(store->xs, seen->domid, CAGMA_OFFER_NODE, text,
				sizeof(text));

	/* What xenstore doesn't tell is not the guest's fault. */
	if (len < 0 && len != -EILSEQ && len != -EMSGSIZE)
		return nothing;
	if (len < 0 || cagma_offer_parse(text, &found->offer))
		return "bad-offer";
	if (found->offer.version != CAGMA_PAGE_VERSION)
		return "unknown-version";
	return NULL;
}

static const char *open_page(struct cagma_store *store, const struct seen *seen,
			     const struct found *found,
			     struct cagma_link **link)
{
	return cagma_granted_open(link, store->grants, seen->domid,
				  &found->offer, random_seed());
}

/* dom0 would be its own client. */
static const char *look_for_agent(struct cagma_store *store,
				  const struct seen *seen, struct found *found)
{
	char text[16];

	(void)found;
	if (!seen->domid || cagma_xs_read(store->xs, seen->domid,
					  CAGMA_MSG_NODE "/ring-ref", text,
					  sizeof(text)) < 0)
		return nothing;
	return NULL;
}

/* An agent that was killed leaves its nodes behind: that is nothing, too. */
static const char *open_agent(struct cagma_store *store,
			      const struct seen *seen,
			      const struct found *found,
			      struct cagma_link **link)
{
	const char *reason = cagma_agent_open(link, seen->domid, random_seed());

	(void)store;
	(void)found;
	return reason && !*reason ? nothing : reason;
}

/* The last resort, and only if the operator wants it. */
static const char *look_for_meminfo(struct cagma_store *store,
				    const struct seen *seen,
				    struct found *found)
{
	char text[CAGMA_MEMINFO_MAX];
	int len;

	if (!seen->domid || !atomic_load(&store->meminfo_guests) ||
	    seen->way[CAGMA_RANK_PAGE].attached ||
	    seen->way[CAGMA_RANK_VCHAN].attached)
		return nothing;
	len = cagma_xs_read(store->xs, seen->domid, CAGMA_MEMINFO_NODE, text,
			    sizeof(text));
	if (len == -EMSGSIZE || len == -EILSEQ)
		return cagma_lie_name(CAGMA_LIE_NUMBER);
	if (len < 0)
		return len == -ENOENT ? nothing : unread;
	return cagma_meminfo_parse(text, &found->used_pages) ?
		       cagma_lie_name(CAGMA_LIE_NUMBER) : NULL;
}

static const char *open_meminfo(struct cagma_store *store,
				const struct seen *seen,
				const struct found *found,
				struct cagma_link **link)
{
	(void)store;
	*link = cagma_meminfo_open(seen->domid, found->used_pages);
	return *link ? NULL : "out-of-memory";
}

static void poll_meminfo(struct cagma_store *store, const struct seen *seen,
			 struct way *way, uint64_t now_ns)
{
	struct found found = { 0 };
	const char *reason;

	if (now_ns < way->poll_ns)
		return;
	way->poll_ns = now_ns + POLL_NS;
	reason = look_for_meminfo(store, seen, &found);
	if (!reason)
		cagma_meminfo_tell(way->polled, found.used_pages);
	else if (reason != unread)
		cagma_meminfo_end(way->polled, reason == nothing ?
					CAGMA_LIE_CLOSED : CAGMA_LIE_NUMBER);
}

/* How a transport is found and opened: NULL, or why not. */
static const struct {
	const char *(*look)(struct cagma_store *store, const struct seen *seen,
			    struct found *found);
	const char *(*open)(struct cagma_store *store, const struct seen *seen,
			    const struct found *found,
			    struct cagma_link **link);
} ways[CAGMA_RANKS] = {
	[CAGMA_RANK_PAGE] = { look_for_page, open_page },
	[CAGMA_RANK_VCHAN] = { look_for_agent, open_agent },
	[CAGMA_RANK_XENSTORE] = { look_for_meminfo, open_meminfo },
};

/* NULL, `nothing`, or why it was refused. */
static const char *attach(struct cagma_store *store, struct seen *seen,
			  enum cagma_rank rank)
{
	struct cagma_guest *guest = NULL;
	struct cagma_link *link;
	struct found found;
	const char *reason = ways[rank].look(store, seen, &found);

	if (reason == nothing || reason == unread)
		return nothing;
	read_name(store->xs, seen->domid, seen->name);
	if (!reason && !is_attached(seen))
		reason = make_guest(store, seen, &guest);
	if (!reason)
		reason = ways[rank].open(store, seen, &found, &link);
	if (reason) {
		free(guest);
		return reason;
	}
	memcpy(link->uuid, seen->uuid, sizeof(link->uuid));
	link->guest = guest;
	seen->early = false;
	seen->way[rank].polled = rank == CAGMA_RANK_XENSTORE ? link : NULL;
	cagma_queue_push(store->attached, &link->handover_node);
	return NULL;
}

/*
 * What would only stand beside the page is looked for a few times, and then not
 * before something changes: such a guest causes no traffic.
 */
static void wait_for_offer(struct seen *seen, struct way *way, uint64_t now_ns)
{
	if (seen->way[CAGMA_RANK_PAGE].attached) {
		way->wait_ns = cagma_max(4 * way->wait_ns, LOOK_NS);
		way->look_ns = way->wait_ns > BESIDE_MAX_NS ?
				       UINT64_MAX : now_ns + way->wait_ns;
		return;
	}
	way->wait_ns = cagma_clamp(2 * way->wait_ns, LOOK_NS, NO_OFFER_MAX_NS);
	way->look_ns = now_ns + way->wait_ns;
}

static void pardon(struct cagma_store *store, struct way *way)
{
	store->quarantine_changed |= way->reason != NULL;
	way->reason = NULL;
}

static void judge_conduct(struct cagma_store *store, struct way *way,
			  uint64_t now_ns)
{
	if (now_ns - way->attached_ns <= FORGIVEN_NS)
		return;
	way->refused_ns = 0;
	pardon(store, way);
}

/* Tried again later and later: a short attachment in between changes nothing. */
static void refuse(struct cagma_store *store, struct way *way,
		   const char *reason, uint64_t now_ns)
{
	way->refused_ns = cagma_clamp(2 * way->refused_ns, REFUSED_MIN_NS,
				      atomic_load(&store->retry_max_ns));
	way->look_ns = now_ns + way->refused_ns;
	way->reason = reason;
	way->refusals++;
	store->quarantine_changed = true;
}

/* Something has changed: what is not attached is looked for at once. */
static void look_anew(struct seen *seen, uint64_t now_ns)
{
	for (int rank = 0; rank < CAGMA_RANKS; rank++) {
		struct way *way = &seen->way[rank];

		if (way->attached || way->reason)
			continue;
		way->wait_ns = 0;
		way->look_ns = cagma_min(way->look_ns, now_ns);
	}
}

static void try_one(struct cagma_store *store, struct seen *seen,
		    enum cagma_rank rank, uint64_t now_ns)
{
	struct way *way = &seen->way[rank];
	const char *reason;

	begin_work(store);
	if (way->attached)
		judge_conduct(store, way, now_ns);
	if (way->attached && way->polled)
		poll_meminfo(store, seen, way, now_ns);
	if (way->attached || now_ns < way->look_ns)
		return;
	reason = attach(store, seen, rank);
	if (reason == nothing) {
		wait_for_offer(seen, way, now_ns);
		pardon(store, way);
	} else if (reason) {
		refuse(store, way, reason, now_ns);
		tell(seen, rank, now_ns, LOG_WARNING, "not attached", reason);
	} else {
		look_anew(seen, now_ns);
		tell(seen, rank, now_ns, LOG_INFO, "attached", "");
		way->attached = true;
		way->attached_ns = now_ns;
		way->wait_ns = 0;
		store->quarantine_changed |= way->reason != NULL;
	}
}

static void try_all(struct cagma_store *store, struct seen *seen,
		    uint64_t now_ns)
{
	for (int rank = 0; rank < CAGMA_RANKS; rank++)
		try_one(store, seen, (enum cagma_rank)rank, now_ns);
}

/* ---- what the operator is told of them ---- */

static void list_ways(struct cagma_quarantine *q, const struct seen *seen)
{
	for (int rank = 0; rank < CAGMA_RANKS; rank++) {
		const struct way *way = &seen->way[rank];
		struct cagma_quarantined *entry = &q->entry[q->count];

		if (!way->reason)
			continue;
		entry->domid = seen->domid;
		entry->rank = (enum cagma_rank)rank;
		entry->reason = way->reason;
		entry->attached = way->attached;
		entry->refusals = way->refusals;
		entry->retry_ns = way->look_ns;
		memcpy(entry->name, seen->name, sizeof(entry->name));
		q->count++;
	}
}

static struct cagma_quarantine *list_refused(const struct cagma_store *store)
{
	struct cagma_quarantine *q =
		malloc(sizeof(*q) + store->seen_count * CAGMA_RANKS *
					    sizeof(q->entry[0]));

	if (!q)
		return NULL;
	q->count = 0;
	for (size_t i = 0; i < store->seen_count; i++)
		list_ways(q, &store->seen[i]);
	return q;
}

static void publish_quarantine(struct cagma_store *store)
{
	struct cagma_quarantine *old = store->quarantine;
	struct cagma_quarantine *new;

	if (!store->quarantine_changed)
		return;
	new = list_refused(store);
	if (!new)
		return;		/* with the next change, or the next step */
	store->quarantine_changed = false;
	rcu_assign_pointer(store->quarantine, new);
	synchronize_rcu();
	free(old);
}

const struct cagma_quarantine *
cagma_store_quarantine(const struct cagma_store *store)
{
	return rcu_dereference(store->quarantine);
}

/* ---- the table of domains ---- */

/*
 * Domains are listed, and were seen first, in about the same order: who looks
 * for one after the other finds it behind the last one.
 */
static struct seen *find_seen(struct cagma_store *store, uint16_t domid,
			      const uint8_t *uuid)
{
	size_t at = store->found;

	for (size_t i = 0; i < store->seen_count; i++) {
		struct seen *seen;

		at = at + 1 < store->seen_count ? at + 1 : 0;
		seen = &store->seen[at];
		if (seen->domid == domid &&
		    !memcmp(seen->uuid, uuid, CAGMA_UUID_BYTES)) {
			store->found = at;
			return seen;
		}
	}
	return NULL;
}

static void list(struct cagma_store *store,
		 const struct cagma_domain_facts *domain)
{
	struct seen *seen = find_seen(store, domain->domid, domain->uuid);

	if (!seen && store->seen_count < CAGMA_GUESTS_MAX) {
		store->found = store->seen_count;
		seen = &store->seen[store->seen_count++];
		*seen = (struct seen){
			.domid = domain->domid,
			.early = !store->looked,
		};
		memcpy(seen->uuid, domain->uuid, CAGMA_UUID_BYTES);
	}
	if (seen)
		seen->listed = true;
}

/* Forgets domains that are gone; one that is attached waits for the loop. */
static void forget(struct cagma_store *store)
{
	size_t kept = 0;

	for (size_t i = 0; i < store->seen_count; i++) {
		struct seen *seen = &store->seen[i];

		if (!seen->listed && !is_attached(seen)) {
			for (int rank = 0; rank < CAGMA_RANKS; rank++)
				pardon(store, &seen->way[rank]);
			continue;
		}
		seen->listed = false;
		if (kept != i)
			store->seen[kept] = *seen;
		kept++;
	}
	store->seen_count = kept;
}

/* False if Xen doesn't answer. */
static bool list_all(struct cagma_store *store)
{
	bool dom0 = atomic_load(&store->manages_dom0);
	uint16_t first = 0;
	int count;

	do {
		count = cagma_xen_domains_from(store->xen, first,
					       store->domains, LIST_MAX);
		for (int i = 0; i < count; i++) {
			const struct cagma_domain_facts *domain =
				&store->domains[i];

			first = (uint16_t)(domain->domid + 1u);
			if ((domain->domid || dom0) && !domain->dying &&
			    !domain->shut_down)
				list(store, domain);
		}
	} while (count == LIST_MAX);
	return count >= 0;
}

static void look_for_guests(struct cagma_store *store, uint64_t now_ns)
{
	if (!list_all(store))
		return;
	if (atomic_exchange(&store->anew, false))
		for (size_t i = 0; i < store->seen_count; i++)
			look_anew(&store->seen[i], now_ns);
	store->looked = true;
	for (size_t i = 0; i < store->seen_count; i++)
		if (store->seen[i].listed)
			try_all(store, &store->seen[i], now_ns);
	forget(store);
}

/* ---- what the loop wants ---- */

/* C4, C8: one line when xenstore fails, one when all targets are in it again. */
static void note_mirror_failure(struct cagma_store *store,
				struct cagma_guest *guest, int err,
				uint64_t now_ns)
{
	struct seen *seen = find_seen(store, guest->domid, guest->uuid);

	if (!store->next_mirror_ns)
		cagma_log(LOG_WARNING, "cannot write %s's memory/target: %s; until that works, targets go out by guests' pages alone",
			  guest->name, strerror(-err));
	store->next_mirror_ns = now_ns + MIRROR_AGAIN_NS;
	if (seen)
		seen->unmirrored = guest;
}

static void write_target(struct cagma_store *store, struct cagma_guest *guest,
			 uint64_t now_ns)
{
	char text[24];
	int err;

	begin_work(store);
	snprintf(text, sizeof(text), "%" PRIuFAST64,
		 atomic_load(&guest->mirror_kib));
	err = cagma_xs_replace(store->xs, guest->domid, "memory/target", text);
	guest->unmirrored = err;
	if (err && err != -ENOENT && !guest->released)
		note_mirror_failure(store, guest, err, now_ns);
}

/* N7: what somebody else has written there. Our own target isn't that. */
static void read_target(struct cagma_store *store, struct cagma_guest *guest)
{
	unsigned int seq = atomic_load(&guest->ask_seq);
	uint64_t pages;

	begin_work(store);
	if (guest->unmirrored || read_pages(store->xs, guest->domid,
					    "memory/target", &pages))
		pages = CAGMA_TOLD_UNKNOWN;
	atomic_store(&guest->told_pages, pages);
	atomic_store(&guest->told_seq, seq);
}

static void mirror_one(struct cagma_store *store, struct cagma_guest *guest,
		       uint64_t now_ns)
{
	/* Before the value: a newer target queues the mirror again. */
	atomic_store(&guest->mirror_queued, false);
	if (atomic_exchange(&guest->mirror_wanted, false))
		write_target(store, guest, now_ns);
	if (atomic_load(&guest->ask_seq) != atomic_load(&guest->told_seq))
		read_target(store, guest);
	if (guest->released)
		free(guest);
}

static struct cagma_guest *next_mirror(struct cagma_store *store)
{
	struct cds_wfcq_node *node;

	return cagma_queue_pop(&store->mirror, &node) ? NULL :
		cagma_container_of(node, struct cagma_guest, mirror_node);
}

/*
 * At most everybody's: a loop that is faster than xenstore mustn't keep us
 * here.
 */
static void mirror_all(struct cagma_store *store, uint64_t now_ns)
{
	size_t left = CAGMA_GUESTS_MAX;
	struct cagma_guest *guest;

	cagma_queue_ack(&store->mirror);
	while (left && (guest = next_mirror(store))) {
		mirror_one(store, guest, now_ns);
		left--;
	}
	if (!left)
		cagma_queue_wake(&store->mirror);
}

/*
 * The loop has given the guest back and queues it no more. What it queued
 * before may be in the queue still, out of reach behind a push that is not
 * done.
 */
static void free_guest(struct cagma_guest *guest)
{
	if (guest && atomic_load(&guest->mirror_queued))
		guest->released = true;
	else
		free(guest);
}

static void mirror_again(struct cagma_store *store, uint64_t now_ns)
{
	if (!store->next_mirror_ns || now_ns < store->next_mirror_ns)
		return;
	store->next_mirror_ns = UINT64_MAX;
	for (size_t i = 0; i < store->seen_count; i++) {
		struct cagma_guest *guest = store->seen[i].unmirrored;

		store->seen[i].unmirrored = NULL;
		if (guest)
			write_target(store, guest, now_ns);
	}
	if (store->next_mirror_ns != UINT64_MAX)
		return;
	store->next_mirror_ns = 0;
	cagma_log(LOG_NOTICE, "xenstore has all targets again");
}

static void release_one(struct cagma_store *store, struct cagma_link *link,
			uint64_t now_ns)
{
	struct seen *seen = find_seen(store, link->domid, link->uuid);
	enum cagma_rank rank = link->transport->rank;
	bool lied = link->lie && link->lie != CAGMA_LIE_CLOSED &&
		    link->lie != CAGMA_LIE_EPOCH;
	const char *reason = link->lie ? cagma_lie_name(link->lie) : "";

	if (seen) {
		struct way *way = &seen->way[rank];

		tell(seen, rank, now_ns, lied ? LOG_WARNING : LOG_INFO,
		     "detached", reason);
		look_anew(seen, now_ns);
		way->attached = false;
		way->polled = NULL;
		if (link->guest) {
			seen->unmirrored = NULL;
			seen->offset = link->guest->offset;
		}
		judge_conduct(store, way, now_ns);
		if (lied)
			refuse(store, way, reason, now_ns);
		else
			way->look_ns = now_ns + LOOK_NS;
	}
	free_guest(link->guest);
	link->transport->close(link);
}

static void release_all(struct cagma_store *store, uint64_t now_ns)
{
	struct cds_wfcq_node *node;

	cagma_queue_ack(&store->released);
	while (!cagma_queue_pop(&store->released, &node)) {
		/* A guest's last mirror was queued before it was released. */
		mirror_all(store, now_ns);
		release_one(store, cagma_container_of(node, struct cagma_link,
						      handover_node),
			    now_ns);
	}
}

void cagma_store_step(struct cagma_store *store, uint64_t now_ns)
{
	mirror_all(store, now_ns);
	mirror_again(store, now_ns);
	release_all(store, now_ns);
	if (now_ns >= store->next_look_ns && !atomic_load(&store->stop)) {
		look_for_guests(store, now_ns);
		store->next_look_ns = now_ns + LOOK_NS;
	}
	publish_quarantine(store);
	note_whether_gone(store);
}

/* ---- the thread ---- */

static void *run(void *arg)
{
	struct cagma_store *store = arg;
	struct pollfd fds[] = {
		{ .fd = store->mirror.fd, .events = POLLIN },
		{ .fd = store->released.fd, .events = POLLIN },
	};

	while (!atomic_load(&store->stop)) {
		cagma_store_step(store, cagma_now_ns());
		poll(fds, 2, (int)(LOOK_NS / CAGMA_NS_PER_MS));
	}
	cagma_store_step(store, cagma_now_ns());
	return NULL;
}

int cagma_store_open(struct cagma_store **out,
		     const struct cagma_config *config,
		     struct cagma_queue *attached)
{
	struct cagma_store *store = calloc(1, sizeof(*store));
	int err;

	if (!store)
		return -ENOMEM;
	atomic_init(&store->retry_max_ns, config->retry_max_ns);
	atomic_init(&store->manages_dom0, cagma_config_manages_dom0(config));
	atomic_init(&store->meminfo_guests, config->meminfo_guests);
	store->attached = attached;
	store->mirror.fd = store->released.fd = -1;
	store->seen = calloc(CAGMA_GUESTS_MAX, sizeof(*store->seen));
	store->domains = calloc(LIST_MAX, sizeof(*store->domains));
	err = store->seen && store->domains ? 0 : -ENOMEM;
	if (!err)
		err = cagma_xen_open(&store->xen);
	if (!err)
		err = cagma_xs_open(&store->xs);
	if (!err)
		err = cagma_grants_open(&store->grants);
	if (!err)
		err = cagma_queue_init(&store->mirror);
	if (!err)
		err = cagma_queue_init(&store->released);
	if (err)
		cagma_store_close(store);
	else
		*out = store;
	return err;
}

/* The loop has ended, or was never there. What it didn't take is still ours. */
static void take_back(struct cagma_store *store)
{
	struct cds_wfcq_node *node;

	while (!cagma_queue_pop(store->attached, &node)) {
		struct cagma_link *link = cagma_container_of(
			node, struct cagma_link, handover_node);

		free(link->guest);
		link->transport->close(link);
	}
}

static void free_released(struct cagma_store *store)
{
	struct cagma_guest *guest;

	while ((guest = next_mirror(store)))
		if (guest->released)
			free(guest);
}

void cagma_store_close(struct cagma_store *store)
{
	take_back(store);
	if (store->mirror.fd >= 0) {
		free_released(store);
		cagma_queue_destroy(&store->mirror);
	}
	if (store->released.fd >= 0)
		cagma_queue_destroy(&store->released);
	cagma_grants_close(store->grants);
	cagma_xs_close(store->xs);
	cagma_xen_close(store->xen);
	free(store->quarantine);
	free(store->seen);
	free(store->domains);
	free(store);
}

int cagma_store_start(struct cagma_store **out,
		      const struct cagma_config *config,
		      struct cagma_queue *attached)
{
	pthread_attr_t attr;
	int err = cagma_store_open(out, config, attached);

	if (err)
		return err;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	err = -pthread_create(&(*out)->thread, &attr, run, *out);
	pthread_attr_destroy(&attr);
	if (err)
		cagma_store_close(*out);
	return err;
}

void cagma_store_use(struct cagma_store *store,
		     const struct cagma_config *config)
{
	atomic_store(&store->retry_max_ns, config->retry_max_ns);
	atomic_store(&store->manages_dom0, cagma_config_manages_dom0(config));
	atomic_store(&store->meminfo_guests, config->meminfo_guests);
	atomic_store(&store->anew, true);
}

struct cagma_queue *cagma_store_mirror(struct cagma_store *store)
{
	return &store->mirror;
}

struct cagma_queue *cagma_store_released(struct cagma_store *store)
{
	return &store->released;
}

bool cagma_store_stop(struct cagma_store *store)
{
	struct timespec until;
	uint64_t one = 1;
	ssize_t written;

	atomic_store(&store->stop, true);
	written = write(store->released.fd, &one, sizeof(one));
	(void)written;
	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += END_S;
	if (pthread_clockjoin_np(store->thread, NULL, CLOCK_MONOTONIC, &until))
		return false;
	cagma_store_close(store);
	return true;
}
