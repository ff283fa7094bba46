/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef CAGMA_OPTIONS_H
#define CAGMA_OPTIONS_H

#include <stdbool.h>

#include "policy.h"

struct cagma_options {
	const char *config;			/* NULL: the defaults */
	const struct cagma_policy *policy;	/* NULL: the config's */
	const char *trace;			/* NULL: none */
	const char *record;			/* NULL: none */
	const char *run_dir;
	bool daemon;
	bool dry_run;
	bool check_config;
};

/* Parses the command line; prints and exits for --help and for bad options. */
void cagma_options_parse(struct cagma_options *options, int argc, char **argv);

#endif
