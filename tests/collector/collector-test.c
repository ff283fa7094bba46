// SPDX-License-Identifier: GPL-2.0-only
/*
 * collector-test MODULE: loads bench/collector's module on this machine, as root,
 * and tests it: bad writes and reads, a full buffer, many writers and readers, its
 * unloading while it is in use. Prints one line per test and "COLLECTOR-TESTED".
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BUFFER		"/proc/cagma/buffer"
#define TEXT_BYTES	232
#define RECORDS		64	/* room, in most of the tests */
#define WRITERS		4
#define READERS		2
#define WRITES		2000	/* of each writer */
#define CYCLES		100

static const char *module_path;
static char why[256];

static bool because(const char *format, ...)
	__attribute__((format(printf, 1, 2)));
static bool because(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return false;
}

/* ---- the module ---- */

static bool load(unsigned int records)
{
	int fd = open(module_path, O_RDONLY | O_CLOEXEC), err;
	char text[32];

	snprintf(text, sizeof(text), "records=%u", records);
	err = fd < 0 || syscall(SYS_finit_module, fd, text, 0) ? errno : 0;
	close(fd);
	errno = err;
	return !err;
}

static bool unload(void)
{
	return !syscall(SYS_delete_module, "collector", O_NONBLOCK);
}

static int open_buffer(int flags)
{
	return open(BUFFER, flags | O_CLOEXEC);
}

struct statistics {
	unsigned long written, lost, refused, waiting;
};

static struct statistics statistics(void)
{
	struct statistics s = { 0 };
	FILE *file = fopen("/proc/cagma/statistics", "re");

	if (file) {
		if (fscanf(file, "written %lu lost %lu refused %lu waiting %lu",
			   &s.written, &s.lost, &s.refused, &s.waiting) != 4)
			s.written = (unsigned long)-1;
		fclose(file);
	}
	return s;
}

/* ---- tests: each has a freshly loaded module ---- */

static bool refuses(int fd, const void *from, size_t size, int error,
		    const char *what)
{
	ssize_t done = write(fd, from, size);

	if (done < 0 && errno == error)
		return true;
	return because("%s: %zd, errno %d instead of %d", what, done, errno,
		       error);
}

