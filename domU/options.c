// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "agent.h"
#include "options.h"

static void print_help(void)
{
	printf("Usage: cagma-agent [OPTION]...\n"
	       "Tells dom0 how this Xen guest's memory is doing, and sets the balloon "
	       "as dom0 says.\n\n"
	       "  -p, --period MS     a sample every %d to %d milliseconds (default %d)\n"
	       "  -u, --user NAME     continue as this user once all is open\n"
	       "      --print         print one sample as JSON and exit\n"
	       "      --root DIR      with --print: look for proc and sys below DIR\n"
	       "  -h, --help          show this\n"
	       "  -V, --version       show the version\n",
	       CAGMA_AGENT_PERIOD_MIN_MS, CAGMA_AGENT_PERIOD_MAX_MS,
	       CAGMA_AGENT_PERIOD_MS);
}

static void bad_usage(void)
{
	fprintf(stderr, "Try 'cagma-agent --help'.\n");
	exit(2);
}

static uint32_t parse_period(const char *text)
{
	char *end;
	long ms;

	errno = 0;
	ms = strtol(text, &end, 10);
	if (errno || end == text || *end || ms < CAGMA_AGENT_PERIOD_MIN_MS ||
	    ms > CAGMA_AGENT_PERIOD_MAX_MS) {
		fprintf(stderr, "cagma-agent: \"%s\" is no period from %d to %d ms\n",
			text, CAGMA_AGENT_PERIOD_MIN_MS, CAGMA_AGENT_PERIOD_MAX_MS);
		bad_usage();
	}
	return (uint32_t)ms;
}

static void check(const struct cagma_agent_options *options, const char *rest)
{
	if (rest)
		fprintf(stderr, "cagma-agent: unexpected argument \"%s\"\n", rest);
	else if (options->root && !options->print)
		fprintf(stderr, "cagma-agent: --root is for --print alone\n");
	else
		return;
	bad_usage();
}

void cagma_agent_options_parse(struct cagma_agent_options *options, int argc,
			       char **argv)
{
	enum { PRINT = 256, ROOT };
	static const struct option longs[] = {
		{ "period", required_argument, NULL, 'p' },
		{ "user", required_argument, NULL, 'u' },
		{ "print", no_argument, NULL, PRINT },
		{ "root", required_argument, NULL, ROOT },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	*options = (struct cagma_agent_options){ .period_ms = CAGMA_AGENT_PERIOD_MS };
	while ((c = getopt_long(argc, argv, "p:u:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			options->period_ms = parse_period(optarg);
			break;
		case 'u':
			options->user = optarg;
			break;
		case PRINT:
			options->print = true;
			break;
		case ROOT:
			options->root = optarg;
			break;
		case 'h':
			print_help();
			exit(0);
		case 'V':
			printf("cagma-agent %s\n", CAGMA_VERSION);
			exit(0);
		default:
			bad_usage();
		}
	}
	check(options, argv[optind]);
	if (!options->root)
		options->root = "/";
}
