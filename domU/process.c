// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "process.h"

#define END_SECONDS	5

static int end_fd = -1;
static int request_fd = -1;

static int read_owner(int fd)
{
	char text[16] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? (int)strtol(text, NULL, 10) : 0;
}

int cagma_process_lock(const char *run_dir, int *owner)
{
	char path[256], text[16];
	int n = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	int fd, err;

	*owner = 0;
	if (snprintf(path, sizeof(path), "%s/lock", run_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	if (mkdir(run_dir, 0755) && errno != EEXIST)
		return -errno;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd < 0)
		return -errno;
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		*owner = read_owner(fd);
		close(fd);
		return err;
	}
	if (ftruncate(fd, 0) || pwrite(fd, text, (size_t)n, 0) != n) {
		err = errno ? -errno : -EIO;
		close(fd);
		return err;
	}
	return fd;
}

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
