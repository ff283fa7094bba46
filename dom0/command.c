// SPDX-License-Identifier: GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "clock.h"
#include "command.h"
#include "lease.h"
#include "log.h"
#include "loop.h"
#include "pass.h"
#include "units.h"

#define WORDS_MAX	6
#define LINE_BYTES	256
#define LEASE_MAX_S	3600u
#define MIB_MAX		16777216u
#define MIN_MIB_LEAST	32u

static void refuse(struct cagma_command *command, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(command->refusal, sizeof(command->refusal), format, args);
	va_end(args);
}

/* ---- parsing ---- */

static bool get_number(const char *text, uint64_t low, uint64_t high,
		       uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	*value = strtoull(text, &end, 10);
	return !*end && *value >= low && *value <= high;
}

static void parse_pair(struct cagma_command *command, const char *pair)
{
	uint64_t value;

	if (!strncmp(pair, "min=", 4) &&
	    get_number(pair + 4, MIN_MIB_LEAST, MIB_MAX, &value))
		command->min_pages = cagma_mib_to_pages(value);
	else if (!strncmp(pair, "max=", 4) &&
		 get_number(pair + 4, MIN_MIB_LEAST, MIB_MAX, &value))
		command->max_pages = cagma_mib_to_pages(value);
	else if (!strncmp(pair, "weight=", 7) &&
		 get_number(pair + 7, 1, 10000, &value))
		command->weight = (uint32_t)value;
	else
		refuse(command, "\"%.40s\" is none of min=MIB, max=MIB (%u to %u) "
		       "and weight=N (1 to 10000)", pair, MIN_MIB_LEAST,
		       MIB_MAX);
}

static void name_domain(struct cagma_command *command, const char *name)
{
	if (strlen(name) >= sizeof(command->domain))
		refuse(command, "no domain has such a long name");
	else
		memcpy(command->domain, name, strlen(name) + 1);
}

/* "pause [DOMAIN] [timeout=SECONDS]" */
static void parse_pause(struct cagma_command *command, char **word, int count)
{
	static const char key[] = "timeout=";
	const size_t length = sizeof(key) - 1;
	uint64_t seconds = 0;
	int at = 1;

	if (at < count && strncmp(word[at], key, length))
		name_domain(command, word[at++]);
	if (at == count || *command->refusal)
		return;
	if (at + 1 < count || strncmp(word[at], key, length) ||
	    !get_number(word[at] + length, 1, CAGMA_PAUSE_MAX_S, &seconds))
		refuse(command, "\"%.40s\" is no timeout=SECONDS (1 to %u)",
		       word[count - 1], CAGMA_PAUSE_MAX_S);
	command->timeout_ns = seconds * CAGMA_NS_PER_S;
}

static void parse_set(struct cagma_command *command, char **word, int count)
{
	if (count < 3)
		refuse(command, "set takes a domain and what to set");
	for (int i = 2; i < count && !*command->refusal; i++)
		parse_pair(command, word[i]);
}

static void parse_reserve(struct cagma_command *command, char **word, int count)
{
	uint64_t mib, seconds;

	if (count != 3 || !get_number(word[1], 1, MIB_MAX, &mib) ||
	    !get_number(word[2], 1, LEASE_MAX_S, &seconds)) {
		refuse(command, "reserve takes MiB (1 to %u) and seconds (1 to %u)",
		       MIB_MAX, LEASE_MAX_S);
		return;
	}
	command->pages = cagma_mib_to_pages(mib);
	command->lease_ns = seconds * CAGMA_NS_PER_S;
}

static void parse_release(struct cagma_command *command, char **word, int count)
{
	uint64_t lease;

	if (count != 2 || !get_number(word[1], 1, UINT32_MAX, &lease))
		refuse(command, "release takes the number of a lease");
	else
		command->lease = (uint32_t)lease;
}

static const struct verb {
	const char *name;
	enum cagma_command_kind kind;
	bool has_domain;
	void (*parse)(struct cagma_command *command, char **word, int count);
} verbs[] = {
	{ "pause", CAGMA_COMMAND_PAUSE, false, parse_pause },
	{ "resume", CAGMA_COMMAND_RESUME, true, NULL },
	{ "set", CAGMA_COMMAND_SET, true, parse_set },
	{ "reload", CAGMA_COMMAND_RELOAD, false, NULL },
	{ "reserve", CAGMA_COMMAND_RESERVE, false, parse_reserve },
	{ "release", CAGMA_COMMAND_RELEASE, false, parse_release },
};

static const struct verb *find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (!strcmp(verbs[i].name, name))
			return &verbs[i];
	return NULL;
}

bool cagma_command_parse(struct cagma_command *command, const char *request)
{
	char line[LINE_BYTES], *rest = NULL, *word[WORDS_MAX];
	const struct verb *verb;
	int count = 0;

	*command = (struct cagma_command){ 0 };
	if (strlen(request) >= sizeof(line))
		return false;
	memcpy(line, request, strlen(request) + 1);
	for (char *w = strtok_r(line, " \n", &rest); w && count < WORDS_MAX;
	     w = strtok_r(NULL, " \n", &rest))
		word[count++] = w;
	verb = count ? find_verb(word[0]) : NULL;
	if (!verb)
		return false;
	command->kind = verb->kind;
	if (verb->has_domain && count > 1)
		name_domain(command, word[1]);
	if (*command->refusal)
		return true;
	if (verb->parse)
		verb->parse(command, word, count);
	else if (count > 1 + verb->has_domain)
		refuse(command, "\"%.40s\" is too much",
		       word[1 + verb->has_domain]);
	return true;
}

