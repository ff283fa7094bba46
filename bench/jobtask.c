// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs a program of the distribution over and over: a sort, a compiler, whatever
 * takes memory and comes to an end.
 */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "task.h"
#include "team.h"

static const char about[] =
	"Usage: jobtask [OPTION]... PROGRAM [ARGUMENT]...\n"
	"Each process runs the program again and again, with a pause between:\n"
	"a job is a round. With --steps a schedule lets processes join.\n"
	"\n"
	"Prints one line per job, or gives it to the collector, the guest's\n"
	"counters (@S) at start and end, and the outcome (@E).\n"
	"\n"
	"Exit status: 0 ended by the limit, the schedule or SIGTERM; 1 a job\n"
	"failed; 2 usage.";

struct jobtask {
	uint64_t think_ms;
	char **command;
};

static _Noreturn void run_job(char **command)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(command[0], command);
	cagma_die(CAGMA_TASK_FAILED, "%s: %s", command[0], strerror(errno));
}

/* Returns false if the job failed, or was ended because the team is to stop. */
static bool wait_for_job(pid_t job)
{
	int status;

	while (waitpid(job, &status, 0) < 0) {
		if (cagma_team_stopping())
			kill(job, SIGKILL);
	}
	return !status;
}

static int work(struct cagma_worker *worker, const void *context)
{
	const struct jobtask *task = context;

	while (!cagma_team_stopping()) {
		pid_t job;
		bool ok;

		cagma_team_round_begin(worker);
		job = fork();
		if (!job)
			run_job(task->command);
		ok = job > 0 && wait_for_job(job);
		if (cagma_team_stopping())
			break;
		if (!ok)
			return CAGMA_TASK_FAILED;
		cagma_team_round_done(worker);
		cagma_team_pause(task->think_ms);
	}
	return CAGMA_TASK_OK;
}

int main(int argc, char **argv)
{
	static struct jobtask task = { .think_ms = 1000 };
	static struct cagma_team team = {
		.workload = "job", .size = 1, .work = work, .context = &task,
		.schedule.first = 1,
	};
	static const struct cagma_option options[] = {
		CAGMA_TEAM_OPTIONS(team),
		{ "think-ms", "pause after a job", &task.think_ms, 0, 600000 },
		{ 0 },
	};
	int next = cagma_options_parse(argc, argv, about, options);

	if (next >= argc)
		cagma_die(CAGMA_TASK_USAGE, "a PROGRAM is needed");
	task.command = argv + next;
	cagma_team_check(&team);
	return cagma_team_main(&team);
}
