// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <grp.h>
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
/* Each answer to a reader has the loop copy what it knows: ten a second will do. */
#define READERS_REST_NS	(100 * CAGMA_NS_PER_MS)

/* A socket and its clients. */
struct door {
	struct cagma_clients clients;
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

struct cagma_serve {
	struct cagma_state *state;
	struct cagma_trace *trace;
	struct cagma_requests requests;
	struct door control;		/* for root */
	struct door readers;		/* who take none of its places */
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

static char *tell(void *context, char *request)
{
	return cagma_requests_tell(context, request);
}

/* ---- the thread ---- */

/* C10: we answer for the loop. If it hangs, silence has us restarted. */
static void tell_alive(struct cagma_serve *serve, uint64_t now_ns)
{
	uint_fast64_t beats = atomic_load(&serve->state->beats);

	if (!serve->watchdog_ns || now_ns < serve->next_alive_ns)
		return;
	serve->next_alive_ns = now_ns + serve->watchdog_ns / 3;
	if (beats != serve->beats)
		cagma_notify("WATCHDOG=1");
	serve->beats = beats;
}

/* As poll() takes them: -1 is for ever. */
static int sooner(int a, int b)
{
	if (a < 0 || b < 0)
		return a < 0 ? b : a;
	return a < b ? a : b;
}

static int timeout(const struct cagma_serve *serve, uint64_t now_ns)
{
	int clients =
		sooner(cagma_clients_timeout(&serve->control.clients, now_ns),
		       cagma_clients_timeout(&serve->readers.clients, now_ns));
	int alive = (int)(cagma_less(serve->next_alive_ns, now_ns) /
			  CAGMA_NS_PER_MS) + 1;

	return serve->watchdog_ns ? sooner(clients, alive) : clients;
}

enum { STOP, TRACE, JOURNAL, CONTROL, READERS = CONTROL + CAGMA_CLIENTS_FDS,
       FDS = READERS + CAGMA_CLIENTS_FDS };

/* True until it is to stop. */
static bool wait_and_serve(struct cagma_serve *serve)
{
	struct cagma_journal *journal = serve->state->journal;
	struct pollfd fds[FDS] = {
		[STOP] = { .fd = serve->stop_fd, .events = POLLIN },
		[TRACE] = { .fd = serve->trace->feed.full.fd,
			    .events = POLLIN },
		[JOURNAL] = { .fd = journal ? journal->feed.full.fd : -1,
			      .events = POLLIN },
	};
	uint64_t now_ns = cagma_now_ns();
	nfds_t count = CONTROL + cagma_clients_watch(&serve->control.clients,
						     &fds[CONTROL], now_ns);

	/* Between them are entries that nobody has filled. */
	while (count < READERS)
		fds[count++].fd = -1;
	count += cagma_clients_watch(&serve->readers.clients, &fds[READERS],
				     now_ns);
	if (poll(fds, count, timeout(serve, now_ns)) < 0)
		return true;
	tell_alive(serve, cagma_now_ns());
	if (fds[TRACE].revents)
		cagma_trace_write(serve->trace);
	if (fds[JOURNAL].revents)
		cagma_journal_write(journal);
	cagma_clients_serve(&serve->control.clients, &fds[CONTROL],
			    cagma_now_ns());
	cagma_clients_serve(&serve->readers.clients, &fds[READERS],
			    cagma_now_ns());
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

/*
 * For the group as well, if it's given and there is such a one: -errno if it is there
 * and can't get it. What is shared has been ours alone until now.
 */
static int share(const char *path, mode_t mode, const char *group)
{
	const struct group *g = group ? getgrnam(group) : NULL;

	if (g && chown(path, (uid_t)-1, g->gr_gid))
		return -errno;
	return chmod(path, mode) ? -errno : 0;
}

int cagma_serve_share_dir(const char *dir)
{
	return getgrnam(CAGMA_GROUP) ? share(dir, 0750, CAGMA_GROUP) : 0;
}

/* Of that mode exactly, whatever the umask is. */
static int listen_on(const char *path, mode_t mode, const char *group)
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
	err = bind(fd, (struct sockaddr *)&address, sizeof(address)) ? -errno :
								       0;
	umask(mask);
	if (!err)
		err = share(path, mode, group);
	if (!err)
		err = listen(fd, 16) ? -errno : 0;
	if (err)
		close(fd);
	return err ? err : fd;
}

static int open_door(struct door *door, const char *dir, const char *name,
		     mode_t mode, const char *group,
		     char *(*answer_by)(void *context, char *request),
		     struct cagma_requests *requests)
{
	int fd;

