/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A host with guests, in memory. fake_xen.c implements dom0/xen.h on it and
 * keeps the rules that Xen, gntdev, evtchn and xenstore keep; fake_guest.c is
 * the guest kernel with its balloon and its module. Nothing moves by itself:
 * a test lets guests live by fake_guest_step().
 */
#ifndef CAGMA_FAKE_XEN_H
#define CAGMA_FAKE_XEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "msg.h"
#include "fake_programs.h"
#include "page.h"
#include "xen.h"

#define FAKE_GUESTS_MAX	4096	/* beside plain domains */
#define FAKE_DOMAINS_MAX 8192
#define FAKE_NODES_MAX	12

struct fake_node {
	char name[32];
	char value[80];
	size_t length;
	unsigned int reads;
};

/*
 * The agent of a guest and its vchan: both rings, and what it was told. The
 * indices are the shared page's: either side may change them, a test as well.
 */
#define FAKE_RING_IN	2048	/* to dom0 */
#define FAKE_RING_OUT	1024	/* to the agent */

struct fake_agent {
	/* A test may change these at any time. */
	bool mute;			/* says nothing by itself */
	bool deaf;			/* reads nothing */
	bool passive;			/* obeys no order: there is a module */
	bool large;			/* its rings have pages of their own */
	size_t read_max;		/* dom0 gets no more at once; 0: all */
	struct cagma_pressure pressure;

	bool live;			/* what is written in xenstore is true */
	bool greeted;
	struct cagma_vchan *client;
	bool notify_written;		/* dom0 wants to know of more to read */
	uint32_t in_prod, in_cons;
	uint32_t out_prod, out_cons;
	uint8_t in[FAKE_RING_IN];
	uint8_t out[FAKE_RING_OUT];

	uint32_t order_seq;
	unsigned int orders;
	struct cagma_mail mail;		/* of the newest order */
	uint32_t event;
	bool event_open;
	uint64_t raised_ns;
	uint32_t reaction_event;
	uint64_t reaction_ns;
	unsigned int denials;
};

struct fake_guest {
	/* A test may change these at any time. */
	uint64_t used_pages;		/* what doesn't fit is in swap */
	struct fake_disk *disk;		/* NULL: swapping takes no time */
	uint64_t demand_pages;		/* with a disk: what it would use */
	uint64_t hidden_pages;		/* available, and not reported */
	uint64_t task_pages;		/* of the task that runs short */
	uint64_t balloon_rate_pages;	/* per step */
	bool mute;			/* publishes nothing */
	bool deaf;			/* looks at no mail */
	bool contradicts;		/* more is free than there is */
	bool boasts;			/* claims to be at its target */
	bool no_module;			/* offers no page */
	bool old;			/* its module knows no details */
	struct fake_programs programs;

	/* Xen's. */
	uint16_t domid;
	uint8_t uuid[CAGMA_UUID_BYTES];
	uint64_t alloc_pages;
	uint64_t limit_pages;
	uint64_t unbacked_pages;
	uint64_t claim_pages;		/* outstanding */
	bool paused;
	bool zombie;			/* dying: holds what it has, takes nothing */
	bool shut_down;			/* suspended, say: it doesn't run, and may */
	bool gone;
	struct cagma_channel *channel;	/* bound by dom0, or NULL */
	uint32_t observed_mail_seq;	/* newest in the log of operations */

	/* xenstore's. */
	struct fake_node node[FAKE_NODES_MAX];
	bool writes_limits;		/* it may change its memory nodes */
	const char *writes;		/* or this one; NULL: none */
	uint64_t static_max_pages;

	/* The guest kernel's. */
	int page_fd;
	struct cagma_page *page;	/* its own mapping; NULL: a plain domain */
	uint32_t gref;
	uint32_t port;
	uint64_t epoch;
	bool offered;
	bool attached;
	uint32_t head;
	uint32_t event;
	bool event_open;
	uint64_t raised_ns;
	uint32_t mail_seq;
	uint32_t reaction_event;
	uint64_t reaction_ns;
	uint64_t threshold_pages;
	uint64_t balloon_target_pages;
	uint64_t offset_pages;		/* Xen's count less memory/target's */
	uint64_t swapped_pages;
	uint64_t swap_in_pages;
	uint64_t swap_out_pages;
	unsigned int balloon_failures;	/* in a row */
	uint64_t balloon_retry_ns;	/* not tried before */
	unsigned int kicks;
	unsigned int denials;
	struct fake_agent *agent;	/* NULL: there was none yet */
};

/* ---- the host ---- */

/* An empty host, nothing open, nothing logged; frees all guests. */
void fake_xen_reset(uint64_t total_pages, uint64_t dom0_pages);
uint64_t fake_free_pages(void);

/* Of these, what domains have claimed: nobody else gets it. */
uint64_t fake_claimed_pages(void);

/* What the daemon holds and must give back. */
unsigned int fake_mappings(void);
unsigned int fake_channels(void);
unsigned int fake_handles(void);
unsigned int fake_vchans(void);

/* ---- calls and their failures ---- */

enum fake_call {
	FAKE_XEN_OPEN,
	FAKE_XEN_HOST,
	FAKE_XEN_DOMAINS,
	FAKE_XEN_SET_LIMIT,
	FAKE_CHANNEL_OPEN,
	FAKE_CHANNEL_NOTIFY,
	FAKE_CHANNEL_TAKE,
	FAKE_CHANNEL_UNMASK,
	FAKE_GRANTS_OPEN,
	FAKE_GRANTS_MAP,
	FAKE_GRANTS_UNMAP,
	FAKE_VCHAN_OPEN,
	FAKE_VCHAN_TAKE,
	FAKE_VCHAN_UNMASK,
	FAKE_VCHAN_READ,
	FAKE_VCHAN_SEND,
	FAKE_XS_OPEN,
	FAKE_XS_CHECK,
	FAKE_XS_READ,
	FAKE_XS_IS_WRITABLE,
	FAKE_XS_REPLACE,
	FAKE_CALLS
};

