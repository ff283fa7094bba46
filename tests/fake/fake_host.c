// SPDX-License-Identifier: GPL-2.0-only
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "clock.h"
#include "fake_host.h"
#include "log.h"
#include "units.h"

/* Not 0: the daemon has not been started when the machine was. */
#define START_NS	(1000 * CAGMA_NS_PER_S)

int __wrap_timerfd_create(int clock, int flags);
int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new,
			   struct itimerspec *old);
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms);
int __real_poll(struct pollfd *fds, nfds_t count, int timeout_ms);

static struct {
	uint64_t now_ns;
	int timer_fd;		/* an eventfd; read like a timer's */
	uint64_t interval_ns;	/* 0: the timer is off */
	uint64_t expires_ns;
	unsigned int lines;
	unsigned int guest_lines;
	char last[512];
} host;

void fake_host_reset(void)
{
	host.now_ns = START_NS;
	host.timer_fd = -1;
	host.interval_ns = 0;
	host.lines = 0;
	host.guest_lines = 0;
	host.last[0] = '\0';
}

uint64_t cagma_now_ns(void)
{
	return host.now_ns;
}

/* Nothing but the test moves it. */
void cagma_clock_hold(void)
{
}

void cagma_clock_release(void)
{
}

int __wrap_timerfd_create(int clock, int flags)
{
	(void)clock;
	(void)flags;
	host.interval_ns = 0;
	host.timer_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return host.timer_fd;
}

int __wrap_timerfd_settime(int fd, int flags, const struct itimerspec *new,
			   struct itimerspec *old)
{
	(void)fd;
	(void)flags;
	(void)old;
	host.interval_ns = (uint64_t)new->it_interval.tv_sec * CAGMA_NS_PER_S +
			   (uint64_t)new->it_interval.tv_nsec;
	host.expires_ns = host.now_ns + host.interval_ns;
	return 0;
}

/* Only waiting for time to pass is in vain here. */
int __wrap_poll(struct pollfd *fds, nfds_t count, int timeout_ms)
{
	return fds ? __real_poll(fds, count, timeout_ms) : 0;
}

void fake_clock_advance(uint64_t ns)
{
	uint64_t expired;

	host.now_ns += ns;
	if (!host.interval_ns || host.now_ns < host.expires_ns)
		return;
	expired = 1 + (host.now_ns - host.expires_ns) / host.interval_ns;
	host.expires_ns += expired * host.interval_ns;
	if (write(host.timer_fd, &expired, sizeof(expired)) !=
	    sizeof(expired))
		host.interval_ns = 0;	/* nobody has the timer any more */
}

void cagma_log_to_syslog(void)
{
}

void cagma_log(int priority, const char *format, ...)
{
	va_list args;

	(void)priority;
	va_start(args, format);
	vsnprintf(host.last, sizeof(host.last), format, args);
	va_end(args);
	host.lines++;
}

void cagma_log_guest(int priority, const char *format, ...)
{
	va_list args;

	(void)priority;
	va_start(args, format);
	vsnprintf(host.last, sizeof(host.last), format, args);
	va_end(args);
	host.lines++;
	host.guest_lines++;
}

unsigned int fake_log_lines(void)
{
	return host.lines;
}

unsigned int fake_log_guest_lines(void)
{
	return host.guest_lines;
}

const char *fake_log_last(void)
{
	return host.last;
}
