// SPDX-License-Identifier: GPL-2.0-only
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config.h"
#include "options.h"
#include "serve.h"

static void print_help(void)
{
	printf("Usage: cagmad [OPTION]...\n"
	       "Moves memory between the guests of this Xen host so that none "
	       "of them swaps.\n\n"
	       "  -c, --config FILE   settings and guests (none: defaults)\n"
	       "  -p, --policy NAME   %s (default cagma)\n"
	       "  -d, --daemon        go to the background when ready\n"
	       "  -n, --dry-run       decide and report, change nothing\n"
	       "  -t, --trace FILE    write what happens, as JSON lines\n"
	       "      --record FILE   append every decision with all that went into it,\n"
	       "                      for cagma-sim --replay\n"
	       "  -r, --run-dir DIR   where the sockets are (default %s)\n"
	       "      --check-config  read the configuration and exit\n"
	       "  -h, --help          show this\n"
	       "  -V, --version       show the version\n\n"
	       "Settings of FILE, with defaults and ranges:\n",
	       cagma_policy_names(), CAGMA_RUN_DIR);
	cagma_config_describe(stdout);
}

static void bad_usage(void)
{
	fprintf(stderr, "Try 'cagmad --help'.\n");
	exit(2);
}

/*
 * To be found whatever the working directory is, for that of --daemon is "/".
 * Kept until the end.
 */
static const char *absolute(const char *path)
{
	char *all = NULL, *directory;

	if (*path == '/')
		return path;
	directory = getcwd(NULL, 0);
	if (!directory || asprintf(&all, "%s/%s", directory, path) < 0) {
		perror("cagmad: working directory");
		exit(EXIT_FAILURE);
	}
	free(directory);
	return all;
}

void cagma_options_parse(struct cagma_options *options, int argc, char **argv)
{
	enum { CHECK_CONFIG = 256, RECORD };
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "policy", required_argument, NULL, 'p' },
		{ "daemon", no_argument, NULL, 'd' },
		{ "dry-run", no_argument, NULL, 'n' },
		{ "trace", required_argument, NULL, 't' },
		{ "record", required_argument, NULL, RECORD },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "check-config", no_argument, NULL, CHECK_CONFIG },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*options = (struct cagma_options){ .run_dir = CAGMA_RUN_DIR };
	while ((c = getopt_long(argc, argv, "c:p:dnt:r:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			options->config = absolute(optarg);
			break;
		case 'p':
			options->policy = cagma_policy_find(optarg);
			if (!options->policy) {
				fprintf(stderr, "cagmad: no policy \"%s\"; there are %s\n",
					optarg, cagma_policy_names());
				bad_usage();
			}
			break;
		case 'd':
			options->daemon = true;
			break;
		case 'n':
			options->dry_run = true;
			break;
		case 't':
			options->trace = absolute(optarg);
			break;
		case RECORD:
			options->record = absolute(optarg);
			break;
		case 'r':
			options->run_dir = absolute(optarg);
			break;
		case CHECK_CONFIG:
			options->check_config = true;
			break;
		case 'h':
			print_help();
			exit(0);
		case 'V':
			printf("cagmad %s\n", CAGMA_VERSION);
			exit(0);
		default:
			bad_usage();
		}
	}
	if (optind < argc) {
		fprintf(stderr, "cagmad: unexpected argument \"%s\"\n",
			argv[optind]);
		bad_usage();
	}
}
