/* SPDX-License-Identifier: GPL-2.0-only */
/* The text in xenstore with which a guest offers its page. */
#ifndef CAGMA_OFFER_H
#define CAGMA_OFFER_H

#include <stddef.h>
#include <stdint.h>

#define CAGMA_OFFER_NODE	"data/cagma/offer"
#define CAGMA_OFFER_MAX		64	/* longer text is no offer */

struct cagma_offer {
	uint32_t version;
	uint32_t gref;
	uint32_t port;
	uint64_t epoch;
};

/*
 * Parses "VERSION GREF PORT EPOCH": decimal, no sign, no leading zero, single
 * spaces, nothing else. 0, or -EINVAL with *offer untouched.
 */
int cagma_offer_parse(const char *text, struct cagma_offer *offer);

/* A decimal number with the same strictness, up to `max`; -EINVAL, -ERANGE. */
int cagma_decimal_parse(const char **text, uint64_t max, uint64_t *value);

#endif
