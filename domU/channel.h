/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one place where the agent calls Xen's libraries: a vchan that dom0 can connect
 * to, and xenstore. libxenvchan moves the bytes. Its server's beginning and end
 * are done here with the same libraries, because libxenvchan_server_init() opens
 * the devices anew each time, which a process without privileges can't, leaves them
 * to whatever program is executed, and 4.17's frees a pointer that it never set
 * when a page cannot be granted.
 */
#ifndef CAGMA_CHANNEL_H
#define CAGMA_CHANNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cagma_channel;

/* What dom0 sends and what it is sent, with room for several of each. */
#define CAGMA_CHANNEL_READ_BYTES	1024
#define CAGMA_CHANNEL_WRITE_BYTES	2048

enum cagma_channel_state {
	CAGMA_CHANNEL_CLOSED,	/* nothing is offered, or dom0 is gone */
	CAGMA_CHANNEL_WAITING,	/* offered; nobody has connected */
	CAGMA_CHANNEL_OPEN,
	CAGMA_CHANNEL_BROKEN,	/* somebody has overwritten the rings' indices */
};

/*
 * Opens the devices and xenstore, for the process's life. -errno with the name of
 * what could not be opened in *failed, or 0; pair with cagma_channel_destroy().
 */
int cagma_channel_create(struct cagma_channel **channel, const char **failed);
void cagma_channel_destroy(struct cagma_channel *channel);

/* A number of KiB in xenstore, in pages of 4 KiB. -ENOENT, -EINVAL. */
int cagma_channel_read_pages(struct cagma_channel *channel, const char *node,
			     uint64_t *pages);

/* Grants the page and writes the nodes; nothing may be offered yet. -errno. */
int cagma_channel_offer(struct cagma_channel *channel);
/* xenstore still says so: a guest that was saved and restored has a new home. */
bool cagma_channel_is_offered(struct cagma_channel *channel);
/* The end of the offer and of a connection; may be called without any. */
void cagma_channel_withdraw(struct cagma_channel *channel);

enum cagma_channel_state
cagma_channel_state(const struct cagma_channel *channel);

/* Readable when something may have changed. Never blocks. */
int cagma_channel_fd(const struct cagma_channel *channel);
void cagma_channel_take_event(struct cagma_channel *channel);

/*
 * All of it or, if there is no room, nothing: `size`, 0, or -EPIPE. `now`: dom0 is
 * woken up; else only if little room is left, as it looks at the ring by itself.
 */
int cagma_channel_send(struct cagma_channel *channel, const void *data,
		       size_t size, bool now);
/* As much as is there: bytes, 0, or -EPIPE. */
int cagma_channel_read(struct cagma_channel *channel, void *data, size_t size);

#endif
