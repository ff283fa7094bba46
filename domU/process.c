// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.h"

#define END_SECONDS	5

static int end_fd = -1;
static int request_fd = -1;

/* Only what is used: the libraries are much larger than that. */
int cagma_process_pin(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int flags = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT;

	/* Or the page of a later connection could not be mapped. */
	if (setrlimit(RLIMIT_MEMLOCK, &all))
		return -errno;
	return mlockall(flags) ? -errno : 0;
}

/*
 * All capabilities but CAP_SYS_ADMIN, which the kernel asks for whenever target_kb
 * is written, whoever has opened it.
 */
static int keep_one_capability(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = { { 0 } };

	data[0].effective = data[0].permitted = 1u << CAP_SYS_ADMIN;
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

static int change_user(const struct passwd *user)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) || setgroups(0, NULL) ||
	    setresgid(user->pw_gid, user->pw_gid, user->pw_gid) ||
	    setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
		return -errno;
	return 0;
}

int cagma_process_drop(const char *user)
{
	const struct passwd *entry;
	int err = 0;

	if (user) {
		errno = 0;
		entry = getpwnam(user);
		if (!entry)
			return errno ? -errno : -ENOENT;
		err = change_user(entry);
	}
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		err = -errno;
	return err ? err : keep_one_capability();
}

static void on_end(int signal_number)
{
	const uint64_t one = 1;
	int saved = errno;

	(void)signal_number;
	alarm(END_SECONDS);
	if (write(end_fd, &one, sizeof(one)) < 0)
		_exit(EXIT_FAILURE);
	errno = saved;
}

int cagma_process_signals(void)
{
	struct sigaction end = { .sa_handler = on_end, .sa_flags = SA_RESTART };

	end_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (end_fd < 0)
		return -errno;
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	if (sigaction(SIGTERM, &end, NULL) || sigaction(SIGINT, &end, NULL))
		return -errno;
	return end_fd;
}

static void on_request(int signal_number)
{
	const uint64_t one = 1;
	int saved = errno;
	/* Fails only if there are more requests than can be counted. */
	ssize_t written = write(request_fd, &one, sizeof(one));

	(void)signal_number;
	(void)written;
	errno = saved;
}

int cagma_process_requests(void)
{
	struct sigaction request = {
		.sa_handler = on_request, .sa_flags = SA_RESTART,
	};

	request_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (request_fd < 0 || sigaction(SIGUSR1, &request, NULL))
		return -errno;
	return request_fd;
}
