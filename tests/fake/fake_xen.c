// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake_xen.h"
#include "sync.h"
#include "units.h"

#define OPS_MAX		65536
#define UNLIMITED	UINT32_MAX	/* dom0's limit, in pages */

struct mapping {
	void *address;
	struct fake_guest *guest;
	size_t dead_offset;
};

/* Xen delivers an event once, and again only after it was unmasked. */
struct cagma_channel {
	struct fake_guest *guest;
	int fd;
	bool masked;
	bool pending;		/* arrived while it was masked */
};

struct cagma_xen {
	char unused;
};

struct cagma_grants {
	char unused;
};

struct cagma_xs {
	char unused;
};

static struct {
	uint64_t total_pages;
	uint64_t dom0_pages;
	struct fake_guest *guest[FAKE_DOMAINS_MAX];
	size_t guest_count;
	struct mapping mapping[FAKE_GUESTS_MAX];
	unsigned int channels;
	unsigned int vchans;
	unsigned int handles;
	unsigned int calls[FAKE_CALLS];
	unsigned int fail_at[FAKE_CALLS];
	int fail_with[FAKE_CALLS];
	int always_fails_with[FAKE_CALLS];
	struct fake_op op[OPS_MAX];
	size_t op_count;
	bool unlogged;
	unsigned int actions;	/* calls that others can see */
	unsigned int dies_at;	/* the daemon does, behind this action */
	bool dead;
} host;

/* ---- the log of operations ---- */

static void log_op(enum fake_op_kind kind, uint16_t domid, uint64_t pages)
{
	if (host.unlogged)
		return;
	if (host.op_count == OPS_MAX)
		abort();
	host.op[host.op_count++] = (struct fake_op){ kind, domid, pages };
}

/*
 * Mail is no call: it is noticed at the call that follows it. That is enough
 * to tell whether it was written before or after that call.
 */
static void observe_mail(void)
{
	for (size_t i = 0; i < host.guest_count && !host.unlogged; i++) {
		struct fake_guest *guest = host.guest[i];
		struct cagma_mail mail;
		uint32_t seq;

		if (!guest->page)
			continue;
		if (cagma_mail_read(guest->page, &seq, &mail) ||
		    seq == guest->observed_mail_seq)
			continue;
		guest->observed_mail_seq = seq;
		log_op(FAKE_OP_MAIL, guest->domid, mail.target_pages);
	}
}

void fake_ops_off(void)
{
	host.unlogged = true;
}

size_t fake_op_count(void)
{
	observe_mail();
	return host.op_count;
}

const struct fake_op *fake_op(size_t index)
{
	if (index >= host.op_count)
		abort();
	return &host.op[index];
}

size_t fake_op_find(size_t from, enum fake_op_kind kind, uint16_t domid)
{
	size_t count = fake_op_count();

	while (from < count && (host.op[from].kind != kind ||
				host.op[from].domid != domid))
		from++;
	return from;
}

/* ---- calls and their failures ---- */

static int enter(enum fake_call call)
{
	observe_mail();
	host.calls[call]++;
	if (host.always_fails_with[call])
		return host.always_fails_with[call];
	return host.calls[call] == host.fail_at[call] ? host.fail_with[call] :
							0;
}

unsigned int fake_calls(enum fake_call call)
{
	return host.calls[call];
}

void fake_fail(enum fake_call call, unsigned int nth, int err)
{
	host.fail_at[call] = host.calls[call] + nth;
	host.fail_with[call] = err;
}

void fake_fail_always(enum fake_call call, int err)
{
	host.always_fails_with[call] = err;
}

/* All handles are alike: they only count. */
static int open_handle(enum fake_call call, void **handle)
{
	int err = enter(call);

	if (err)
		return err;
	*handle = malloc(1);
	if (!*handle)
		return -ENOMEM;
	host.handles++;
	return 0;
}

static void close_handle(void *handle)
{
	if (handle)
		host.handles--;
	free(handle);
}

/* ---- the daemon's death ---- */

/*
 * What the kernel does when a process is gone: its pages are unmapped, which
 * the guests are told, and its ports closed. The daemon's code runs on, since
 * nothing else can free its memory; what it does reaches nobody.
 */
