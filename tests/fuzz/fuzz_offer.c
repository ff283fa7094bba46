// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the store thread finds in xenstore and behind a grant: dom0/store.c with
 * dom0/offer.c as they are shipped, on a port whose nodes are the input's. The
 * input is NAME|TARGET|STATIC-MAX|OFFER|PAGE: four nodes, and bytes that are
 * laid over a good page. An empty node isn't there.
 *
 * What must hold: a text is taken for an offer if and only if it is what that
 * offer prints as; a guest that is attached has limits in their order and a
 * name that can be printed; one that isn't leaves nothing behind; and no line
 * of the log holds a character that isn't plain.
 */
#include "store.c"

#include <stdarg.h>

#include "fuzz.h"
#include "page.h"

#define NODES	4
#define DOMID	7

struct cagma_channel { char unused; };

static const char *const names[NODES] = {
	"name", "memory/target", "memory/static-max", CAGMA_OFFER_NODE
};
static struct { const uint8_t *text; size_t length; } nodes[NODES];
static struct cagma_page page;
static struct cagma_channel channel;
static unsigned int channels, mappings;

/* ---- the port ---- */

int cagma_xen_open(struct cagma_xen **xen)
{
	*xen = NULL;
	return 0;
}

void cagma_xen_close(struct cagma_xen *xen)
{
	(void)xen;
}

int cagma_xen_domains_from(struct cagma_xen *xen, uint16_t first,
			   struct cagma_domain_facts *domains, size_t max)
{
	(void)xen;
	(void)first;
	(void)max;
	domains[0] = (struct cagma_domain_facts){ .domid = DOMID };
	return 1;
}

uint64_t cagma_xen_unbacked(struct cagma_xen *xen, uint16_t domid)
{
	(void)xen;
	fuzz_must(domid == DOMID);
	return 0;
}

int cagma_channel_open(struct cagma_channel **out, uint16_t domid,
		       uint32_t remote_port)
{
	fuzz_must(domid == DOMID);
	if (remote_port > 4096)
		return -EINVAL;
	channels++;
	*out = &channel;
	return 0;
}

void cagma_channel_close(struct cagma_channel *old)
{
	if (old)
		channels--;
}

int cagma_channel_fd(const struct cagma_channel *of)
{
	fuzz_must(of == &channel);
	return 0;
}

/* Of links that are used, which here are none. */
int cagma_channel_notify(struct cagma_channel *of)
{
	(void)of;
	abort();
}

int cagma_channel_take(struct cagma_channel *of)
{
	(void)of;
	abort();
}

int cagma_channel_unmask(struct cagma_channel *of)
{
	(void)of;
	abort();
}

/* There is never an agent: fuzz_vchan.c has one. */
int cagma_vchan_open(struct cagma_vchan **out, uint16_t domid, const char *node)
{
	(void)out;
	(void)domid;
	(void)node;
	abort();
}

void cagma_vchan_close(struct cagma_vchan *vchan)
{
	(void)vchan;
	abort();
}

int cagma_vchan_fd(const struct cagma_vchan *vchan)
{
	(void)vchan;
	abort();
}

int cagma_vchan_take(struct cagma_vchan *vchan)
{
	(void)vchan;
	abort();
}

int cagma_vchan_unmask(struct cagma_vchan *vchan)
{
	(void)vchan;
	abort();
}

int cagma_vchan_read(struct cagma_vchan *vchan, void *data, size_t size)
{
	(void)vchan;
	(void)data;
	(void)size;
	abort();
}

int cagma_vchan_send(struct cagma_vchan *vchan, const void *data, size_t size)
{
	(void)vchan;
	(void)data;
	(void)size;
	abort();
}

int cagma_grants_open(struct cagma_grants **grants)
{
	*grants = NULL;
	return 0;
}

void cagma_grants_close(struct cagma_grants *grants)
{
	(void)grants;
}

