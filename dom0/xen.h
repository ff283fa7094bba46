/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The hypervisor port: the only file pair that calls Xen's libraries, and
 * where their -1/errno becomes -errno. tests/fake/fake_xen.c implements the
 * same calls with simulated guests.
 *
 * Threads: each handle belongs to one thread at a time. A channel is opened by
 * the thread that attaches a guest and then handed over with the guest.
 */
#ifndef CAGMA_XEN_H
#define CAGMA_XEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CAGMA_UUID_BYTES 16

struct cagma_host_facts {
	uint64_t total_pages;
	uint64_t free_pages;	/* free and to-be-scrubbed */
	uint64_t claimed_pages;	/* of it, what domains have claimed and not taken */
};

struct cagma_domain_facts {
	uint16_t domid;
	uint8_t uuid[CAGMA_UUID_BYTES];
	uint64_t alloc_pages;	/* what Xen has given it (tot_pages) */
	uint64_t limit_pages;	/* what it may have at most (max_pages) */
	uint64_t claim_pages;	/* kept for it until it is built; within the limit */
	bool paused;
	bool dying;		/* takes nothing any more, and may stay for long */
	bool shut_down;		/* doesn't run, and may resume: a suspended one does */
};

/* Xen has no more: ids from DOMID_FIRST_RESERVED on are nobody's. */
#define CAGMA_DOMAINS_MAX 0x7ff0

/* Memory control. */
struct cagma_xen;

/*
 * The first of Xen's devices, all of which are needed, that can't be opened, without
 * /dev/xen/, and why in *err: -EACCES if it is forbidden. NULL if all can.
 */
const char *cagma_xen_missing(int *err);

/*
 * Opens the control interface. -EPERM if Xen doesn't let this domain control others,
 * -EPROTONOSUPPORT if it has another version of the interface. No file is looked at
 * that says what Xen would say: a service's name space may hide it. Pair with
 * cagma_xen_close().
 */
int cagma_xen_open(struct cagma_xen **xen);
void cagma_xen_close(struct cagma_xen *xen);
int cagma_xen_host(struct cagma_xen *xen, struct cagma_host_facts *host);

/* Fills up to `max` domains in the order of domids; their number or -errno. */
int cagma_xen_domains(struct cagma_xen *xen, struct cagma_domain_facts *domains,
		      size_t max);

/* The same, of those whose ids are `first` or above. */
int cagma_xen_domains_from(struct cagma_xen *xen, uint16_t first,
			   struct cagma_domain_facts *domains, size_t max);

/* Sets the hard limit; below what the domain has, it only stops growing. */
int cagma_xen_set_limit(struct cagma_xen *xen, uint16_t domid, uint64_t pages);

/*
 * Pages that the guest believes it has and that nothing stands behind: populate
 * on demand, before its balloon has reached the first target. 0 if Xen doesn't
 * say: there is no such thing for PV guests.
 */
uint64_t cagma_xen_unbacked(struct cagma_xen *xen, uint16_t domid);

/* One guest's event channel, with a file descriptor of its own. */
struct cagma_channel;

/* Binds to the guest's unbound port. Pair with cagma_channel_close(). */
int cagma_channel_open(struct cagma_channel **channel, uint16_t domid,
		       uint32_t remote_port);
void cagma_channel_close(struct cagma_channel *channel);
int cagma_channel_fd(const struct cagma_channel *channel);
int cagma_channel_notify(struct cagma_channel *channel);

/*
 * Takes a pending event: 0, or -EAGAIN if there is none. No further event is
 * delivered until cagma_channel_unmask(): that is the brake on a storm.
 */
int cagma_channel_take(struct cagma_channel *channel);
int cagma_channel_unmask(struct cagma_channel *channel);

/* Granted pages. */
struct cagma_grants;

int cagma_grants_open(struct cagma_grants **grants);
void cagma_grants_close(struct cagma_grants *grants);

/*
 * Maps one page read-write. When it is unmapped, by us or by the death of this
 * process, the kernel zeroes the byte at `dead_offset` and signals `channel`.
 */
int cagma_grants_map(struct cagma_grants *grants, uint16_t domid, uint32_t gref,
		     size_t dead_offset, const struct cagma_channel *channel,
		     void **page);
int cagma_grants_unmap(struct cagma_grants *grants, void *page);

/*
 * A vchan whose server is in a guest; we are its client. Once it is open no call
 * waits, and what a guest does to the rings' indices is found and reported.
 */
struct cagma_vchan;

/*
 * Connects by what the guest has written below /local/domain/DOMID/NODE, which
 * takes xenstore's time. -EMSGSIZE if its rings aren't inside the one page, with
 * nothing left mapped; any other error: there is nobody. Pair with _close().
 */
int cagma_vchan_open(struct cagma_vchan **vchan, uint16_t domid,
		     const char *node);
void cagma_vchan_close(struct cagma_vchan *vchan);

/* As those of a channel: an event says that there is something to do. */
int cagma_vchan_fd(const struct cagma_vchan *vchan);
int cagma_vchan_take(struct cagma_vchan *vchan);
int cagma_vchan_unmask(struct cagma_vchan *vchan);

/*
 * Reads what is there, at most `size` bytes: their number, 0 if there are none.
 * -EPIPE when the guest has closed it and all was read; -EPROTO if the indices
 * can't be true.
 */
int cagma_vchan_read(struct cagma_vchan *vchan, void *data, size_t size);

/* All or nothing: 0, or -EAGAIN without room; -EPIPE, -EPROTO. */
int cagma_vchan_send(struct cagma_vchan *vchan, const void *data, size_t size);

/* xenstore. */
struct cagma_xs;

int cagma_xs_open(struct cagma_xs **xs);
void cagma_xs_close(struct cagma_xs *xs);

/*
 * 0, or -errno: by the latest call xenstored has ended, and it can't be reached
 * now. Causes no traffic while it is there.
 */
int cagma_xs_check(struct cagma_xs *xs);

/*
 * Reads /local/domain/DOMID/NODE into a NUL-terminated buffer. Its length,
 * -ENOENT, -EILSEQ for a value with a NUL inside, -EMSGSIZE if it doesn't fit.
 */
int cagma_xs_read(struct cagma_xs *xs, uint16_t domid, const char *node,
		  char *value, size_t size);

/*
 * 1 if the domain itself may change that node of its own, 0 if not; -errno as
 * above.
 */
int cagma_xs_is_writable(struct cagma_xs *xs, uint16_t domid, const char *node);

/* Replaces a node that exists; -ENOENT if the domain has gone meanwhile. */
int cagma_xs_replace(struct cagma_xs *xs, uint16_t domid, const char *node,
		     const char *value);

#endif
