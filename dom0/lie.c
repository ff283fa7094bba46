// SPDX-License-Identifier: GPL-2.0-only
#include "lie.h"

const char *cagma_lie_name(enum cagma_lie lie)
{
	static const char *const names[CAGMA_LIE_COUNT] = {
		[CAGMA_LIE_NONE] = "none",
		[CAGMA_LIE_MAGIC] = "wrong-magic",
		[CAGMA_LIE_VERSION] = "unknown-version",
		[CAGMA_LIE_LAYOUT] = "wrong-layout",
		[CAGMA_LIE_EPOCH] = "wrong-epoch",
		[CAGMA_LIE_HEAD] = "head-went-back",
		[CAGMA_LIE_TORN] = "torn-too-long",
		[CAGMA_LIE_SILENT] = "silent",
		[CAGMA_LIE_IMPOSSIBLE] = "impossible-samples",
		[CAGMA_LIE_HELLO] = "no-hello",
		[CAGMA_LIE_TURN] = "message-out-of-turn",
		[CAGMA_LIE_TYPE] = "unknown-message",
		[CAGMA_LIE_SIZE] = "wrong-message-size",
		[CAGMA_LIE_SLOW] = "message-too-slow",
		[CAGMA_LIE_INDEX] = "corrupt-ring",
		[CAGMA_LIE_NUMBER] = "bad-meminfo",
		[CAGMA_LIE_CHANNEL] = "broken-channel",
		[CAGMA_LIE_CLOSED] = "closed-by-guest",
	};

	return lie < CAGMA_LIE_COUNT ? names[lie] : "unknown";
}
