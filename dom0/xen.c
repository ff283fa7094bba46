// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <xencall.h>
#include <xenctrl.h>
#include <xenevtchn.h>
#include <xengnttab.h>
#include <xenstore.h>
#include <xenstore_lib.h>
/* Needs what xenctrl.h defines first. */
#include <libxenvchan.h>

#include "units.h"
#include "xen.h"

/* Domains per call: a page of them. */
#define BATCH ((unsigned int)(XC_PAGE_SIZE / sizeof(xc_domaininfo_t)))

/*
 * The calls of every emergency are made in memory of their own that Xen can reach:
 * libxenctrl would clear and copy pages for each.
 */
struct cagma_xen {
	xc_interface *xc;
	xencall_handle *call;
	union {
		struct xen_sysctl sysctl;
		struct xen_domctl domctl;
	} *op;			/* a page */
	xc_domaininfo_t *batch;	/* the page behind it */
};

struct cagma_channel {
	xenevtchn_handle *handle;
	evtchn_port_t port;
};

struct cagma_grants {
	xengnttab_handle *handle;
};

struct cagma_xs {
	struct xs_handle *handle;
};

/* The library's failure as -errno, even if it forgot to set errno. */
static int failed(void)
{
	return errno ? -errno : -EIO;
}

/* Before the libraries do it, which print and forget why it failed. */
static int try_device(const char *name)
{
	char path[32];
	int fd;

	snprintf(path, sizeof(path), "/dev/xen/%s", name);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd >= 0)
		close(fd);
	else if (errno == EPERM)	/* a control group's list of devices */
		return -EACCES;
	return fd < 0 ? -errno : 0;
}

const char *cagma_xen_missing(int *err)
{
	static const char *const devices[] = { "privcmd", "evtchn", "gntdev" };

	for (size_t i = 0; i < sizeof(devices) / sizeof(*devices); i++) {
		*err = try_device(devices[i]);
		if (*err)
			return devices[i];
	}
	return NULL;
}

static int check_control(struct cagma_xen *xen);

int cagma_xen_open(struct cagma_xen **out)
{
	struct cagma_xen *xen;
	int err;

	xen = calloc(1, sizeof(*xen));
	if (!xen)
		return -ENOMEM;
	xen->xc = xc_interface_open(NULL, NULL, 0);
	if (!xen->xc) {
		err = failed();
		goto err_free;
	}
	xen->call = xencall_open(NULL, 0);
	if (!xen->call) {
		err = failed();
		goto err_xc;
	}
	xen->op = xencall_alloc_buffer_pages(xen->call, 2);
	if (!xen->op) {
		err = failed();
		goto err_call;
	}
	xen->batch = (void *)((char *)xen->op + XC_PAGE_SIZE);
	err = check_control(xen);
	if (err)
		goto err_pages;
	*out = xen;
	return 0;

err_pages:
	xencall_free_buffer_pages(xen->call, xen->op, 2);
err_call:
	xencall_close(xen->call);
err_xc:
	xc_interface_close(xen->xc);
err_free:
	free(xen);
	return err;
}

void cagma_xen_close(struct cagma_xen *xen)
{
	if (!xen)
		return;
	xencall_free_buffer_pages(xen->call, xen->op, 2);
	xencall_close(xen->call);
	xc_interface_close(xen->xc);
	free(xen);
}

static int call_sysctl(struct cagma_xen *xen, uint32_t command)
{
	xen->op->sysctl.cmd = command;
	xen->op->sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
	return xencall1(xen->call, __HYPERVISOR_sysctl,
			(uint64_t)(uintptr_t)xen->op) < 0 ? failed() : 0;
}

int cagma_xen_host(struct cagma_xen *xen, struct cagma_host_facts *host)
{
	const xc_physinfo_t *info = &xen->op->sysctl.u.physinfo;
	int err = call_sysctl(xen, XEN_SYSCTL_physinfo);

	if (err)
		return err;
	host->total_pages = info->total_pages;
	host->free_pages = info->free_pages + info->scrub_pages;
	host->claimed_pages = info->outstanding_pages;
	return 0;
}

static void convert(struct cagma_domain_facts *to, const xc_domaininfo_t *from)
{
	to->domid = from->domain;
	memcpy(to->uuid, from->handle, CAGMA_UUID_BYTES);
	to->alloc_pages = from->tot_pages;
	to->limit_pages = from->max_pages;
	to->claim_pages = from->outstanding_pages;
	to->paused = from->flags & XEN_DOMINF_paused;
	to->dying = from->flags & XEN_DOMINF_dying;
	to->shut_down = from->flags & XEN_DOMINF_shutdown;
}

