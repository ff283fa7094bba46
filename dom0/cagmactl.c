// SPDX-License-Identifier: GPL-2.0-only
/* cagmactl: asks the running cagmad, and prints. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ask.h"
#include "command.h"
#include "doctor.h"
#include "member.h"
#include "reserve.h"
#include "serve.h"
#include "show.h"

static void print_json(struct json_object *json)
{
	printf("%s\n", json_object_to_json_string_ext(json,
						      JSON_C_TO_STRING_PLAIN));
}

static void print_nothing(struct json_object *answer)
{
	(void)answer;
}

/* What is odd about settings that were taken all the same. */
static void print_advice(struct json_object *answer)
{
	struct json_object *o;

	for (size_t i = 0; (o = cagma_item(answer, "advice", i)); i++)
		fprintf(stderr, "warning: %s\n", json_object_get_string(o));
}

struct call {
	const char *run_dir;
	bool as_json;
	unsigned int lease_s;	/* 0: not said */
	unsigned int timeout_s;	/* 0: none */
	int argc;		/* the command's arguments */
	char **argv;
};

/* ---- reserve ---- */

static int reserve(const struct call *call)
{
	unsigned long long mib = cagma_reserve_size(call->argv[0]);

	if (mib)
		return cagma_reserve(call->run_dir, call->as_json, mib,
				     call->lease_s);
	fprintf(stderr, "cagmactl: \"%s\" is no size: give MiB, or 4G\n",
		call->argv[0]);
	return 2;
}

/* ---- top ---- */

static int top(const struct call *call)
{
	const struct timespec pause = { .tv_sec = 1 };
	bool screen = isatty(STDOUT_FILENO) && !call->as_json;
	struct json_object *s;

	while ((s = cagma_demand(call->run_dir, "status\n"))) {
		if (screen)
			printf("\033[H\033[2J");
		if (call->as_json)
			print_json(s);
		else
			cagma_show_status(s);
		json_object_put(s);
		if (fflush(stdout))
			return EXIT_FAILURE;
		nanosleep(&pause, NULL);
	}
	return EXIT_FAILURE;
}

/* ---- doctor ---- */

#define XL_CONF "/etc/xen/xl.conf"

