// SPDX-License-Identifier: GPL-2.0-only
/*
 * A memory-bound task: processes that touch pages at random in memory of their
 * own, and that verify each page they touch, through swap and back.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "task.h"
#include "team.h"

#define PAGE_BYTES 4096u
#define PAGES_PER_MIB 256u
/* One stamp per disk sector: a sector lost on the way to swap shows. */
#define SECTOR_WORDS (512u / sizeof(uint64_t))
#define PAGE_WORDS (PAGE_BYTES / sizeof(uint64_t))

static const char about[] =
	"Usage: memtask [OPTION]...\n"
	"Runs processes that each fill memory of their own and then touch\n"
	"pages of it at random: read, verify, write anew. All processes start\n"
	"together; process I waits I steps before its first page, so that\n"
	"demand grows. A round is a number of pages, then a pause. The rounds\n"
	"that fill the memory count like the others. With --steps a schedule\n"
	"takes the place of --step-ms and --rounds: --first processes begin at\n"
	"once, as many join in each step as make --procs in the last, and all\n"
	"end after it.\n"
	"\n"
	"Prints one line per round, its time without the pause,\n"
	"  @R {\"task\":I,\"round\":N,\"ms\":TIME,\"at_ms\":SINCE_START}\n"
	"the guest's counters (@S) at start and end, and the outcome (@E).\n"
	"With --metrics-ms the rounds go to /proc/cagma/buffer instead.\n"
	"\n"
	"Exit status: 0 all rounds done, or ended by SIGTERM; 1 a process was\n"
	"killed or a page was corrupt; 2 usage; 3 the limit was reached.";

struct memtask {
	uint64_t mib;
	uint64_t round_pages;
	uint64_t compute;
	uint64_t rounds;
	uint64_t think_ms;
	uint64_t fill_think_ms;
	uint64_t jitter_ms;
	uint64_t seed;
	const struct cagma_schedule *schedule;
};

/* What one process works on; versions[i] is how often page i was written. */
struct memory_set {
	uint64_t *words;
	uint32_t *versions;
	uint64_t pages;
	uint64_t compute;
	uint64_t seed;
	uint64_t random;
};

static uint64_t stamp(const struct memory_set *set, uint64_t page, size_t word)
{
	return cagma_mix(set->seed ^ (page * PAGE_WORDS + word) ^
			 ((uint64_t)set->versions[page] << 40));
}

static void write_page(struct memory_set *set, uint64_t page)
{
	uint64_t *words = set->words + page * PAGE_WORDS;

	set->versions[page]++;
	for (size_t i = 0; i < PAGE_WORDS; i += SECTOR_WORDS)
		words[i] = stamp(set, page, i);
}

/* What a task does with a page beside looking at it: steps of a chain. */
static void compute(struct memory_set *set)
{
	uint64_t x = set->random;

	for (uint64_t i = 0; i < set->compute; i++)
		x = cagma_mix(x + i);
	/* Its result is used, or a compiler would leave it out. */
	__asm__ volatile("" : : "r"(x));
}

static bool page_is_intact(const struct memory_set *set, uint64_t page)
{
	const uint64_t *words = set->words + page * PAGE_WORDS;

	for (size_t i = 0; i < PAGE_WORDS; i += SECTOR_WORDS)
		if (words[i] != stamp(set, page, i))
			return false;
	return true;
}

static void *map_private(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		cagma_die(CAGMA_TASK_FAILED, "cannot map %zu KiB: %s",
			  bytes / 1024, strerror(errno));
	/* A huge page would make one touch count for 512. */
	madvise(memory, bytes, MADV_NOHUGEPAGE);
	return memory;
}

static struct memory_set map_set(const struct memtask *task, uint64_t id)
{
	uint64_t pages = task->mib * PAGES_PER_MIB;

	return (struct memory_set){
		.words = map_private(pages * PAGE_BYTES),
		.versions = map_private(pages * sizeof(uint32_t)),
		.pages = pages,
		.compute = task->compute,
		.seed = cagma_mix(task->seed + id),
		.random = cagma_mix(~(task->seed + id)),
	};
}

static uint64_t fill_rounds(const struct memtask *task)
{
	uint64_t pages = task->mib * PAGES_PER_MIB;

	return (pages + task->round_pages - 1) / task->round_pages;
}

/*
 * Allocates the pages of a round in one call: in an emulated guest a fault for
 * each would cost more than the work. Where the kernel cannot, writes do it.
 */
static void allocate_pages(const struct memory_set *set, uint64_t first,
			   uint64_t count)
{
	madvise(set->words + first * PAGE_WORDS, count * PAGE_BYTES,
		MADV_POPULATE_WRITE);
}

