// SPDX-License-Identifier: GPL-2.0-only
/*
 * host ports | host listen SOCKET | host claims: in dom0, until it is killed.
 *
 *   ports    takes all event channels that dom0 can have, and says how many it took
 *   listen   is the service manager: prints what it is told at SOCKET, a line each
 *   claims   prints of each time in which memory is claimed, when it has ended, how
 *            many pages it were at most, when it began and ended (ms since 1970)
 */
#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <xenctrl.h>
#include <xenevtchn.h>

#define LOOK_US		2000

static void take_ports(void)
{
	xenevtchn_handle *handle = xenevtchn_open(NULL, 0);
	unsigned int taken = 0;

	if (!handle)
		err(1, "event channels");
	while (xenevtchn_bind_unbound_port(handle, 0) >= 0)
		taken++;
	printf("%u ports are taken, then: %m\n", taken);
	pause();
}

static void listen_at(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	size_t length = strlen(path);
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[256];
	ssize_t n;

	if (fd < 0 || length >= sizeof(address.sun_path))
		err(1, "socket");
	memcpy(address.sun_path, path, length);
	if (bind(fd, (struct sockaddr *)&address, sizeof(address)))
		err(1, "%s", path);
	while ((n = recv(fd, text, sizeof(text) - 1, 0)) >= 0) {
		text[n] = '\0';
		puts(text);
	}
	err(1, "recv");
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t claimed_pages(xc_interface *xc)
{
	xc_physinfo_t info = { 0 };

	if (xc_physinfo(xc, &info))
		err(1, "physinfo");
	return info.outstanding_pages;
}

static void watch_claims(void)
{
	xc_interface *xc = xc_interface_open(NULL, NULL, 0);
	uint64_t most = 0, since_ms = 0;

	if (!xc)
		err(1, "xenctrl");
	for (;; usleep(LOOK_US)) {
		uint64_t pages = claimed_pages(xc);

		if (pages && !most)
			since_ms = now_ms();
		if (!pages && most)
			printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", most,
			       since_ms, now_ms());
		most = pages > most || !pages ? pages : most;
	}
}

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	if (argc == 2 && !strcmp(argv[1], "ports"))
		take_ports();
	else if (argc == 3 && !strcmp(argv[1], "listen"))
		listen_at(argv[2]);
	else if (argc == 2 && !strcmp(argv[1], "claims"))
		watch_claims();
	else
		errx(2, "usage: host ports | host listen SOCKET | host claims");
	return 0;
}