int cagma_grants_map(struct cagma_grants *grants, uint16_t domid, uint32_t gref,
		     size_t dead_offset, const struct cagma_channel *signal,
		     void **out)
{
	(void)grants;
	fuzz_must(domid == DOMID && signal == &channel);
	fuzz_must(dead_offset < sizeof(page));
	if (gref > 4096)
		return -EINVAL;
	mappings++;
	*out = &page;
	return 0;
}

int cagma_grants_unmap(struct cagma_grants *grants, void *old)
{
	(void)grants;
	fuzz_must(old == &page);
	mappings--;
	return 0;
}

int cagma_xs_open(struct cagma_xs **xs)
{
	*xs = NULL;
	return 0;
}

void cagma_xs_close(struct cagma_xs *xs)
{
	(void)xs;
}

int cagma_xs_check(struct cagma_xs *xs)
{
	(void)xs;
	return 0;
}

/* What not every domain has is as strange as another one of the same kind. */
static const char *like(const char *node)
{
	if (!strcmp(node, "memory/hotplug-max"))
		return "memory/static-max";
	return strcmp(node, "memory/videoram") ? node : "memory/target";
}

int cagma_xs_read(struct cagma_xs *xs, uint16_t domid, const char *node,
		  char *value, size_t size)
{
	size_t i = 0;

	(void)xs;
	fuzz_must(domid == DOMID);
	node = like(node);
	while (i < NODES && strcmp(node, names[i]) != 0)
		i++;
	if (i == NODES) {
		fuzz_must(!strcmp(node, CAGMA_MSG_NODE "/ring-ref"));
		return -ENOENT;
	}
	if (!nodes[i].length)
		return -ENOENT;
	if (nodes[i].length >= size)
		return -EMSGSIZE;
	if (memchr(nodes[i].text, '\0', nodes[i].length))
		return -EILSEQ;
	memcpy(value, nodes[i].text, nodes[i].length);
	value[nodes[i].length] = '\0';
	return (int)nodes[i].length;
}

int cagma_xs_is_writable(struct cagma_xs *xs, uint16_t domid, const char *node)
{
	(void)xs;
	fuzz_must(domid == DOMID && strcmp(node, CAGMA_OFFER_NODE));
	return 0;
}

int cagma_xs_replace(struct cagma_xs *xs, uint16_t domid, const char *node,
		     const char *value)
{
	(void)xs;
	(void)domid;
	(void)node;
	(void)value;
	return 0;
}

static bool is_plain(const char *text)
{
	for (; *text; text++)
		if (*text < ' ' || *text > '~')
			return false;
	return true;
}

void cagma_log_guest(int priority, const char *format, ...)
{
	char line[256];
	va_list args;

	(void)priority;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fuzz_must(is_plain(line));
}

void cagma_log(int priority, const char *format, ...)
{
	char line[256];
	va_list args;

	(void)priority;
	va_start(args, format);
	vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	fuzz_must(is_plain(line));
}

/* ---- what an offer is ---- */

static bool prints_as(const struct cagma_offer *offer, const char *text)
{
	char again[128];

	snprintf(again, sizeof(again), "%u %u %u %llu", offer->version,
		 offer->gref, offer->port, (unsigned long long)offer->epoch);
	return !strcmp(text, again);
}

/* By the C library; no strictness but that of prints_as(). */
static bool is_offer(const char *text)
{
	unsigned long long value[4];
	struct cagma_offer offer;
	const char *rest = text;

	for (size_t i = 0; i < 4; i++) {
		char *end;

		errno = 0;
		value[i] = strtoull(rest, &end, 10);
		if (errno || end == rest || (i < 3 && value[i] > UINT32_MAX))
			return false;
		rest = end;
	}
	offer = (struct cagma_offer){ (uint32_t)value[0], (uint32_t)value[1],
				      (uint32_t)value[2], value[3] };
	return offer.epoch && prints_as(&offer, text);
}

static void check_parser(void)
{
	char text[CAGMA_OFFER_MAX];
	struct cagma_offer offer;

	if (cagma_xs_read(NULL, DOMID, CAGMA_OFFER_NODE, text, sizeof(text)) < 0)
		return;
	if (cagma_offer_parse(text, &offer))
		fuzz_must(!is_offer(text));
	else
		fuzz_must(is_offer(text) && prints_as(&offer, text));
}

