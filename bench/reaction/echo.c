// SPDX-License-Identifier: GPL-2.0-only
/*
 * echo DOMID PORT: answers each event of a guest's port with one, and does
 * nothing else; the floor of route.c. Runs until it is killed.
 */
#include <err.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include <xenevtchn.h>

int main(int argc, char **argv)
{
	xenevtchn_handle *events;
	xenevtchn_port_or_error_t port;

	if (argc != 3)
		errx(2, "usage: echo DOMID PORT");
	events = xenevtchn_open(NULL, 0);
	if (!events)
		err(1, "event channels");
	port = xenevtchn_bind_interdomain(events,
		(uint32_t)strtoul(argv[1], NULL, 10),
		(evtchn_port_t)strtoul(argv[2], NULL, 10));
	if (port < 0)
		err(1, "port %s of domain %s", argv[2], argv[1]);
	mlockall(MCL_CURRENT | MCL_FUTURE);
	if (setpriority(PRIO_PROCESS, 0, -20))
		err(1, "going before other processes, as cagmad does");
	while (xenevtchn_pending(events) >= 0) {
		xenevtchn_unmask(events, (evtchn_port_t)port);
		xenevtchn_notify(events, (evtchn_port_t)port);
		__builtin_ia32_pause();	/* as dom0/xen.c does, and for the same reason */
	}
	err(1, "waiting for events");
}