static int doctor(const struct call *call)
{
	struct json_object *s = cagma_ask(call->run_dir, "status\n");
	struct json_object *advice = s ? cagma_ask(call->run_dir, "advice\n") :
					 NULL;
	struct json_object *all = cagma_doctor_look(s, advice, XL_CONF,
						    call->run_dir);
	bool complaints = cagma_number(all, "complaints");

	if (call->as_json)
		print_json(all);
	else
		cagma_doctor_print(all);
	json_object_put(all);
	json_object_put(advice);
	json_object_put(s);
	return complaints || fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* ---- commands ---- */

struct command {
	const char *name;
	const char *request;		/* what the daemon is asked, if not that */
	int least, most;		/* arguments */
	const char *takes;
	void (*print)(struct json_object *answer);
	int (*run)(const struct call *call);	/* instead of one request */
};

static const struct command commands[] = {
	{ "status", NULL, 0, 0, "no argument", cagma_show_status, NULL },
	{ "top", NULL, 0, 0, "no argument", NULL, top },
	{ "doctor", NULL, 0, 0, "no argument", NULL, doctor },
	{ "explain", NULL, 1, 1, "a domain's name or id", cagma_show_explanation,
	  NULL },
	{ "history", "explain", 1, 1, "a domain's name or id", cagma_show_history,
	  NULL },
	{ "pause", NULL, 0, 1, "a domain, or nothing for all, and --timeout SECONDS",
	  print_nothing, NULL },
	{ "resume", NULL, 0, 1, "a domain, or nothing for all", print_nothing,
	  NULL },
	{ "set", NULL, 2, 4, "a domain and min=MIB, max=MIB, weight=N",
	  print_nothing, NULL },
	{ "reload", NULL, 0, 0, "no argument", print_advice, NULL },
	{ "reserve", NULL, 1, 1, "a size, and --lease SECONDS", NULL, reserve },
	{ "release", NULL, 1, 1, "the number of a lease", print_nothing,
	  NULL },
};

/* The command that the arguments name, or NULL after a complaint. */
static const struct command *find_command(int argc, char **argv)
{
	if (!argc) {
		fprintf(stderr, "cagmactl: no command given\n");
		return NULL;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		const struct command *c = &commands[i];

		if (strcmp(c->name, argv[0]))
			continue;
		if (argc - 1 >= c->least && argc - 1 <= c->most)
			return c;
		fprintf(stderr, "cagmactl: %s takes %s\n", c->name, c->takes);
		return NULL;
	}
	fprintf(stderr, "cagmactl: unknown command '%s'\n", argv[0]);
	return NULL;
}

/* One line; false if it is longer than the daemon reads. */
static bool compose(const struct command *command, const struct call *call,
		    char *request, size_t size)
{
	size_t length = (size_t)snprintf(request, size, "%s", command->request ?
					 command->request : command->name);

	for (int i = 0; i < call->argc && length < size; i++)
		length += (size_t)snprintf(request + length, size - length,
					   " %s", call->argv[i]);
	if (call->timeout_s && length < size)
		length += (size_t)snprintf(request + length, size - length,
					   " timeout=%u", call->timeout_s);
	if (length < size)
		length += (size_t)snprintf(request + length, size - length,
					   "\n");
	return length < size;
}

static int execute(const struct command *command, const struct call *call)
{
	char request[CAGMA_NAME_BYTES + 64];
	struct json_object *json;

	if (command->run)
		return command->run(call);
	if (!compose(command, call, request, sizeof(request)) ||
	    (call->argc && strlen(call->argv[0]) >= CAGMA_NAME_BYTES)) {
		fprintf(stderr, "cagmactl: no domain has such a long name\n");
		return EXIT_FAILURE;
	}
	json = cagma_demand(call->run_dir, request);
	if (!json)
		return EXIT_FAILURE;
	if (call->as_json)
		print_json(json);
	else
		command->print(json);
	json_object_put(json);
	return fflush(stdout) ? EXIT_FAILURE : EXIT_SUCCESS;
}

static void print_help(void)
{
	printf("Usage: cagmactl [OPTION]... COMMAND\n"
	       "Shows what the running cagmad sees and does, and tells it what to do.\n\n"
	       "  status             the host and all guests\n"
	       "  top                the same, every second\n"
	       "  doctor             what is wrong on this host, if anything\n"
	       "  explain DOMAIN     the last change of a guest's target, and why\n"
	       "  history DOMAIN     its last changes, the newest last\n"
	       "  pause [DOMAIN]     leave a guest, or all, as it is, until resumed\n"
	       "  resume [DOMAIN]    end that\n"
	       "  set DOMAIN [min=MIB] [max=MIB] [weight=N]\n"
	       "                     until it restarts, or the next reload\n"
	       "  reload             read the configuration file again\n"
	       "  reserve SIZE       free memory for a new domain and keep it for it,\n"
	       "                     waiting up to %d s\n"
	       "  release LEASE      end that\n\n"
	       "  -l, --lease S      what is reserved is kept so long, 1 to %d seconds\n"
	       "                     (default %d)\n"
	       "  -t, --timeout S    a pause ends by itself after 1 to %d seconds\n"
	       "                     (default: it doesn't)\n"
	       "  -j, --json         the answer as one line of JSON\n"
	       "  -r, --run-dir DIR  where cagmad's sockets are (default %s)\n"
	       "  -h, --help         show this\n"
	       "  -V, --version      show the version\n",
	       CAGMA_RESERVE_WAIT_S, CAGMA_LEASE_MAX_S, CAGMA_LEASE_S,
	       CAGMA_PAUSE_MAX_S, CAGMA_RUN_DIR);
}

static int bad_usage(void)
{
	fprintf(stderr, "Try 'cagmactl --help'.\n");
	return 2;
}

static bool parse_seconds(const char *option, const char *text,
			  unsigned int most, unsigned int *seconds)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text >= '0' && *text <= '9' && !*end && value >= 1 &&
	    value <= most) {
		*seconds = (unsigned int)value;
		return true;
	}
	fprintf(stderr, "cagmactl: --%s takes 1 to %u seconds, not \"%s\"\n",
		option, most, text);
	return false;
}

/* False: an option is for another command, and that was said. */
static bool options_fit(const struct command *command, const struct call *call)
{
	const char *wrong = call->lease_s && command->run != reserve ?
				    "--lease is for reserve" :
			    call->timeout_s && strcmp(command->name, "pause") ?
				    "--timeout is for pause" : NULL;

	if (wrong)
		fprintf(stderr, "cagmactl: %s\n", wrong);
	return !wrong;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "lease", required_argument, NULL, 'l' },
		{ "timeout", required_argument, NULL, 't' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct call call = { .run_dir = CAGMA_RUN_DIR };
	const struct command *command;
	int c;

	while ((c = getopt_long(argc, argv, "jl:t:r:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			call.as_json = true;
			break;
		case 'l':
			if (!parse_seconds("lease", optarg, CAGMA_LEASE_MAX_S,
					   &call.lease_s))
				return bad_usage();
			break;
		case 't':
			if (!parse_seconds("timeout", optarg, CAGMA_PAUSE_MAX_S,
					   &call.timeout_s))
				return bad_usage();
			break;
		case 'r':
			call.run_dir = optarg;
			break;
		case 'h':
			print_help();
			return 0;
		case 'V':
			printf("cagmactl %s\n", CAGMA_VERSION);
			return 0;
		default:
			return bad_usage();
		}
	}
	command = find_command(argc - optind, argv + optind);
	if (!command || !options_fit(command, &call))
		return bad_usage();
	if (!call.lease_s)
		call.lease_s = CAGMA_LEASE_S;
	call.argc = argc - optind - 1;
	call.argv = argv + optind + 1;
	return execute(command, &call);
}
