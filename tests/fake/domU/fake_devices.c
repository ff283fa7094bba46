// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <xenstore.h>

#include "fake_devices.h"
#include "msg.h"

#define NODES		8
#define PORT_FIRST	40
#define HOMES		12
#define HANDLES		16

struct node {
	char name[64], value[32];
	bool private;
};

/* One of them in each home: an agent offers one page. */
struct page {
	_Alignas(4096) unsigned char bytes[4096];
	bool granted, mapped;
	uint32_t gref;
};

static struct {
	struct node node[NODES], started[NODES];
	unsigned int requests, collisions;
	unsigned int calls, failing;
	unsigned int handles, ports;
	unsigned int home;		/* how often the guest has moved */
	struct page page[HOMES];
	/* Of the event device; a port that was bound before the guest moved. */
	struct event { bool open, stale, bound; } event[HANDLES];
	uint32_t port, gref;
	int event_fd;
	char client;			/* stands for its event device */
	unsigned int notifications;	/* of the server's */
} fake;

static struct page *here(void)
{
	return &fake.page[fake.home];
}

void fake_devices_reset(void)
{
	if (fake.event_fd > 0)
		close(fake.event_fd);
	memset(&fake, 0, sizeof(fake));
	fake.port = PORT_FIRST;
	fake.gref = 8;
	fake.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	fake_xenstore_write("domid", "7");
	fake_xenstore_write("memory/target", "409600");
	fake_xenstore_write("memory/static-max", "1048576");
}

void fake_devices_fail_at(unsigned int nth)
{
	fake.calls = 0;
	fake.failing = nth;
}

bool fake_devices_have_failed(void)
{
	return fake.failing && fake.calls >= fake.failing;
}

static bool fails(int err)
{
	if (++fake.calls != fake.failing)
		return false;
	errno = err;
	return true;
}

unsigned int fake_devices_notifications(void)
{
	return fake.notifications;
}

unsigned int fake_devices_held(void)
{
	return fake.handles + fake.ports + here()->granted;
}

/* ---- grants ---- */

xengntshr_handle *xengntshr_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	(void)logger;
	(void)flags;
	if (fails(ENOENT))
		return NULL;
	fake.handles++;
	return (xengntshr_handle *)fake.page;
}

int xengntshr_close(xengntshr_handle *handle)
{
	(void)handle;
	fake.handles--;
	return 0;
}

int xengntshr_fd(xengntshr_handle *handle)
{
	(void)handle;
	return -1;
}

void *xengntshr_share_page_notify(xengntshr_handle *handle, uint32_t domain,
				  uint32_t *ref, int writable, uint32_t offset,
				  evtchn_port_t port)
{
	(void)handle;
	if (domain || !writable || port != fake.port ||
	    offset != offsetof(struct vchan_interface, srv_live))
		abort();
	if (fails(ENOSPC) || here()->granted)
		return NULL;
	here()->granted = true;
	here()->gref = *ref = ++fake.gref;
	return here()->bytes;
}

/* As the kernel does when a page is no longer mapped: it looks for its port. */
int xengntshr_unshare(xengntshr_handle *handle, void *page, uint32_t count)
{
	(void)handle;
	if (page != here()->bytes || count != 1 || !here()->granted)
		abort();
	((struct vchan_interface *)page)->srv_live = 0;
	here()->granted = false;
	return 0;
}

/* ---- event channels: one descriptor is all there is ---- */

xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger,
				 unsigned int flags)
{
	(void)logger;
	(void)flags;
	if (fails(EACCES))
		return NULL;
	for (int i = 0; i < HANDLES; i++) {
		if (!fake.event[i].open) {
			fake.handles++;
			fake.event[i] = (struct event){ .open = true };
			return (xenevtchn_handle *)&fake.event[i];
		}
	}
	abort();
}

/* With a stale port, the kernel stops with a BUG. */
int xenevtchn_close(xenevtchn_handle *handle)
{
	struct event *event = (struct event *)handle;

	if (!event->open || event->stale)
		abort();
	event->open = false;
	fake.handles--;
	return 0;
}

int xenevtchn_fd(xenevtchn_handle *handle)
{
	(void)handle;
	return fake.event_fd;
}

xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *handle,
						      uint32_t domain)
{
	struct event *event = (struct event *)handle;

	/* A second port of that number would spoil the kernel's tree of them. */
	if (event->stale)
		abort();
	if (domain || fails(ENOSPC))
		return -1;
	event->bound = true;
	fake.ports++;
	return (xenevtchn_port_or_error_t)++fake.port;
}

int xenevtchn_unbind(xenevtchn_handle *handle, evtchn_port_t port)
{
	struct event *event = (struct event *)handle;

	if (port != fake.port || !event->bound || event->stale)
		abort();
	event->bound = false;
	fake.ports--;
	return 0;
}

int xenevtchn_notify(xenevtchn_handle *handle, evtchn_port_t port)
{
	(void)port;
	fake.notifications += handle != (xenevtchn_handle *)&fake.client;
	return 0;
}

xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *handle)
{
	(void)handle;
	errno = EAGAIN;
	return -1;
}

int xenevtchn_unmask(xenevtchn_handle *handle, evtchn_port_t port)
{
	(void)handle;
	(void)port;
	return 0;
}

/* ---- xenstore ---- */

