// SPDX-License-Identifier: GPL-2.0-only
/*
 * loads MODULE NAME COUNT: loads the module COUNT times, unloading it in between and
 * at the end, and prints how long each load took, in ns:
 *   LOADS NS...
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* As insmod does it: the file is opened each time. */
static int64_t load(const char *file)
{
	int64_t from = now_ns();
	int fd = open(file, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || syscall(SYS_finit_module, fd, "", 0))
		err(1, "%s", file);
	close(fd);
	return now_ns() - from;
}

static void unload(const char *name)
{
	while (syscall(SYS_delete_module, name, O_NONBLOCK))
		if (errno != EAGAIN && errno != EBUSY)
			err(1, "unloading %s", name);
}

int main(int argc, char **argv)
{
	if (argc != 4)
		errx(2, "usage: loads MODULE NAME COUNT");
	printf("LOADS");
	for (int i = atoi(argv[3]); i > 0; i--) {
		printf(" %lld", (long long)load(argv[1]));
		unload(argv[2]);
	}
	puts("");
	return 0;
}
