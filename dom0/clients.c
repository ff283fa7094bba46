// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clients.h"
#include "units.h"

/* To send a request; to take the reply. */
#define REQUEST_NS	(1 * CAGMA_NS_PER_S)
#define REPLY_NS	(5 * CAGMA_NS_PER_S)

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

void cagma_clients_open(struct cagma_clients *clients, int listen_fd,
			char *(*answer)(void *context, char *request),
			void *context)
{
	clients->listen_fd = listen_fd;
	clients->spare_fd = open_spare();
	clients->answer = answer;
	clients->context = context;
	clients->rest_ns = 0;
	clients->rested_ns = 0;
	clients->count = 0;
}

static void drop(struct cagma_clients *clients, size_t index)
{
	struct cagma_client *client = &clients->client[index];

	close(client->fd);
	free(client->reply);
	clients->count--;
	memmove(client, client + 1,
		(clients->count - index) * sizeof(*client));
}

void cagma_clients_close(struct cagma_clients *clients)
{
	while (clients->count)
		drop(clients, clients->count - 1);
	if (clients->listen_fd >= 0)
		close(clients->listen_fd);
	if (clients->spare_fd >= 0)
		close(clients->spare_fd);
}

/* ---- one client ---- */

/* False: it is done, or gone. */
static bool send_reply(struct cagma_client *client)
{
	while (client->sent < client->length) {
		ssize_t n = send(client->fd, client->reply + client->sent,
				 client->length - client->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR;
		client->sent += (size_t)n;
	}
	return false;
}

static bool is_resting(const struct cagma_clients *clients, uint64_t now_ns)
{
	return now_ns < clients->rested_ns;
}

static bool receive_request(struct cagma_clients *clients,
			    struct cagma_client *client, uint64_t now_ns)
{
	size_t room = sizeof(client->request) - 1 - client->got;
	ssize_t n = recv(client->fd, client->request + client->got, room,
			 MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR;
	client->got += (size_t)n;
	client->request[client->got] = '\0';
	if (!client->got)
		return false;
	if (n && client->got < sizeof(client->request) - 1 &&
	    !memchr(client->request, '\n', client->got))
		return true;
	/* A zero byte, or more than a line, is no request. */
	if (strcspn(client->request, "\n") + 1 != client->got)
		client->request[0] = '\0';
	client->reply = clients->answer(clients->context, client->request);
	if (clients->rest_ns)
		clients->rested_ns = now_ns + clients->rest_ns;
	if (!client->reply)
		return false;
	client->length = strlen(client->reply);
	client->deadline_ns = now_ns + REPLY_NS;
	return send_reply(client);
}

static bool serve_client(struct cagma_clients *clients,
			 struct cagma_client *client, short events,
			 uint64_t now_ns)
{
	if (now_ns >= client->deadline_ns)
		return false;
	if (!events)
		return true;
	if (client->reply)
		return send_reply(client);
	return is_resting(clients, now_ns) ||
	       receive_request(clients, client, now_ns);
}

/* ---- all of them ---- */

/* Who has asked nothing yet, or else the oldest. */
static size_t least_deserving(const struct cagma_clients *clients)
{
	for (size_t i = 0; i < clients->count; i++)
		if (!clients->client[i].reply)
			return i;
	return 0;
}

void cagma_clients_add(struct cagma_clients *clients, int fd, uint64_t now_ns)
{
	if (clients->count == CAGMA_CLIENTS_MAX)
		drop(clients, least_deserving(clients));
	clients->client[clients->count++] = (struct cagma_client){
		.fd = fd,
		.deadline_ns = now_ns + REQUEST_NS,
	};
}

/* Without a descriptor for it, a client that waits would wake us for ever. */
static void refuse_one(struct cagma_clients *clients)
{
	int fd;

	close(clients->spare_fd);
	fd = accept4(clients->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0)
		close(fd);
	clients->spare_fd = open_spare();
}

static void take_one(struct cagma_clients *clients, uint64_t now_ns)
{
	int fd = accept4(clients->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd >= 0)
		cagma_clients_add(clients, fd, now_ns);
	else if ((errno == EMFILE || errno == ENFILE) && clients->spare_fd >= 0)
		refuse_one(clients);
}

/* While they rest only replies go out: who asks, or comes, waits in the kernel. */
nfds_t cagma_clients_watch(const struct cagma_clients *clients,
			   struct pollfd *fds, uint64_t now_ns)
{
	bool rest = is_resting(clients, now_ns);

	fds[0] = (struct pollfd){
		.fd = rest ? -1 : clients->listen_fd,
		.events = POLLIN,
	};
	for (size_t i = 0; i < clients->count; i++) {
		const struct cagma_client *client = &clients->client[i];

		fds[1 + i] = (struct pollfd){
			.fd = rest && !client->reply ? -1 : client->fd,
			.events = client->reply ? POLLOUT : POLLIN,
		};
	}
	return 1 + clients->count;
}

int cagma_clients_timeout(const struct cagma_clients *clients, uint64_t now_ns)
{
	uint64_t least_ns = UINT64_MAX;

	if (is_resting(clients, now_ns))
		least_ns = clients->rested_ns;
	else if (!clients->count)
		return -1;
	for (size_t i = 0; i < clients->count; i++)
		least_ns = cagma_min(least_ns, clients->client[i].deadline_ns);
	return (int)(cagma_less(least_ns, now_ns) / CAGMA_NS_PER_MS) + 1;
}

void cagma_clients_serve(struct cagma_clients *clients,
			 const struct pollfd *fds, uint64_t now_ns)
{
	const struct pollfd *found = &fds[1];

	for (size_t i = 0; i < clients->count; found++)
		if (serve_client(clients, &clients->client[i], found->revents,
				 now_ns))
			i++;
		else
			drop(clients, i);
	if (fds[0].revents)
		take_one(clients, now_ns);
}
