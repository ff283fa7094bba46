// SPDX-License-Identifier: GPL-2.0-only
/*
 * cagmad, the dom0 allocator. The data path, in order of reading: reader.c
 * (a guest's page), track.c (its demand), policy.c (who gets how much),
 * actuate.c (make it so); loop.c and pass.c drive them. store.c and serve.c are the
 * other two threads.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <syslog.h>
#include <unistd.h>

#include "advice.h"
#include "clock.h"
#include "config.h"
#include "daemon.h"
#include "instance.h"
#include "journal.h"
#include "log.h"
#include "loop.h"
#include "notify.h"
#include "options.h"
#include "serve.h"
#include "state.h"
#include "store.h"

struct cagmad {
	struct cagma_config config;
	struct cagma_xen *xen;
	struct cagma_trace trace;
	struct cagma_journal journal;
	struct cagma_queue attached;
	struct cagma_store *store;
	struct cagma_state state;
	struct cagma_loop loop;
	struct cagma_serve *serve;
};

static int say(const char *what, int err)
{
	cagma_log(LOG_ERR, "%s: %s", what, strerror(-err));
	return err;
}

static int read_config(struct cagma_config *config,
		       const struct cagma_options *options)
{
	char error[256];
	int err = 0;

	cagma_config_init(config);
	if (options->config)
		err = cagma_config_read(config, options->config, error,
					sizeof(error));
	if (err)
		cagma_log(LOG_ERR, "%s", error);
	if (options->policy)
		cagma_config_use(config, options->policy);
	return err;
}

/* One a host, whatever its run directory is. */
static int lock(void)
{
	int owner, fd = cagma_instance_lock(CAGMA_LOCK_DIR, CAGMA_LOCK, &owner);

	if (fd == -EBUSY)
		cagma_log(LOG_ERR, "another cagmad is running (pid %d)", owner);
	else if (fd < 0)
		say(CAGMA_LOCK_DIR "/" CAGMA_LOCK, fd);
	return fd;
}

/* What is there has got its mode from somebody who knew why. */
static int make_run_dir(const char *dir)
{
	int err = mkdir(dir, 0700) ? -errno : cagma_serve_share_dir(dir);

	return err && err != -EEXIST ? say(dir, err) : 0;
}

/* Each with what is to be done about it. */
static int check_devices(void)
{
	int err;
	const char *device = cagma_xen_missing(&err);

	if (!device)
		return 0;
	if (err == -EACCES)
		cagma_log(LOG_ERR, "/dev/xen/%s is there, but not for this process: look "
				   "at its permissions, at DeviceAllow= of the unit", device);
	else if (err == -ENOENT || err == -ENODEV || err == -ENXIO)
		cagma_log(LOG_ERR, "there is no /dev/xen/%s: boot this host with Xen, or load "
				   "the module xen-%s", device, device);
	else
		cagma_log(LOG_ERR, "/dev/xen/%s: %s", device, strerror(-err));
	return err;
}

static int open_xen(struct cagma_xen **xen)
{
	int err = check_devices();

	if (err)
		return err;
	err = cagma_xen_open(xen);
	if (err == -EPERM)
		cagma_log(LOG_ERR, "Xen answers, but this domain controls no others: cagmad is "
				   "for dom0, a guest has the module or cagma-agent");
	else if (err == -EPROTONOSUPPORT)
		cagma_log(LOG_ERR, "Xen is of another version than this cagmad was built for: "
				   "build it with that version's libraries");
	else if (err)
		say("cannot open Xen's control interface", err);
	return err;
}

/* The hot path must not wait for a page; a descriptor is needed per guest. */
static void pin_resources(void)
{
	struct rlimit files;

	if (!getrlimit(RLIMIT_NOFILE, &files)) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
	cagma_daemon_spare_memory();
	if (mlockall(MCL_CURRENT | MCL_FUTURE))
		cagma_log(LOG_WARNING, "cannot lock memory: %s",
			  strerror(errno));
}

/*
 * Who is busy in dom0 must not keep an emergency waiting for its next turn. Only the
 * loop: the other threads are there already, and have time.
 */
static void hurry_loop(void)
{
	int err = cagma_daemon_go_first();

	if (err)
		cagma_log(LOG_WARNING, "cannot go before other processes: %s",
			  strerror(-err));
}

