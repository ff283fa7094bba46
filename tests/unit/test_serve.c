// SPDX-License-Identifier: GPL-2.0-only
/* The serve thread's rounds, one at a time: cagmactl and the service manager. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <json-c/json.h>

#include "fake_daemon.h"
#include "fake_host.h"
#include "fake_xen.h"
#include "serve.c"
#include "unit.h"

#define INTERVAL	(30 * S)	/* WatchdogSec= */

static struct fake_daemon d;
static struct cagma_serve serve;
static struct cagma_options options;
static char dir[] = "/tmp/cagma-test-serve-XXXXXX";
static char manager_path[64];
static int manager = -1;

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
	(void)state;
	return rmdir(dir);
}

static void listen_as_manager(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(manager_path, sizeof(manager_path), "%s/manager", dir);
	strcpy(address.sun_path, manager_path);
	manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_true(manager >= 0);
	assert_int_equal(bind(manager, (struct sockaddr *)&address,
			      sizeof(address)), 0);
	setenv("NOTIFY_SOCKET", manager_path, 1);
}

static int begin(void **state)
{
	(void)state;
	fake_host_reset();
	fake_xen_reset(8 * GIB, 2 * GIB);
	memset(&d, 0, sizeof(d));
	cagma_config_init(&d.config);
	assert_int_equal(fake_daemon_start(&d, NULL, NULL), 0);
	listen_as_manager();
	serve = (struct cagma_serve){
		.state = &d.state,
		.trace = &d.trace,
		.stop_fd = eventfd(0, EFD_CLOEXEC),
		.watchdog_ns = INTERVAL,
	};
	assert_int_equal(cagma_requests_init(&serve.requests, &d.state, d.store,
					     &options, serve.stop_fd), 0);
	return open_doors(&serve, dir);
}

static int end(void **state)
{
	(void)state;
	close_doors(&serve);
	cagma_requests_destroy(&serve.requests);
	close(serve.stop_fd);
	unlink(manager_path);
	close(manager);
	unsetenv("NOTIFY_SOCKET");
	fake_daemon_stop(&d);
	cagma_config_destroy(&d.config);
	fake_xen_reset(0, 0);
	return 0;
}

/* What the service manager heard since; "" if nothing. */
static const char *heard(void)
{
	static char text[64];
	ssize_t n = recv(manager, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* Seconds of life; how often the manager heard of it. */
static unsigned int live(unsigned int seconds, bool loop_runs)
{
	unsigned int alive = 0;

	for (unsigned int i = 0; i < seconds; i++) {
		fake_clock_advance(S);
		if (loop_runs)
			cagma_loop_once(&d.loop, 0);
		tell_alive(&serve, cagma_now_ns());
		alive += !strcmp(heard(), "WATCHDOG=1");
	}
	return alive;
}

static void test_C10_manager_hears_that_the_loop_runs(void **state)
{
	(void)state;
	assert_in_range(live(300, true), 29, 31);
	assert_in_range(timeout(&serve, cagma_now_ns()), 1, 10001);
}

/* The serve thread is well, and says nothing for a loop that isn't. */
static void test_C10_loop_that_hangs_is_not_covered_up(void **state)
{
	(void)state;
	live(60, true);
	assert_in_range(live(60, false), 0, 1);
	assert_int_equal(live(600, false), 0);
	assert_true(live(60, true) >= 4);
}

static void test_without_a_watchdog_nobody_is_woken(void **state)
{
	(void)state;
	serve.watchdog_ns = 0;
	assert_int_equal(timeout(&serve, cagma_now_ns()), -1);
	for (int i = 0; i < 100; i++) {
		fake_clock_advance(S);
		cagma_loop_once(&d.loop, 0);
		tell_alive(&serve, cagma_now_ns());
	}
	assert_string_equal(heard(), "");
}

static void test_watchdog_is_for_the_process_it_names(void **state)
{
	char pid[16];

	(void)state;
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	assert_int_equal(cagma_notify_watchdog_ns(), 0);
	setenv("WATCHDOG_USEC", "30000000", 1);
	assert_int_equal(cagma_notify_watchdog_ns(), 30 * S);
	snprintf(pid, sizeof(pid), "%d", (int)getpid());
	setenv("WATCHDOG_PID", pid, 1);
	assert_int_equal(cagma_notify_watchdog_ns(), 30 * S);
	setenv("WATCHDOG_PID", "1", 1);
	assert_int_equal(cagma_notify_watchdog_ns(), 0);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void test_bad_notify_sockets_are_ignored(void **state)
{
	static char huge[200];
	const char *const bad[] = { "", "/", "relative", "/nowhere/at/all",
				    huge };

	(void)state;
	memset(huge, 'x', sizeof(huge) - 1);
	huge[0] = '/';
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		cagma_notify("READY=1");
	}
	assert_string_equal(heard(), "");
	setenv("NOTIFY_SOCKET", manager_path, 1);
	cagma_notify("READY=1");
	assert_string_equal(heard(), "READY=1");
}

/* A service manager that reads nothing keeps nobody waiting. */
static void test_manager_that_hangs_is_not_waited_for(void **state)
{
	(void)state;
	for (int i = 0; i < 10000; i++)
		cagma_notify("WATCHDOG=1");
	assert_string_equal(heard(), "WATCHDOG=1");
}

static int ask_at(const struct door *door, const char *request)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, door->path);
	assert_int_equal(connect(fd, (struct sockaddr *)&address,
				 sizeof(address)), 0);
	assert_int_equal(send(fd, request, strlen(request), 0),
			 strlen(request));
	return fd;
}

