// SPDX-License-Identifier: GPL-2.0-only
#include "team.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "counters.h"
#include "metrics.h"

static volatile sig_atomic_t stopping;

bool cagma_team_stopping(void)
{
	return stopping;
}

void cagma_team_round_begin(struct cagma_worker *worker)
{
	worker->round_ns = cagma_clock_ns();
}

static void print_round(const struct cagma_worker *worker, uint64_t now_ns)
{
	uint64_t spent_us = (now_ns - worker->round_ns) / 1000;

	cagma_emit("@R {\"task\":%" PRIu64 ",\"round\":%" PRIu64
		   ",\"ms\":%" PRIu64 ".%03" PRIu64 ",\"at_ms\":%" PRIu64 "}",
		   worker->id, worker->rounds, spent_us / 1000, spent_us % 1000,
		   (now_ns - worker->start_ns) / 1000000);
}

void cagma_team_round_done(struct cagma_worker *worker)
{
	uint64_t now_ns = cagma_clock_ns();

	if (worker->metrics_ms)
		cagma_metrics_round(worker->round_ns, now_ns);
	else
		print_round(worker, now_ns);
	worker->round_ns = 0;
	worker->rounds++;
}

void cagma_team_pause(uint64_t ms)
{
	const uint64_t end_ns = cagma_clock_ns() + ms * 1000000;
	const struct timespec end = {
		.tv_sec = (time_t)(end_ns / 1000000000),
		.tv_nsec = (long)(end_ns % 1000000000),
	};

	while (!stopping && clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME,
					    &end, NULL) == EINTR)
		;
}

void cagma_team_check(const struct cagma_team *team)
{
	const struct cagma_schedule *s = &team->schedule;

	if (s->first > team->size || (s->steps && !s->step_ms))
		cagma_die(CAGMA_TASK_USAGE,
			  "a schedule needs first <= procs and step-ms");
}

/* Before the workers are started. */
static void wait_at_barrier(const char *workload)
{
	sigset_t set;
	int number;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	cagma_emit("@B {\"workload\":\"%s\"}", workload);
	sigwait(&set, &number);
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
	sigaddset(&set, SIGALRM);
	return set;
}