static int init_state(struct cagmad *d, bool dry_run)
{
	const struct cagma_parts parts = {
		.config = &d->config,
		.xen = d->xen,
		.trace = &d->trace,
		.journal = &d->journal,
		.store = d->store,
		.mirror = cagma_store_mirror(d->store),
		.released = cagma_store_released(d->store),
		.dry_run = dry_run,
	};

	return cagma_state_init(&d->state, &parts);
}

static int start(struct cagmad *d, const struct cagma_options *options)
{
	int err = open_xen(&d->xen);

	if (err)
		return err;
	err = cagma_trace_open(&d->trace, options->trace, cagma_now_ns());
	if (err) {
		say(options->trace ? options->trace : "trace", err);
		goto err_xen;
	}
	err = cagma_journal_open(&d->journal, options->record, cagma_now_ns());
	if (err) {
		say(options->record ? options->record : "journal", err);
		goto err_trace;
	}
	err = cagma_queue_init(&d->attached);
	if (err) {
		say("queue", err);
		goto err_journal;
	}
	err = cagma_store_start(&d->store, &d->config, &d->attached);
	if (err) {
		say("cannot use xenstore; does xenstored run?", err);
		goto err_queue;
	}
	err = init_state(d, options->dry_run);
	if (err) {
		say("state", err);
		goto err_store;
	}
	err = cagma_loop_init(&d->loop, &d->state, &d->attached);
	if (err) {
		say("event loop", err);
		goto err_state;
	}
	err = cagma_serve_start(&d->serve, options->run_dir, &d->state,
				d->store, &d->trace, options);
	if (!err)
		return 0;
	say("control socket", err);
	cagma_loop_destroy(&d->loop);
err_state:
	cagma_state_destroy(&d->state);
err_store:
	cagma_store_stop(d->store);
err_queue:
	cagma_queue_destroy(&d->attached);
err_journal:
	cagma_journal_close(&d->journal);
err_trace:
	cagma_trace_close(&d->trace);
err_xen:
	cagma_xen_close(d->xen);
	return err;
}

/* Guests have been left, targets are in their pages: nothing is lost at the end. */
static void stop(struct cagmad *d)
{
	cagma_serve_stop(d->serve);
	if (!cagma_store_stop(d->store)) {
		cagma_log(LOG_WARNING, "xenstored doesn't answer: ending without it");
		return;
	}
	cagma_loop_destroy(&d->loop);
	cagma_state_destroy(&d->state);
	cagma_queue_destroy(&d->attached);
	cagma_journal_close(&d->journal);
	cagma_trace_close(&d->trace);
	cagma_xen_close(d->xen);
}

static void advise(const struct cagma_config *config)
{
	struct json_object *advice = cagma_advice_settings(config);

	for (size_t i = 0; i < json_object_array_length(advice); i++)
		cagma_log(LOG_WARNING, "warning: %s", json_object_get_string(
				  json_object_array_get_idx(advice, i)));
	json_object_put(advice);
}

static int run(const struct cagma_options *options)
{
	static struct cagmad d;
	int err, lock_fd;

	err = read_config(&d.config, options);
	if (!err)
		advise(&d.config);
	if (err || options->check_config)
		return err;
	if (geteuid()) {
		cagma_log(LOG_ERR, "must be run as root");
		return -EPERM;
	}
	/* First, or the lock and the threads would be the parent's. */
	err = options->daemon ? cagma_daemon_detach() : 0;
	if (err)
		return say("cannot go to the background", err);
	lock_fd = lock();
	if (lock_fd < 0)
		return lock_fd;
	cagma_daemon_signals();
	pin_resources();
	err = make_run_dir(options->run_dir);
	if (!err)
		err = start(&d, options);
	if (!err) {
		hurry_loop();
		cagma_daemon_ready();
		cagma_notify("READY=1");
		cagma_log(LOG_INFO, "ready, policy %s%s", d.config.policy->name,
			  options->dry_run ? ", dry run" : "");
		cagma_loop_run(&d.loop);
		cagma_notify("STOPPING=1");
		stop(&d);
	}
	cagma_config_destroy(&d.config);
	close(lock_fd);
	return err;
}

int main(int argc, char **argv)
{
	struct cagma_options options;

	cagma_options_parse(&options, argc, argv);
	return run(&options) ? EXIT_FAILURE : EXIT_SUCCESS;
}