static void test_socket_is_roots_alone(void **state)
{
	struct stat s;

	(void)state;
	assert_int_equal(stat(serve.control.path, &s), 0);
	assert_int_equal(s.st_mode & 07777, 0600);
}

static mode_t mode_of(const char *path, gid_t *gid)
{
	struct stat s;

	assert_int_equal(stat(path, &s), 0);
	*gid = s.st_gid;
	return s.st_mode & 07777;
}

/* Whatever the umask is, and whether there is such a group or not. */
static void test_O4_status_socket_is_its_groups(void **state)
{
	const struct group *own = getgrgid(getegid());
	mode_t masks[] = { 0, 022, 077, 0777 };
	gid_t gid;

	(void)state;
	assert_non_null(own);
	for (size_t i = 0; i < ARRAY_SIZE(masks); i++) {
		mode_t was = umask(masks[i]);

		close_doors(&serve);
		assert_int_equal(open_doors(&serve, dir), 0);
		umask(was);
		assert_int_equal(mode_of(serve.control.path, &gid), 0600);
		assert_int_equal(mode_of(serve.readers.path, &gid), 0660);
	}
	assert_int_equal(chmod(dir, 0700), 0);
	assert_int_equal(share(dir, 0750, own->gr_name), 0);
	assert_int_equal(mode_of(dir, &gid), 0750);
	assert_int_equal(gid, getegid());
	assert_int_equal(chmod(dir, 0700), 0);
	if (!getgrnam(CAGMA_GROUP)) {
		assert_int_equal(cagma_serve_share_dir(dir), 0);
		assert_int_equal(mode_of(dir, &gid), 0700);
	}
}

/* Only root can give a file away. */
static void test_O4_status_socket_goes_to_another_group(void **state)
{
	char name[64] = "";
	gid_t other = getegid(), gid;

	(void)state;
	setgrent();
	for (const struct group *g; other == getegid() && (g = getgrent());) {
		other = g->gr_gid;
		snprintf(name, sizeof(name), "%s", g->gr_name);
	}
	endgrent();
	if (geteuid() || other == getegid())
		skip();
	assert_int_equal(share(serve.readers.path, 0660, name), 0);
	assert_int_equal(mode_of(serve.readers.path, &gid), 0660);
	assert_int_equal(gid, other);
}

/* What the client hears by the end of `rounds`; "" if nothing. */
static const char *hear_at(int fd, int rounds)
{
	static char text[1 << 16];
	ssize_t n;

	for (int i = 0; i < rounds; i++)
		wait_and_serve(&serve);
	n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);
	text[n > 0 ? n : 0] = '\0';
	return text;
}

/* No round waits from here on, nor does anybody for the loop, which doesn't run. */
static void wait_for_nothing(void)
{
	const uint64_t one = 1;

	assert_int_equal(write(serve.stop_fd, &one, sizeof(one)), sizeof(one));
}

/* Nor does the loop hear of it. */
static void test_O4_readers_may_not_command(void **state)
{
	struct cds_wfcq_node *node;
	static const char *const commands[] = {
		"pause\n", "pause web\n", "resume\n", "resume web\n",
		"set web min=64\n", "set web\n", "reload\n", "reload now\n",
		"reserve 64 60\n", "reserve\n", "release 1\n",
	};

	(void)state;
	wait_for_nothing();
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		int fd = ask_at(&serve.readers, commands[i]);

		assert_string_equal(hear_at(fd, 2), "{\"error\":\"this socket "
				    "is for reading only\"}\n");
		close(fd);
		fake_clock_advance(READERS_REST_NS);
	}
	assert_int_equal(cagma_queue_pop(&d.state.asked, &node), -ENOENT);
}

