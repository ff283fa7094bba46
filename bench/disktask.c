// SPDX-License-Identifier: GPL-2.0-only
/*
 * A disk-bound task: processes that read and write a block device at random
 * places, past the page cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "task.h"
#include "team.h"

#define BUFFER_ALIGNMENT 4096u

static const char about[] =
	"Usage: disktask [OPTION]... DEVICE\n"
	"Reads and WRITES the block device, O_DIRECT, with block sizes that are\n"
	"random powers of two, in order or at random places; what it held is\n"
	"lost. A round is a number of requests. Runs until the limit, the end\n"
	"of --steps or SIGTERM.\n"
	"\n"
	"Prints one line per round,\n"
	"  @R {\"task\":I,\"round\":N,\"ms\":TIME,\"at_ms\":SINCE_START}\n"
	"the counters of the guest and the device (@S) at start and end, and\n"
	"the outcome (@E).\n"
	"With --metrics-ms the rounds go to /proc/cagma/buffer instead.\n"
	"\n"
	"Exit status: 0 ended by the limit or SIGTERM; 1 a request failed or\n"
	"a process was killed; 2 usage.";

struct disktask {
	uint64_t round_ios;
	uint64_t write_percent;
	uint64_t sequential_percent;
	uint64_t min_kib;
	uint64_t max_kib;
	uint64_t seed;
	const char *path;
	int fd;
	dev_t device;
	uint64_t bytes;
};

static uint64_t random_size(const struct disktask *task, uint64_t *random)
{
	uint64_t choices = 1;

	while (task->min_kib << choices <= task->max_kib)
		choices++;
	return (task->min_kib * 1024) << (cagma_random(random) % choices);
}

/* @next is where the process's last request ended: a round trip of the device. */
static off_t choose_offset(const struct disktask *task, uint64_t *random,
			   uint64_t *next, uint64_t size)
{
	uint64_t offset = cagma_random(random) % (task->bytes / size) * size;

	if (cagma_random(random) % 100 < task->sequential_percent)
		offset = *next + size <= task->bytes ? *next : 0;
	*next = offset + size;
	return (off_t)offset;
}

static void one_request(const struct disktask *task, uint64_t *random,
			uint64_t *next, uint64_t *buffer)
{
	uint64_t size = random_size(task, random);
	off_t offset = choose_offset(task, random, next, size);
	bool write = cagma_random(random) % 100 < task->write_percent;
	ssize_t done;

	if (write) {
		buffer[0] = cagma_random(random);
		done = pwrite(task->fd, buffer, size, offset);
	} else {
		done = pread(task->fd, buffer, size, offset);
	}
	/* The device is a disk: a request is not cut short by a signal. */
	if (done != (ssize_t)size)
		cagma_die(CAGMA_TASK_FAILED,
			  "%s: %s of %" PRIu64 " bytes at %jd: %s", task->path,
			  write ? "write" : "read", size, (intmax_t)offset,
			  done < 0 ? strerror(errno) : "cut short");
}

static uint64_t *new_buffer(const struct disktask *task, uint64_t *random)
{
	size_t bytes = task->max_kib * 1024;
	uint64_t *buffer = aligned_alloc(BUFFER_ALIGNMENT, bytes);

	if (!buffer)
		cagma_die(CAGMA_TASK_FAILED, "no memory for a buffer");
	for (size_t i = 0; i < bytes / sizeof(*buffer); i++)
		buffer[i] = cagma_random(random);
	return buffer;
}

static int work(struct cagma_worker *worker, const void *context)
{
	const struct disktask *task = context;
	uint64_t random = cagma_mix(task->seed + worker->id);
	uint64_t *buffer = new_buffer(task, &random);
	uint64_t next = cagma_random(&random) % task->bytes &
			~(task->max_kib * 1024 - 1);

	for (;;) {
		cagma_team_round_begin(worker);
		for (uint64_t i = 0; i < task->round_ios; i++) {
			if (cagma_team_stopping()) {
				free(buffer);
				return CAGMA_TASK_OK;
			}
			one_request(task, &random, &next, buffer);
		}
		cagma_team_round_done(worker);
	}
}

static int report(const struct disktask *task, const struct cagma_team *team,
		  const struct cagma_team_result *result)
{
	char more[64];

	snprintf(more, sizeof(more), ",\"round_ios\":%" PRIu64,
		 task->round_ios);
	return cagma_team_report(team, result, more) ? CAGMA_TASK_OK
						     : CAGMA_TASK_FAILED;
}

static void check(const struct disktask *task)
{
	if (task->min_kib & (task->min_kib - 1) ||
	    task->max_kib & (task->max_kib - 1) || task->min_kib > task->max_kib)
		cagma_die(CAGMA_TASK_USAGE,
			  "block sizes must be powers of two, min <= max");
}

/* O_EXCL refuses a device that is mounted or swapped on. */
static void open_device(struct disktask *task)
{
	struct stat status;

	task->fd = open(task->path, O_RDWR | O_DIRECT | O_EXCL | O_CLOEXEC);
	if (task->fd < 0 || fstat(task->fd, &status))
		cagma_die(CAGMA_TASK_FAILED, "%s: %s", task->path,
			  strerror(errno));
	if (!S_ISBLK(status.st_mode))
		cagma_die(CAGMA_TASK_FAILED, "%s: not a block device",
			  task->path);
	if (ioctl(task->fd, BLKGETSIZE64, &task->bytes))
		cagma_die(CAGMA_TASK_FAILED, "%s: %s", task->path,
			  strerror(errno));
	if (task->bytes < task->max_kib * 1024)
		cagma_die(CAGMA_TASK_FAILED, "%s: smaller than one block",
			  task->path);
	task->device = status.st_rdev;
}

int main(int argc, char **argv)
{
	static struct disktask task = {
		.round_ios = 32, .write_percent = 30, .min_kib = 4,
		.max_kib = 64, .seed = 1,
	};
	static struct cagma_team team = {
		.workload = "disk", .size = 4, .work = work, .context = &task,
		.device = &task.device,
	};
	static const struct cagma_option options[] = {
		CAGMA_TEAM_OPTIONS(team),
		{ "round-ios", "requests in a round", &task.round_ios, 1,
		  1 << 30 },
		{ "write-percent", "share of writes", &task.write_percent, 0,
		  100 },
		{ "sequential-percent", "share of requests that follow the last",
		  &task.sequential_percent, 0, 100 },
		{ "min-kib", "smallest block, a power of two", &task.min_kib, 4,
		  1024 },
		{ "max-kib", "largest block, a power of two", &task.max_kib, 4,
		  1024 },
		{ "seed", "of everything random", &task.seed, 0, UINT64_MAX },
		{ 0 },
	};
	struct cagma_team_result result;
	int next = cagma_options_parse(argc, argv, about, options);

	if (next != argc - 1)
		cagma_die(CAGMA_TASK_USAGE, "exactly one DEVICE is needed");
	task.path = argv[next];
	check(&task);
	cagma_team_check(&team);
	open_device(&task);
	result = cagma_team_run(&team);
	close(task.fd);
	return report(&task, &team, &result);
}