void fake_daemon_kill(void)
{
	host.dead = true;
	for (size_t i = 0; i < FAKE_GUESTS_MAX; i++) {
		struct mapping *m = &host.mapping[i];

		if (!m->address)
			continue;
		if (mmap(m->address, CAGMA_PAGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) ==
		    MAP_FAILED)
			abort();
		((uint8_t *)m->guest->page)[m->dead_offset] = 0;
		fake_guest_event(m->guest);
	}
	for (size_t i = 0; i < host.guest_count; i++)
		if (host.guest[i]->agent)
			host.guest[i]->agent->client = NULL;
}

void fake_daemon_dies_at(unsigned int action)
{
	host.dead = false;
	host.actions = 0;
	host.dies_at = action;
}

bool fake_daemon_is_dead(void)
{
	return host.dead;
}

/* An action is over. Nothing happens in one whose daemon is dead. */
static void act(void)
{
	if (!host.dead && ++host.actions == host.dies_at)
		fake_daemon_kill();
}

/* ---- the host ---- */

static void free_guest(struct fake_guest *guest)
{
	if (guest->page) {
		munmap(guest->page, CAGMA_PAGE_BYTES);
		close(guest->page_fd);
	}
	free(guest->agent);
	free(guest);
}

void fake_xen_reset(uint64_t total_pages, uint64_t dom0_pages)
{
	for (size_t i = 0; i < host.guest_count; i++)
		free_guest(host.guest[i]);
	memset(&host, 0, sizeof(host));
	host.total_pages = total_pages;
	host.dom0_pages = dom0_pages;
}

uint64_t fake_free_pages(void)
{
	uint64_t pages = host.total_pages - host.dom0_pages;

	for (size_t i = 0; i < host.guest_count; i++)
		pages -= host.guest[i]->alloc_pages;
	return pages;
}

uint64_t fake_claimed_pages(void)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < host.guest_count; i++)
		pages += host.guest[i]->claim_pages;
	return pages;
}

unsigned int fake_mappings(void)
{
	unsigned int count = 0;

	for (size_t i = 0; i < FAKE_GUESTS_MAX; i++)
		count += host.mapping[i].address != NULL;
	return count;
}

unsigned int fake_channels(void)
{
	return host.channels;
}

unsigned int fake_vchans(void)
{
	return host.vchans;
}

unsigned int fake_handles(void)
{
	return host.handles;
}

/* They are in the order of domids; some that are gone had the same. */
static struct fake_guest *find_guest(uint16_t domid)
{
	size_t low = 0, high = host.guest_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (host.guest[middle]->domid < domid)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < host.guest_count && host.guest[low]->domid == domid; low++)
		if (!host.guest[low]->gone)
			return host.guest[low];
	return NULL;
}

static void *map_page(int fd)
{
	void *page = mmap(NULL, CAGMA_PAGE_BYTES, PROT_READ | PROT_WRITE,
			  MAP_SHARED, fd, 0);

	if (page == MAP_FAILED)
		abort();
	return page;
}

/* In the order of domids, as Xen lists them. */
static void insert_guest(struct fake_guest *guest)
{
	size_t i = host.guest_count++;

	for (; i && host.guest[i - 1]->domid > guest->domid; i--)
		host.guest[i] = host.guest[i - 1];
	host.guest[i] = guest;
}

static void set_kib(struct fake_guest *guest, const char *node, uint64_t pages)
{
	char text[24];
	int length = snprintf(text, sizeof(text), "%llu",
			      (unsigned long long)cagma_pages_to_kib(pages));

	fake_node_set(guest, node, text, (size_t)length);
}

static struct fake_guest *new_domain(uint16_t domid, uint64_t pages)
{
	static uint32_t uuid;
	struct fake_guest *guest = calloc(1, sizeof(*guest));

	if (!guest || host.guest_count == FAKE_DOMAINS_MAX)
		abort();
	guest->domid = domid;
	uuid++;
	memcpy(guest->uuid, &uuid, sizeof(uuid));
	guest->alloc_pages = pages;
	guest->limit_pages = pages + cagma_mib_to_pages(1);
	return guest;
}

struct fake_guest *fake_domain_add(uint16_t domid, uint64_t pages)
{
	struct fake_guest *guest = new_domain(domid, pages);