/* Into the batch, those from `first` on; their number or -errno. */
static int list_domains(struct cagma_xen *xen, uint16_t first, uint32_t most)
{
	struct xen_sysctl_getdomaininfolist *list =
		&xen->op->sysctl.u.getdomaininfolist;
	int err;

	list->first_domain = first;
	list->max_domains = most;
	set_xen_guest_handle_raw(list->buffer, xen->batch);
	err = call_sysctl(xen, XEN_SYSCTL_getdomaininfolist);
	return err ? err : (int)list->num_domains;
}

int cagma_xen_domains_from(struct cagma_xen *xen, uint16_t first,
			   struct cagma_domain_facts *domains, size_t max)
{
	size_t count = 0;

	while (count < max) {
		unsigned int want = (unsigned int)cagma_min(max - count, BATCH);
		int got = list_domains(xen, first, want);

		if (got < 0)
			return got;
		for (int i = 0; i < got; i++)
			convert(&domains[count++], &xen->batch[i]);
		if ((unsigned int)got < want)
			break;
		first = (uint16_t)(xen->batch[got - 1].domain + 1u);
	}
	return (int)count;
}

int cagma_xen_domains(struct cagma_xen *xen, struct cagma_domain_facts *domains,
		      size_t max)
{
	return cagma_xen_domains_from(xen, 0, domains, max);
}

static int call_domctl(struct cagma_xen *xen, uint32_t command, uint16_t domid)
{
	xen->op->domctl.cmd = command;
	xen->op->domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
	xen->op->domctl.domain = domid;
	return xencall1(xen->call, __HYPERVISOR_domctl,
			(uint64_t)(uintptr_t)xen->op) < 0 ? failed() : 0;
}

int cagma_xen_set_limit(struct cagma_xen *xen, uint16_t domid, uint64_t pages)
{
	xen->op->domctl.u.max_mem.max_memkb = cagma_pages_to_kib(pages);
	return call_domctl(xen, XEN_DOMCTL_max_mem, domid);
}

/*
 * Xen looks at the version first, each interface has one of its own, and answers
 * EACCES; then at who asks, EPERM.
 */
static int check_control(struct cagma_xen *xen)
{
	struct cagma_host_facts host;
	int err = cagma_xen_host(xen, &host);

	if (!err)
		err = call_domctl(xen, XEN_DOMCTL_getdomaininfo, 0);
	return err == -EACCES ? -EPROTONOSUPPORT : err;
}

uint64_t cagma_xen_unbacked(struct cagma_xen *xen, uint16_t domid)
{
	uint64_t total, cached, promised;

	if (xc_domain_get_pod_target(xen->xc, domid, &total, &cached,
				     &promised) < 0)
		return 0;
	return cagma_less(promised, cached);
}

int cagma_channel_open(struct cagma_channel **out, uint16_t domid,
		       uint32_t remote_port)
{
	struct cagma_channel *channel = calloc(1, sizeof(*channel));
	xenevtchn_port_or_error_t port;
	int err;

	if (!channel)
		return -ENOMEM;
	channel->handle = xenevtchn_open(NULL, 0);
	if (!channel->handle) {
		err = failed();
		goto err_free;
	}
	port = xenevtchn_bind_interdomain(channel->handle, domid, remote_port);
	if (port < 0) {
		err = failed();
		goto err_close;
	}
	channel->port = (evtchn_port_t)port;
	fcntl(xenevtchn_fd(channel->handle), F_SETFL, O_NONBLOCK);
	*out = channel;
	return 0;

err_close:
	xenevtchn_close(channel->handle);
err_free:
	free(channel);
	return err;
}

void cagma_channel_close(struct cagma_channel *channel)
{
	if (!channel)
		return;
	xenevtchn_close(channel->handle);
	free(channel);
}

int cagma_channel_fd(const struct cagma_channel *channel)
{
	return xenevtchn_fd(channel->handle);
}

/*
 * An emulator may run all processors in one thread: who is notified runs when this
 * one pauses.
 */