static bool loop_ends;

static void *run_loop(void *unused)
{
	while (!__atomic_load_n(&loop_ends, __ATOMIC_ACQUIRE))
		cagma_loop_once(&d.loop, 10);
	return unused;
}

static void assert_tells(const struct door *door, const char *request,
			 const char *key)
{
	int fd = ask_at(door, request);
	struct json_object *json = json_tokener_parse(hear_at(fd, 2)), *value;

	assert_non_null(json);
	assert_true(json_object_object_get_ex(json, key, &value));
	json_object_put(json);
	close(fd);
	fake_clock_advance(READERS_REST_NS);
}

static void test_O4_readers_are_told_what_root_is(void **state)
{
	pthread_t thread;

	(void)state;
	loop_ends = false;
	assert_int_equal(pthread_create(&thread, NULL, run_loop, NULL), 0);
	rcu_register_thread();
	assert_tells(&serve.control, "status\n", "guests");
	assert_tells(&serve.readers, "status\n", "guests");
	assert_tells(&serve.readers, "advice\n", "advice");
	assert_tells(&serve.readers, "explain web\n", "error");
	assert_tells(&serve.control, "pause\n", "done");
	assert_tells(&serve.control, "pause timeout=60\n", "done");
	assert_tells(&serve.readers, "status\n", "resumes_s");
	assert_tells(&serve.readers, "resume\n", "error");
	rcu_unregister_thread();
	__atomic_store_n(&loop_ends, true, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_true(d.state.paused);
}

/* However many readers there are: root has places of its own, and waits for none. */
static void test_O4_readers_take_no_place_of_commanders(void **state)
{
	int reader[4 * CAGMA_CLIENTS_MAX], root, last;

	(void)state;
	wait_for_nothing();
	root = ask_at(&serve.control, "dan");	/* in the midst of it */
	assert_string_equal(hear_at(root, 1), "");
	for (size_t i = 0; i < ARRAY_SIZE(reader); i++) {
		bool asks = i >= 3 * CAGMA_CLIENTS_MAX;

		reader[i] = ask_at(&serve.readers, asks ? "dance\n" : "dan");
		hear_at(reader[i], 2);
	}
	assert_int_equal(serve.readers.clients.count, CAGMA_CLIENTS_MAX - 1);
	assert_true(serve.readers.clients.rested_ns > cagma_now_ns());
	last = ask_at(&serve.control, "dance\n");
	assert_string_equal(hear_at(last, 2), "{\"error\":\"unknown request\"}\n");
	assert_int_equal(send(root, "ce\n", 3, 0), 3);
	assert_string_equal(hear_at(root, 1), "{\"error\":\"unknown request\"}\n");
	for (size_t i = 0; i < ARRAY_SIZE(reader); i++)
		close(reader[i]);
	close(root);
	close(last);
}

static void test_unknown_request_is_answered_without_the_loop(void **state)
{
	char text[128] = "";
	int fd = ask_at(&serve.control, "dance\n");

	(void)state;
	assert_true(wait_and_serve(&serve));	/* accepts */
	assert_true(wait_and_serve(&serve));	/* answers */
	assert_true(recv(fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, "{\"error\":\"unknown request\"}\n");
	close(fd);
}

static void test_thread_ends_when_told(void **state)
{
	const uint64_t one = 1;

	(void)state;
	assert_int_equal(write(serve.stop_fd, &one, sizeof(one)), sizeof(one));
	assert_false(wait_and_serve(&serve));
}

#define SERVE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		SERVE_TEST(test_C10_manager_hears_that_the_loop_runs),
		SERVE_TEST(test_C10_loop_that_hangs_is_not_covered_up),
		SERVE_TEST(test_without_a_watchdog_nobody_is_woken),
		cmocka_unit_test(test_watchdog_is_for_the_process_it_names),
		SERVE_TEST(test_bad_notify_sockets_are_ignored),
		SERVE_TEST(test_manager_that_hangs_is_not_waited_for),
		SERVE_TEST(test_socket_is_roots_alone),
		SERVE_TEST(test_O4_status_socket_is_its_groups),
		SERVE_TEST(test_O4_status_socket_goes_to_another_group),
		SERVE_TEST(test_O4_readers_may_not_command),
		SERVE_TEST(test_O4_readers_are_told_what_root_is),
		SERVE_TEST(test_O4_readers_take_no_place_of_commanders),
		SERVE_TEST(test_unknown_request_is_answered_without_the_loop),
		SERVE_TEST(test_thread_ends_when_told),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