unsigned int fake_calls(enum fake_call call);

/* The nth of these calls from now on (1: the next) returns `err`, < 0. */
void fake_fail(enum fake_call call, unsigned int nth, int err);

/* Every one, until `err` is 0. */
void fake_fail_always(enum fake_call call, int err);

/* ---- the log of operations, in their order ---- */

enum fake_op_kind {
	FAKE_OP_LIMIT,		/* pages: the new limit */
	FAKE_OP_MAIL,		/* pages: the target that the page carries */
	FAKE_OP_NOTIFY,
	FAKE_OP_ORDER,		/* pages: the target that the order carries */
	FAKE_OP_MIRROR,		/* pages: the new memory/target */
	FAKE_OP_UNMAP
};

struct fake_op {
	enum fake_op_kind kind;
	uint16_t domid;
	uint64_t pages;
};

size_t fake_op_count(void);

/* Keeps no log: for long runs. */
void fake_ops_off(void);
const struct fake_op *fake_op(size_t index);

/* The first at or after `from`, or fake_op_count(). */
size_t fake_op_find(size_t from, enum fake_op_kind kind, uint16_t domid);

/* ---- the daemon's death ---- */

/*
 * kill -9: at once, or behind the nth of the actions that begin now (0: never).
 * Its objects still have to be closed, which nobody notices any more.
 */
void fake_daemon_kill(void);
void fake_daemon_dies_at(unsigned int action);
bool fake_daemon_is_dead(void);

/* ---- guests ---- */

/* A running guest; its module offers the page in the first step. */
struct fake_guest *fake_guest_add(uint16_t domid, uint64_t pages,
				  uint64_t static_max_pages);

/*
 * A domain that has no page and never runs: one that is being built, or was left
 * behind. Its limit is MIB more than it has.
 */
struct fake_guest *fake_domain_add(uint16_t domid, uint64_t pages);

/* What Xen does for a builder: all that was claimed and not yet taken. */
bool fake_domain_claim(struct fake_guest *guest, uint64_t pages);

/* The builder takes so many pages, of its claim first; as many as there are. */
void fake_domain_build(struct fake_guest *guest, uint64_t pages);

/* The domain goes; a page that dom0 has mapped stays. */
void fake_guest_destroy(struct fake_guest *guest);

/*
 * It ends, and one of its pages is mapped by somebody for ever: the domain stays in
 * the list, dying, with its limit.
 */
void fake_guest_leave_zombie(struct fake_guest *guest);

/* One period: mail is read, the balloon works, a sample is published. */
void fake_guest_step(struct fake_guest *guest);

/* Its parts: programs and balloon work; and what the module says of it. */
void fake_guest_live(struct fake_guest *guest);
void fake_guest_sample(struct fake_guest *guest);

/* Raises an emergency if less than that is available or under way. */
void fake_guest_watch(struct fake_guest *guest, uint64_t least_pages);

/* Publishes a sample of the present, for `reason`. */
void fake_guest_publish(struct fake_guest *guest, enum cagma_reason reason);
void fake_guest_kick(struct fake_guest *guest);

/* What `xl mem-set` does, and what the stock driver does then. */
void fake_guest_mem_set(struct fake_guest *guest, uint64_t pages);
void fake_guest_target_changed(struct fake_guest *guest);

/* The module is removed. */
void fake_guest_close(struct fake_guest *guest);

/* Its balloon moves what it can in one step. */
void fake_guest_balloon(struct fake_guest *guest);

uint64_t fake_guest_available(const struct fake_guest *guest);

/* A sample of the present, as the module or the agent would send it. */
struct cagma_sample fake_guest_look(const struct fake_guest *guest,
				    enum cagma_reason reason);

/*
 * A new target, as far as its maximum allows; it wakes a balloon that gave up on the
 * one before.
 */
void fake_guest_aim(struct fake_guest *guest, uint64_t target_pages);

/* An event for the guest; its handler reads the mail. */
void fake_guest_event(struct fake_guest *guest);

/* Guest end of an event channel that dom0 has bound. */
void fake_channel_signal(struct cagma_channel *channel);

/* ---- agents ---- */

/* Serves a vchan, as if the one before, if any, had never been. */
struct fake_agent *fake_agent_start(struct fake_guest *guest);

/* It ends, with its nodes in xenstore; or is killed, which leaves them there. */
void fake_agent_stop(struct fake_guest *guest);
void fake_agent_die(struct fake_guest *guest);

/* It reads its orders, says hello, and reports; part of fake_guest_step(). */
void fake_agent_step(struct fake_guest *guest);
void fake_agent_report(struct fake_guest *guest, enum cagma_reason reason);

/* Any bytes; false if there is no room. */
bool fake_agent_write(struct fake_guest *guest, const void *data, size_t size);
void fake_agent_hello(struct fake_guest *guest);

/* dom0 has done something. */
void fake_agent_event(struct fake_guest *guest);

/* The agent has. */
void fake_vchan_signal(struct cagma_vchan *vchan);

void fake_node_set(struct fake_guest *guest, const char *name,
		   const char *value, size_t length);

void fake_node_remove(struct fake_guest *guest, const char *name);

/* How often dom0 has read a node that there is. */
unsigned int fake_node_reads(const struct fake_guest *guest, const char *name);

/* A node's value, or "". */
const char *fake_node_get(const struct fake_guest *guest, const char *name);

#endif