static bool test_bad_writes_are_refused(void)
{
	const long page = sysconf(_SC_PAGESIZE);
	const size_t huge_bytes = (size_t)64 << 20;
	char *two = mmap(NULL, (size_t)page * 2, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *huge = mmap(NULL, huge_bytes, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char text[TEXT_BYTES + 2];
	int fd = open_buffer(O_RDWR | O_NONBLOCK);
	bool ok;

	memset(text, 'x', sizeof(text));
	memset(two, 'x', (size_t)page * 2);
	munmap(two + page, (size_t)page);
	ok = refuses(fd, "\n", 1, EINVAL, "nothing but a newline") &&
	     refuses(fd, text, TEXT_BYTES + 1, EMSGSIZE, "one byte too many") &&
	     refuses(fd, text, TEXT_BYTES + 2, EMSGSIZE, "two too many") &&
	     refuses(fd, huge, huge_bytes, EMSGSIZE, "64 MiB") &&
	     refuses(fd, "a\nb", 3, EINVAL, "two lines") &&
	     refuses(fd, "a\0b", 3, EINVAL, "a NUL") &&
	     refuses(fd, "a\033[2J", 5, EINVAL, "a terminal's command") &&
	     refuses(fd, "\xc3\xa4", 2, EINVAL, "not ASCII") &&
	     refuses(fd, NULL, 8, EFAULT, "no memory") &&
	     refuses(fd, two + page - 4, 8, EFAULT, "memory that ends in it");
	if (ok && (statistics().refused != 10 || statistics().waiting))
		ok = because("%lu refused, %lu waiting", statistics().refused,
			     statistics().waiting);
	text[TEXT_BYTES] = '\n';
	if (ok && write(fd, text, TEXT_BYTES + 1) != TEXT_BYTES + 1)
		ok = because("the longest record: errno %d", errno);
	if (ok && read(fd, huge, 4096) < TEXT_BYTES)
		ok = because("the longest record was not read");
	munmap(huge, huge_bytes);
	munmap(two, (size_t)page);
	close(fd);
	return ok;
}

static bool test_bad_reads_are_refused(void)
{
	char *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			     -1, 0);
	int fd = open_buffer(O_RDWR | O_NONBLOCK);
	char text[512];
	bool ok = true;

	if (read(fd, text, sizeof(text)) != -1 || errno != EAGAIN)
		ok = because("an empty buffer: errno %d", errno);
	else if (write(fd, "one", 3) != 3 || write(fd, "two", 3) != 3)
		ok = because("writing: errno %d", errno);
	else if (read(fd, text, 16) != -1 || errno != EINVAL)
		ok = because("16 bytes are no room for a line");
	else if (read(fd, nowhere, sizeof(text)) != -1 || errno != EFAULT)
		ok = because("no memory: errno %d", errno);
	else if (statistics().lost != 1)
		ok = because("the record of the failed read is not counted");
	else if (read(fd, text, sizeof(text)) <= 0 || !strstr(text, "two\n"))
		ok = because("the next record was not read");
	munmap(nowhere, 4096);
	close(fd);
	return ok;
}

static bool test_bad_sizes_are_not_loaded(void)
{
	const unsigned int bad[] = { 0, 1, 3, 65, 131072 };

	if (!unload())
		return because("unloading: errno %d", errno);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (load(bad[i]) || errno != EINVAL)
			return because("records=%u: errno %d", bad[i], errno);
	return load(RECORDS) || because("loading again: errno %d", errno);
}

static bool test_loss_is_counted(void)
{
	struct pollfd poll_fd = { .events = POLLIN | POLLOUT };
	int fd = open_buffer(O_RDWR | O_NONBLOCK), lost = 0;
	char text[65536], *line = text;
	bool ok = true;
	ssize_t size;

	for (int i = 0; i < RECORDS + 10; i++) {
		int length = snprintf(text, sizeof(text), "record %d", i);

		lost += write(fd, text, (size_t)length) < 0 && errno == EAGAIN;
	}
	poll_fd.fd = fd;
	poll(&poll_fd, 1, 0);
	if (lost != 10 || statistics().lost != 10 ||
	    statistics().written != RECORDS)
		ok = because("%d lost, %lu counted", lost, statistics().lost);
	else if (poll_fd.revents != POLLIN)
		ok = because("a full buffer polls as %#x",
			     (unsigned int)poll_fd.revents);
	size = read(fd, text, sizeof(text) - 1);
	text[size > 0 ? size : 0] = '\0';
	for (int i = 0; ok && i < RECORDS; i++) {
		unsigned int number, pid;
		unsigned long long ns;
		int record = -1;

		if (sscanf(line, "%u %llu %u record %d", &number, &ns, &pid,
			   &record) != 4 || record != i || (int)number != i ||
		    pid != (unsigned int)getpid())
			ok = because("line %d is record %d", i, record);
		line = strchr(line, '\n') + 1;
	}
	close(fd);
	return ok;
}

/* ---- many at once ---- */

/* What the processes of a test tell each other. */
static volatile struct {
	unsigned long tried, lost, taken, broken;
	unsigned int writing;
} *shared;

#define add(field, n) __sync_fetch_and_add(&shared->field, (n))

static void write_many(unsigned int me)
{
	int fd = open_buffer(O_WRONLY);
	char text[TEXT_BYTES];

	for (unsigned int i = 0; i < WRITES; i++) {
		int length = snprintf(text, sizeof(text), "%u %u ", me, i);

		memset(text + length, 'a' + (int)((me + i) % 26), 20 + i % 150);
		length += 20 + (int)(i % 150);
		add(tried, 1);
		if (write(fd, text, (size_t)length) != length)
			add(lost, 1);
	}
	add(writing, (unsigned int)-1);
	_exit(0);
}

static bool is_whole(const char *line, unsigned int *newest)
{
	unsigned int number, pid, me, i;
	unsigned long long ns;
	int start;

	if (sscanf(line, "%u %llu %u %u %u %n", &number, &ns, &pid, &me, &i,
		   &start) != 5 || me >= WRITERS || i >= WRITES)
		return false;
	for (unsigned int k = 0; k < 20 + i % 150; k++)
		if (line[start + (int)k] != 'a' + (char)((me + i) % 26))
			return false;
	if (line[start + 20 + (int)(i % 150)] || i + 1 < newest[me])
		return false;
	newest[me] = i + 1;
	return true;
}

static void read_many(void)
{
	struct pollfd poll_fd = { .fd = open_buffer(O_RDONLY | O_NONBLOCK),
				  .events = POLLIN };
	unsigned int newest[WRITERS] = { 0 };
	static char text[8192];

	for (;;) {
		bool last = !shared->writing;
		ssize_t size;

		while ((size = read(poll_fd.fd, text, sizeof(text) - 1)) > 0) {
			char *line = text, *end;

			text[size] = '\0';
			for (; (end = strchr(line, '\n')); line = end + 1) {
				*end = '\0';
				add(taken, 1);
				if (!is_whole(line, newest))
					add(broken, 1);
			}
		}
		if (last)
			_exit(0);
		poll(&poll_fd, 1, 100);
	}
}

static bool all_succeed(int count)
{
	bool ok = true;
	int status;

	while (count--)
		ok &= wait(&status) > 0 && !status;
	return ok;
}

static bool test_every_record_is_read_once_or_lost(void)
{
	memset((void *)shared, 0, sizeof(*shared));
	shared->writing = WRITERS;
	for (unsigned int i = 0; i < WRITERS + READERS; i++)
		if (!fork()) {
			if (i < WRITERS)
				write_many(i);
			read_many();
		}
	if (!all_succeed(WRITERS + READERS))
		return because("a process failed");
	if (shared->broken || shared->tried != shared->taken + shared->lost)
		return because("%lu tried, %lu lost, %lu taken, %lu broken",
			       shared->tried, shared->lost, shared->taken,
			       shared->broken);
	if (statistics().lost != shared->lost ||
	    statistics().written != shared->taken)
		return because("%lu lost, %lu counted", shared->lost,
			       statistics().lost);
	printf("figures: %lu tried, %lu lost\n", shared->tried, shared->lost);
	return true;
}

/* ---- waiting ---- */

static void nothing(int number)
{
	(void)number;
}

/* A process that waits in poll(), then reads; or in read() at once. */
static pid_t start_waiting(bool with_poll)
{
	const struct sigaction action = { .sa_handler = nothing };
	struct pollfd poll_fd = { .events = POLLIN };
	char text[512];
	pid_t pid = fork();

	if (pid)
		return pid;
	sigaction(SIGUSR1, &action, NULL);
	poll_fd.fd = open_buffer(O_RDONLY);
	add(writing, 1);
	if (with_poll && poll(&poll_fd, 1, -1) != 1)
		_exit(1);
	if (read(poll_fd.fd, text, sizeof(text)) > 0)
		_exit(0);
	_exit(errno == EINTR ? 2 : 1);
}

/* Until the process sleeps in the kernel; false after 10 s. */
static bool sleeps(pid_t pid)
{
	const struct timespec moment = { .tv_nsec = 10000000 };
	char path[64], state = '?';

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	for (int i = 0; i < 1000; i++) {
		FILE *file = fopen(path, "re");

		if (file && fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
			state = '?';
		if (file)
			fclose(file);
		if (shared->writing && state == 'S')
			return true;
		nanosleep(&moment, NULL);
	}
	return false;
}

static bool ends_with(pid_t pid, int expected)
{
	int status;

	return waitpid(pid, &status, 0) == pid && WIFEXITED(status) &&
	       WEXITSTATUS(status) == expected;
}

static bool test_a_write_wakes_who_waits(void)
{
	int fd = open_buffer(O_WRONLY);
	bool ok = true;

	for (int with_poll = 0; ok && with_poll < 2; with_poll++) {
		pid_t pid;

		shared->writing = 0;
		pid = start_waiting(with_poll);
		if (!sleeps(pid))
			ok = because("nobody waits");
		else if (write(fd, "wake up", 7) != 7)
			ok = because("writing: errno %d", errno);
		else if (!ends_with(pid, 0))
			ok = because("%s got nothing",
				     with_poll ? "poll" : "read");
	}
	close(fd);
	return ok;
}

static bool test_a_signal_ends_waiting(void)
{
	pid_t pid;

	shared->writing = 0;
	pid = start_waiting(false);
	if (!sleeps(pid))
		return because("nobody waits");
	kill(pid, SIGUSR1);
	return ends_with(pid, 2) || because("it was not EINTR");
}

/* ---- unloading ---- */

static bool test_in_use_it_is_not_unloaded(void)
{
	int fd = open_buffer(O_WRONLY);
	pid_t pid;

	shared->writing = 0;
	pid = start_waiting(true);
	if (!sleeps(pid))
		return because("nobody waits");
	if (unload())
		return because("it was unloaded under a reader");
	if (write(fd, "still there", 11) != 11 || !ends_with(pid, 0))
		return because("the reader got nothing");
	if (unload())
		return because("it was unloaded under a writer");
	close(fd);
	if (!unload())
		return because("nobody has it open: errno %d", errno);
	if (!access(BUFFER, F_OK))
		return because("its file is left");
	return load(RECORDS) || because("loading again: errno %d", errno);
}

/*
 * Opens, writes, reads and closes, whether the file is there or not; and pauses, so
 * that there are moments at which nobody has it open.
 */
static void use_it_until_told(void)
{
	char text[512];

	add(writing, 1);
	while (!shared->broken) {
		const struct timespec pause = { .tv_nsec = random() % 4000000 };
		int fd;

		nanosleep(&pause, NULL);
		fd = open_buffer(O_RDWR | O_NONBLOCK);
		if (fd < 0)
			continue;
		while (write(fd, "in use", 6) > 0 && random() % 8)
			;
		if (read(fd, text, sizeof(text)) > 0)
			add(taken, 1);
		close(fd);
	}
	_exit(0);
}

static bool test_loaded_and_unloaded_while_it_is_used(void)
{
	unsigned int cycles = 0, refused = 0;

	memset((void *)shared, 0, sizeof(*shared));
	for (int i = 0; i < WRITERS; i++)
		if (!fork())
			use_it_until_told();
	while (cycles < CYCLES && refused < 10000 * CYCLES) {
		if (!unload()) {
			refused++;
			sched_yield();
			continue;
		}
		cycles++;
		if (!load(RECORDS))
			break;
		while (!shared->taken)
			sched_yield();
		shared->taken = 0;
	}
	shared->broken = 1;	/* tells them */
	if (!all_succeed(WRITERS))
		return because("a process failed");
	printf("figures: unloaded %u times, refused %u times\n", cycles,
	       refused);
	return cycles == CYCLES || because("%u cycles, errno %d", cycles, errno);
}

static const struct {
	const char *name;
	bool (*run)(void);
} tests[] = {
	{ "bad_writes_are_refused", test_bad_writes_are_refused },
	{ "bad_reads_are_refused", test_bad_reads_are_refused },
	{ "bad_sizes_are_not_loaded", test_bad_sizes_are_not_loaded },
	{ "loss_is_counted", test_loss_is_counted },
	{ "every_record_is_read_once_or_lost",
	  test_every_record_is_read_once_or_lost },
	{ "a_write_wakes_who_waits", test_a_write_wakes_who_waits },
	{ "a_signal_ends_waiting", test_a_signal_ends_waiting },
	{ "in_use_it_is_not_unloaded", test_in_use_it_is_not_unloaded },
	{ "loaded_and_unloaded_while_it_is_used",
	  test_loaded_and_unloaded_while_it_is_used },
};

int main(int argc, char **argv)
{
	if (argc != 2) {
		fprintf(stderr, "usage: collector-test MODULE\n");
		return 2;
	}
	module_path = argv[1];
	shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
		bool ok;

		if (!load(RECORDS))
			ok = because("loading %s: errno %d", module_path, errno);
		else
			ok = tests[i].run();
		if (!unload() && errno != ENOENT && ok)
			ok = because("unloading: errno %d", errno);
		printf("%s test_collector_%s%s%s\n", ok ? "ok" : "not ok",
		       tests[i].name, ok ? "" : ": ", ok ? "" : why);
		fflush(stdout);
	}
	puts("COLLECTOR-TESTED");
	return 0;
}