	if (snprintf(door->path, sizeof(door->path), "%s/%s", dir, name) >=
	    (int)sizeof(door->path))
		return -ENAMETOOLONG;
	fd = listen_on(door->path, mode, group);
	if (fd < 0)
		return fd;
	cagma_clients_open(&door->clients, fd, answer_by, requests);
	return 0;
}

static void close_door(struct door *door)
{
	unlink(door->path);
	cagma_clients_close(&door->clients);
}

static int open_doors(struct cagma_serve *serve, const char *dir)
{
	int err = open_door(&serve->control, dir, CAGMA_SOCKET, 0600, NULL,
			    answer, &serve->requests);

	if (err)
		return err;
	err = open_door(&serve->readers, dir, CAGMA_STATUS_SOCKET, 0660,
			CAGMA_GROUP, tell, &serve->requests);
	if (err)
		close_door(&serve->control);
	else
		serve->readers.clients.rest_ns = READERS_REST_NS;
	return err;
}

static void close_doors(struct cagma_serve *serve)
{
	close_door(&serve->readers);
	close_door(&serve->control);
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
		      struct cagma_state *state, struct cagma_store *store,
		      struct cagma_trace *trace,
		      const struct cagma_options *options)
{
	struct cagma_serve *serve = calloc(1, sizeof(*serve));
	int err;

	if (!serve)
		return -ENOMEM;
	serve->state = state;
	serve->trace = trace;
	serve->watchdog_ns = cagma_notify_watchdog_ns();
	serve->stop_fd = eventfd(0, EFD_CLOEXEC);
	if (serve->stop_fd < 0) {
		err = -errno;
		goto err_free;
	}
	err = cagma_requests_init(&serve->requests, state, store, options,
				  serve->stop_fd);
	if (err)
		goto err_stop;
	err = open_doors(serve, run_dir);
	if (err)
		goto err_requests;
	err = start_thread(serve);
	if (err)
		goto err_doors;
	*out = serve;
	return 0;

err_doors:
	close_doors(serve);
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
	const struct cagma_state *state = serve->state;
	const struct cagma_trace *trace = serve->trace;

	if (!trace->file)
		return;
	fprintf(trace->file,
		"{\"t_ms\":%" PRIu64 ",\"ev\":\"end\",\"emergencies\":%" PRIu64
		",\"answered\":%" PRIu64 ",\"target_changes\":%" PRIu64
		",\"invariant_violations\":%" PRIu64 ",\"lost\":%" PRIu64 "}\n",
		(cagma_now_ns() - trace->start_ns) / CAGMA_NS_PER_MS,
		state->emergencies, state->answered, state->target_changes,
		state->violations, trace->feed.lost);
}

void cagma_serve_stop(struct cagma_serve *serve)
{
	uint64_t one = 1;
	ssize_t written = write(serve->stop_fd, &one, sizeof(one));

	(void)written;
	pthread_join(serve->thread, NULL);
	cagma_trace_write(serve->trace);
	if (serve->state->journal)
		cagma_journal_write(serve->state->journal);
	write_end(serve);
	close_doors(serve);
	cagma_requests_destroy(&serve->requests);
	close(serve->stop_fd);
	free(serve);
}
