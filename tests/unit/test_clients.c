// SPDX-License-Identifier: GPL-2.0-only
/* The control socket's clients: slow, silent, many, or with too much to say. */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clients.h"
#include "unit.h"

static struct cagma_clients clients;
static uint64_t now_ns;
static unsigned int asked;
static size_t reply_bytes;
static char path[] = "/tmp/cagma-test-clients-XXXXXX";

static char *answer(void *context, char *request)
{
	char *reply = malloc(reply_bytes + 1);
	int n;

	assert_null(context);
	asked++;
	assert_non_null(reply);
	n = snprintf(reply, reply_bytes, "[%.*s]", (int)strcspn(request, "\n"),
		     request);
	memset(reply + n, 'a', reply_bytes - (size_t)n);
	reply[reply_bytes] = '\0';
	return reply;
}

static int listen_there(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
	    listen(fd, 64))
		return -1;
	return fd;
}

static int begin(void **state)
{
	int fd;

	(void)state;
	strcpy(path + sizeof(path) - 7, "XXXXXX");
	fd = mkstemp(path);
	close(fd);
	unlink(path);
	fd = listen_there();
	if (fd < 0)
		return -1;
	now_ns = S;
	asked = 0;
	reply_bytes = 100;
	cagma_clients_open(&clients, fd, answer, NULL);
	return 0;
}

static int end(void **state)
{
	(void)state;
	cagma_clients_close(&clients);
	return unlink(path);
}

/* As often as there is anything to do. */
static void serve(void)
{
	struct pollfd fds[CAGMA_CLIENTS_FDS];
	nfds_t count;

	do {
		count = cagma_clients_watch(&clients, fds, now_ns);
		if (poll(fds, count, 0) <= 0)
			memset(fds, 0, sizeof(fds));
		cagma_clients_serve(&clients, fds, now_ns);
		count = cagma_clients_watch(&clients, fds, now_ns);
	} while (poll(fds, count, 0) > 0);
}

static int connect_one(void)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(address.sun_path, path);
	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&address,
				 sizeof(address)), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

/* All there is by now; 0: the connection is over and said nothing. */
static ssize_t hear(int fd, char *text, size_t size)
{
	ssize_t n = recv(fd, text, size - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return n;
}

static void assert_heard(int fd, const char *text)
{
	char heard[256];

	assert_true(hear(fd, heard, sizeof(heard)) > 0);
	assert_int_equal(strncmp(heard, text, strlen(text)), 0);
	assert_int_equal(hear(fd, heard, sizeof(heard)), 0);
	close(fd);
}

static void assert_waiting(int fd)
{
	char heard[16];

	assert_int_equal(hear(fd, heard, sizeof(heard)), -1);
	assert_int_equal(errno, EAGAIN);
}

static void assert_over(int fd)
{
	char heard[16];
	ssize_t n = hear(fd, heard, sizeof(heard));

	assert_true(n == 0 || (n < 0 && errno != EAGAIN));
	close(fd);
}

static void test_line_is_answered(void **state)
{
	int fd = connect_one();

	(void)state;
	say(fd, "status\n");
	serve();
	assert_heard(fd, "[status]");
	assert_int_equal(clients.count, 0);
}

static void test_line_may_come_in_pieces(void **state)
{
	int fd = connect_one();

	(void)state;
	for (const char *c = "status"; *c; c++) {
		const char piece[] = { *c, '\0' };

		say(fd, piece);
		serve();
		assert_waiting(fd);
	}
	say(fd, "\n");
	serve();
	assert_heard(fd, "[status]");
	assert_int_equal(asked, 1);
}

/* What is no line is handed on as nothing. */
static void test_R13_huge_request_is_none(void **state)
{
	static const char *const bad[] = { "status\nstatus\n", "status\n\n" };
	char huge[8192];
	int fd;

	(void)state;
	memset(huge, 'x', sizeof(huge));
	fd = connect_one();
	assert_int_equal(send(fd, huge, sizeof(huge), 0), sizeof(huge));
	serve();
	assert_true(hear(fd, huge, 16) > 0);
	assert_int_equal(strncmp(huge, "[]", 2), 0);
	close(fd);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fd = connect_one();
		say(fd, bad[i]);
		serve();
		assert_heard(fd, "[]");
	}
	fd = connect_one();
	assert_int_equal(send(fd, "sta\0us\n", 7, 0), 7);
	serve();
	assert_heard(fd, "[]");
}

static void test_R13_half_open_client_delays_nobody(void **state)
{
	int silent = connect_one(), fd;

	(void)state;
	say(silent, "sta");
	serve();
	fd = connect_one();
	say(fd, "status\n");
	serve();
	assert_heard(fd, "[status]");
	assert_waiting(silent);
	assert_in_range(cagma_clients_timeout(&clients, now_ns), 1000, 1001);
	now_ns += S;
	serve();
	assert_over(silent);
	assert_int_equal(cagma_clients_timeout(&clients, now_ns), -1);
}