/* The same text as what memory/meminfo is to be. */
static void check_number(void)
{
	char text[CAGMA_OFFER_MAX], again[32];
	unsigned long long kib;
	uint64_t pages;
	bool right;

	if (cagma_xs_read(NULL, DOMID, CAGMA_OFFER_NODE, text, sizeof(text)) < 0)
		return;
	errno = 0;
	kib = strtoull(text, NULL, 10);
	snprintf(again, sizeof(again), "%llu", kib);
	right = !errno && !strcmp(text, again) && kib <= CAGMA_PAGES_MAX * 4;
	fuzz_must(right == !cagma_meminfo_parse(text, &pages));
	fuzz_must(!right || pages == kib / 4);
}

/* ---- attaching ---- */

static struct cagma_config config;

/* As the loop does, when it takes the link over. */
static void check_link(const struct cagma_link *link)
{
	struct cagma_guest *guest = link->guest;

	fuzz_must(guest && link->transport == &cagma_transport_granted);
	fuzz_must(link->domid == DOMID && guest->domid == DOMID);
	cagma_config_apply(&config, guest);
	fuzz_must(memchr(guest->name, '\0', sizeof(guest->name)));
	fuzz_must(guest->name[0] && is_plain(guest->name));
	fuzz_must(guest->min_pages <= guest->max_pages);
	fuzz_must(guest->max_pages <= CAGMA_PAGES_MAX);
	fuzz_must(guest->target_pages <= CAGMA_PAGES_MAX);
	fuzz_must(guest->weight >= 1);
	fuzz_must(link->lie == CAGMA_LIE_NONE);
	fuzz_must(mappings == 1 && channels == 1);
}

static void look_twice(struct cagma_store *store, enum cagma_lie lie)
{
	uint64_t at_ns = CAGMA_NS_PER_S;

	store->seen_count = 0;
	for (int i = 0; i < 2; i++) {
		struct cds_wfcq_node *node;

		at_ns += atomic_load(&store->retry_max_ns);
		store->next_look_ns = 0;
		cagma_store_step(store, at_ns);
		cagma_queue_ack(store->attached);
		if (!cagma_queue_pop(store->attached, &node)) {
			struct cagma_link *link = cagma_container_of(
				node, struct cagma_link, handover_node);

			check_link(link);
			link->lie = lie;
			cagma_queue_push(&store->released, node);
			cagma_store_step(store, at_ns);
		}
		fuzz_must(cagma_queue_pop(store->attached, &node) == -ENOENT);
		fuzz_must(mappings == 0 && channels == 0);
	}
}

static struct cagma_store *open_store(void)
{
	static struct cagma_queue attached;
	static struct cagma_store *store;

	if (store)
		return store;
	cagma_config_init(&config);
	fuzz_must(!cagma_queue_init(&attached));
	fuzz_must(!cagma_store_open(&store, &config, &attached));
	return store;
}

static void lay_page(const uint8_t *data, size_t size)
{
	memset(&page, 0, sizeof(page));
	page.header = (struct cagma_header){
		.magic = CAGMA_PAGE_MAGIC,
		.version = CAGMA_PAGE_VERSION,
		.slot_count = CAGMA_SLOT_COUNT,
		.slot_bytes = CAGMA_SLOT_BYTES,
		.epoch = 7,
		.period_ms = 100,
	};
	page.publication.state = CAGMA_STATE_LIVE;
	if (size)
		memcpy(&page, data, size < sizeof(page) ? size : sizeof(page));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;

	for (size_t i = 0; i < NODES; i++) {
		const uint8_t *bar = data;

		while (bar < end && *bar != '|')
			bar++;
		nodes[i].text = data;
		nodes[i].length = (size_t)(bar - data);
		data = bar < end ? bar + 1 : end;
	}
	lay_page(data, (size_t)(end - data));
	check_parser();
	check_number();
	look_twice(open_store(), (enum cagma_lie)(size % CAGMA_LIE_COUNT));
	return 0;
}
