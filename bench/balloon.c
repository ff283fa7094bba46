// SPDX-License-Identifier: GPL-2.0-only
/*
 * balloon DOMID MIB: lets a domain have MIB more, or less if negative, as any toolstack
 * does it: its limit, then memory/target. Prints {"mib","first_us","us"}: how long
 * after the target was written the first page had moved, and the last, by Xen's count.
 * No daemon may manage the domain meanwhile. A domain that takes longer than
 * WAIT_S ends it with an error.
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <xenctrl.h>
#include <xenstore.h>

#define PAGES_PER_MIB	256
#define KIB_PER_PAGE	4
/* Looking takes processor from the balloon: not more often than this. */
#define LOOK_NS		200000
#define WAIT_S		60

struct domain {
	xc_interface *xc;
	struct xs_handle *xs;
	uint32_t id;
};

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static int64_t pages_of(const struct domain *domain)
{
	xc_domaininfo_t info;

	if (xc_domain_getinfolist(domain->xc, domain->id, 1, &info) != 1 ||
	    info.domain != domain->id)
		errx(1, "no domain %u", domain->id);
	return (int64_t)info.tot_pages;
}

static void open_domain(struct domain *domain, const char *id)
{
	domain->id = (uint32_t)strtoul(id, NULL, 10);
	domain->xc = xc_interface_open(NULL, NULL, 0);
	if (!domain->xc)
		err(1, "xen");
	domain->xs = xs_open(0);
	if (!domain->xs)
		err(1, "xenstore");
}

static void set_target(const struct domain *domain, int64_t kib)
{
	char path[64], value[24];

	snprintf(path, sizeof(path), "/local/domain/%u/memory/target", domain->id);
	snprintf(value, sizeof(value), "%" PRId64, kib);
	if (!xs_write(domain->xs, XBT_NULL, path, value, (unsigned int)strlen(value)))
		err(1, "%s", path);
}

static int64_t target_of(const struct domain *domain)
{
	char path[64], *value;
	unsigned int size;
	int64_t kib;

	snprintf(path, sizeof(path), "/local/domain/%u/memory/target", domain->id);
	value = xs_read(domain->xs, XBT_NULL, path, &size);
	if (!value)
		err(1, "%s", path);
	kib = strtoll(value, NULL, 10);
	free(value);
	return kib;
}

/* Waits until `pages` have moved, either way; returns when. */
static int64_t wait_for(const struct domain *domain, int64_t before, int64_t pages,
			int64_t start_us)
{
	const struct timespec look = { .tv_nsec = LOOK_NS };

	while (llabs(pages_of(domain) - before) < pages) {
		if (now_us() - start_us > INT64_C(1000000) * WAIT_S)
			errx(1, "domain %u moved %lld of %" PRId64 " pages within %d s",
			     domain->id, llabs(pages_of(domain) - before), pages, WAIT_S);
		nanosleep(&look, NULL);
	}
	return now_us() - start_us;
}

int main(int argc, char **argv)
{
	int64_t mib, before, start, first;
	struct domain domain;

	if (argc != 3 || !(mib = strtoll(argv[2], NULL, 10)))
		errx(2, "usage: balloon DOMID MIB");
	open_domain(&domain, argv[1]);
	before = pages_of(&domain);
	if (mib > 0 && xc_domain_setmaxmem(domain.xc, domain.id,
			(uint64_t)(before + mib * PAGES_PER_MIB) * KIB_PER_PAGE))
		err(1, "limit of domain %u", domain.id);
	start = now_us();
	set_target(&domain, target_of(&domain) + mib * 1024);
	first = wait_for(&domain, before, 1, start);
	printf("{\"mib\":%" PRId64 ",\"first_us\":%" PRId64 ",\"us\":%" PRId64 "}\n", mib,
	       first, wait_for(&domain, before, llabs(mib) * PAGES_PER_MIB, start));
	xs_close(domain.xs);
	xc_interface_close(domain.xc);
	return 0;
}
