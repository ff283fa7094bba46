// SPDX-License-Identifier: GPL-2.0-only
/*
 * raise [--together] INTERVAL_US: in a guest, asks dom0 for memory over and over
 * through the module, and sleeps in between: a guest that runs on would, on an
 * emulator, delay the answer. --together: at multiples of the interval of the wall
 * clock, which the guests of a host share. Waits for the module, and for dom0, if
 * they are not there; runs until it is killed.
 */
#include <err.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RAISE		"/sys/module/cagma/parameters/raise"
#define US_PER_S	1000000l

static bool together;
static long interval_us;

static void pause_a_while(void)
{
	struct timespec now;
	long into_us;

	clock_gettime(CLOCK_REALTIME, &now);
	into_us = (now.tv_sec % 3600 * US_PER_S + now.tv_nsec / 1000) %
		  interval_us;
	usleep((useconds_t)(together ? interval_us - into_us : interval_us));
}

int main(int argc, char **argv)
{
	together = argc == 3 && !strcmp(argv[1], "--together");
	if (argc == 2 + together)
		interval_us = atol(argv[argc - 1]);
	if (interval_us <= 0)
		errx(2, "usage: raise [--together] INTERVAL_US");
	for (;;) {
		int fd = open(RAISE, O_WRONLY | O_CLOEXEC);

		while (fd >= 0 && pwrite(fd, "1", 1, 0) == 1)
			pause_a_while();
		if (fd >= 0)
			close(fd);
		pause_a_while();
	}
}
