// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>

#include "offer.h"

int cagma_decimal_parse(const char **text, uint64_t max, uint64_t *value)
{
	const char *s = *text;
	uint64_t v = 0;

	if (*s < '0' || *s > '9' || (s[0] == '0' && s[1] >= '0' && s[1] <= '9'))
		return -EINVAL;
	for (; *s >= '0' && *s <= '9'; s++) {
		uint64_t digit = (uint64_t)(*s - '0');

		if (digit > max || v > (max - digit) / 10)
			return -ERANGE;
		v = v * 10 + digit;
	}
	*text = s;
	*value = v;
	return 0;
}

int cagma_offer_parse(const char *text, struct cagma_offer *offer)
{
	static const uint64_t max[4] = {
		UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT64_MAX
	};
	uint64_t value[4];

	for (int i = 0; i < 4; i++) {
		if (i && *text++ != ' ')
			return -EINVAL;
		if (cagma_decimal_parse(&text, max[i], &value[i]))
			return -EINVAL;
	}
	if (*text || !value[3])
		return -EINVAL;
	*offer = (struct cagma_offer){
		.version = (uint32_t)value[0],
		.gref = (uint32_t)value[1],
		.port = (uint32_t)value[2],
		.epoch = value[3],
	};
	return 0;
}
