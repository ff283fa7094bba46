// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <urcu.h>

#include "answer.h"
#include "clock.h"
#include "command.h"
#include "journal.h"
#include "serve.h"
#include "status.h"
#include "store.h"
#include "units.h"

#define CLIENT_TIMEOUT_S 1
/* The longest is "set NAME min=... max=... weight=...\n". */
#define REQUEST_BYTES	(CAGMA_NAME_BYTES + 64)
#define NO_ANSWER	"{\"error\":\"no answer: out of memory, or stopping\"}\n"
#define STACK_BYTES	((size_t)512 * 1024)

struct cagma_serve {
	struct cagma_loop *loop;
	struct cagma_store *store;
	const struct cagma_options *options;
	struct cagma_config *reloaded;	/* the loop's config if not the first */
	struct cagma_trace *trace;
	struct cagma_queue answers;	/* of struct cagma_status */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int listen_fd;
	int stop_fd;
	pthread_t thread;
};

/* ---- asking the loop ---- */

static struct cagma_status *new_question(size_t capacity)
{
	struct cagma_status *status =
		calloc(1, sizeof(*status) +
			  capacity * sizeof(status->guest[0]));

	if (status)
		status->capacity = capacity;
	return status;
}

/* The question with its answer, or NULL: the daemon ends. */
static struct cagma_status *ask_loop(struct cagma_serve *serve,
				     struct cagma_status *status)
{
	struct pollfd fds[] = {
		{ .fd = serve->answers.fd, .events = POLLIN },
		{ .fd = serve->stop_fd, .events = POLLIN },
	};
	struct cds_wfcq_node *node;

	if (!status)
		return NULL;
	status->reply = &serve->answers;
	cagma_queue_push(&serve->loop->asked, &status->node);
	do {
		poll(fds, 2, -1);
		if (fds[1].revents & POLLIN)
			return NULL;	/* cagma_loop_destroy() frees it */
		cagma_queue_ack(&serve->answers);
		node = cagma_queue_pop(&serve->answers);
	} while (!node);
	return status;
}

static struct cagma_status *ask(struct cagma_serve *serve)
{
	struct cagma_status *status = ask_loop(serve, new_question(64));

	if (status && status->count > status->capacity) {
		free(status);
		status = ask_loop(serve, new_question(CAGMA_GUESTS_MAX));
	}
	return status;
}

/* ---- clients ---- */

static void send_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		ssize_t n = send(fd, text, left, MSG_NOSIGNAL);

		if (n <= 0)
			return;
		text += n;
		left -= (size_t)n;
	}
}

static void send_json(int fd, struct json_object *json)
{
	send_all(fd, json_object_to_json_string_ext(json,
						    JSON_C_TO_STRING_PLAIN));
	send_all(fd, "\n");
	json_object_put(json);
}

static void send_status(struct cagma_serve *serve, int fd)
{
	struct cagma_status *status = ask(serve);

	if (!status) {
		send_all(fd, NO_ANSWER);
		return;
	}
	send_json(fd, cagma_answer_status(status, serve->store));
	free(status);
}

static void send_explanation(struct cagma_serve *serve, int fd,
			     const char *wanted)
{
	struct cagma_status *status = new_question(0);

	if (status)
		snprintf(status->wanted, sizeof(status->wanted), "%.*s",
			 CAGMA_NAME_BYTES - 1, wanted);
	status = ask_loop(serve, status);
	if (!status) {
		send_all(fd, NO_ANSWER);
		return;
	}
	send_json(fd, cagma_answer_explanation(&status->explanation));
	free(status);
}

/* A new configuration for the loop; NULL with the reason in `refusal`. */
static struct cagma_config *read_config(const struct cagma_options *options,
					char *refusal, size_t size)
{
	struct cagma_config *config = malloc(sizeof(*config));

	if (!config) {
		snprintf(refusal, size, "out of memory");
		return NULL;
	}
	cagma_config_init(config);
	if (!options->config) {
		snprintf(refusal, size, "cagmad was started without a "
			 "configuration file");
	} else if (!cagma_config_read(config, options->config, refusal, size)) {
		if (options->policy)
			cagma_config_use(config, options->policy);
		return config;
	}
	free(config);
	return NULL;
}

/* The old configuration is nobody's now. */
static void retire(struct cagma_serve *serve, struct cagma_config *old,
		   const struct cagma_config *new)
{
	cagma_store_use(serve->store, new);
	if (serve->reloaded == old) {
		cagma_config_destroy(old);
		free(old);
	}
	serve->reloaded = (struct cagma_config *)new;
}

static void discard(struct cagma_config *config)
{
	if (!config)
		return;
	cagma_config_destroy(config);
	free(config);
}

static void send_command(struct cagma_serve *serve, int fd,
			 const struct cagma_command *command)
{
	struct cagma_status *status = new_question(0);
	struct cagma_config *config = NULL;
	struct cagma_command *c;

	if (!status) {
		send_all(fd, NO_ANSWER);
		return;
	}
	c = &status->command;
	*c = *command;
	if (c->kind == CAGMA_COMMAND_RELOAD && !*c->refusal)
		c->config = config = read_config(serve->options, c->refusal,
						 sizeof(c->refusal));
	if (!*c->refusal)
		status = ask_loop(serve, status);
	if (!status) {
		discard(config);
		send_all(fd, NO_ANSWER);
		return;
	}
	if (config)
		retire(serve, status->command.config, config);
	send_json(fd, cagma_answer_command(&status->command));
	free(status);
}

