// SPDX-License-Identifier: GPL-2.0-only
#include "task.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* A pipe takes this much in one piece, and so does a terminal. */
#define LINE_MAX_BYTES 2048

static const char *program_name(void)
{
	return program_invocation_short_name;
}

_Noreturn void cagma_die(int status, const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_name());
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	_exit(status);
}

static void print_help(const char *about, const struct cagma_option *options)
{
	printf("%s\n\nOptions:\n", about);
	for (; options->name; options++)
		printf("  --%-16s %s (%" PRIu64 ")\n", options->name,
		       options->help, *options->value);
	printf("  --%-16s this text; defaults are in parentheses\n", "help");
}

static const struct cagma_option *find_option(const char *name, size_t length,
					      const struct cagma_option *o)
{
	for (; o->name; o++)
		if (strlen(o->name) == length && !memcmp(o->name, name, length))
			return o;
	cagma_die(CAGMA_TASK_USAGE, "unknown option --%.*s; try --help",
		  (int)length, name);
}

static void set_option(const struct cagma_option *option, const char *text)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 10);
	/* strtoull() takes blanks and signs, and wraps negative numbers. */
	if (*text < '0' || *text > '9' || *end || errno)
		cagma_die(CAGMA_TASK_USAGE, "--%s: '%s' is not a number",
			  option->name, text);
	if (value < option->min || value > option->max)
		cagma_die(CAGMA_TASK_USAGE,
			  "--%s: %s is not within %" PRIu64 "..%" PRIu64,
			  option->name, text, option->min, option->max);
	*option->value = value;
}

/* Returns how many arguments the option took. */
static int parse_option(char **argv, const struct cagma_option *options)
{
	const char *name = argv[0] + 2;
	size_t length = strcspn(name, "=");
	const struct cagma_option *option = find_option(name, length, options);

	if (name[length]) {
		set_option(option, name + length + 1);
		return 1;
	}
	if (!argv[1])
		cagma_die(CAGMA_TASK_USAGE, "--%s needs a number",
			  option->name);
	set_option(option, argv[1]);
	return 2;
}

int cagma_options_parse(int argc, char **argv, const char *about,
			const struct cagma_option *options)
{
	int i = 1;

	while (i < argc && !strncmp(argv[i], "--", 2)) {
		if (!strcmp(argv[i], "--help")) {
			print_help(about, options);
			exit(CAGMA_TASK_OK);
		}
		i += parse_option(argv + i, options);
	}
	return i;
}

void cagma_emit(const char *format, ...)
{
	char line[LINE_MAX_BYTES];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (length >= 0 && (size_t)length < sizeof(line) - 1)
		line[length++] = '\n';
	else
		cagma_die(CAGMA_TASK_FAILED, "output line too long");
	if (write(STDOUT_FILENO, line, (size_t)length) != length)
		cagma_die(CAGMA_TASK_FAILED, "cannot write the output: %s",
			  strerror(errno));
}

uint64_t cagma_clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

void cagma_sleep_ms(uint64_t ms)
{
	struct timespec time = {
		.tv_sec = (time_t)(ms / 1000),
		.tv_nsec = (long)(ms % 1000) * 1000000,
	};

	nanosleep(&time, NULL);
}
