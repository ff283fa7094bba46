// SPDX-License-Identifier: GPL-2.0-only
/*
 * cagma-exporter: cagmad's status for Prometheus, over HTTP. A process of its
 * own, without any right but to ask: what the network says never reaches the
 * daemon.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <microhttpd.h>

#include "ask.h"
#include "metrics.h"
#include "serve.h"

#define ADDRESS		"127.0.0.1"
#define PORT		9736
#define CONNECTIONS	16u
#define IDLE_S		10u

struct options {
	const char *run_dir;
	const char *address;
	uint16_t port;
};

/* ---- answers ---- */

static enum MHD_Result answer(struct MHD_Connection *connection,
			      unsigned int status, const char *type,
			      char *body, size_t length,
			      enum MHD_ResponseMemoryMode mode)
{
	struct MHD_Response *response =
		MHD_create_response_from_buffer(length, body, mode);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW,
					"GET, HEAD");
	result = MHD_queue_response(connection, status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result say(struct MHD_Connection *connection,
			   unsigned int status, char *text)
{
	return answer(connection, status, "text/plain; charset=utf-8", text,
		      strlen(text), MHD_RESPMEM_PERSISTENT);
}

static enum MHD_Result send_metrics(struct MHD_Connection *connection,
				    const struct options *options)
{
	struct json_object *status = cagma_read(options->run_dir, "status\n");
	char *body = NULL;
	size_t length = 0;
	FILE *file = open_memstream(&body, &length);

	if (file)
		cagma_metrics_write(file, status);
	json_object_put(status);
	if (!file || fclose(file)) {
		free(body);
		return say(connection, MHD_HTTP_INTERNAL_SERVER_ERROR,
			   "out of memory\n");
	}
	return answer(connection, MHD_HTTP_OK,
		      "text/plain; version=0.0.4; charset=utf-8", body, length,
		      MHD_RESPMEM_MUST_FREE);
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection,
				  const char *url, const char *method,
				  const char *version, const char *upload,
				  size_t *upload_size, void **context)
{
	static int seen;

	(void)version;
	(void)upload;
	/* Called for the header first, then for the body, if there is one. */
	if (!*context) {
		*context = &seen;
		return MHD_YES;
	}
	if (*upload_size) {
		*upload_size = 0;
		return MHD_YES;
	}
	if (strcmp(method, MHD_HTTP_METHOD_GET) &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD))
		return say(connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			   "only GET\n");
	if (!strcmp(url, "/"))
		return say(connection, MHD_HTTP_OK,
			   "cagma-exporter: see /metrics\n");
	if (strcmp(url, "/metrics"))
		return say(connection, MHD_HTTP_NOT_FOUND,
			   "there is only /metrics\n");
	return send_metrics(connection, arg);
}

/* ---- the process ---- */

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

static bool parse_address(const struct options *options, union address *to)
{
	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, options->address, &to->v4.sin_addr) == 1) {
		to->v4.sin_family = AF_INET;
		to->v4.sin_port = htons(options->port);
		return true;
	}
	if (inet_pton(AF_INET6, options->address, &to->v6.sin6_addr) != 1)
		return false;
	to->v6.sin6_family = AF_INET6;
	to->v6.sin6_port = htons(options->port);
	return true;
}

static int run(struct options *options)
{
	union address address;
	struct MHD_Daemon *server;
	sigset_t signals;
	int taken;

	if (!parse_address(options, &address)) {
		fprintf(stderr, "cagma-exporter: \"%s\" is no IP address\n",
			options->address);
		return 2;
	}
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
	server = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD |
				  (address.any.sa_family == AF_INET6 ?
					   MHD_USE_IPv6 : MHD_NO_FLAG),
				  options->port, NULL, NULL, on_request, options,
				  MHD_OPTION_SOCK_ADDR, &address.any,
				  MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS,
				  MHD_OPTION_CONNECTION_TIMEOUT, IDLE_S,
				  MHD_OPTION_END);
	if (!server) {
		fprintf(stderr, "cagma-exporter: cannot listen on %s, port %u: %s\n",
			options->address, options->port, strerror(errno));
		return EXIT_FAILURE;
	}
	sigwait(&signals, &taken);
	MHD_stop_daemon(server);
	return EXIT_SUCCESS;
}

static void print_help(void)
{
	printf("Usage: cagma-exporter [OPTION]...\n"
	       "Tells Prometheus what the running cagmad sees and does.\n\n"
	       "  -a, --address IP   listen there (default %s)\n"
	       "  -p, --port N       1 to 65535 (default %d)\n"
	       "  -r, --run-dir DIR  where cagmad's sockets are (default %s)\n"
	       "  -h, --help         show this\n"
	       "  -V, --version      show the version\n",
	       ADDRESS, PORT, CAGMA_RUN_DIR);
}

static bool parse_port(const char *text, uint16_t *port)
{
	char *end;
	unsigned long value = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || !value || value > 65535) {
		fprintf(stderr, "cagma-exporter: \"%s\" is no port\n", text);
		return false;
	}
	*port = (uint16_t)value;
	return true;
}

static int bad_usage(void)
{
	fprintf(stderr, "Try 'cagma-exporter --help'.\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "address", required_argument, NULL, 'a' },
		{ "port", required_argument, NULL, 'p' },
		{ "run-dir", required_argument, NULL, 'r' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { CAGMA_RUN_DIR, ADDRESS, PORT };
	int c;

	while ((c = getopt_long(argc, argv, "a:p:r:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'a':
			options.address = optarg;
			break;
		case 'p':
			if (!parse_port(optarg, &options.port))
				return bad_usage();
			break;
		case 'r':
			options.run_dir = optarg;
			break;
		case 'h':
			print_help();
			return 0;
		case 'V':
			printf("cagma-exporter %s\n", CAGMA_VERSION);
			return 0;
		default:
			return bad_usage();
		}
	}
	if (optind < argc) {
		fprintf(stderr, "cagma-exporter: unexpected argument \"%s\"\n",
			argv[optind]);
		return bad_usage();
	}
	return run(&options);
}
