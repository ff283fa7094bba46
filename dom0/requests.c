// SPDX-License-Identifier: GPL-2.0-only
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include <urcu.h>

#include "advice.h"
#include "answer.h"
#include "command.h"
#include "requests.h"
#include "status.h"

#define NO_ANSWER	"{\"error\":\"no answer: out of memory, or stopping\"}\n"
#define UNKNOWN		"{\"error\":\"unknown request\"}\n"
#define READ_ONLY	"{\"error\":\"this socket is for reading only\"}\n"

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
static struct cagma_status *ask_loop(struct cagma_requests *r,
				     struct cagma_status *status)
{
	struct pollfd fds[] = {
		{ .fd = r->answers.fd, .events = POLLIN },
		{ .fd = r->stop_fd, .events = POLLIN },
	};
	struct cds_wfcq_node *node;

	if (!status)
		return NULL;
	status->reply = &r->answers;
	cagma_queue_push(&r->state->asked, &status->node);
	do {
		poll(fds, 2, -1);
		if (fds[1].revents & POLLIN)
			return NULL;	/* it is freed with its queue */
		cagma_queue_ack(&r->answers);
	} while (cagma_queue_pop(&r->answers, &node));
	return status;
}

static struct cagma_status *ask(struct cagma_requests *r)
{
	struct cagma_status *status = ask_loop(r, new_question(64));

	if (status && status->count > status->capacity) {
		free(status);
		status = ask_loop(r, new_question(CAGMA_GUESTS_MAX));
	}
	return status;
}

/* ---- answering ---- */

static char *line_of(struct json_object *json)
{
	size_t length;
	const char *text = json_object_to_json_string_length(
		json, JSON_C_TO_STRING_PLAIN, &length);
	char *line = text ? malloc(length + 2) : NULL;

	if (line) {
		memcpy(line, text, length);
		memcpy(line + length, "\n", 2);
	}
	json_object_put(json);
	return line;
}

static char *tell_status(struct cagma_requests *r)
{
	struct cagma_status *status = ask(r);
	char *line;

	if (!status)
		return strdup(NO_ANSWER);
	line = cagma_answer_status(status, r->store, r->options->config);
	free(status);
	return line;
}

/* NULL without memory, or if the daemon ends. */
static struct json_object *look_for_advice(struct cagma_requests *r)
{
	const struct cagma_config *config = r->state->config;
	struct cagma_status *status = ask(r);
	struct json_object *advice;

	if (!status)
		return NULL;
	advice = cagma_advice_settings(config);
	rcu_read_lock();
	cagma_advice_host(advice, config, status,
			  cagma_store_quarantine(r->store));
	rcu_read_unlock();
	free(status);
	return advice;
}

static char *tell_advice(struct cagma_requests *r)
{
	struct json_object *o, *advice = look_for_advice(r);

	if (!advice)
		return strdup(NO_ANSWER);
	o = json_object_new_object();
	json_object_object_add(o, "advice", advice);
	return line_of(o);
}

static char *explain(struct cagma_requests *r, const char *wanted)
{
	struct cagma_status *status = new_question(0);
	char *line;

	if (status)
		snprintf(status->wanted, sizeof(status->wanted), "%.*s",
			 CAGMA_NAME_BYTES - 1, wanted);
	status = ask_loop(r, status);
	if (!status)
		return strdup(NO_ANSWER);
	line = line_of(cagma_answer_explanation(&status->explanation));
	free(status);
	return line;
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
static void retire(struct cagma_requests *r, struct cagma_config *old,
		   const struct cagma_config *new)
{
	cagma_store_use(r->store, new);
	if (r->reloaded == old) {
		cagma_config_destroy(old);
		free(old);
	}
	r->reloaded = (struct cagma_config *)new;
}

static void discard(struct cagma_config *config)
{
	if (!config)
		return;
	cagma_config_destroy(config);
	free(config);
}

static char *carry_out(struct cagma_requests *r,
		       const struct cagma_command *command)
{
	struct cagma_status *status = new_question(0);
	struct cagma_config *config = NULL;
	struct cagma_command *c;
	struct json_object *o;

	if (!status)
		return strdup(NO_ANSWER);
	c = &status->command;
	*c = *command;
	if (c->kind == CAGMA_COMMAND_RELOAD && !*c->refusal)
		c->config = config = read_config(r->options, c->refusal,
						 sizeof(c->refusal));
	if (!*c->refusal)
		status = ask_loop(r, status);
	if (!status) {
		discard(config);
		return strdup(NO_ANSWER);
	}
	if (config)
		retire(r, status->command.config, config);
	o = cagma_answer_command(&status->command);
	free(status);
	if (config)
		json_object_object_add(o, "advice", look_for_advice(r));
	return line_of(o);
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

/* What changes nothing; NULL, too, if it is something else. */
static char *tell(struct cagma_requests *r, char *request)
{
	const char *wanted;

	if (!strcmp(request, "status\n"))
		return tell_status(r);
	if (!strcmp(request, "advice\n"))
		return tell_advice(r);
	wanted = explained(request);
	return wanted ? explain(r, wanted) : NULL;
}

static bool is_command(struct cagma_command *command, const char *request)
{
	size_t length = strlen(request);

	return length && request[length - 1] == '\n' &&
	       cagma_command_parse(command, request);
}

char *cagma_requests_answer(struct cagma_requests *r, char *request)
{
	struct cagma_command command;
	char *reply = tell(r, request);

	if (reply)
		return reply;
	return is_command(&command, request) ? carry_out(r, &command) :
					       strdup(UNKNOWN);
}

char *cagma_requests_tell(struct cagma_requests *r, char *request)
{
	struct cagma_command command;
	char *reply = tell(r, request);

	if (reply)
		return reply;
	return strdup(is_command(&command, request) ? READ_ONLY : UNKNOWN);
}

int cagma_requests_init(struct cagma_requests *r, struct cagma_state *state,
			struct cagma_store *store,
			const struct cagma_options *options, int stop_fd)
{
	*r = (struct cagma_requests){
		.state = state,
		.store = store,
		.options = options,
		.stop_fd = stop_fd,
	};
	return cagma_queue_init(&r->answers);
}

/*
 * The loop has ended: an answer that nobody waited for is here, or never comes.
 */
void cagma_requests_destroy(struct cagma_requests *r)
{
	struct cds_wfcq_node *node;

	while (!cagma_queue_pop(&r->answers, &node))
		free(cagma_container_of(node, struct cagma_status, node));
	cagma_queue_destroy(&r->answers);
	discard(r->reloaded);
}