/* "explain NAME\n" becomes NAME; NULL if it is something else. */
static const char *explained(char *request)
{
	static const char verb[] = "explain ";
	char *name = request + sizeof(verb) - 1;
	char *end;

	if (strncmp(request, verb, sizeof(verb) - 1))
		return NULL;
	end = strchr(name, '\n');
	if (!end || end == name || end[1] || end - name >= CAGMA_NAME_BYTES)
		return NULL;
	*end = '\0';
	return name;
}

static void serve_client(struct cagma_serve *serve, int fd)
{
	const struct timeval timeout = { .tv_sec = CLIENT_TIMEOUT_S };
	char request[REQUEST_BYTES] = "";
	struct cagma_command command;
	const char *wanted;
	ssize_t n;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
	n = recv(fd, request, sizeof(request) - 1, 0);
	if (n <= 0)
		return;
	if (!strcmp(request, "status\n"))
		send_status(serve, fd);
	else if ((wanted = explained(request)))
		send_explanation(serve, fd, wanted);
	else if (request[n - 1] == '\n' &&
		 cagma_command_parse(&command, request))
		send_command(serve, fd, &command);
	else
		send_all(fd, "{\"error\":\"unknown request\"}\n");
}

static void on_listen(struct cagma_serve *serve)
{
	int fd = accept4(serve->listen_fd, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	serve_client(serve, fd);
	close(fd);
}

static void *run(void *arg)
{
	struct cagma_serve *serve = arg;
	struct cagma_journal *journal = serve->loop->journal;
	struct pollfd fds[] = {
		{ .fd = serve->listen_fd, .events = POLLIN },
		{ .fd = serve->trace->feed.full.fd, .events = POLLIN },
		{ .fd = journal ? journal->feed.full.fd : -1,
		  .events = POLLIN },
		{ .fd = serve->stop_fd, .events = POLLIN },
	};

	rcu_register_thread();
	while (!(fds[3].revents & POLLIN)) {
		if (poll(fds, 4, -1) < 0)
			continue;
		if (fds[1].revents & POLLIN)
			cagma_trace_write(serve->trace);
		if (fds[2].revents & POLLIN)
			cagma_journal_write(journal);
		if (fds[0].revents & POLLIN)
			on_listen(serve);
	}
	rcu_unregister_thread();
	return NULL;
}

static int listen_on(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	mode_t mask;
	int err;

	if (fd < 0)
		return -errno;
	memcpy(address.sun_path, path, strlen(path) + 1);
	unlink(path);	/* we hold the lock: whoever made it is dead */
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	      listen(fd, 16) ? -errno : 0;
	umask(mask);
	if (err)
		close(fd);
	return err ? err : fd;
}

static int start_thread(struct cagma_serve *serve)
{
	pthread_attr_t attr;
	int err;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, STACK_BYTES);
	err = -pthread_create(&serve->thread, &attr, run, serve);
	pthread_attr_destroy(&attr);
	return err;
}

int cagma_serve_start(struct cagma_serve **out, const char *run_dir,
		      struct cagma_loop *loop, struct cagma_store *store,
		      struct cagma_trace *trace,
		      const struct cagma_options *options)
{
	struct cagma_serve *serve = calloc(1, sizeof(*serve));
	int err;

	if (!serve)
		return -ENOMEM;
	serve->loop = loop;
	serve->store = store;
	serve->trace = trace;
	serve->options = options;
	if (snprintf(serve->path, sizeof(serve->path), "%s/" CAGMA_SOCKET,
		     run_dir) >= (int)sizeof(serve->path)) {
		err = -ENAMETOOLONG;
		goto err_free;
	}
	err = cagma_queue_init(&serve->answers);
	if (err)
		goto err_free;
	serve->stop_fd = eventfd(0, EFD_CLOEXEC);
	serve->listen_fd = listen_on(serve->path);
	if (serve->listen_fd < 0) {
		err = serve->listen_fd;
		goto err_queue;
	}
	err = start_thread(serve);
	if (err)
		goto err_listen;
	*out = serve;
	return 0;

err_listen:
	close(serve->listen_fd);
	unlink(serve->path);
err_queue:
	close(serve->stop_fd);
	cagma_queue_destroy(&serve->answers);
err_free:
	free(serve);
	return err;
}

static void write_end(const struct cagma_serve *serve)
{
	const struct cagma_loop *loop = serve->loop;
	const struct cagma_trace *trace = serve->trace;

	if (!trace->file)
		return;
	fprintf(trace->file,
		"{\"t_ms\":%" PRIu64 ",\"ev\":\"end\",\"emergencies\":%" PRIu64
		",\"answered\":%" PRIu64 ",\"target_changes\":%" PRIu64
		",\"invariant_violations\":%" PRIu64 ",\"lost\":%" PRIu64 "}\n",
		(cagma_now_ns() - trace->start_ns) / CAGMA_NS_PER_MS,
		loop->emergencies, loop->answered, loop->target_changes,
		loop->violations, trace->feed.lost);
}

void cagma_serve_stop(struct cagma_serve *serve)
{
	uint64_t one = 1;
	ssize_t written = write(serve->stop_fd, &one, sizeof(one));

	(void)written;
	pthread_join(serve->thread, NULL);
	cagma_trace_write(serve->trace);
	if (serve->loop->journal)
		cagma_journal_write(serve->loop->journal);
	write_end(serve);
	unlink(serve->path);
	close(serve->listen_fd);
	close(serve->stop_fd);
	cagma_queue_destroy(&serve->answers);
	discard(serve->reloaded);
	free(serve);
}