static sigset_t go_signal(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
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

/* All of them are blocked meanwhile, so that none is missed. */
static void wait_for_go(void)
{
	sigset_t stop = parent_signals(), set = stop;
	int number;

	sigprocmask(SIG_BLOCK, &stop, NULL);
	sigaddset(&set, SIGUSR1);
	if (!stopping && !sigwait(&set, &number) && number != SIGUSR1)
		stopping = 1;
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
}

static void begin_metrics(const struct cagma_team *team,
			  struct cagma_worker *worker)
{
	const struct cagma_metrics metrics = {
		.workload = team->workload,
		.task = worker->id,
		.start_ns = worker->start_ns,
		.period_ms = team->metrics_ms,
	};

	worker->metrics_ms = team->metrics_ms;
	if (team->metrics_ms)
		cagma_metrics_begin(&metrics);
}

static _Noreturn void run_worker(const struct cagma_team *team,
				struct cagma_worker *worker, const int gate[2])
{
	int status;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	catch_stop_signals();
	wait_at_gate(gate);
	worker->start_ns = cagma_clock_ns();
	if (team->schedule.steps)
		wait_for_go();
	begin_metrics(team, worker);
	status = team->work(worker, team->context);
	if (team->metrics_ms) {
		cagma_metrics_end(worker->round_ns);
		worker->lost_records = cagma_metrics_lost();
	}
	_exit(status);
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

/* How many of the team are to be under way in a step. */
static uint64_t scheduled(const struct cagma_team *team, uint64_t step)
{
	const struct cagma_schedule *s = &team->schedule;
	uint64_t intervals = s->steps - 1;

	if (!intervals || step > intervals || !s->first)
		return team->size;
	return s->first + ((team->size - s->first) * step * 2 + intervals) /
			  (intervals * 2);
}

static void let_go(const struct cagma_team *team, const pid_t *pids,
		   uint64_t step)
{
	uint64_t begin = step ? scheduled(team, step - 1) : 0;

	for (uint64_t i = begin; i < scheduled(team, step); i++)
		if (pids[i])
			kill(pids[i], SIGUSR1);
}

static void start_schedule(const struct cagma_team *team, const pid_t *pids)
{
	const struct timeval step = {
		.tv_sec = (time_t)(team->schedule.step_ms / 1000),
		.tv_usec = (suseconds_t)(team->schedule.step_ms % 1000 * 1000),
	};
	const struct itimerval timer = { step, step };

	if (!team->schedule.steps)
		return;
	let_go(team, pids, 0);
	setitimer(ITIMER_REAL, &timer, NULL);
}

/* Returns false after the last step. */
static bool next_step(const struct cagma_team *team, const pid_t *pids,
		      uint64_t *step)
{
	if (++*step >= team->schedule.steps)
		return false;
	let_go(team, pids, *step);
	return true;
}

static void wait_for_workers(const struct cagma_team *team, pid_t *pids,
			     struct cagma_team_result *result)
{
	const uint64_t never = cagma_clock_ns() + INT32_MAX * 1000000000ull;
	uint64_t deadline = never;
	uint64_t alive = team->size, step = 0;
	int signal;

	if (team->limit_s)
		deadline = cagma_clock_ns() + team->limit_s * 1000000000u;
	start_schedule(team, pids);
	for (;;) {
		alive -= reap_workers(pids, team->size, result);
		if (!alive)
			return;
		signal = wait_for_signal(deadline);
		if (signal == SIGCHLD)
			continue;
		if (signal == SIGALRM && next_step(team, pids, &step))
			continue;
		if (signal && signal != SIGALRM)
			result->interrupted = true;
		else if (signal)
			setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
		else if (cagma_clock_ns() < deadline)
			continue;
		else
			result->limit_reached = true;
		deadline = never;
		stop_workers(pids, team->size);
	}
}

static struct cagma_team_result run(const struct cagma_team *team)
{
	struct cagma_team_result result = { 0 };
	struct cagma_worker *workers = map_workers(team->size);
	pid_t *pids = calloc(team->size, sizeof(*pids));
	sigset_t set = parent_signals(), go = go_signal();
	uint64_t start_ns = cagma_clock_ns();

	if (!pids)
		cagma_die(CAGMA_TASK_FAILED, "no memory for the workers");
	sigprocmask(SIG_BLOCK, &set, NULL);
	sigprocmask(SIG_BLOCK, &go, NULL);
	start_workers(team, workers, pids);
	wait_for_workers(team, pids, &result);
	for (uint64_t i = 0; i < team->size; i++) {
		result.rounds += workers[i].rounds;
		result.corrupt_pages += workers[i].corrupt_pages;
		result.lost_records += workers[i].lost_records;
	}
	result.elapsed_ms = (cagma_clock_ns() - start_ns) / 1000000;
	free(pids);
	munmap(workers, team->size * sizeof(*workers));
	return result;
}

struct cagma_team_result cagma_team_run(const struct cagma_team *team)
{
	struct cagma_team_result result;

	if (team->barrier)
		wait_at_barrier(team->workload);
	cagma_counters_emit("start", team->workload, team->device);
	result = run(team);
	cagma_counters_emit("end", team->workload, team->device);
	return result;
}

bool cagma_team_report(const struct cagma_team *team,
		       const struct cagma_team_result *r, const char *more)
{
	bool ok = !r->killed && !r->failed && !r->corrupt_pages;

	cagma_emit("@E {\"workload\":\"%s\",\"rounds\":%" PRIu64
		   ",\"tasks\":%" PRIu64 ",\"killed\":%" PRIu64
		   ",\"failed\":%" PRIu64 ",\"corrupt_pages\":%" PRIu64
		   ",\"lost_records\":%" PRIu64 ",\"elapsed_ms\":%" PRIu64
		   ",\"limit_reached\":%s,\"interrupted\":%s%s,\"ok\":%s}",
		   team->workload, r->rounds, team->size, r->killed, r->failed,
		   r->corrupt_pages, r->lost_records, r->elapsed_ms,
		   r->limit_reached ? "true" : "false",
		   r->interrupted ? "true" : "false", more,
		   ok ? "true" : "false");
	return ok;
}

int cagma_team_main(const struct cagma_team *team)
{
	struct cagma_team_result result = cagma_team_run(team);

	return cagma_team_report(team, &result, "") ? CAGMA_TASK_OK :
						      CAGMA_TASK_FAILED;
}
