// SPDX-License-Identifier: GPL-2.0-only
/*
 * raise INTERVAL_US: in a guest, asks dom0 for memory over and over through the
 * module, and sleeps in between: a guest that runs on would, on an emulator,
 * delay the answer. Waits for the module, and for dom0, if they are not there;
 * runs until it is killed.
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#define RAISE "/sys/module/cagma/parameters/raise"

int main(int argc, char **argv)
{
	useconds_t interval_us = argc == 2 ? (useconds_t)atoi(argv[1]) : 0;

	if (!interval_us)
		errx(2, "usage: raise INTERVAL_US");
	for (;;) {
		int fd = open(RAISE, O_WRONLY | O_CLOEXEC);

		while (fd >= 0 && pwrite(fd, "1", 1, 0) == 1)
			usleep(interval_us);
		if (fd >= 0)
			close(fd);
		usleep(interval_us);
	}
}
