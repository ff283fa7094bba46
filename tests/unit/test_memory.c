// SPDX-License-Identifier: GPL-2.0-only
/* dom0 without memory, and an emergency that needs none. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_memory.h"
#include "life.h"
#include "requests.h"

/* ---- R3: each allocation fails once ---- */

static struct cagma_requests requests;
static struct cagma_options options;
static char conf[] = "/tmp/cagma-test-memory-XXXXXX";

/* Where the serve thread would wait, the loop answers. */
static char *ask(const char *request)
{
	char line[CAGMA_NAME_BYTES + 64];

	snprintf(line, sizeof(line), "%s\n", request);
	return cagma_requests_answer(&requests, line);
}

static void *run_loop(void *stop)
{
	while (!atomic_load((atomic_bool *)stop))
		cagma_loop_once(&d.loop, 1);
	return NULL;
}

/* Every request once; each is answered, or refused for want of memory. */
static void ask_everything(void)
{
	static const char *const all[] = { "status", "explain 5",
					   "set 5 min=100", "reload",
					   "reserve 64 10", "dance" };
	atomic_bool stop = false;
	pthread_t thread;

	assert_int_equal(pthread_create(&thread, NULL, run_loop, &stop), 0);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		char *line = ask(all[i]);

		if (line)
			assert_non_null(strchr(line, '\n'));
		else
			assert_true(fake_memory_has_failed());
		free(line);
	}
	atomic_store(&stop, true);
	pthread_join(thread, NULL);
}

static void live_on(struct fake_guest *g, struct fake_guest *liar)
{
	run(5 * S);
	assert_non_null(served(g));
	assert_int_equal(fake_vchans(), 1);
	assert_null(served(liar));
	ask_everything();
	run(S);
	g->used_pages += 30 * MIB;
	fake_guest_step(g);
	serve();
	assert_true(g->balloon_target_pages >= g->used_pages);
	liar->page->header.magic--;
	run(60 * S);
	assert_non_null(served(liar));
}

/* True if the nth allocation was ever asked for. */
static bool live_without(void **state, unsigned long nth)
{
	struct fake_guest *g, *liar;
	bool failed;
	int err;

	begin(state);
	g = add(5, 512 * MIB);
	liar = add(6, 512 * MIB);
	fake_guest_step(liar);
	liar->page->header.magic++;
	add(7, 512 * MIB)->no_module = true;
	fake_agent_start(guest[2]);
	fake_memory_fails_at(nth);
	err = fake_daemon_start(&d, "/dev/null", "/dev/null");
	if (err) {
		assert_int_equal(err, -ENOMEM);
		assert_nothing_is_held();
		assert_true(fake_memory_has_failed());
		assert_int_equal(fake_daemon_start(&d, "/dev/null",
						   "/dev/null"), 0);
	}
	assert_int_equal(cagma_requests_init(&requests, &d.state, d.store,
					     &options, eventfd(0, 0)), 0);
	live_on(g, liar);
	cagma_journal_write(&d.journal);
	stop();
	close(requests.stop_fd);
	cagma_requests_destroy(&requests);
	failed = fake_memory_has_failed();
	fake_memory_fails_at(0);
	end(state);
	return failed;
}

static void test_R3_every_allocation_fails_once(void **state)
{
	int fd = mkstemp(conf);
	unsigned long nth = 1;

	assert_true(fd >= 0);
	assert_true(write(fd, "min_mib = 64;\n", 14) == 14);
	close(fd);
	options.config = conf;
	while (live_without(state, nth))
		nth++;
	unlink(conf);
	/* Else nothing was wrapped. */
	assert_true(nth > 15);
	printf("figures: %lu allocations\n", nth - 1);
	begin(state);
}

/* ---- the emergency path ---- */

static struct fake_guest *in_need;

/* A kick, and all that the loop does for it. */
static void answer_emergency(void)
{
	in_need->used_pages += 30 * MIB;
	fake_guest_step(in_need);
	cagma_loop_once(&d.loop, 0);
}

static void prepare(void)
{
	in_need = add(5, 512 * MIB);
	add(6, 512 * MIB);
	run(2 * S);
	answer_emergency();	/* what is done once only is done now */
	run(S);
}

static void test_R9_emergency_allocates_nothing(void **state)
{
	unsigned long before;
	uint64_t answered;

	(void)state;
	prepare();
	answered = d.state.answered;
	before = fake_allocations();
	answer_emergency();
	assert_int_equal(d.state.answered, answered + 1);
	assert_int_equal(fake_allocations(), before);
	free(strdup("it would be seen"));
	assert_int_equal(fake_allocations(), before + 1);
}

/* The same by vchan. */
static void test_R9_emergency_of_an_agent_allocates_nothing(void **state)
{
	unsigned long before;
	uint64_t answered;

	(void)state;
	in_need = add(5, 512 * MIB);
	in_need->no_module = true;
	fake_agent_start(in_need);
	run(2 * S);
	answer_emergency();
	run(S);
	answered = d.state.answered;
	before = fake_allocations();
	answer_emergency();
	assert_int_equal(d.state.answered, answered + 1);
	assert_int_equal(fake_allocations(), before);
}

#define CALLS_MAX 64

/* Between two markers; the child is stopped at every system call. */
static size_t trace_calls(pid_t child, unsigned long *calls)
{
	struct __ptrace_syscall_info info;
	unsigned int markers = 0;
	size_t count = 0;
	int status;

	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSTOPPED(status));
	ptrace(PTRACE_SETOPTIONS, child, NULL, PTRACE_O_TRACESYSGOOD);
	while (!ptrace(PTRACE_SYSCALL, child, NULL, 0) &&
	       waitpid(child, &status, 0) == child && WIFSTOPPED(status)) {
		if (WSTOPSIG(status) != (SIGTRAP | 0x80))
			continue;
		ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof(info), &info);
		if (info.op != PTRACE_SYSCALL_INFO_ENTRY)
			continue;
		if (info.entry.nr == SYS_getppid)
			markers++;
		else if (markers == 1 && count < CALLS_MAX)
			calls[count++] = (unsigned long)info.entry.nr;
	}
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(markers, 2);
	return count;
}

static void be_traced(void)
{
	uint64_t answered = d.state.answered;

	ptrace(PTRACE_TRACEME, 0, NULL, NULL);
	raise(SIGSTOP);
	in_need->used_pages += 30 * MIB;
	fake_guest_step(in_need);
	syscall(SYS_getppid);
	cagma_loop_once(&d.loop, 0);
	syscall(SYS_getppid);
	_exit(d.state.answered == answered + 1 ? 0 : 1);
}

/*
 * It waits, reads the fake channel, whose hypercalls are none, and at the end
 * wakes the store; nothing else.
 */
static void test_emergency_makes_no_system_call_of_its_own(void **state)
{
	unsigned long calls[CALLS_MAX];
	size_t count;
	pid_t child;

	(void)state;
	prepare();
	child = fork();
	assert_true(child >= 0);
	if (!child)
		be_traced();
	count = trace_calls(child, calls);
	assert_int_equal(count, 3);
	assert_true(calls[0] == SYS_epoll_wait || calls[0] == SYS_epoll_pwait);
	assert_int_equal(calls[1], SYS_read);
	assert_int_equal(calls[2], SYS_write);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		STOPPED(test_R3_every_allocation_fails_once),
		RUNNING(test_R9_emergency_allocates_nothing),
		RUNNING(test_R9_emergency_of_an_agent_allocates_nothing),
		RUNNING(test_emergency_makes_no_system_call_of_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
