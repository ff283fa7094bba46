/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CAGMA_AGENT_OPTIONS_H
#define CAGMA_AGENT_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

struct cagma_agent_options {
	const char *root;	/* where proc and sys are */
	const char *user;	/* to continue as; NULL: stay who we are */
	uint32_t period_ms;
	bool print;		/* one sample, and that is all */
};

/* Prints and exits on --help, --version and bad usage (status 2). */
void cagma_agent_options_parse(struct cagma_agent_options *options, int argc,
			       char **argv);

#endif