	guest->page_fd = -1;
	guest->no_module = true;
	insert_guest(guest);
	return guest;
}

bool fake_domain_claim(struct fake_guest *guest, uint64_t pages)
{
	if (pages > cagma_less(fake_free_pages(), fake_claimed_pages()))
		return false;
	guest->claim_pages = pages;
	return true;
}

void fake_domain_build(struct fake_guest *guest, uint64_t pages)
{
	uint64_t unclaimed = cagma_less(fake_free_pages(),
					fake_claimed_pages());

	pages = cagma_min(pages, cagma_less(guest->limit_pages,
					    guest->alloc_pages));
	pages = cagma_min(pages, guest->claim_pages + unclaimed);
	guest->claim_pages = cagma_less(guest->claim_pages, pages);
	guest->alloc_pages += pages;
}

struct fake_guest *fake_guest_add(uint16_t domid, uint64_t pages,
				  uint64_t static_max_pages)
{
	struct fake_guest *guest = new_domain(domid, pages);

	guest->static_max_pages = static_max_pages;
	guest->balloon_target_pages = pages;
	guest->balloon_rate_pages = pages;
	guest->programs.swap_total_pages = cagma_mib_to_pages(1024);
	guest->gref = 100u + domid;
	guest->port = 10u + domid;
	guest->page_fd = memfd_create("page", MFD_CLOEXEC);
	if (guest->page_fd < 0 || ftruncate(guest->page_fd, CAGMA_PAGE_BYTES))
		abort();
	guest->page = map_page(guest->page_fd);
	set_kib(guest, "memory/target", pages);
	set_kib(guest, "memory/static-max", static_max_pages);
	insert_guest(guest);
	return guest;
}

void fake_guest_destroy(struct fake_guest *guest)
{
	guest->gone = true;
	guest->alloc_pages = 0;
	guest->limit_pages = 0;
	guest->claim_pages = 0;
}

void fake_guest_leave_zombie(struct fake_guest *guest)
{
	guest->zombie = true;
	guest->alloc_pages = 1;
	guest->claim_pages = 0;
}

/* ---- memory control ---- */

int cagma_xen_open(struct cagma_xen **xen)
{
	return open_handle(FAKE_XEN_OPEN, (void **)xen);
}

void cagma_xen_close(struct cagma_xen *xen)
{
	close_handle(xen);
}

int cagma_xen_host(struct cagma_xen *xen, struct cagma_host_facts *facts)
{
	int err = enter(FAKE_XEN_HOST);

	(void)xen;
	if (err)
		return err;
	*facts = (struct cagma_host_facts){
		.total_pages = host.total_pages,
		.free_pages = fake_free_pages(),
		.claimed_pages = fake_claimed_pages(),
	};
	return 0;
}

static struct cagma_domain_facts facts_of(const struct fake_guest *guest)
{
	struct cagma_domain_facts facts = {
		.domid = guest->domid,
		.alloc_pages = guest->alloc_pages,
		.limit_pages = guest->limit_pages,
		.claim_pages = guest->claim_pages,
		.paused = guest->paused,
		.dying = guest->zombie,
		.shut_down = guest->shut_down,
	};

	memcpy(facts.uuid, guest->uuid, sizeof(facts.uuid));
	return facts;
}

int cagma_xen_domains_from(struct cagma_xen *xen, uint16_t first,
			   struct cagma_domain_facts *domains, size_t max)
{
	size_t count = 0;
	int err = enter(FAKE_XEN_DOMAINS);

	(void)xen;
	if (err)
		return err;
	if (!first && !find_guest(0))
		domains[count++] = (struct cagma_domain_facts){
			.alloc_pages = host.dom0_pages,
			.limit_pages = UNLIMITED,
		};
	for (size_t i = 0; i < host.guest_count && count < max; i++)
		if (!host.guest[i]->gone && host.guest[i]->domid >= first)
			domains[count++] = facts_of(host.guest[i]);
	return (int)count;
}

int cagma_xen_domains(struct cagma_xen *xen, struct cagma_domain_facts *domains,
		      size_t max)
{
	return cagma_xen_domains_from(xen, 0, domains, max);
}

