/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the operator can tell the running daemon. The serve thread parses a
 * command and hands it to the loop, which carries it out whole or refuses it.
 */
#ifndef CAGMA_COMMAND_H
#define CAGMA_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"

/* The longest pause that ends by itself: a day. */
#define CAGMA_PAUSE_MAX_S	86400

enum cagma_command_kind {
	CAGMA_COMMAND_NONE,
	CAGMA_COMMAND_PAUSE,	/* leave a guest, or all, alone */
	CAGMA_COMMAND_RESUME,
	CAGMA_COMMAND_SET,	/* a guest's min, max or weight */
	CAGMA_COMMAND_RELOAD,	/* another configuration */
	CAGMA_COMMAND_RESERVE,	/* free memory for a new domain */
	CAGMA_COMMAND_RELEASE,	/* which isn't needed any more */
};

struct cagma_command {
	enum cagma_command_kind kind;
	char domain[CAGMA_NAME_BYTES];	/* name or id; "": all */
	uint64_t min_pages;		/* SET; 0: as it is */
	uint64_t max_pages;
	uint32_t weight;
	uint64_t timeout_ns;		/* PAUSE; 0: until RESUME */
	uint64_t pages;			/* RESERVE */
	uint64_t lease_ns;
	uint32_t lease;			/* RELEASE's, and RESERVE's answer */
	struct cagma_config *config;	/* RELOAD: the new one, then the old */
	char refusal[160];		/* "": it was carried out */
};

/*
 * Parses a request that ends with '\n'. False if it is no command; a command
 * with bad arguments is one with a refusal. RELOAD still lacks its config.
 */
bool cagma_command_parse(struct cagma_command *command, const char *request);

struct cagma_loop;

/* The loop's call. Owns nothing of the command afterwards but RELOAD's config. */
void cagma_command_run(struct cagma_loop *loop, struct cagma_command *command);

/* Those whose time is over; the loop's call, now and then. */
void cagma_command_end_pauses(struct cagma_loop *loop, uint64_t now_ns);

#endif
