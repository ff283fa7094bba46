// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <urcu.h>

#include "clients.h"
#include "clock.h"
#include "journal.h"
#include "notify.h"
#include "requests.h"
#include "serve.h"
#include "units.h"

#define STACK_BYTES	((size_t)512 * 1024)

struct cagma_serve {
	struct cagma_loop *loop;
	struct cagma_trace *trace;
	struct cagma_requests requests;
	struct cagma_clients clients;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int stop_fd;
	uint64_t watchdog_ns;		/* 0: nobody watches */
	uint64_t next_alive_ns;
	uint_fast64_t beats;		/* of the loop, when it was last told */
	pthread_t thread;
};

static char *answer(void *context, char *request)
{
	return cagma_requests_answer(context, request);
}

/* ---- the thread ---- */

/* C10: we answer for the loop. If it hangs, silence has us restarted. */
static void tell_alive(struct cagma_serve *serve, uint64_t now_ns)
{
	uint_fast64_t beats = atomic_load(&serve->loop->beats);

	if (!serve->watchdog_ns || now_ns < serve->next_alive_ns)
		return;
	serve->next_alive_ns = now_ns + serve->watchdog_ns / 3;
	if (beats != serve->beats)
		cagma_notify("WATCHDOG=1");
	serve->beats = beats;
}

static int timeout(const struct cagma_serve *serve, uint64_t now_ns)
{
	int clients = cagma_clients_timeout(&serve->clients, now_ns);
	int alive = (int)(cagma_less(serve->next_alive_ns, now_ns) /
			  CAGMA_NS_PER_MS) + 1;

	if (!serve->watchdog_ns || (clients >= 0 && clients < alive))
		return clients;
	return alive;
}

enum { STOP, TRACE, JOURNAL, CLIENTS };

/* True until it is to stop. */
static bool wait_and_serve(struct cagma_serve *serve)
{
	struct cagma_journal *journal = serve->loop->journal;
	struct pollfd fds[CLIENTS + 1 + CAGMA_CLIENTS_MAX] = {
		[STOP] = { .fd = serve->stop_fd, .events = POLLIN },
		[TRACE] = { .fd = serve->trace->feed.full.fd,
			    .events = POLLIN },
		[JOURNAL] = { .fd = journal ? journal->feed.full.fd : -1,
			      .events = POLLIN },
	};
	nfds_t count = CLIENTS + cagma_clients_watch(&serve->clients,
						     &fds[CLIENTS]);

	if (poll(fds, count, timeout(serve, cagma_now_ns())) < 0)
		return true;
	tell_alive(serve, cagma_now_ns());
	if (fds[TRACE].revents)
		cagma_trace_write(serve->trace);
	if (fds[JOURNAL].revents)
		cagma_journal_write(journal);
	cagma_clients_serve(&serve->clients, &fds[CLIENTS], cagma_now_ns());
	return !fds[STOP].revents;
}

static void *run(void *arg)
{
	rcu_register_thread();
	while (wait_and_serve(arg))
		;
	rcu_unregister_thread();
	return NULL;
}

/* ---- start and end ---- */

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
	int err, listen_fd;

	if (!serve)
		return -ENOMEM;
	serve->loop = loop;
	serve->trace = trace;
	serve->watchdog_ns = cagma_notify_watchdog_ns();
	if (snprintf(serve->path, sizeof(serve->path), "%s/" CAGMA_SOCKET,
		     run_dir) >= (int)sizeof(serve->path)) {
		err = -ENAMETOOLONG;
		goto err_free;
	}
	serve->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (serve->stop_fd < 0) {
		err = -errno;
		goto err_free;
	}
	err = cagma_requests_init(&serve->requests, loop, store, options,
				  serve->stop_fd);
	if (err)
		goto err_stop;
	listen_fd = listen_on(serve->path);
	if (listen_fd < 0) {
		err = listen_fd;
		goto err_requests;
	}
	cagma_clients_open(&serve->clients, listen_fd, answer,
			   &serve->requests);
	err = start_thread(serve);
	if (err)
		goto err_clients;
	*out = serve;
	return 0;

err_clients:
	cagma_clients_close(&serve->clients);
	unlink(serve->path);
err_requests:
	cagma_requests_destroy(&serve->requests);
err_stop:
	close(serve->stop_fd);
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
	cagma_clients_close(&serve->clients);
	cagma_requests_destroy(&serve->requests);
	close(serve->stop_fd);
	free(serve);
}