int cagma_xen_set_limit(struct cagma_xen *xen, uint16_t domid, uint64_t pages)
{
	struct fake_guest *guest = find_guest(domid);
	int err = enter(FAKE_XEN_SET_LIMIT);

	(void)xen;
	if (err || host.dead)
		return err;
	if (!guest)
		return -ESRCH;
	guest->limit_pages = pages;
	log_op(FAKE_OP_LIMIT, domid, pages);
	act();
	return 0;
}

uint64_t cagma_xen_unbacked(struct cagma_xen *xen, uint16_t domid)
{
	const struct fake_guest *guest = find_guest(domid);

	(void)xen;
	return guest ? guest->unbacked_pages : 0;
}

/* ---- event channels ---- */

int cagma_channel_open(struct cagma_channel **out, uint16_t domid,
		       uint32_t remote_port)
{
	struct fake_guest *guest = find_guest(domid);
	int err = enter(FAKE_CHANNEL_OPEN);
	struct cagma_channel *channel;

	if (err)
		return err;
	if (!guest || guest->port != remote_port || guest->channel)
		return -EINVAL;
	channel = calloc(1, sizeof(*channel));
	if (!channel)
		return -ENOMEM;
	channel->guest = guest;
	channel->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	guest->channel = channel;
	host.channels++;
	*out = channel;
	return 0;
}

void cagma_channel_close(struct cagma_channel *channel)
{
	if (!channel)
		return;
	channel->guest->channel = NULL;
	close(channel->fd);
	free(channel);
	host.channels--;
}

int cagma_channel_fd(const struct cagma_channel *channel)
{
	return channel->fd;
}

/* As Xen does, any processor may signal at any time. */
static pthread_mutex_t signalling = PTHREAD_MUTEX_INITIALIZER;

void fake_channel_signal(struct cagma_channel *channel)
{
	uint64_t one = 1;
	bool masked;

	pthread_mutex_lock(&signalling);
	masked = channel->masked;
	channel->masked = true;
	channel->pending |= masked;
	if (!masked && write(channel->fd, &one, sizeof(one)) != sizeof(one))
		abort();
	pthread_mutex_unlock(&signalling);
}

int cagma_channel_notify(struct cagma_channel *channel)
{
	int err = enter(FAKE_CHANNEL_NOTIFY);

	if (err || host.dead)
		return err;
	log_op(FAKE_OP_NOTIFY, channel->guest->domid, 0);
	fake_guest_event(channel->guest);
	act();
	return 0;
}

int cagma_channel_take(struct cagma_channel *channel)
{
	int err = enter(FAKE_CHANNEL_TAKE);
	uint64_t count;

	if (err)
		return err;
	return read(channel->fd, &count, sizeof(count)) < 0 ? -errno : 0;
}

static void unmask(struct cagma_channel *channel)
{
	bool pending;

	pthread_mutex_lock(&signalling);
	pending = channel->pending;
	channel->masked = channel->pending = false;
	pthread_mutex_unlock(&signalling);
	if (pending)
		fake_channel_signal(channel);
}

int cagma_channel_unmask(struct cagma_channel *channel)
{
	int err = enter(FAKE_CHANNEL_UNMASK);

	if (!err)
		unmask(channel);
	return err;
}

/* ---- vchans ---- */

/* dom0's end: an event channel, and its own count of what it moved. */
struct cagma_vchan {
	struct cagma_channel channel;
	uint32_t taken, sent;
};

static struct fake_agent *peer_of(const struct cagma_vchan *vchan)
{
	return vchan->channel.guest->agent;
}

int cagma_vchan_open(struct cagma_vchan **out, uint16_t domid, const char *node)
{
	struct fake_guest *guest = find_guest(domid);
	int err = enter(FAKE_VCHAN_OPEN);
	struct fake_agent *agent = guest ? guest->agent : NULL;
	struct cagma_vchan *vchan;

	if (err)
		return err;
	if (!agent || !agent->live || agent->client || host.dead ||
	    strcmp(node, CAGMA_MSG_NODE) != 0)
		return -ECONNREFUSED;
	if (agent->large)
		return -EMSGSIZE;
	vchan = calloc(1, sizeof(*vchan));
	if (!vchan)
		return -ENOMEM;
	vchan->channel.guest = guest;
	vchan->channel.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	vchan->taken = agent->in_cons;
	vchan->sent = agent->out_prod;
	agent->notify_written = true;
	agent->client = vchan;
	host.vchans++;
	*out = vchan;
	act();
	return 0;
}