static struct node *find(const char *name)
{
	for (int i = 0; i < NODES; i++) {
		if (!strcmp(fake.node[i].name, name))
			return &fake.node[i];
	}
	return NULL;
}

void fake_xenstore_write(const char *name, const char *value)
{
	struct node *node = find(name);

	if (!node)
		node = find("");
	if (!node)
		abort();
	snprintf(node->name, sizeof(node->name), "%s", name);
	snprintf(node->value, sizeof(node->value), "%s", value);
}

const char *fake_xenstore_read(const char *name)
{
	const struct node *node = find(name);

	return node ? node->value : NULL;
}

bool fake_xenstore_is_private(const char *name)
{
	const struct node *node = find(name);

	return node && node->private;
}

static void remove_below(const char *name)
{
	for (int i = 0; i < NODES; i++) {
		if (!strncmp(fake.node[i].name, name, strlen(name)))
			memset(&fake.node[i], 0, sizeof(fake.node[i]));
	}
}

void fake_guest_moves(void)
{
	remove_below("data");
	for (int i = 0; i < HANDLES; i++) {
		if (fake.event[i].bound && !fake.event[i].stale) {
			fake.event[i].stale = true;
			fake.handles--;
			fake.ports--;
		}
	}
	if (++fake.home == HOMES)
		abort();
}

unsigned int fake_xenstore_requests(void)
{
	return fake.requests;
}

void fake_xenstore_collides(unsigned int n)
{
	fake.collisions = n;
}

struct xs_handle *xs_open(unsigned long flags)
{
	(void)flags;
	if (fails(ECONNREFUSED))
		return NULL;
	fake.handles++;
	return (struct xs_handle *)&fake.node;
}

void xs_close(struct xs_handle *handle)
{
	(void)handle;
	fake.handles--;
}

int xs_fileno(struct xs_handle *handle)
{
	(void)handle;
	return -1;
}

void *xs_read(struct xs_handle *handle, xs_transaction_t transaction,
	      const char *name, unsigned int *length)
{
	const char *value = fake_xenstore_read(name);
	char *copy;

	(void)handle;
	(void)transaction;
	fake.requests++;
	if (fails(EIO))
		return NULL;
	errno = ENOENT;
	if (!value)
		return NULL;
	copy = strdup(value);
	if (copy && length)
		*length = (unsigned int)strlen(copy);
	return copy;
}

bool xs_write(struct xs_handle *handle, xs_transaction_t transaction,
	      const char *name, const void *data, unsigned int length)
{
	char value[32];

	(void)handle;
	fake.requests++;
	if (!transaction || fails(ENOSPC))
		return false;
	snprintf(value, sizeof(value), "%.*s", (int)length, (const char *)data);
	fake_xenstore_write(name, value);
	return true;
}

bool xs_set_permissions(struct xs_handle *handle, xs_transaction_t transaction,
			const char *name, struct xs_permissions *permissions,
			unsigned int count)
{
	struct node *node = find(name);

	(void)handle;
	fake.requests++;
	if (!transaction || !node || fails(EACCES))
		return false;
	node->private = count == 2 && permissions[0].id == 7 &&
			permissions[0].perms == XS_PERM_NONE &&
			permissions[1].id == 0 &&
			permissions[1].perms == XS_PERM_READ;
	return true;
}

xs_transaction_t xs_transaction_start(struct xs_handle *handle)
{
	(void)handle;
	fake.requests++;
	memcpy(fake.started, fake.node, sizeof(fake.node));
	return fails(ENOSPC) ? XBT_NULL : 1;
}

bool xs_transaction_end(struct xs_handle *handle, xs_transaction_t transaction,
			bool abort)
{
	bool collides = !abort && fake.collisions;

	(void)handle;
	(void)transaction;
	fake.requests++;
	fake.collisions -= collides;
	errno = collides ? EAGAIN : EIO;
	if (abort || collides || fails(EIO)) {
		memcpy(fake.node, fake.started, sizeof(fake.node));
		return abort;
	}
	return true;
}

bool xs_rm(struct xs_handle *handle, xs_transaction_t transaction, const char *name)
{
	(void)handle;
	(void)transaction;
	fake.requests++;
	remove_below(name);
	return true;
}

/* ---- dom0 ---- */

struct libxenvchan *fake_client_connect(void)
{
	const char *ref = fake_xenstore_read(CAGMA_MSG_NODE "/ring-ref");
	const char *port = fake_xenstore_read(CAGMA_MSG_NODE "/event-channel");
	struct vchan_interface *ring = (struct vchan_interface *)here()->bytes;
	struct libxenvchan *client;

	if (!ref || !port || !here()->granted ||
	    strtoul(ref, NULL, 10) != here()->gref ||
	    strtoul(port, NULL, 10) != fake.port)
		return NULL;
	client = calloc(1, sizeof(*client));
	if (!client)
		return NULL;
	client->ring = ring;
	client->event = (xenevtchn_handle *)&fake.client;
	client->event_port = fake.port;
	client->write.order = ring->left_order;
	client->read.order = ring->right_order;
	client->write.shr = &ring->left;
	client->read.shr = &ring->right;
	client->write.buffer = here()->bytes + 1024;
	client->read.buffer = here()->bytes + 2048;
	ring->cli_live = 1;
	ring->srv_notify = VCHAN_NOTIFY_WRITE;
	return client;
}

void fake_client_close(struct libxenvchan *client)
{
	client->ring->cli_live = 0;
	free(client);
}
