// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
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
	return -1;
}

static int connect_to(const char *run_dir)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	const struct timeval timeout = { .tv_sec = TIMEOUT_S };
	int fd;

	if (snprintf(address.sun_path, sizeof(address.sun_path),
		     "%s/" CAGMA_SOCKET, run_dir) >=
	    (int)sizeof(address.sun_path))
		return fail(run_dir, ENAMETOOLONG);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return fail("socket", errno);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address)))
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		fprintf(stderr, "cagmactl: cagmad is not running (%s)\n",
			address.sun_path);
	else
		fail(address.sun_path, errno);
	close(fd);
	return -1;
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

struct json_object *cagma_ask(const char *run_dir, const char *request)
{
	struct json_object *json = NULL;
	int fd = connect_to(run_dir);

	if (fd < 0)
		return NULL;
	if (send(fd, request, strlen(request), MSG_NOSIGNAL) < 0)
		fail("request", errno);
	else
		json = receive(fd);
	close(fd);
	return json;
}

struct json_object *cagma_demand(const char *run_dir, const char *request)
{
	struct json_object *json = cagma_ask(run_dir, request), *error;

	if (!json || !json_object_object_get_ex(json, "error", &error))
		return json;
	fprintf(stderr, "cagmactl: %s\n", json_object_get_string(error));
	json_object_put(json);
	return NULL;
}
