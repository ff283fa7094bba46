// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <libxenvchan.h>
#include <xenstore.h>

#include "channel.h"
#include "msg.h"
#include "units.h"

#define DOM0		0
#define READ_ORDER	10	/* both rings are in the page of the indices */
#define WRITE_ORDER	11
#define ROOM_BYTES	(CAGMA_CHANNEL_WRITE_BYTES / 2)
#define TRANSACTIONS	8	/* tries, when others write at the same time */
/* Handles of the event device: one, and one for each time the guest is restored. */
#define HANDLES		9

_Static_assert(1 << READ_ORDER == CAGMA_CHANNEL_READ_BYTES, "orders");
_Static_assert(1 << WRITE_ORDER == CAGMA_CHANNEL_WRITE_BYTES, "samples");
_Static_assert(CAGMA_MSG_BYTES(cagma_msg_order) <= CAGMA_CHANNEL_READ_BYTES &&
	       CAGMA_MSG_MAX <= CAGMA_CHANNEL_WRITE_BYTES, "messages fit");

struct cagma_channel {
	xengntshr_handle *gntshr;
	xenevtchn_handle *event[HANDLES];
	unsigned int handle;		/* the one in use */
	struct xs_handle *xs;
	struct libxenvchan vchan;	/* ring: NULL if nothing is offered */
	uint32_t gref;
	/* The page's copies of these two are ours to write and dom0's to spoil. */
	uint32_t sent;
	uint32_t received;
};

static int error(void)
{
	return errno ? -errno : -EIO;
}

/* libxengnttab opens its device without. */
static void close_on_exec(int fd)
{
	if (fd >= 0)
		fcntl(fd, F_SETFD, FD_CLOEXEC);
}

void cagma_channel_destroy(struct cagma_channel *c)
{
	cagma_channel_withdraw(c);
	if (c->xs)
		xs_close(c->xs);
	for (unsigned int i = c->handle; i < HANDLES && c->event[i]; i++)
		xenevtchn_close(c->event[i]);
	if (c->gntshr)
		xengntshr_close(c->gntshr);
	free(c);
}

int cagma_channel_create(struct cagma_channel **channel, const char **failed)
{
	struct cagma_channel *c = calloc(1, sizeof(*c));
	int err;

	*failed = "memory";
	if (!c)
		return -ENOMEM;
	*failed = "/dev/xen/gntalloc";
	c->gntshr = xengntshr_open(NULL, 0);
	if (!c->gntshr)
		goto fail;
	close_on_exec(xengntshr_fd(c->gntshr));
	*failed = "/dev/xen/evtchn";
	for (unsigned int i = 0; i < HANDLES; i++) {
		c->event[i] = xenevtchn_open(NULL, 0);
		if (!c->event[i])
			goto fail;
		close_on_exec(xenevtchn_fd(c->event[i]));
		fcntl(xenevtchn_fd(c->event[i]), F_SETFL, O_NONBLOCK);
	}
	*failed = "xenstore";
	c->xs = xs_open(0);
	if (!c->xs)
		goto fail;
	close_on_exec(xs_fileno(c->xs));
	*channel = c;
	return 0;
fail:
	err = error();
	cagma_channel_destroy(c);
	return err;
}

int cagma_channel_read_pages(struct cagma_channel *c, const char *node,
			     uint64_t *pages)
{
	unsigned int length;
	char *text = xs_read(c->xs, XBT_NULL, node, &length), *end;
	uint64_t kib;

	if (!text)
		return error();
	errno = 0;
	kib = strtoull(text, &end, 10);
	if (errno || *text < '0' || *text > '9' || *end) {
		free(text);
		return -EINVAL;
	}
	free(text);
	*pages = cagma_kib_to_pages(kib);
	return 0;
}

static bool write_node(struct cagma_channel *c, xs_transaction_t transaction,
		       const char *node, uint32_t value,
		       struct xs_permissions *permissions)
{
	char text[16];
	int n = snprintf(text, sizeof(text), "%" PRIu32, value);

	return xs_write(c->xs, transaction, node, text, (unsigned int)n) &&
	       xs_set_permissions(c->xs, transaction, node, permissions, 2);
}

