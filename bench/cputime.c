// SPDX-License-Identifier: GPL-2.0-only
/*
 * cputime DOMID: what the domain has used of Xen's processors, in ns.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <xenctrl.h>

int main(int argc, char **argv)
{
	xc_domaininfo_t info;
	xc_interface *xc;
	uint32_t domid;

	if (argc != 2)
		errx(2, "usage: cputime DOMID");
	domid = (uint32_t)atoi(argv[1]);
	xc = xc_interface_open(NULL, NULL, 0);
	if (!xc)
		err(1, "xen");
	if (xc_domain_getinfolist(xc, domid, 1, &info) != 1 || info.domain != domid)
		errx(1, "no domain %u", domid);
	printf("%llu\n", (unsigned long long)info.cpu_time);
	xc_interface_close(xc);
	return 0;
}