/* ---- carrying out ---- */

static void pause_guests(struct cagma_loop *loop, struct cagma_command *command,
			 struct cagma_guest *guest, bool pause)
{
	uint64_t until_ns = command->timeout_ns ?
			    cagma_now_ns() + command->timeout_ns : 0;
	char limit[32] = "";

	*(guest ? &guest->paused : &loop->paused) = pause;
	*(guest ? &guest->paused_until_ns : &loop->paused_until_ns) = until_ns;
	if (until_ns)
		snprintf(limit, sizeof(limit), " for %llu s",
			 (unsigned long long)(command->timeout_ns /
					      CAGMA_NS_PER_S));
	cagma_log(LOG_INFO, "%s: %s%s", pause ? "paused" : "resumed",
		  guest ? guest->name : "all guests", limit);
}

static void end_pause(bool *paused, uint64_t *until_ns, const char *who,
		      uint64_t now_ns)
{
	if (!*until_ns || now_ns < *until_ns)
		return;
	*paused = false;
	*until_ns = 0;
	cagma_log(LOG_NOTICE, "resumed: %s, whose pause has ended", who);
}

void cagma_command_end_pauses(struct cagma_loop *loop, uint64_t now_ns)
{
	end_pause(&loop->paused, &loop->paused_until_ns, "all guests", now_ns);
	for (size_t i = 0; i < loop->guest_count; i++)
		end_pause(&loop->guests[i]->paused,
			  &loop->guests[i]->paused_until_ns,
			  loop->guests[i]->name, now_ns);
}

static void set_guest(struct cagma_command *command, struct cagma_guest *guest)
{
	uint64_t min = command->min_pages ? command->min_pages :
					    guest->min_pages;
	uint64_t max = command->max_pages ? command->max_pages :
					    guest->max_pages;

	if (max > guest->static_max_pages) {
		refuse(command, "%s's static-max is %llu MiB", command->domain,
		       (unsigned long long)(guest->static_max_pages >> 8));
	} else if (min > max) {
		refuse(command, "its minimum would be above its maximum");
	} else {
		guest->min_pages = min;
		guest->max_pages = max;
		if (command->weight)
			guest->weight = command->weight;
		cagma_log(LOG_INFO, "%s: min %llu MiB, max %llu MiB, weight %u",
			  command->domain, (unsigned long long)(min >> 8),
			  (unsigned long long)(max >> 8), guest->weight);
	}
}

/* What was set by command is forgotten: the file is the truth. */
static void reload(struct cagma_loop *loop, struct cagma_command *command)
{
	const struct cagma_config *old = loop->config;

	loop->config = command->config;
	loop->actuator.hard_pages = loop->config->hard_pages;
	for (size_t i = 0; i < loop->guest_count; i++)
		cagma_config_apply(loop->config, loop->guests[i]);
	command->config = (struct cagma_config *)old;
	cagma_log(LOG_INFO, "configuration reloaded, policy %s",
		  loop->config->policy->name);
}

/* A domain that is there already must not be taken for the awaited one. */
static void reserve(struct cagma_loop *loop, struct cagma_command *command)
{
	if (!cagma_pass_refresh(loop)) {
		refuse(command, "Xen doesn't answer");
		return;
	}
	command->lease = cagma_lease_add(&loop->leases, command->pages,
					 cagma_now_ns() + command->lease_ns,
					 loop->domains, loop->domain_count);
	if (!command->lease)
		refuse(command, "there are too many leases already");
	else
		cagma_log(LOG_INFO, "lease %u: %llu MiB for a new domain",
			  command->lease,
			  (unsigned long long)(command->pages >> 8));
}

static void run_for(struct cagma_loop *loop, struct cagma_command *command,
		    struct cagma_guest *guest)
{
	switch (command->kind) {
	case CAGMA_COMMAND_PAUSE:
	case CAGMA_COMMAND_RESUME:
		pause_guests(loop, command, guest,
			     command->kind == CAGMA_COMMAND_PAUSE);
		break;
	case CAGMA_COMMAND_SET:
		if (guest)
			set_guest(command, guest);
		else
			refuse(command, "set takes a domain");
		break;
	case CAGMA_COMMAND_RELOAD:
		reload(loop, command);
		break;
	case CAGMA_COMMAND_RESERVE:
		reserve(loop, command);
		break;
	case CAGMA_COMMAND_RELEASE:
		if (!cagma_lease_end(&loop->leases, command->lease))
			refuse(command, "there is no lease %u", command->lease);
		break;
	default:
		break;
	}
}

void cagma_command_run(struct cagma_loop *loop, struct cagma_command *command)
{
	struct cagma_guest *guest = NULL;

	if (*command->refusal)
		return;
	if (*command->domain) {
		guest = cagma_loop_find(loop, command->domain);
		if (!guest) {
			refuse(command, "no guest of that name or id is attached");
			return;
		}
	}
	run_for(loop, command, guest);
}
