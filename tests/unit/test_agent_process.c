// SPDX-License-Identifier: GPL-2.0-only
/* The process around the agent. What changes it for good happens in a child. */
#include <errno.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../domU/process.h"
#include "unit.h"

#define PATIENCE_MS	(UNIT_PATIENCE_S * 1000)

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
	return is_readable(fd, PATIENCE_MS) ? 0 : 3;
}

/* As if xenstore hung: nobody looks at the descriptor. */
static int hang(void)
{
	if (cagma_process_signals() < 0)
		return 1;
	kill(getpid(), SIGTERM);
	sleep(UNIT_PATIENCE_S);
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
	if (!is_readable(fd, PATIENCE_MS))
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
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_requests_are_counted),
		cmocka_unit_test(test_signals_end_it_politely),
		cmocka_unit_test(test_process_that_hangs_is_ended_all_the_same),
		cmocka_unit_test(test_privileges_are_gone_with_the_user),
		cmocka_unit_test(test_privileges_are_gone_without_a_user),
		cmocka_unit_test(test_user_that_does_not_exist),
	};

	return cmocka_run_group_tests_name("agent_process", tests, NULL, NULL);
}
