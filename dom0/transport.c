// SPDX-License-Identifier: GPL-2.0-only
#include "transport.h"

const char *cagma_transport_name(enum cagma_rank rank)
{
	static const char *const names[CAGMA_RANKS] = {
		[CAGMA_RANK_PAGE] = "page",
		[CAGMA_RANK_VCHAN] = "vchan",
		[CAGMA_RANK_XENSTORE] = "xenstore",
	};

	return names[rank];
}
