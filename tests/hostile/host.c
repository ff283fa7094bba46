// SPDX-License-Identifier: GPL-2.0-only
/*
 * host ports | host listen SOCKET: in dom0, until it is killed.
 *
 *   ports    takes all event channels that dom0 can have, and says how many it took
 *   listen   is the service manager: prints what it is told at SOCKET, a line each
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <xenevtchn.h>

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

int main(int argc, char **argv)
{
	setlinebuf(stdout);
	if (argc == 2 && !strcmp(argv[1], "ports"))
		take_ports();
	else if (argc == 3 && !strcmp(argv[1], "listen"))
		listen_at(argv[2]);
	else
		errx(2, "usage: host ports | host listen SOCKET");
	return 0;
}