static void test_R13_slow_reader_delays_nobody(void **state)
{
	static char heard[1 << 16];
	int slow = connect_one(), fd;
	size_t total = 0;
	ssize_t n;

	(void)state;
	reply_bytes = 3 << 20;
	say(slow, "status\n");
	serve();
	fd = connect_one();
	reply_bytes = 100;
	say(fd, "explain web\n");
	serve();
	assert_heard(fd, "[explain web]");
	now_ns += 4 * S;
	while ((n = hear(slow, heard, sizeof(heard))) > 0) {
		total += (size_t)n;
		serve();
	}
	assert_int_equal(n, 0);
	assert_int_equal(total, 3 << 20);
	close(slow);
}

static void test_R13_reader_that_never_reads_is_let_go(void **state)
{
	int slow = connect_one();

	(void)state;
	reply_bytes = 3 << 20;
	say(slow, "status\n");
	serve();
	assert_int_equal(clients.count, 1);
	now_ns += 6 * S;
	serve();
	assert_int_equal(clients.count, 0);
	close(slow);
}

/* A client that asks at once is served, however many only sit there. */
static void test_R13_1000_clients(void **state)
{
	static int silent[1000];

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
		int fd;

		silent[i] = connect_one();
		serve();
		if (i % 10)
			continue;
		fd = connect_one();
		say(fd, "status\n");
		serve();
		assert_heard(fd, "[status]");
	}
	assert_int_equal(asked, 100);
	assert_int_equal(clients.count, CAGMA_CLIENTS_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++)
		close(silent[i]);
	serve();
	assert_int_equal(clients.count, 0);
}

/* Somebody who waits for his reply is not pushed out by who asks nothing. */
static void test_R13_silent_ones_push_out_silent_ones(void **state)
{
	int silent[2 * CAGMA_CLIENTS_MAX], slow = connect_one();
	char heard[16];

	(void)state;
	reply_bytes = 3 << 20;
	say(slow, "status\n");
	serve();
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
		silent[i] = connect_one();
		serve();
	}
	assert_true(hear(slow, heard, sizeof(heard)) > 0);
	assert_over(silent[0]);
	assert_waiting(silent[ARRAY_SIZE(silent) - 1]);
	for (size_t i = 1; i < ARRAY_SIZE(silent); i++)
		close(silent[i]);
	close(slow);
}

/* Without descriptors a client is refused, and not offered for ever. */
static void test_R2_without_descriptors_clients_are_refused(void **state)
{
	struct rlimit before, tight;
	int fd = connect_one(), last;

	(void)state;
	last = dup(fd);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	close(last);
	tight = before;
	tight.rlim_cur = (rlim_t)last;
	say(fd, "status\n");
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
	serve();	/* ends: nobody is waiting any more */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_int_equal(asked, 0);
	assert_over(fd);
	fd = connect_one();
	say(fd, "status\n");
	serve();
	assert_heard(fd, "[status]");
}

/* Whoever asks again and again gets an answer per rest; who came first, first. */
static void test_O4_readers_wait_between_two_answers(void **state)
{
	int hog[8], slow, late;
	char heard[256];

	(void)state;
	clients.rest_ns = 100 * MS;
	reply_bytes = 3 << 20;
	for (size_t i = 0; i < ARRAY_SIZE(hog); i++)
		hog[i] = connect_one();
	slow = connect_one();
	say(slow, "status\n");
	serve();
	reply_bytes = 100;
	for (size_t i = 0; i < ARRAY_SIZE(hog); i++)
		say(hog[i], "status\n");
	late = connect_one();
	serve();
	assert_int_equal(asked, 1);
	assert_int_equal(clients.count, 1 + ARRAY_SIZE(hog));
	assert_in_range(cagma_clients_timeout(&clients, now_ns), 100, 101);
	/* What has been asked for goes out meanwhile. */
	while (hear(slow, heard, sizeof(heard)) > 0)
		serve();
	close(slow);
	assert_int_equal(asked, 1);
	for (size_t i = 0; i < ARRAY_SIZE(hog); i++) {
		now_ns += 100 * MS;
		serve();
		assert_int_equal(asked, 2 + i);
		assert_heard(hog[i], "[status]");
		if (i + 1 < ARRAY_SIZE(hog))
			assert_waiting(hog[i + 1]);
	}
	now_ns += 100 * MS;
	say(late, "status\n");
	serve();
	assert_heard(late, "[status]");
	now_ns += 100 * MS;
	assert_int_equal(cagma_clients_timeout(&clients, now_ns), -1);
}

#define CLIENTS_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENTS_TEST(test_line_is_answered),
		CLIENTS_TEST(test_line_may_come_in_pieces),
		CLIENTS_TEST(test_R13_huge_request_is_none),
		CLIENTS_TEST(test_R13_half_open_client_delays_nobody),
		CLIENTS_TEST(test_R13_slow_reader_delays_nobody),
		CLIENTS_TEST(test_R13_reader_that_never_reads_is_let_go),
		CLIENTS_TEST(test_R13_1000_clients),
		CLIENTS_TEST(test_R13_silent_ones_push_out_silent_ones),
		CLIENTS_TEST(test_O4_readers_wait_between_two_answers),
		CLIENTS_TEST(test_R2_without_descriptors_clients_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
