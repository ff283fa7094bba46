// SPDX-License-Identifier: GPL-2.0-only
/* The serve thread's rounds, one at a time: cagmactl and the service manager. */
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
		.loop = &d.loop,
		.trace = &d.trace,
		.stop_fd = eventfd(0, EFD_CLOEXEC),
		.watchdog_ns = INTERVAL,
	};
	snprintf(serve.path, sizeof(serve.path), "%s/sock", dir);
	assert_int_equal(cagma_requests_init(&serve.requests, &d.loop, d.store,
					     &options, serve.stop_fd), 0);
	cagma_clients_open(&serve.clients, listen_on(serve.path), answer,
			   &serve.requests);
	return 0;
}

static int end(void **state)
{
	(void)state;
	cagma_clients_close(&serve.clients);
	cagma_requests_destroy(&serve.requests);
	close(serve.stop_fd);
	unlink(serve.path);
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

static int ask_for(const char *request)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, serve.path);
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
	assert_int_equal(stat(serve.path, &s), 0);
	assert_int_equal(s.st_mode & 07777, 0600);
}

static void test_unknown_request_is_answered_without_the_loop(void **state)
{
	char text[128] = "";
	int fd = ask_for("dance\n");

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
		SERVE_TEST(test_unknown_request_is_answered_without_the_loop),
		SERVE_TEST(test_thread_ends_when_told),
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
