// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "lease.h"
#include "units.h"

/* Of its size, what is left of a lease that is not worth keeping. */
#define REST_SHARE	16

static void remove_at(struct cagma_leases *leases, size_t i)
{
	memmove(&leases->lease[i], &leases->lease[i + 1],
		(CAGMA_LEASES_MAX - 1 - i) * sizeof(leases->lease[0]));
	leases->lease[CAGMA_LEASES_MAX - 1] = (struct cagma_lease){ 0 };
}

uint32_t cagma_lease_add(struct cagma_leases *leases, uint64_t pages,
			 uint64_t until_ns,
			 const struct cagma_domain_facts *domains,
			 size_t count)
{
	for (size_t i = 0; i < CAGMA_LEASES_MAX; i++) {
		struct cagma_lease *lease = &leases->lease[i];

		if (lease->id)
			continue;
		if (!++leases->last_id)
			leases->last_id = 1;
		*lease = (struct cagma_lease){
			.id = leases->last_id,
			.pages = pages,
			.left_pages = pages,
			.until_ns = until_ns,
			/* Domains are listed in the order of their ids. */
			.newest = count ? domains[count - 1].domid : 0,
		};
		return lease->id;
	}
	return 0;
}

bool cagma_lease_end(struct cagma_leases *leases, uint32_t id)
{
	for (size_t i = 0; i < CAGMA_LEASES_MAX && id; i++)
		if (leases->lease[i].id == id) {
			remove_at(leases, i);
			return true;
		}
	return false;
}

/* What domains that came after the lease have, and were promised. */
static uint64_t taken(const struct cagma_lease *lease,
		      const struct cagma_domain_facts *domains, size_t count)
{
	uint64_t pages = 0;

	for (size_t i = 0; i < count; i++)
		if (domains[i].domid > lease->newest)
			pages += cagma_max(domains[i].alloc_pages,
					   cagma_min(domains[i].limit_pages,
						     CAGMA_PAGES_MAX));
	return pages;
}

uint64_t cagma_lease_look(struct cagma_leases *leases,
			  const struct cagma_domain_facts *domains,
			  size_t count, uint64_t now_ns)
{
	uint64_t kept = 0, older = 0;
	size_t i = 0;

	while (i < CAGMA_LEASES_MAX && leases->lease[i].id) {
		struct cagma_lease *lease = &leases->lease[i];
		uint64_t pages = taken(lease, domains, count);

		/* The oldest lease is the first new domain's. */
		lease->left_pages = cagma_less(lease->pages,
					       cagma_less(pages, older));
		/* Who reserves rounds up. */
		if (lease->left_pages < lease->pages / REST_SHARE)
			lease->left_pages = 0;
		if (now_ns >= lease->until_ns || !lease->left_pages) {
			older += lease->left_pages ? 0 : lease->pages;
			remove_at(leases, i);
			continue;
		}
		older += lease->pages - lease->left_pages;
		kept += lease->left_pages;
		i++;
	}
	return kept;
}
