// SPDX-License-Identifier: GPL-2.0-only
/*
 * eventfd and epoll for a program of one thread, without the kernel: most of what a
 * simulated host did was to ask whether something had happened. The descriptors are real
 * ones, so that they can be told from others, but nothing is ever written to them.
 * Linked by --wrap.
 */
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define FDS	65536

/* NOLINTBEGIN(bugprone-reserved-identifier): the names that the linker asks for */
int __wrap_eventfd(unsigned int initial, int flags);
int __real_eventfd(unsigned int initial, int flags);
ssize_t __wrap_read(int fd, void *buffer, size_t size);
ssize_t __real_read(int fd, void *buffer, size_t size);
/* What _FORTIFY_SOURCE makes of a read() whose buffer it can't judge. */
ssize_t __wrap___read_chk(int fd, void *buffer, size_t size, size_t room);
ssize_t __wrap_write(int fd, const void *buffer, size_t size);
ssize_t __real_write(int fd, const void *buffer, size_t size);
int __wrap_close(int fd);
int __real_close(int fd);
int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __real_epoll_ctl(int epoll, int op, int fd, struct epoll_event *event);
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max,
		      int timeout_ms);

static struct event {
	bool is_event;
	bool is_listed;		/* in ready */
	bool is_watched;
	uint64_t count;
	epoll_data_t data;
} table[FDS];

/* In the order in which they became readable: a ring. */
static int ready[FDS];
static size_t first, ready_count;

static struct event *find(int fd)
{
	return fd >= 0 && fd < FDS && table[fd].is_event ? &table[fd] : NULL;
}

static void make_ready(int fd, struct event *event)
{
	if (event->is_listed || !event->is_watched || !event->count)
		return;
	event->is_listed = true;
	ready[(first + ready_count++) % FDS] = fd;
}

int __wrap_eventfd(unsigned int initial, int flags)
{
	int fd = __real_eventfd(0, flags);

	if (fd >= FDS) {
		__real_close(fd);
		errno = EMFILE;
		return -1;
	}
	/* A closed one of that number may be in the ring still. */
	if (fd >= 0) {
		table[fd].is_event = true;
		table[fd].count = initial;
	}
	return fd;
}

int __wrap_close(int fd)
{
	struct event *event = find(fd);

	if (event) {
		event->is_event = event->is_watched = false;
		event->count = 0;
	}
	return __real_close(fd);
}

ssize_t __wrap_read(int fd, void *buffer, size_t size)
{
	struct event *event = find(fd);

	if (!event)
		return __real_read(fd, buffer, size);
	if (!event->count) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(buffer, &event->count, sizeof(event->count));
	event->count = 0;
	return sizeof(event->count);
}

ssize_t __wrap___read_chk(int fd, void *buffer, size_t size, size_t room)
{
	if (size > room)
		abort();
	return __wrap_read(fd, buffer, size);
}

ssize_t __wrap_write(int fd, const void *buffer, size_t size)
{
	struct event *event = find(fd);
	uint64_t more;

	if (!event)
		return __real_write(fd, buffer, size);
	memcpy(&more, buffer, sizeof(more));
	event->count += more;
	make_ready(fd, event);
	return sizeof(more);
}

int __wrap_epoll_ctl(int epoll, int op, int fd, struct epoll_event *what)
{
	struct event *event = find(fd);

	if (!event)
		return __real_epoll_ctl(epoll, op, fd, what);
	event->is_watched = op != EPOLL_CTL_DEL;
	if (event->is_watched) {
		event->data = what->data;
		make_ready(fd, event);
	}
	return 0;
}

static int pop_oldest(void)
{
	int fd = ready[first];

	first = (first + 1) % FDS;
	ready_count--;
	table[fd].is_listed = false;
	return fd;
}

/* What is not read by the next call is reported again, behind the others. */
int __wrap_epoll_wait(int epoll, struct epoll_event *events, int max,
		      int timeout_ms)
{
	int count = 0;

	(void)epoll;
	(void)timeout_ms;
	for (size_t i = ready_count; i > 0 && count < max; i--) {
		int fd = pop_oldest();

		if (!table[fd].is_watched || !table[fd].count)
			continue;
		events[count++] = (struct epoll_event){
			.events = EPOLLIN,
			.data = table[fd].data,
		};
		make_ready(fd, &table[fd]);
	}
	return count;
}
/* NOLINTEND(bugprone-reserved-identifier) */