void cagma_vchan_close(struct cagma_vchan *vchan)
{
	struct fake_agent *agent = vchan ? peer_of(vchan) : NULL;

	if (!vchan)
		return;
	if (agent->client == vchan)
		agent->client = NULL;
	close(vchan->channel.fd);
	free(vchan);
	host.vchans--;
	act();
}

int cagma_vchan_fd(const struct cagma_vchan *vchan)
{
	return vchan->channel.fd;
}

void fake_vchan_signal(struct cagma_vchan *vchan)
{
	fake_channel_signal(&vchan->channel);
}

int cagma_vchan_take(struct cagma_vchan *vchan)
{
	uint64_t count;
	int err = enter(FAKE_VCHAN_TAKE);

	if (err)
		return err;
	return read(vchan->channel.fd, &count, sizeof(count)) < 0 ? -errno : 0;
}

int cagma_vchan_unmask(struct cagma_vchan *vchan)
{
	int err = enter(FAKE_VCHAN_UNMASK);

	if (!err)
		unmask(&vchan->channel);
	return err;
}

int cagma_vchan_read(struct cagma_vchan *vchan, void *data, size_t size)
{
	struct fake_agent *agent = peer_of(vchan);
	int err = enter(FAKE_VCHAN_READ);
	uint32_t ready = agent->in_prod - vchan->taken;
	uint8_t *byte = data;

	if (err)
		return err;
	if (agent->client != vchan)
		return host.dead ? 0 : -EPIPE;
	if (agent->in_cons != vchan->taken || ready > FAKE_RING_IN)
		return -EPROTO;
	agent->notify_written |= ready < size;
	if (!ready)
		return agent->live ? 0 : -EPIPE;
	size = cagma_min(size, ready);
	if (agent->read_max)
		size = cagma_min(size, agent->read_max);
	for (size_t i = 0; i < size; i++)
		byte[i] = agent->in[vchan->taken++ % FAKE_RING_IN];
	agent->in_cons = vchan->taken;
	return (int)size;
}

int cagma_vchan_send(struct cagma_vchan *vchan, const void *data, size_t size)
{
	struct fake_agent *agent = peer_of(vchan);
	int err = enter(FAKE_VCHAN_SEND);
	uint32_t used = vchan->sent - agent->out_cons;
	const uint8_t *byte = data;

	if (err)
		return err;
	if (agent->client != vchan)
		return host.dead ? 0 : -EPIPE;
	if (agent->out_prod != vchan->sent || used > FAKE_RING_OUT)
		return -EPROTO;
	if (!agent->live)
		return -EPIPE;
	if (FAKE_RING_OUT - used < size)
		return -EAGAIN;
	for (size_t i = 0; i < size; i++)
		agent->out[vchan->sent++ % FAKE_RING_OUT] = byte[i];
	agent->out_prod = vchan->sent;
	log_op(FAKE_OP_ORDER, vchan->channel.guest->domid,
	       ((const struct cagma_msg_order *)(byte +
			sizeof(struct cagma_msg_header)))->mail.target_pages);
	fake_agent_event(vchan->channel.guest);
	act();
	return 0;
}

/* ---- granted pages ---- */

int cagma_grants_open(struct cagma_grants **grants)
{
	return open_handle(FAKE_GRANTS_OPEN, (void **)grants);
}

void cagma_grants_close(struct cagma_grants *grants)
{
	close_handle(grants);
}

static struct mapping *find_mapping(const void *address)
{
	for (size_t i = 0; i < FAKE_GUESTS_MAX; i++)
		if (host.mapping[i].address == address)
			return &host.mapping[i];
	return NULL;
}

int cagma_grants_map(struct cagma_grants *grants, uint16_t domid, uint32_t gref,
		     size_t dead_offset, const struct cagma_channel *channel,
		     void **page)
{
	struct fake_guest *guest = find_guest(domid);
	struct mapping *mapping = find_mapping(NULL);
	int err = enter(FAKE_GRANTS_MAP);

	(void)grants;
	if (err)
		return err;
	if (!mapping)
		return -ENOSPC;
	if (!guest || guest->gref != gref || channel->guest != guest)
		return -EINVAL;
	*mapping = (struct mapping){ map_page(guest->page_fd), guest,
				     dead_offset };
	*page = mapping->address;
	act();
	return 0;
}

