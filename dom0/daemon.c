// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "daemon.h"
#include "log.h"

static int ready_fd = -1;

static void wait_until_ready(int fd)
{
	char word;

	_exit(read(fd, &word, 1) == 1 ? 0 : 1);
}

int cagma_daemon_detach(void)
{
	int fds[2];
	pid_t child;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child < 0)
		return -errno;
	if (child) {
		close(fds[1]);
		wait_until_ready(fds[0]);
	}
	close(fds[0]);
	ready_fd = fds[1];
	setsid();
	return chdir("/") ? -errno : 0;
}

/* Until here errors went to the terminal; from here they go to syslog. */
void cagma_daemon_ready(void)
{
	int null;

	if (ready_fd < 0)
		return;
	cagma_log_to_syslog();
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDIN_FILENO);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		close(null);
	}
	if (write(ready_fd, "r", 1) != 1)
		cagma_log(4, "nobody waits for this daemon");
	close(ready_fd);
	ready_fd = -1;
}

void cagma_daemon_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

void cagma_daemon_spare_memory(void)
{
	mallopt(M_MMAP_THRESHOLD, 128 * 1024);
}

/* Linux has a priority for each thread, and 0 is the calling one (setpriority(2)). */
int cagma_daemon_go_first(void)
{
	return setpriority(PRIO_PROCESS, 0, -20) ? -errno : 0;
}
