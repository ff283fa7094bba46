/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The devices and the xenstore of a guest, by taking the place of libxengnttab's,
 * libxenevtchn's and libxenstore's functions, and the client of its vchan. What is on
 * the page between the two is libxenvchan's own doing on both sides.
 */
#ifndef CAGMA_FAKE_DEVICES_H
#define CAGMA_FAKE_DEVICES_H

#include <stdbool.h>
#include <stdint.h>

#include <libxenvchan.h>

/* Nothing is open, no node exists but memory/ and domid, no call fails. */
void fake_devices_reset(void);

/* The nth call from now on (1: the next) that can fail does; 0: none does. */
void fake_devices_fail_at(unsigned int nth);
bool fake_devices_have_failed(void);

/* The next n transactions collide with somebody's. */
void fake_xenstore_collides(unsigned int n);

void fake_xenstore_write(const char *node, const char *value);
/* NULL if there is no such node; valid until the next change. */
const char *fake_xenstore_read(const char *node);
/* Whether the node is for the guest and dom0 to read alone. */
bool fake_xenstore_is_private(const char *node);
/*
 * The guest was saved and restored: it has a new home. Ports and pages of before are
 * no longer counted as held, and touching them is what makes Linux stop.
 */
void fake_guest_moves(void);
/* Requests so far. */
unsigned int fake_xenstore_requests(void);

/* Events so far that woke up dom0. */
unsigned int fake_devices_notifications(void);

/* What the guest holds: handles, pages, ports. */
unsigned int fake_devices_held(void);

/*
 * dom0 connects to what the nodes offer; NULL if they offer nothing. Ends with
 * fake_client_close(); the page is there until both sides have let it go.
 */
struct libxenvchan *fake_client_connect(void);
void fake_client_close(struct libxenvchan *client);

#endif