static void pause_processor(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

int cagma_channel_notify(struct cagma_channel *channel)
{
	if (xenevtchn_notify(channel->handle, channel->port))
		return failed();
	pause_processor();
	return 0;
}

int cagma_channel_take(struct cagma_channel *channel)
{
	return xenevtchn_pending(channel->handle) < 0 ? failed() : 0;
}

int cagma_channel_unmask(struct cagma_channel *channel)
{
	return xenevtchn_unmask(channel->handle, channel->port) ? failed() : 0;
}

int cagma_grants_open(struct cagma_grants **out)
{
	struct cagma_grants *grants = calloc(1, sizeof(*grants));

	if (!grants)
		return -ENOMEM;
	grants->handle = xengnttab_open(NULL, 0);
	if (!grants->handle) {
		int err = failed();

		free(grants);
		return err;
	}
	*out = grants;
	return 0;
}

void cagma_grants_close(struct cagma_grants *grants)
{
	if (!grants)
		return;
	xengnttab_close(grants->handle);
	free(grants);
}

int cagma_grants_map(struct cagma_grants *grants, uint16_t domid, uint32_t gref,
		     size_t dead_offset, const struct cagma_channel *channel,
		     void **page)
{
	void *map = xengnttab_map_grant_ref_notify(grants->handle, domid, gref,
						   PROT_READ | PROT_WRITE,
						   (uint32_t)dead_offset,
						   channel->port);

	if (!map)
		return failed();
	/* A child that kept the mapping would keep us alive to the guest. */
	madvise(map, XC_PAGE_SIZE, MADV_DONTFORK);
	*page = map;
	return 0;
}

int cagma_grants_unmap(struct cagma_grants *grants, void *page)
{
	return xengnttab_unmap(grants->handle, page, 1) ? failed() : 0;
}

int cagma_xs_open(struct cagma_xs **out)
{
	struct cagma_xs *xs = calloc(1, sizeof(*xs));

	if (!xs)
		return -ENOMEM;
	xs->handle = xs_open(0);
	if (!xs->handle) {
		int err = failed();

		free(xs);
		return err;
	}
	*out = xs;
	return 0;
}

void cagma_xs_close(struct cagma_xs *xs)
{
	if (!xs)
		return;
	xs_close(xs->handle);
	free(xs);
}

/* C4: xenstored has ended. Another one may listen when we come again. */
static int broken(struct cagma_xs *xs, int err)
{
	if (err == -EPIPE || err == -EBADF || err == -ECONNRESET) {
		xs_close(xs->handle);
		xs->handle = NULL;
	}
	return err;
}

/*
 * libxenstore 4.17 ignores XS_OPEN_SOCKETONLY: if nobody listens at the socket it opens
 * the kernel's device, which waits for a xenstored for ever.
 */
static bool is_somebody_listening(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const char *path = xs_daemon_socket();
	size_t length = path ? strlen(path) : sizeof(address.sun_path);
	bool listening;
	int fd, err;

	if (length >= sizeof(address.sun_path))
		return false;
	memcpy(address.sun_path, path, length);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	listening = !connect(fd, (struct sockaddr *)&address, sizeof(address));
	err = errno;
	close(fd);
	errno = err;
	return listening;
}

static bool connect_again(struct cagma_xs *xs)
{
	if (!xs->handle && is_somebody_listening())
		xs->handle = xs_open(XS_OPEN_SOCKETONLY);
	return xs->handle;
}

int cagma_xs_check(struct cagma_xs *xs)
{
	return connect_again(xs) ? 0 : failed();
}

static void node_path(char *path, size_t size, uint16_t domid, const char *node)
{
	snprintf(path, size, "/local/domain/%u/%s", domid, node);
}

int cagma_xs_read(struct cagma_xs *xs, uint16_t domid, const char *node,
		  char *value, size_t size)
{
	char path[128];
	unsigned int len;
	char *got;
	int err = 0;

	if (!connect_again(xs))
		return failed();
	node_path(path, sizeof(path), domid, node);
	got = xs_read(xs->handle, XBT_NULL, path, &len);
	if (!got)
		return broken(xs, failed());
	if (len >= size)
		err = -EMSGSIZE;
	else if (memchr(got, '\0', len))
		err = -EILSEQ;
	else
		memcpy(value, got, len + 1);
	free(got);
	return err ? err : (int)len;
}

int cagma_xs_is_writable(struct cagma_xs *xs, uint16_t domid, const char *node)
{
	struct xs_permissions *permissions;
	unsigned int count;
	char path[128];
	bool writable;

	if (!connect_again(xs))
		return failed();
	node_path(path, sizeof(path), domid, node);
	permissions = xs_get_permissions(xs->handle, XBT_NULL, path, &count);
	if (!permissions)
		return broken(xs, failed());
	/* The first names the owner, and what all who aren't listed may do. */
	writable = permissions[0].id == domid ||
		   (permissions[0].perms & XS_PERM_WRITE);
	for (unsigned int i = 1; i < count; i++)
		writable |= permissions[i].id == domid &&
			    (permissions[i].perms & XS_PERM_WRITE);
	free(permissions);
	return writable;
}

/* In a transaction: a plain write would create nodes of a dead domain. */
static int replace_once(struct cagma_xs *xs, const char *path,
			const char *value)
{
	xs_transaction_t t = xs_transaction_start(xs->handle);
	unsigned int len;
	char *old;
	int err = 0;

	if (t == XBT_NULL)
		return failed();
	old = xs_read(xs->handle, t, path, &len);
	if (!old || !xs_write(xs->handle, t, path, value,
			      (unsigned int)strlen(value)))
		err = failed();
	free(old);
	if (!xs_transaction_end(xs->handle, t, err != 0) && !err)
		err = failed();
	return err;
}

int cagma_xs_replace(struct cagma_xs *xs, uint16_t domid, const char *node,
		     const char *value)
{
	char path[128];
	int err = -EAGAIN;

	if (!connect_again(xs))
		return failed();
	node_path(path, sizeof(path), domid, node);
	for (int tries = 0; err == -EAGAIN && tries < 5; tries++)
		err = replace_once(xs, path, value);
	return broken(xs, err);
}

/* ---- vchan ---- */

/* Rings of more than 2^11 bytes have pages of their own. */
#define RING_ORDER_MAX	11

/*
 * libxenvchan keeps its own index in the page, where the guest can change it, and
 * takes what can't be true for an empty ring, which would be for ever. So the
 * count is kept here as well, and compared.
 */
struct cagma_vchan {
	struct libxenvchan *ctrl;
	uint32_t taken;		/* bytes read in all, as the ring counts them */
	uint32_t sent;
};

static uint32_t peek_index(const uint32_t *index)
{
	return __atomic_load_n(index, __ATOMIC_ACQUIRE);
}

/* The library asks for blocking calls unless told, and maps any ring. */
static int tame(struct cagma_vchan *vchan)
{
	struct libxenvchan *ctrl = vchan->ctrl;

	ctrl->blocking = 0;
	if (ctrl->read.order > RING_ORDER_MAX ||
	    ctrl->write.order > RING_ORDER_MAX)
		return -EMSGSIZE;
	madvise(ctrl->ring, XC_PAGE_SIZE, MADV_DONTFORK);
	fcntl(libxenvchan_fd_for_select(ctrl), F_SETFL, O_NONBLOCK);
	vchan->taken = peek_index(&ctrl->read.shr->cons);
	vchan->sent = peek_index(&ctrl->write.shr->prod);
	return 0;
}

int cagma_vchan_open(struct cagma_vchan **out, uint16_t domid, const char *node)
{
	struct cagma_vchan *vchan = calloc(1, sizeof(*vchan));
	char path[128];
	int err = 0;

	if (!vchan)
		return -ENOMEM;
	node_path(path, sizeof(path), domid, node);
	vchan->ctrl = libxenvchan_client_init(NULL, domid, path);
	if (vchan->ctrl)
		err = tame(vchan);
	else
		err = -ECONNREFUSED;
	if (err)
		cagma_vchan_close(vchan);
	else
		*out = vchan;
	return err;
}

void cagma_vchan_close(struct cagma_vchan *vchan)
{
	if (!vchan)
		return;
	libxenvchan_close(vchan->ctrl);
	free(vchan);
}

int cagma_vchan_fd(const struct cagma_vchan *vchan)
{
	return libxenvchan_fd_for_select(vchan->ctrl);
}

int cagma_vchan_take(struct cagma_vchan *vchan)
{
	return xenevtchn_pending(vchan->ctrl->event) < 0 ? failed() : 0;
}

int cagma_vchan_unmask(struct cagma_vchan *vchan)
{
	return xenevtchn_unmask(vchan->ctrl->event, vchan->ctrl->event_port) ?
		       failed() : 0;
}

/* Why the library failed: it doesn't say. */
static int vchan_error(const struct cagma_vchan *vchan)
{
	return libxenvchan_is_open(vchan->ctrl) ? -EIO : -EPIPE;
}

int cagma_vchan_read(struct cagma_vchan *vchan, void *data, size_t size)
{
	const struct libxenvchan_ring *ring = &vchan->ctrl->read;
	int got;

	if (peek_index(&ring->shr->cons) != vchan->taken ||
	    peek_index(&ring->shr->prod) - vchan->taken > 1u << ring->order)
		return -EPROTO;
	got = libxenvchan_read(vchan->ctrl, data, size);
	if (got < 0)
		return vchan_error(vchan);
	vchan->taken += (uint32_t)got;
	return got;
}

int cagma_vchan_send(struct cagma_vchan *vchan, const void *data, size_t size)
{
	const struct libxenvchan_ring *ring = &vchan->ctrl->write;
	int sent;

	if (peek_index(&ring->shr->prod) != vchan->sent ||
	    vchan->sent - peek_index(&ring->shr->cons) > 1u << ring->order)
		return -EPROTO;
	sent = libxenvchan_send(vchan->ctrl, data, size);
	if (sent < 0)
		return vchan_error(vchan);
	vchan->sent += (uint32_t)sent;
	return sent ? 0 : -EAGAIN;
}
