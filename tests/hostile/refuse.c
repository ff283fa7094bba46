// SPDX-License-Identifier: GPL-2.0-only
/*
 * refuse.so, for LD_PRELOAD: a dom0 that refuses what cagmad asks of it, as long as
 * there is such a file:
 *
 *   /tmp/refuse.limit    Xen doesn't change a domain's limit
 *   /tmp/refuse.target   xenstore takes no value
 *   /tmp/refuse.mapping  no granted page can be mapped
 *   /tmp/refuse.loop     the process's first thread waits in a hypercall
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xencall.h>
#include <xengnttab.h>
#include <xenstore.h>

#define REFUSE(what) (!access("/tmp/refuse." what, F_OK))

static void *next(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}

static bool is_limit(unsigned int op, uint64_t arg)
{
	const struct xen_domctl *domctl = (const void *)(uintptr_t)arg;

	return op == __HYPERVISOR_domctl && domctl->cmd == XEN_DOMCTL_max_mem;
}

int xencall1(xencall_handle *call, unsigned int op, uint64_t arg)
{
	static int (*real)(xencall_handle *, unsigned int, uint64_t);

	if (!real)
		real = next("xencall1");
	while (syscall(SYS_gettid) == getpid() && REFUSE("loop"))
		usleep(10000);
	if (is_limit(op, arg) && REFUSE("limit")) {
		errno = EPERM;
		return -1;
	}
	return real(call, op, arg);
}

bool xs_write(struct xs_handle *h, xs_transaction_t t, const char *path,
	      const void *data, unsigned int len)
{
	static bool (*real)(struct xs_handle *, xs_transaction_t, const char *,
			    const void *, unsigned int);

	if (!real)
		real = next("xs_write");
	if (REFUSE("target")) {
		errno = ENOSPC;
		return false;
	}
	return real(h, t, path, data, len);
}

void *xengnttab_map_grant_ref_notify(xengnttab_handle *handle, uint32_t domid,
				     uint32_t ref, int prot,
				     uint32_t notify_offset,
				     evtchn_port_t notify_port)
{
	static void *(*real)(xengnttab_handle *, uint32_t, uint32_t, int,
			     uint32_t, evtchn_port_t);

	if (!real)
		real = next("xengnttab_map_grant_ref_notify");
	if (REFUSE("mapping")) {
		errno = ENOSPC;
		return NULL;
	}
	return real(handle, domid, ref, prot, notify_offset, notify_port);
}
