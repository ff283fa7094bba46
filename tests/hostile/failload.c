// SPDX-License-Identifier: GPL-2.0-only
/*
 * failload MODULE NAME: in a guest whose kernel has fault injection, loads the
 * module while the first allocation of loading fails, then the second, and so
 * on, until none is left to fail. Ends with the module unloaded and prints
 *   FAILED-NOT_LOADED-LOADED
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MOST 10000

/* The kernel counts down to the allocation that fails; 0: it has failed. */
static void arm(int fd, int nth)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d", nth);

	if (pwrite(fd, text, (size_t)length, 0) != length)
		err(1, "fail-nth");
}

static int left(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		err(1, "fail-nth");
	return atoi(text);
}

static void unload(const char *name)
{
	while (syscall(SYS_delete_module, name, O_NONBLOCK))
		if (errno != EAGAIN && errno != EBUSY)
			err(1, "unloading %s", name);
}

int main(int argc, char **argv)
{
	int failed = 0, loaded = 0, nth = 0, rest = 0;
	int module, faults;

	if (argc != 3)
		errx(2, "usage: failload MODULE NAME");
	module = open(argv[1], O_RDONLY | O_CLOEXEC);
	faults = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (module < 0 || faults < 0)
		err(1, "%s", module < 0 ? argv[1] : "/proc/self/fail-nth");
	while (!rest && nth < MOST) {
		long status;

		arm(faults, ++nth);
		status = syscall(SYS_finit_module, module, "", 0);
		rest = left(faults);
		arm(faults, 0);
		if (status) {
			failed++;
			continue;
		}
		loaded++;
		unload(argv[2]);
	}
	printf("FAILED-%d-%d\n", failed, loaded);
	return rest ? 0 : 1;
}