/* Both nodes at once, readable for dom0 alone. */
static int write_nodes(struct cagma_channel *c)
{
	struct xs_permissions permissions[2] = { { .perms = XS_PERM_NONE },
						 { DOM0, XS_PERM_READ } };
	char *domid = xs_read(c->xs, XBT_NULL, "domid", NULL);

	if (!domid)
		return error();
	permissions[0].id = (unsigned int)strtoul(domid, NULL, 10);
	free(domid);
	for (int i = 0; i < TRANSACTIONS; i++) {
		xs_transaction_t transaction = xs_transaction_start(c->xs);
		bool written;
		int err;

		if (!transaction)
			return error();
		written = write_node(c, transaction, CAGMA_MSG_NODE "/ring-ref",
				     c->gref, permissions) &&
			  write_node(c, transaction, CAGMA_MSG_NODE "/event-channel",
				     c->vchan.event_port, permissions);
		err = written ? 0 : error();
		if (xs_transaction_end(c->xs, transaction, !written) || !written)
			return err;
		if (errno != EAGAIN)
			return error();
	}
	return -EAGAIN;
}

static int share_page(struct cagma_channel *c)
{
	struct libxenvchan *v = &c->vchan;
	struct vchan_interface *ring;

	ring = xengntshr_share_page_notify(c->gntshr, DOM0, &c->gref, 1,
					   offsetof(struct vchan_interface, srv_live),
					   v->event_port);
	if (!ring)
		return error();
	memset(ring, 0, CAGMA_PAGE_BYTES);
	ring->left_order = READ_ORDER;
	ring->right_order = WRITE_ORDER;
	ring->cli_live = 2;
	ring->srv_live = 1;
	ring->cli_notify = VCHAN_NOTIFY_WRITE;
	v->ring = ring;
	v->read.order = READ_ORDER;
	v->read.shr = &ring->left;
	v->read.buffer = (char *)ring + CAGMA_CHANNEL_READ_BYTES;
	v->write.order = WRITE_ORDER;
	v->write.shr = &ring->right;
	v->write.buffer = (char *)ring + CAGMA_CHANNEL_WRITE_BYTES;
	return 0;
}

/* First the nodes, so that nobody connects to what is going away. */
static void take_down(struct cagma_channel *c)
{
	struct vchan_interface *ring = c->vchan.ring;

	xs_rm(c->xs, XBT_NULL, CAGMA_MSG_NODE);
	__atomic_store_n(&ring->srv_live, 0, __ATOMIC_SEQ_CST);
	xengntshr_unshare(c->gntshr, ring, 1);
	c->vchan.ring = NULL;
	xenevtchn_notify(c->vchan.event, c->vchan.event_port);
	xenevtchn_unbind(c->vchan.event, c->vchan.event_port);
}

int cagma_channel_offer(struct cagma_channel *c)
{
	xenevtchn_port_or_error_t port;
	int err;

	if (c->handle == HANDLES)
		return -EMFILE;
	port = xenevtchn_bind_unbound_port(c->event[c->handle], DOM0);
	if (port < 0)
		return error();
	/* A bit that is set in a field of one bit is -1. */
	c->vchan = (struct libxenvchan){
		.gntshr = c->gntshr, .event = c->event[c->handle],
		.event_port = (uint32_t)port, .is_server = -1,
	};
	c->sent = c->received = 0;
	err = share_page(c);
	if (err) {
		xenevtchn_unbind(c->vchan.event, (evtchn_port_t)port);
		return err;
	}
	err = write_nodes(c);
	if (err)
		take_down(c);
	return err;
}

bool cagma_channel_is_offered(struct cagma_channel *c)
{
	char *text = xs_read(c->xs, XBT_NULL, CAGMA_MSG_NODE "/ring-ref", NULL);
	bool same = text && strtoul(text, NULL, 10) == c->gref;

	free(text);
	return same;
}

/*
 * Not in this home any more: the guest was saved and restored, or is another host's
 * now. Linux has forgotten the port then, and stops with a BUG when it is asked to
 * unbind it, or to close the handle that has it; a page cannot be unmapped without
 * its port. So all three are left as they are, until the process ends.
 */
