// SPDX-License-Identifier: GPL-2.0-only
/*
 * raise INTERVAL_US: in a guest, asks dom0 for memory over and over through the
 * module, and sleeps in between: a guest that runs on would, on an emulator,
 * delay the answer. Runs until it is killed or the module goes.
 */
#include <err.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	useconds_t interval_us = argc == 2 ? (useconds_t)atoi(argv[1]) : 0;
	int fd;

	if (!interval_us)
		errx(2, "usage: raise INTERVAL_US");
	fd = open("/sys/module/cagma/parameters/raise", O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		err(1, "the module's parameter raise");
	while (pwrite(fd, "1", 1, 0) == 1)
		usleep(interval_us);
	err(1, "raise");
}
