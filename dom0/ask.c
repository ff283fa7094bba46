// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "ask.h"
#include "serve.h"

#define TIMEOUT_S 5

static int fail(const char *what, int err)
{
	fprintf(stderr, "cagmactl: %s: %s\n", what, strerror(err));
	return -err;
}

/* -errno; EACCES and EPERM are the caller's to speak of. */
static int connect_to(const char *run_dir, const char *name,
		      struct sockaddr_un *address)
{
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd, err;

	address->sun_family = AF_UNIX;
	if (snprintf(address->sun_path, sizeof(address->sun_path), "%s/%s",
		     run_dir, name) >= (int)sizeof(address->sun_path))
		return fail(run_dir, ENAMETOOLONG);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail("socket", errno);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (!connect(fd, (struct sockaddr *)address, sizeof(*address)))
		return fd;
	err = errno;
	close(fd);
	if (err == EACCES || err == EPERM)
		return -err;
	if (err == ENOENT || err == ECONNREFUSED)
		fprintf(stderr, "cagmactl: cagmad is not running (%s)\n",
			address->sun_path);
	else
		fail(address->sun_path, err);
	return -err;
}

/* What cagmad tells those who may only read. */
static bool only_reads(const char *request)
{
	return !strcmp(request, "status\n") ||
	       !strncmp(request, "explain ", strlen("explain "));
}

static bool is_forbidden(int err)
{
	return err == -EACCES || err == -EPERM;
}

/* Root's socket, or for who isn't root and only reads the other one. */
static int connect_for(const char *run_dir, const char *request)
{
	struct sockaddr_un address;
	int fd = connect_to(run_dir, CAGMA_SOCKET, &address);

	if (!is_forbidden(fd))
		return fd;
	if (!only_reads(request)) {
		fprintf(stderr, "cagmactl: only root may tell cagmad what to do (%s: %s)\n",
			address.sun_path, strerror(-fd));
		return fd;
	}
	fd = connect_to(run_dir, CAGMA_STATUS_SOCKET, &address);
	if (is_forbidden(fd))
		fprintf(stderr, "cagmactl: only root and group " CAGMA_GROUP
			" may ask cagmad (%s: %s)\n", address.sun_path,
			strerror(-fd));
	return fd;
}

/* Reads until the daemon closes. NULL after an error that was printed. */
static struct json_object *receive(int fd)
{
	struct json_tokener *tokener = json_tokener_new();
	struct json_object *json = NULL;
	char part[4096];
	ssize_t n;

	while (!json && (n = recv(fd, part, sizeof(part), 0)) > 0)
		json = json_tokener_parse_ex(tokener, part, (int)n);
	json_tokener_free(tokener);
	if (!json)
		fprintf(stderr, "cagmactl: no complete answer from cagmad\n");
	return json;
}

/* Takes the socket. */
static struct json_object *ask_at(int fd, const char *request)
{
	struct json_object *json = NULL;

	if (fd < 0)
		return NULL;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		fail("request", errno);
	else
		json = receive(fd);
	close(fd);
	return json;
}

/* An error that is the answer is printed, and put. */
static struct json_object *without_error(struct json_object *json)
{
	struct json_object *error;

	if (!json || !json_object_object_get_ex(json, "error", &error))
		return json;
	fprintf(stderr, "cagmactl: %s\n", json_object_get_string(error));
	json_object_put(json);
	return NULL;
}

struct json_object *cagma_ask(const char *run_dir, const char *request)
{
	return ask_at(connect_for(run_dir, request), request);
}

struct json_object *cagma_demand(const char *run_dir, const char *request)
{
	return without_error(cagma_ask(run_dir, request));
}

struct json_object *cagma_read(const char *run_dir, const char *request)
{
	struct sockaddr_un address;
	int fd = connect_to(run_dir, CAGMA_STATUS_SOCKET, &address);

	if (is_forbidden(fd))
		fail(address.sun_path, -fd);
	return without_error(ask_at(fd, request));
}