int cagma_grants_unmap(struct cagma_grants *grants, void *page)
{
	struct mapping *mapping = page ? find_mapping(page) : NULL;
	struct fake_guest *guest;

	int err = enter(FAKE_GRANTS_UNMAP);

	(void)grants;
	if (err)
		return err;
	if (!mapping)
		return -EINVAL;
	guest = mapping->guest;
	log_op(FAKE_OP_UNMAP, guest->domid, 0);
	munmap(mapping->address, CAGMA_PAGE_BYTES);
	if (!host.dead)
		((uint8_t *)guest->page)[mapping->dead_offset] = 0;
	*mapping = (struct mapping){ 0 };
	if (!host.dead)
		fake_guest_event(guest);
	act();
	return 0;
}

/* ---- xenstore ---- */

static struct fake_node *find_node(const struct fake_guest *guest,
				   const char *name)
{
	for (size_t i = 0; i < FAKE_NODES_MAX; i++)
		if (!strcmp(guest->node[i].name, name))
			return (struct fake_node *)&guest->node[i];
	return NULL;
}

void fake_node_set(struct fake_guest *guest, const char *name,
		   const char *value, size_t length)
{
	struct fake_node *node = find_node(guest, name);

	if (!node)
		node = find_node(guest, "");
	if (!node || length >= sizeof(node->value))
		abort();
	snprintf(node->name, sizeof(node->name), "%s", name);
	memcpy(node->value, value, length);
	node->value[length] = '\0';
	node->length = length;
}

void fake_node_remove(struct fake_guest *guest, const char *name)
{
	struct fake_node *node = find_node(guest, name);

	if (node)
		node->name[0] = '\0';
}

const char *fake_node_get(const struct fake_guest *guest, const char *name)
{
	const struct fake_node *node = find_node(guest, name);

	return node ? node->value : "";
}

unsigned int fake_node_reads(const struct fake_guest *guest, const char *name)
{
	const struct fake_node *node = find_node(guest, name);

	return node ? node->reads : 0;
}

int cagma_xs_open(struct cagma_xs **xs)
{
	return open_handle(FAKE_XS_OPEN, (void **)xs);
}

void cagma_xs_close(struct cagma_xs *xs)
{
	close_handle(xs);
}

int cagma_xs_check(struct cagma_xs *xs)
{
	(void)xs;
	return enter(FAKE_XS_CHECK);
}

int cagma_xs_read(struct cagma_xs *xs, uint16_t domid, const char *name,
		  char *value, size_t size)
{
	struct fake_guest *guest = find_guest(domid);
	struct fake_node *node = guest ? find_node(guest, name) : NULL;
	int err = enter(FAKE_XS_READ);

	(void)xs;
	if (err)
		return err;
	if (!node)
		return -ENOENT;
	node->reads++;
	if (node->length >= size)
		return -EMSGSIZE;
	if (memchr(node->value, '\0', node->length))
		return -EILSEQ;
	memcpy(value, node->value, node->length + 1);
	return (int)node->length;
}

int cagma_xs_is_writable(struct cagma_xs *xs, uint16_t domid, const char *name)
{
	struct fake_guest *guest = find_guest(domid);
	int err = enter(FAKE_XS_IS_WRITABLE);

	(void)xs;
	if (err)
		return err;
	if (!guest || !find_node(guest, name))
		return -ENOENT;
	/* dom0's nodes are its own. */
	return guest->writes_limits || !domid ||
	       (guest->writes && !strcmp(guest->writes, name));
}

int cagma_xs_replace(struct cagma_xs *xs, uint16_t domid, const char *name,
		     const char *value)
{
	struct fake_guest *guest = find_guest(domid);
	int err = enter(FAKE_XS_REPLACE);

	(void)xs;
	if (err || host.dead)
		return err;
	if (!guest || !find_node(guest, name))
		return -ENOENT;
	fake_node_set(guest, name, value, strlen(value));
	fake_guest_target_changed(guest);
	log_op(FAKE_OP_MIRROR, domid,
	       cagma_kib_to_pages(strtoull(value, NULL, 10)));
	act();
	return 0;
}
