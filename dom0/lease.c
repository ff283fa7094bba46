// SPDX-License-Identifier: GPL-2.0-only
#include <string.h>

#include "actuate.h"
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

/* ---- which domains a lease has known from its start ---- */

/* A domain that was created without a UUID is known by its id. */
static void key_of(const struct cagma_domain_facts *domain, uint8_t *key)
{
	static const uint8_t none[CAGMA_UUID_BYTES];

	memcpy(key, domain->uuid, CAGMA_UUID_BYTES);
	if (memcmp(key, none, CAGMA_UUID_BYTES))
		return;
	memset(key, 0xff, CAGMA_UUID_BYTES);
	memcpy(key, &domain->domid, sizeof(domain->domid));
}

/* Its slot, or the free one where it belongs; one is always free. */
static struct cagma_known *find_known(struct cagma_leases *leases,
				      const struct cagma_domain_facts *domain,
				      uint8_t *key)
{
	uint64_t half[2];
	size_t i;

	key_of(domain, key);
	memcpy(half, key, sizeof(half));
	i = (half[0] ^ half[1] << 1) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
	while (leases->known[i % CAGMA_KNOWN_SLOTS].serial &&
	       memcmp(leases->known[i % CAGMA_KNOWN_SLOTS].key, key,
		      CAGMA_UUID_BYTES))
		i++;
	return &leases->known[i % CAGMA_KNOWN_SLOTS];
}

/* False if there is no room for them. What no lease asks for any more goes. */
static bool know_all(struct cagma_leases *leases, uint64_t serial,
		     const struct cagma_domain_facts *domains, size_t count)
{
	if (!leases->lease[0].id) {
		memset(leases->known, 0, sizeof(leases->known));
		leases->known_count = 0;
	}
	if (leases->known_count + count >= CAGMA_KNOWN_SLOTS)
		return false;
	for (size_t i = 0; i < count; i++) {
		uint8_t key[CAGMA_UUID_BYTES];
		struct cagma_known *known = find_known(leases, &domains[i],
						       key);

		leases->known_count += !known->serial;
		memcpy(known->key, key, sizeof(key));
		known->serial = serial;
	}
	return true;
}

static bool is_new(struct cagma_leases *leases, const struct cagma_lease *lease,
		   const struct cagma_domain_facts *domain)
{
	uint8_t key[CAGMA_UUID_BYTES];

	return find_known(leases, domain, key)->serial < lease->serial;
}

/* ---- leases ---- */

uint32_t cagma_lease_add(struct cagma_leases *leases, uint64_t pages,
			 uint64_t until_ns,
			 const struct cagma_domain_facts *domains,
			 size_t count)
{
	uint64_t serial = leases->last_serial + 1;

	for (size_t i = 0; i < CAGMA_LEASES_MAX; i++) {
		struct cagma_lease *lease = &leases->lease[i];

		if (lease->id)
			continue;
		if (!know_all(leases, serial, domains, count))
			break;
		leases->last_serial = serial;
		if (!++leases->last_id)
			leases->last_id = 1;
		*lease = (struct cagma_lease){
			.id = leases->last_id,
			.pages = pages,
			.left_pages = pages,
			.until_ns = until_ns,
			.serial = serial,
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

/*
 * What domains that came after the lease have, and were promised: by as much
 * there is less to spare.
 */
static uint64_t taken(struct cagma_leases *leases,
		      const struct cagma_lease *lease,
		      const struct cagma_domain_facts *domains, size_t count)
{
	uint64_t total = leases->total_pages ? leases->total_pages :
					       CAGMA_PAGES_MAX;
	uint64_t pages = 0;

	for (size_t i = 0; i < count; i++)
		if (is_new(leases, lease, &domains[i]))
			pages += domains[i].alloc_pages +
				 cagma_promised(&domains[i], total);
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
		uint64_t pages = taken(leases, lease, domains, count);

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