/* Fills in order of address. Returns false if it was stopped. */
static bool fill_round(struct cagma_worker *worker, struct memory_set *set,
		       uint64_t round, uint64_t pages)
{
	uint64_t first = round * pages;
	uint64_t left = set->pages - first;
	uint64_t end = first + (left < pages ? left : pages);

	(void)worker;
	allocate_pages(set, first, end - first);
	for (uint64_t page = first; page < end; page++) {
		if (cagma_team_stopping())
			return false;
		write_page(set, page);
		compute(set);
	}
	return true;
}

static bool random_round(struct cagma_worker *worker, struct memory_set *set,
			 uint64_t round, uint64_t pages)
{
	(void)round;
	for (uint64_t i = 0; i < pages; i++) {
		uint64_t page = cagma_random(&set->random) % set->pages;

		if (cagma_team_stopping())
			return false;
		if (!page_is_intact(set, page))
			worker->corrupt_pages++;
		write_page(set, page);
		compute(set);
	}
	return true;
}

static void run_rounds(const struct memtask *task, struct cagma_worker *worker,
		       struct memory_set *set, uint64_t rounds,
		       uint64_t think_ms,
		       bool (*run)(struct cagma_worker *worker,
				   struct memory_set *set, uint64_t round,
				   uint64_t pages))
{
	for (uint64_t round = 0; round < rounds; round++) {
		if (cagma_team_stopping())
			return;
		cagma_team_round_begin(worker);
		if (!run(worker, set, round, task->round_pages))
			return;
		cagma_team_round_done(worker);
		cagma_team_pause(think_ms);
	}
}

/* In a schedule the team has let it go in its step already. */
static uint64_t delay_ms(const struct memtask *task,
			 const struct cagma_worker *worker,
			 struct memory_set *set)
{
	if (!task->schedule->steps)
		return worker->id * task->schedule->step_ms;
	return task->jitter_ms ? cagma_random(&set->random) % task->jitter_ms : 0;
}

static int work(struct cagma_worker *worker, const void *context)
{
	const struct memtask *task = context;
	struct memory_set set = map_set(task, worker->id);

	cagma_team_pause(delay_ms(task, worker, &set));
	run_rounds(task, worker, &set, fill_rounds(task), task->fill_think_ms,
		   fill_round);
	run_rounds(task, worker, &set,
		   task->schedule->steps ? UINT64_MAX : task->rounds,
		   task->think_ms, random_round);
	return worker->corrupt_pages ? CAGMA_TASK_FAILED : CAGMA_TASK_OK;
}

static int report(const struct memtask *task, const struct cagma_team *team,
		  const struct cagma_team_result *result)
{
	uint64_t expected = team->size * (fill_rounds(task) + task->rounds);
	char more[64] = "";

	if (!task->schedule->steps)
		snprintf(more, sizeof(more), ",\"expected_rounds\":%" PRIu64,
			 expected);
	if (!cagma_team_report(team, result, more))
		return CAGMA_TASK_FAILED;
	return result->limit_reached && !task->schedule->steps ?
		       CAGMA_TASK_CUT :
		       CAGMA_TASK_OK;
}

int main(int argc, char **argv)
{
	static struct memtask task = {
		.mib = 64, .round_pages = 256, .rounds = 20, .think_ms = 200,
		.fill_think_ms = 200, .seed = 1,
	};
	static struct cagma_team team = {
		.workload = "memory", .size = 4, .work = work, .context = &task,
		.schedule = { .first = 1, .step_ms = 2000 },
	};
	static const struct cagma_option options[] = {
		CAGMA_TEAM_OPTIONS(team),
		{ "mib", "MiB of memory for each", &task.mib, 1, 1 << 20 },
		{ "round-pages", "pages of 4 KiB a round touches",
		  &task.round_pages, 1, 1 << 30 },
		{ "compute", "steps of computing for each page touched",
		  &task.compute, 0, 1 << 30 },
		{ "rounds", "rounds after the memory is filled", &task.rounds,
		  0, 1 << 30 },
		{ "think-ms", "pause after a round", &task.think_ms, 0, 60000 },
		{ "fill-think-ms", "pause after a round that fills",
		  &task.fill_think_ms, 0, 60000 },
		{ "jitter-ms", "random delay of a process in its step, below",
		  &task.jitter_ms, 0, 600000 },
		{ "seed", "of everything random", &task.seed, 0, UINT64_MAX },
		{ 0 },
	};
	struct cagma_team_result result;
	int next = cagma_options_parse(argc, argv, about, options);

	if (next < argc)
		cagma_die(CAGMA_TASK_USAGE, "unexpected argument '%s'",
			  argv[next]);
	cagma_team_check(&team);
	task.schedule = &team.schedule;
	result = cagma_team_run(&team);
	return report(&task, &team, &result);
}
