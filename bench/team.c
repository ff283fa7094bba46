// SPDX-License-Identifier: GPL-2.0-only
#include "team.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "task.h"

static volatile sig_atomic_t stopping;

bool cagma_team_stopping(void)
{
	return stopping;
}

void cagma_team_round_done(struct cagma_worker *worker, uint64_t begin_ns)
{
	uint64_t now_ns = cagma_clock_ns();
	uint64_t spent_us = (now_ns - begin_ns) / 1000;

	cagma_emit("@R {\"task\":%" PRIu64 ",\"round\":%" PRIu64
		   ",\"ms\":%" PRIu64 ".%03" PRIu64 ",\"at_ms\":%" PRIu64 "}",
		   worker->id, worker->rounds, spent_us / 1000, spent_us % 1000,
		   (now_ns - worker->start_ns) / 1000000);
	worker->rounds++;
}

static void ask_to_stop(int signal)
{
	(void)signal;
	stopping = 1;
}

/* What the parent waits for, and keeps blocked to take it with sigtimedwait. */
static sigset_t parent_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	return set;
}

static void catch_stop_signals(void)
{
	struct sigaction action = { .sa_handler = ask_to_stop };
	sigset_t set = parent_signals();

	sigaction(SIGTERM, &action, NULL);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGHUP, &action, NULL);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* The gate is a pipe nobody writes to: it opens when the parent closes it. */
static void wait_at_gate(const int gate[2])
{
	char nothing;

	close(gate[1]);
	while (read(gate[0], &nothing, 1) < 0 && errno == EINTR && !stopping)
		;
	close(gate[0]);
}

static _Noreturn void run_worker(const struct cagma_team *team,
				struct cagma_worker *worker, const int gate[2])
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	catch_stop_signals();
	wait_at_gate(gate);
	worker->start_ns = cagma_clock_ns();
	_exit(team->work(worker, team->context));
}

static struct cagma_worker *map_workers(uint64_t count)
{
	void *memory = mmap(NULL, count * sizeof(struct cagma_worker),
			    PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			    -1, 0);

	if (memory == MAP_FAILED)
		cagma_die(CAGMA_TASK_FAILED, "no memory for the workers");
	return memory;
}

static void start_workers(const struct cagma_team *team,
			  struct cagma_worker *workers, pid_t *pids)
{
	int gate[2];

	if (pipe(gate))
		cagma_die(CAGMA_TASK_FAILED, "pipe: %s", strerror(errno));
	for (uint64_t i = 0; i < team->size; i++) {
		workers[i].id = i;
		pids[i] = fork();
		if (pids[i] < 0)
			cagma_die(CAGMA_TASK_FAILED, "fork: %s",
				  strerror(errno));
		if (!pids[i])
			run_worker(team, &workers[i], gate);
	}
	close(gate[0]);
	close(gate[1]);
}

static void stop_workers(const pid_t *pids, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++)
		if (pids[i])
			kill(pids[i], SIGTERM);
}

static void account(struct cagma_team_result *result, int status)
{
	if (WIFSIGNALED(status))
		result->killed++;
	else if (WEXITSTATUS(status))
		result->failed++;
}

/* Returns how many of the workers have ended. */
static uint64_t reap_workers(pid_t *pids, uint64_t count,
			     struct cagma_team_result *result)
{
	uint64_t reaped = 0;
	int status;

	for (uint64_t i = 0; i < count; i++)
		if (pids[i] && waitpid(pids[i], &status, WNOHANG) > 0) {
			pids[i] = 0;
			account(result, status);
			reaped++;
		}
	return reaped;
}

/* Returns the signal that came, or 0 at the deadline. */
static int wait_for_signal(uint64_t deadline_ns)
{
	sigset_t set = parent_signals();
	uint64_t now_ns = cagma_clock_ns();
	uint64_t left_ns = deadline_ns > now_ns ? deadline_ns - now_ns : 0;
	struct timespec left = {
		.tv_sec = (time_t)(left_ns / 1000000000u),
		.tv_nsec = (long)(left_ns % 1000000000u),
	};
	int signal = sigtimedwait(&set, NULL, &left);

	return signal < 0 ? 0 : signal;
}

static void wait_for_workers(const struct cagma_team *team, pid_t *pids,
			     struct cagma_team_result *result)
{
	const uint64_t never = cagma_clock_ns() + INT32_MAX * 1000000000ull;
	uint64_t deadline = never;
	uint64_t alive = team->size;
	int signal;

	if (team->limit_s)
		deadline = cagma_clock_ns() + team->limit_s * 1000000000u;
	for (;;) {
		alive -= reap_workers(pids, team->size, result);
		if (!alive)
			return;
		signal = wait_for_signal(deadline);
		if (signal == SIGCHLD)
			continue;
		if (signal)
			result->interrupted = true;
		else if (cagma_clock_ns() < deadline)
			continue;
		else
			result->limit_reached = true;
		deadline = never;
		stop_workers(pids, team->size);
	}
}

struct cagma_team_result cagma_team_run(const struct cagma_team *team)
{
	struct cagma_team_result result = { 0 };
	struct cagma_worker *workers = map_workers(team->size);
	pid_t *pids = calloc(team->size, sizeof(*pids));
	sigset_t set = parent_signals();
	uint64_t start_ns = cagma_clock_ns();

	if (!pids)
		cagma_die(CAGMA_TASK_FAILED, "no memory for the workers");
	sigprocmask(SIG_BLOCK, &set, NULL);
	start_workers(team, workers, pids);
	wait_for_workers(team, pids, &result);
	for (uint64_t i = 0; i < team->size; i++) {
		result.rounds += workers[i].rounds;
		result.corrupt_pages += workers[i].corrupt_pages;
	}
	result.elapsed_ms = (cagma_clock_ns() - start_ns) / 1000000;
	free(pids);
	munmap(workers, team->size * sizeof(*workers));
	return result;
}
