// SPDX-License-Identifier: GPL-2.0-only
/*
 * cagma-agent: tells dom0 how a guest's memory is doing, for guests that cannot
 * load the module. In order of reading: proc.c (what the kernel says), event.c
 * (whether that is an emergency), link.c and channel.c (to dom0 and back), balloon.c
 * (what dom0 says), all of it driven by agent.c. process.c is about privileges.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"
#include "clock.h"
#include "instance.h"
#include "notify.h"
#include "options.h"
#include "print.h"
#include "process.h"
#include "units.h"

#define LOCK	"cagma-agent.lock"

struct program {
	struct cagma_agent_options options;
	struct cagma_proc proc;
	struct cagma_channel *channel;
	int lock;
	int trigger;		/* -1: none */
	int end;		/* readable: SIGTERM or SIGINT has come */
	int request;		/* the same for SIGUSR1 */
};

static int fail(const char *what, int err)
{
	fprintf(stderr, "cagma-agent: %s: %s\n", what, strerror(-err));
	return EXIT_FAILURE;
}

static int open_proc(struct program *p, bool writable)
{
	const char *failed;
	int err = cagma_proc_open(&p->proc, p->options.root, writable, &failed);

	return err ? fail(failed, err) : 0;
}

static int print(struct program *p)
{
	struct cagma_view view;
	int err = open_proc(p, false);

	if (err)
		return err;
	err = cagma_proc_read(&p->proc, &view);
	if (!err)
		cagma_print_view(stdout, &view, p->proc.pressure >= 0);
	cagma_proc_close(&p->proc);
	if (err)
		return fail("cannot read the kernel's counters", err);
	return fflush(stdout) ? fail("standard output", -errno) : 0;
}

static int refuse(const char *why)
{
	fprintf(stderr, "cagma-agent: %s\n", why);
	return EXIT_FAILURE;
}

static int check_host(void)
{
	if (!cagma_proc_says(AT_FDCWD, "/sys/hypervisor/type", "xen"))
		return refuse("this is not a Xen guest (/sys/hypervisor/type)");
	if (cagma_proc_is_dom0(AT_FDCWD, "/sys/hypervisor/properties/features"))
		return refuse("this is dom0; its own memory is managed through the "
			      "module, see cagma(4)");
	return 0;
}

static int lock(struct program *p)
{
	int owner;

	p->lock = cagma_instance_lock(CAGMA_LOCK_DIR, LOCK, &owner);
	if (p->lock == -EBUSY) {
		fprintf(stderr, "cagma-agent: another one is running (pid %d)\n",
			owner);
		return EXIT_FAILURE;
	}
	return p->lock < 0 ? fail(CAGMA_LOCK_DIR "/" LOCK, p->lock) : 0;
}

static int open_channel(struct program *p)
{
	const char *failed;
	int err = cagma_channel_create(&p->channel, &failed);

	if (!err)
		return 0;
	fail(failed, err);
	if (err == -ENOENT && !strncmp(failed, "/dev/xen/", 9))
		fprintf(stderr, "cagma-agent: is the kernel module xen-%s loaded?\n",
			failed + 9);
	return EXIT_FAILURE;
}

/* All that takes privileges is opened here, and they are gone afterwards. */
static int open_all(struct program *p)
{
	int err = check_host();

	if (!err)
		err = lock(p);
	if (!err)
		err = open_proc(p, true);
	if (!err)
		err = open_channel(p);
	if (err)
		return err;
	p->trigger = cagma_proc_open_trigger(&p->proc);
	if (p->trigger < 0)
		fprintf(stderr, "cagma-agent: no pressure trigger (%s): the samples "
			"alone will show a shortage\n", strerror(-p->trigger));
	err = cagma_process_pin();
	if (err)
		fprintf(stderr, "cagma-agent: memory is not locked: %s\n",
			strerror(-err));
	err = cagma_process_drop(p->options.user);
	return err ? fail(p->options.user ? p->options.user : "privileges", err) : 0;
}

static uint32_t features(const struct program *p)
{
	return (p->proc.pressure >= 0 ? CAGMA_HELLO_PSI : 0) |
	       (p->trigger >= 0 ? CAGMA_HELLO_TRIGGER : 0);
}

static int milliseconds_until(uint64_t deadline_ns)
{
	uint64_t left_ns = cagma_less(deadline_ns, cagma_now_ns());

	return (int)cagma_min((left_ns + CAGMA_NS_PER_MS - 1) / CAGMA_NS_PER_MS,
			      60000);
}

/* Until something happens, or the deadline. -errno: something has broken. */
static int wait(struct program *p, uint64_t deadline_ns, bool *pressed, bool *asked,
		bool *ended)
{
	struct pollfd fds[] = {
		{ .fd = p->end, .events = POLLIN },
		{ .fd = cagma_channel_fd(p->channel), .events = POLLIN },
		{ .fd = p->trigger, .events = POLLPRI },
		{ .fd = p->request, .events = POLLIN },
	};
	uint64_t requests;

	if (poll(fds, 4, milliseconds_until(deadline_ns)) < 0)
		return errno == EINTR ? 0 : -errno;
	*ended = fds[0].revents;
	if (fds[1].revents & ~POLLIN)
		return -EIO;
	if (fds[1].revents)
		cagma_channel_take_event(p->channel);
	*pressed = fds[2].revents & POLLPRI;
	*asked = fds[3].revents &&
		 read(p->request, &requests, sizeof(requests)) > 0;
	if (fds[2].revents & POLLERR)
		p->trigger = -1;
	return 0;
}

static int serve(struct program *p)
{
	static struct cagma_agent agent;
	bool pressed = false, asked = false, ended = false;
	uint64_t watchdog_ns = cagma_notify_watchdog_ns() / 2, told_ns = 0, until_ns;
	int err = 0;

	cagma_agent_init(&agent, &p->proc, p->channel, features(p),
			 p->options.period_ms);
	cagma_notify("READY=1");
	while (!err && !ended) {
		if (asked)
			cagma_agent_ask(&agent);
		until_ns = cagma_agent_turn(&agent, pressed);
		pressed = asked = false;
		if (watchdog_ns && cagma_now_ns() - told_ns >= watchdog_ns) {
			told_ns = cagma_now_ns();
			cagma_notify("WATCHDOG=1");
		}
		if (watchdog_ns)
			until_ns = cagma_min(until_ns, told_ns + watchdog_ns);
		err = wait(p, until_ns, &pressed, &asked, &ended);
	}
	cagma_notify("STOPPING=1");
	cagma_channel_destroy(p->channel);
	return err ? fail("/dev/xen/evtchn", err) : 0;
}

int main(int argc, char **argv)
{
	static struct program p = { .trigger = -1 };
	int status;

	cagma_agent_options_parse(&p.options, argc, argv);
	if (p.options.print)
		return print(&p);
	status = open_all(&p);
	if (status)
		return status;
	p.end = cagma_process_signals();
	if (p.end < 0)
		return fail("signals", p.end);
	p.request = cagma_process_requests();
	if (p.request < 0)
		return fail("signals", p.request);
	return serve(&p);
}
