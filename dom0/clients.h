/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Clients of a stream socket, each of which sends a line, gets an answer and is
 * done. Nobody waits for a slow one: all are served side by side, each has its
 * deadlines, and if there are too many, who has asked nothing yet has to go. Those
 * who may ask as often as they like can be made to wait between two answers.
 */
#ifndef CAGMA_CLIENTS_H
#define CAGMA_CLIENTS_H

#include <poll.h>
#include <stddef.h>
#include <stdint.h>

#define CAGMA_CLIENTS_MAX	16
#define CAGMA_CLIENTS_FDS	(1 + CAGMA_CLIENTS_MAX)
/* Longer than any request: "set NAME min=... max=... weight=...\n". */
#define CAGMA_REQUEST_BYTES	160

struct cagma_client {
	int fd;
	uint64_t deadline_ns;
	size_t got;
	char request[CAGMA_REQUEST_BYTES];
	char *reply;		/* NULL: the request isn't whole yet */
	size_t sent;
	size_t length;
};

struct cagma_clients {
	int listen_fd;
	int spare_fd;		/* given up to refuse a client in a hurry */
	/*
	 * The reply to a request, from malloc(), or NULL. The request is a
	 * line with its newline, or what came instead.
	 */
	char *(*answer)(void *context, char *request);
	void *context;
	uint64_t rest_ns;	/* after each answer; 0: none */
	uint64_t rested_ns;	/* until then nobody is answered */
	size_t count;
	struct cagma_client client[CAGMA_CLIENTS_MAX];	/* the oldest first */
};

/* Takes over `listen_fd`, or -1 if clients come from elsewhere. */
void cagma_clients_open(struct cagma_clients *clients, int listen_fd,
			char *(*answer)(void *context, char *request),
			void *context);
void cagma_clients_close(struct cagma_clients *clients);

/* Takes over a connected socket. */
void cagma_clients_add(struct cagma_clients *clients, int fd, uint64_t now_ns);

/* What to wait for, in CAGMA_CLIENTS_FDS entries; how many are used. */
nfds_t cagma_clients_watch(const struct cagma_clients *clients,
			   struct pollfd *fds, uint64_t now_ns);

/* How long at most, in ms as poll() takes them. */
int cagma_clients_timeout(const struct cagma_clients *clients,
			  uint64_t now_ns);

/* Serves who is ready, by what poll() has found, and lets the late ones go. */
void cagma_clients_serve(struct cagma_clients *clients,
			 const struct pollfd *fds, uint64_t now_ns);

#endif
