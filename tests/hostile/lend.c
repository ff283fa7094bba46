// SPDX-License-Identifier: GPL-2.0-only
/*
 * lend to DOMID | lend from DOMID GREF: in a guest, until it is killed. One guest
 * lends a page to another guest, which maps it and keeps it mapped, whatever becomes
 * of the lender. For tests.
 *
 *   to       prints the page's grant reference
 *   from     prints "mapped" when it has the page
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <xengnttab.h>

static uint32_t number(const char *text)
{
	return (uint32_t)strtoul(text, NULL, 10);
}

static void lend_to(uint32_t domid)
{
	xengntshr_handle *handle = xengntshr_open(NULL, 0);
	uint32_t gref;

	if (!handle || !xengntshr_share_pages(handle, domid, 1, &gref, 1))
		err(1, "a page for domain %u", domid);
	printf("%u\n", gref);
}

static void borrow_from(uint32_t domid, uint32_t gref)
{
	xengnttab_handle *handle = xengnttab_open(NULL, 0);

	if (!handle || !xengnttab_map_grant_ref(handle, domid, gref,
						PROT_READ | PROT_WRITE))
		err(1, "grant %u of domain %u", gref, domid);
	puts("mapped");
}

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	if (argc == 3 && !strcmp(argv[1], "to"))
		lend_to(number(argv[2]));
	else if (argc == 4 && !strcmp(argv[1], "from"))
		borrow_from(number(argv[2]), number(argv[3]));
	else
		errx(2, "usage: lend to DOMID | lend from DOMID GREF");
	pause();
	return 0;
}