static void leave_behind(struct cagma_channel *c)
{
	__atomic_store_n(&c->vchan.ring->srv_live, 0, __ATOMIC_SEQ_CST);
	c->vchan.ring = NULL;
	c->handle++;
}

void cagma_channel_withdraw(struct cagma_channel *c)
{
	if (!c->vchan.ring)
		return;
	if (cagma_channel_is_offered(c))
		take_down(c);
	else
		leave_behind(c);
}

/*
 * libxenvchan takes the indices from the page and answers impossible ones with
 * "nothing to read, no room", for ever.
 */
static bool is_broken(const struct cagma_channel *c)
{
	const struct vchan_interface *ring = c->vchan.ring;
	uint32_t read = __atomic_load_n(&ring->left.cons, __ATOMIC_RELAXED);
	uint32_t written = __atomic_load_n(&ring->right.prod, __ATOMIC_RELAXED);
	uint32_t theirs = __atomic_load_n(&ring->left.prod, __ATOMIC_RELAXED);
	uint32_t taken = __atomic_load_n(&ring->right.cons, __ATOMIC_RELAXED);

	return read != c->received || written != c->sent ||
	       theirs - c->received > CAGMA_CHANNEL_READ_BYTES ||
	       c->sent - taken > CAGMA_CHANNEL_WRITE_BYTES;
}

enum cagma_channel_state cagma_channel_state(const struct cagma_channel *c)
{
	uint8_t live;

	if (!c->vchan.ring)
		return CAGMA_CHANNEL_CLOSED;
	live = __atomic_load_n(&c->vchan.ring->cli_live, __ATOMIC_SEQ_CST);
	if (!live)
		return CAGMA_CHANNEL_CLOSED;
	if (is_broken(c))
		return CAGMA_CHANNEL_BROKEN;
	return live == 1 ? CAGMA_CHANNEL_OPEN : CAGMA_CHANNEL_WAITING;
}

int cagma_channel_fd(const struct cagma_channel *c)
{
	return c->handle < HANDLES ? xenevtchn_fd(c->event[c->handle]) : -1;
}

/* An event of a port that is closed by now may be among them. */
void cagma_channel_take_event(struct cagma_channel *c)
{
	xenevtchn_handle *event = c->event[c->handle];
	xenevtchn_port_or_error_t port = xenevtchn_pending(event);

	if (port >= 0)
		xenevtchn_unmask(event, (evtchn_port_t)port);
}

static uint32_t room_left(const struct cagma_channel *c)
{
	uint32_t taken = __atomic_load_n(&c->vchan.ring->right.cons,
					 __ATOMIC_RELAXED);

	return CAGMA_CHANNEL_WRITE_BYTES - (c->sent - taken);
}

/*
 * dom0 asks for an event whenever something is written, and has a limited number of
 * them for each guest: what can wait is to use none up. So its request is taken away
 * meanwhile. One that it makes at the same moment gets its event.
 */
static int send_quietly(struct cagma_channel *c, const void *data, size_t size)
{
	uint8_t *request = &c->vchan.ring->srv_notify;
	uint8_t bits = __atomic_fetch_and(request, (uint8_t)~VCHAN_NOTIFY_WRITE,
					  __ATOMIC_SEQ_CST);
	int n = libxenvchan_send(&c->vchan, data, size);

	__atomic_fetch_or(request, bits & VCHAN_NOTIFY_WRITE, __ATOMIC_SEQ_CST);
	return n;
}

int cagma_channel_send(struct cagma_channel *c, const void *data, size_t size,
		       bool now)
{
	int n;

	if (cagma_channel_state(c) != CAGMA_CHANNEL_OPEN)
		return -EPIPE;
	if (now || room_left(c) < ROOM_BYTES)
		n = libxenvchan_send(&c->vchan, data, size);
	else
		n = send_quietly(c, data, size);
	if (n < 0)
		return -EPIPE;
	c->sent += (uint32_t)n;
	return n;
}

int cagma_channel_read(struct cagma_channel *c, void *data, size_t size)
{
	int n;

	if (cagma_channel_state(c) != CAGMA_CHANNEL_OPEN)
		return -EPIPE;
	n = libxenvchan_read(&c->vchan, data, size);
	if (n < 0)
		return -EPIPE;
	c->received += (uint32_t)n;
	return n;
}
