// SPDX-License-Identifier: GPL-2.0-only
/* The process around the agent. What changes it for good happens in a child. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../domU/process.h"
#include "unit.h"

static char dir[64], run_dir[80];

static int set_up(void **state)
{
	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/cagma-process-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(run_dir, sizeof(run_dir), "%s/run", dir);
	return 0;
}

static int tear_down(void **state)
{
	char path[96];

	(void)state;
	snprintf(path, sizeof(path), "%s/lock", run_dir);
	unlink(path);
	rmdir(run_dir);
	return rmdir(dir);
}

static void test_second_agent_is_told_who_is_first(void **state)
{
	int owner, first = cagma_process_lock(run_dir, &owner);

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(fcntl(first, F_GETFD), FD_CLOEXEC);
	assert_int_equal(cagma_process_lock(run_dir, &owner), -EBUSY);
	assert_int_equal(owner, getpid());
	close(first);
	first = cagma_process_lock(run_dir, &owner);
	assert_true(first >= 0);
	close(first);
}

static void test_lock_ends_with_its_process(void **state)
{
	int owner, fd, status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (!child)
		_exit(cagma_process_lock(run_dir, &owner) < 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fd = cagma_process_lock(run_dir, &owner);
	assert_true(fd >= 0);
	close(fd);
}

static void test_lock_is_no_link(void **state)
{
	char path[96];
	int owner;

	(void)state;
	assert_int_equal(mkdir(run_dir, 0755), 0);
	snprintf(path, sizeof(path), "%s/lock", run_dir);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(cagma_process_lock(run_dir, &owner), -ELOOP);
}

static void test_bad_places_for_the_lock(void **state)
{
	char long_name[400];
	int owner;

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(cagma_process_lock(long_name, &owner), -ENAMETOOLONG);
	assert_int_equal(cagma_process_lock("/nonexistent/run", &owner), -ENOENT);
	assert_int_equal(cagma_process_lock("/dev/null", &owner), -ENOTDIR);
}

static bool is_readable(int fd, int ms)
{
	struct pollfd poll_fd = { fd, POLLIN, 0 };

	return poll(&poll_fd, 1, ms) == 1 && poll_fd.revents == POLLIN;
}

static int end_politely(void)
{
	int fd = cagma_process_signals();

	if (fd < 0 || is_readable(fd, 0))
		return 1;
	kill(getpid(), SIGHUP);
	kill(getpid(), SIGPIPE);
	if (is_readable(fd, 0))
		return 2;
	kill(getpid(), SIGTERM);
	return is_readable(fd, 1000) ? 0 : 3;
}

/* As if xenstore hung: nobody looks at the descriptor. */
static int hang(void)
{
	if (cagma_process_signals() < 0)
		return 1;
	kill(getpid(), SIGTERM);
	sleep(20);
	return 2;
}

static int run(int (*work)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child)
		_exit(work());
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static int ask_twice(void)
{
	int fd = cagma_process_requests();
	uint64_t requests = 0;

	if (fd < 0 || is_readable(fd, 0))
		return 1;
	kill(getpid(), SIGUSR1);
	kill(getpid(), SIGUSR1);
	if (!is_readable(fd, 1000))
		return 2;
	if (read(fd, &requests, sizeof(requests)) < 0 || requests != 2)
		return 3;
	return is_readable(fd, 0) ? 4 : 0;
}

static void test_requests_are_counted(void **state)
{
	(void)state;
	assert_int_equal(run(ask_twice), 0);
}

static void test_signals_end_it_politely(void **state)
{
	(void)state;
	assert_int_equal(run(end_politely), 0);
}

static void test_process_that_hangs_is_ended_all_the_same(void **state)
{
	int status = run(hang);

	(void)state;
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGALRM);
}

/* The value of a line of /proc/self/status, base 16 or 10. */
static unsigned long long status_line(const char *name, int base)
{
	unsigned long long value = 12345;
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];

	while (file && fgets(line, sizeof(line), file)) {
		if (!strncmp(line, name, strlen(name)))
			value = strtoull(line + strlen(name), NULL, base);
	}
	if (file)
		fclose(file);
	return value;
}

#define SYS_ADMIN	0x200000

static int drop_to_nobody(void)
{
	const struct passwd *nobody = getpwnam("nobody");
	uid_t uid = nobody ? nobody->pw_uid : 0;
	const gid_t group = 0;

	if (setgroups(1, &group))
		return 5;
	if (cagma_process_drop("nobody"))
		return 1;
	if (getuid() != uid || geteuid() != uid || getgid() == 0 ||
	    getgroups(0, NULL) != 0)
		return 2;
	if (status_line("CapEff:", 16) != SYS_ADMIN ||
	    status_line("CapPrm:", 16) != SYS_ADMIN ||
	    status_line("CapInh:", 16) != 0 ||
	    status_line("NoNewPrivs:", 10) != 1)
		return 3;
	return setuid(0) ? 0 : 4;
}

static int drop_as_root(void)
{
	if (cagma_process_drop(NULL))
		return 1;
	return geteuid() || status_line("CapEff:", 16) != SYS_ADMIN ||
	       status_line("CapPrm:", 16) != SYS_ADMIN ? 2 : 0;
}

static int drop_to_no_such_user(void)
{
	return cagma_process_drop("cagma-no-such-user") == -ENOENT ? 0 : 1;
}

static void needs_root(void)
{
	if (geteuid())
		skip();
}

static void test_privileges_are_gone_with_the_user(void **state)
{
	(void)state;
	needs_root();
	assert_int_equal(run(drop_to_nobody), 0);
}

static void test_privileges_are_gone_without_a_user(void **state)
{
	(void)state;
	needs_root();
	assert_int_equal(run(drop_as_root), 0);
}

static void test_user_that_does_not_exist(void **state)
{
	(void)state;
	assert_int_equal(run(drop_to_no_such_user), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_second_agent_is_told_who_is_first),
		TEST(test_lock_ends_with_its_process),
		TEST(test_lock_is_no_link),
		TEST(test_bad_places_for_the_lock),
		TEST(test_requests_are_counted),
		TEST(test_signals_end_it_politely),
		TEST(test_process_that_hangs_is_ended_all_the_same),
		TEST(test_privileges_are_gone_with_the_user),
		TEST(test_privileges_are_gone_without_a_user),
		TEST(test_user_that_does_not_exist),
	};

	return cmocka_run_group_tests_name("agent_process", tests, NULL, NULL);
}
