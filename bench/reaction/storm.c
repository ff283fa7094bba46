// SPDX-License-Identifier: GPL-2.0-only
/*
 * storm: writes one key of dom0's in xenstore as fast as it can. Says how often it
 * did when it is told to end (SIGTERM).
 */
#include <err.h>
#include <signal.h>
#include <stdio.h>

#include <xenstore.h>

#define KEY	"/local/domain/0/data/storm"

static volatile sig_atomic_t stop;

static void on_signal(int number)
{
	(void)number;
	stop = 1;
}

int main(void)
{
	const struct sigaction action = { .sa_handler = on_signal };
	struct xs_handle *store = xs_open(0);
	unsigned long writes = 0;
	char value[24];

	if (!store)
		err(1, "xenstore");
	sigaction(SIGTERM, &action, NULL);
	while (!stop) {
		int length = snprintf(value, sizeof(value), "%lu", writes);

		if (!xs_write(store, XBT_NULL, KEY, value,
			      (unsigned int)length))
			err(1, "%s", KEY);
		writes++;
	}
	xs_rm(store, XBT_NULL, KEY);
	xs_close(store);
	printf("%lu writes\n", writes);
	return 0;
}
