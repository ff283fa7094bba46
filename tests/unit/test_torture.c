// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two threads, and two processes, on one page, through shared/sync.h and
 * dom0/reader.c as they are shipped. The words of a record are tied to its
 * number by arithmetic; a reader that accepts a mixture is caught. An eventfd
 * is the event channel; a sleep that nobody would have ended is caught.
 *
 * `make check` also builds this file with each MUTANT_* of torture_sync.h and
 * expects those programs to fail, and under ThreadSanitizer. `make soak` runs
 * it for long: CAGMA_TORTURE_READS and CAGMA_TORTURE_KICKS are for each test.
 */
#define CAGMA_SYNC_BACKEND "torture_sync.h"

#include "reader.c"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "unit.h"

#define READS		20000
#define READS_MIN	1000	/* if the machine is busy, which ends it early */
#define KICKS		5000
#define KICKS_MIN	50
#define SECONDS_MAX	1
#define LAPS		100
#define PAUSE		1024	/* of a writer, so that readers succeed */
#define SLEEP_MS	20
#define FACTOR		UINT64_C(0x9e3779b97f4a7c15)

/* The page, and what else both sides need to know about the test. */
struct shared {
	struct cagma_page page;
	atomic_bool stop;
	atomic_uint taken;	/* samples that dom0 has read */
	atomic_uint settled;	/* samples whose kick is given, or not needed */
};

_Thread_local uint32_t torture_remembered;
_Thread_local bool torture_answered_from_memory;
static _Thread_local uint64_t seed;	/* 0: this side is never delayed */

static int memory_fd, channel_fd;
static struct shared *shared;		/* this process's mapping */

static unsigned long reads_wanted = READS, kicks_wanted = KICKS;
static bool in_haste = true;

static void spin(uint64_t turns)
{
	for (volatile uint64_t i = 0; i < turns; i++)
		;
}

void torture_delay(void)
{
	uint64_t dice;

	if (!seed)
		return;
	dice = unit_random_below(&seed, 4096);
	if (dice < 64)
		spin(dice);
	else if (dice == 64)
		sched_yield();
}

/* A window wide open, so that it is hit where both sides share a processor. */
static void hold_open(void)
{
	if (!seed)
		return;
	spin(unit_random_below(&seed, 2048));
	if (unit_random_below(&seed, 4) == 0)
		sched_yield();
}

bool torture_is_armed(const void *word)
{
	return word == &shared->page.doorbell.armed;
}

bool torture_is_head(const void *word)
{
	return word == &shared->page.publication.head;
}

uint32_t torture_early_head(void)
{
	uint32_t head = torture_real_acquire(&shared->page.publication.head);

	hold_open();
	return head;
}

uint32_t torture_early_armed(void)
{
	uint32_t armed = torture_real_acquire(&shared->page.doorbell.armed);

	hold_open();
	return armed;
}

static void tie(void *body, size_t words, uint64_t number)
{
	uint64_t *word = body;

	for (size_t i = 0; i < words; i++)
		word[i] = number * FACTOR + i;
}

static bool is_tied(const void *body, size_t words, uint64_t number)
{
	const uint64_t *word = body;

	for (size_t i = 0; i < words; i++)
		if (word[i] != number * FACTOR + i)
			return false;
	return true;
}

/* ---- the other side ---- */

static void publish(uint32_t n)
{
	struct cagma_sample sample;

	tie(&sample, sizeof(sample) / 8, n);
	cagma_sample_write(&shared->page, n, &sample);
}

static void write_samples(void)
{
	for (uint32_t n = 0; !atomic_load(&shared->stop); n++) {
		publish(n);
		spin(unit_random_below(&seed, PAUSE));
	}
}

/* A ring that is always full: no pause, no kick. */
static void flood(void)
{
	seed = 0;
	for (uint32_t n = 0; !atomic_load(&shared->stop); n++)
		publish(n);
}

static void write_mails(void)
{
	struct cagma_mail mail;

	for (uint32_t seq = 2; !atomic_load(&shared->stop); seq += 2) {
		tie(&mail, sizeof(mail) / 8, seq);
		cagma_mail_write(&shared->page, seq, &mail);
		spin(unit_random_below(&seed, PAUSE));
	}
}

/* One emergency after the other, each when dom0 is about to go to sleep. */
static void write_and_kick(void)
{
	const uint64_t one = 1;

	for (uint32_t n = 0; !atomic_load(&shared->stop); n++) {
		publish(n);
		if (cagma_kick_wanted(&shared->page) &&
		    write(channel_fd, &one, sizeof(one)) != sizeof(one))
			abort();
		atomic_store(&shared->settled, n + 1);
		while (atomic_load(&shared->taken) != n + 1 &&
		       !atomic_load(&shared->stop))
			sched_yield();
		spin(unit_random_below(&seed, PAUSE));
	}
}

/* A thread, or a process that has mapped the page somewhere else. */
struct other {
	bool is_process;
	void (*run)(void);
	pthread_t thread;
	pid_t pid;
};

static struct shared *map_memory(void)
{
	void *memory = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED, memory_fd, 0);

	if (memory == MAP_FAILED)
		abort();
	return memory;
}

static void *run_thread(void *arg)
{
	const struct other *other = arg;

	seed = 1;
	other->run();
	return NULL;
}

static void run_process(const struct other *other)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	shared = map_memory();
	seed = 1;
	other->run();
	_exit(0);
}

static void start(struct other *other)
{
	uint64_t count;

	memset(shared, 0, sizeof(*shared));
	while (read(channel_fd, &count, sizeof(count)) > 0)
		;
	if (!other->is_process) {
		assert_int_equal(pthread_create(&other->thread, NULL,
						run_thread, other), 0);
		return;
	}
	other->pid = fork();
	if (!other->pid)
		run_process(other);
	assert_true(other->pid > 0);
}

static void finish(struct other *other)
{
	seed = 0;
	torture_answered_from_memory = false;
	atomic_store(&shared->stop, true);
	if (other->is_process)
		waitpid(other->pid, NULL, 0);
	else
		pthread_join(other->thread, NULL);
}

/* Has this side tortured itself enough, or long enough? */
static bool is_enough(unsigned long done, unsigned long least,
		      unsigned long wanted, int64_t start_s)
{
	return done >= wanted ||
	       (in_haste && done >= least &&
		unit_now_s() - start_s > SECONDS_MAX) ||
	       (in_haste && unit_is_late(start_s));
}

/* For the long run. */
static void say_figures(const char *what, unsigned long good,
			unsigned long met, unsigned long bad, int64_t start_s)
{
	if (!in_haste)
		print_message("figures: %lu %s, %lu times the other side was "
			      "at work, %lu wrong, %lld s\n", good, what, met,
			      bad, (long long)(unit_now_s() - start_s));
}

/* ---- records ---- */

/* Anywhere in the ring, the slot that is being written included. */
static uint32_t some_sample(void)
{
	uint32_t head = cagma_head_read(&shared->page);

	return head - (uint32_t)unit_random_below(&seed, CAGMA_SLOT_COUNT + 1);
}

static void read_samples(struct other *other)
{
	unsigned long good = 0, missed = 0, torn = 0;
	int64_t start_s = unit_now_s();
	struct cagma_sample sample;

	start(other);
	while (cagma_head_read(&shared->page) < CAGMA_SLOT_COUNT)
		sched_yield();
	seed = 2;
	while (!torn && !is_enough(good, READS_MIN, reads_wanted, start_s)) {
		uint32_t n = some_sample();

		if (cagma_sample_read(&shared->page, n, &sample)) {
			missed++;
			sched_yield();
			continue;
		}
		good++;
		torn += !is_tied(&sample, sizeof(sample) / 8, n);
	}
	finish(other);
	say_figures("samples", good, missed, torn, start_s);
	assert_int_equal(torn, 0);
	assert_true(good >= READS_MIN);
}

static void read_mails(struct other *other)
{
	unsigned long good = 0, missed = 0, torn = 0;
	int64_t start_s = unit_now_s();
	struct cagma_mail mail;
	uint32_t seq;

	start(other);
	seed = 2;
	while (!torn && !is_enough(good, READS_MIN, reads_wanted, start_s)) {
		if (cagma_mail_read(&shared->page, &seq, &mail) || !seq) {
			missed++;
			sched_yield();
			continue;
		}
		good++;
		torn += !is_tied(&mail, sizeof(mail) / 8, seq);
	}
	finish(other);
	say_figures("mails", good, missed, torn, start_s);
	assert_int_equal(torn, 0);
	assert_true(good >= READS_MIN);
}

static void test_D3_sample_is_never_torn_between_threads(void **state)
{
	(void)state;
	read_samples(&(struct other){ .run = write_samples });
}

static void test_D3_sample_is_never_torn_between_processes(void **state)
{
	(void)state;
	read_samples(&(struct other){ .run = write_samples, .is_process = true });
}

/* It would stop at a full ring if it waited for anybody. */
static void test_D6_guest_goes_on_while_nobody_reads(void **state)
{
	struct other guest = { .run = write_samples, .is_process = true };
	int64_t start_s = unit_now_s();
	struct cagma_sample sample;
	uint32_t head;

	(void)state;
	start(&guest);
	while (cagma_head_read(&shared->page) < LAPS * CAGMA_SLOT_COUNT &&
	       !unit_is_late(start_s))
		sched_yield();
	finish(&guest);
	head = cagma_head_read(&shared->page);
	assert_true(head >= LAPS * CAGMA_SLOT_COUNT);
	assert_int_equal(cagma_sample_read(&shared->page, head - 1, &sample), 0);
	assert_true(is_tied(&sample, sizeof(sample) / 8, head - 1));
}

/* A reader as fast as the guest would never be behind. */
static void await_full_ring(const struct cagma_reader *reader, int64_t start_s)
{
	while (cagma_head_read(&shared->page) - reader->next <= CAGMA_SLOT_COUNT &&
	       !unit_is_late(start_s))
		sched_yield();
}

/* A batch a visit, whatever is published meanwhile; and none is missed silently. */
static void test_G13_flood_is_read_in_batches(void **state)
{
	struct other guest = { .run = flood };
	struct cagma_reader reader = { .page = &shared->page };
	struct cagma_sample samples[CAGMA_READER_BATCH];
	unsigned long good = 0, visits = 0, bad = 0;
	int64_t start_s = unit_now_s();

	(void)state;
	start(&guest);
	torture_real_store(&shared->page.publication.state, CAGMA_STATE_LIVE);
	while (!bad && !is_enough(visits, KICKS_MIN, kicks_wanted, start_s)) {
		uint64_t gone = reader.lost + reader.torn, torn = reader.torn;
		uint32_t next = reader.next;
		size_t count;

		await_full_ring(&reader, start_s);
		bad += cagma_reader_drain(&reader, samples, &count) == CAGMA_LIE_HEAD;
		bad += count + reader.torn - torn > CAGMA_READER_BATCH;
		good += count;
		visits += reader.lost + reader.torn > gone;	/* met the guest */
		bad += reader.next - next !=
		       count + (uint32_t)(reader.lost + reader.torn - gone);
	}
	finish(&guest);
	assert_int_equal(bad, 0);
	assert_true(visits >= KICKS_MIN);
	assert_int_equal((uint32_t)(good + reader.lost + reader.torn), reader.next);
}

static void test_D3_mail_is_never_torn_between_threads(void **state)
{
	(void)state;
	read_mails(&(struct other){ .run = write_mails });
}

static void test_D3_mail_is_never_torn_between_processes(void **state)
{
	(void)state;
	read_mails(&(struct other){ .run = write_mails, .is_process = true });
}

/* ---- kicks ---- */

struct watch {
	struct cagma_reader reader;
	unsigned long kicks;
	unsigned long looks;	/* after arming, that found more */
	unsigned long lost;
	unsigned long bad;	/* samples */
};

static void take_samples(struct watch *watch)
{
	struct cagma_sample samples[CAGMA_READER_BATCH];
	uint32_t n = watch->reader.next;
	size_t count;

	if (cagma_reader_drain(&watch->reader, samples, &count))
		watch->bad++;
	watch->bad += count != watch->reader.next - n;
	for (size_t i = 0; i < count; i++, n++)
		watch->bad += !is_tied(&samples[i], sizeof(samples[i]) / 8, n);
	atomic_store(&shared->taken, watch->reader.next);
}

static bool is_kicked(int timeout_ms)
{
	struct pollfd channel = { .fd = channel_fd, .events = POLLIN };

	return poll(&channel, 1, timeout_ms) > 0;
}

/*
 * The guest has decided about its kick, none is there, and yet there is
 * something to read: it would be slept through. However slow this machine is.
 */
static bool is_slept_through(const struct watch *watch)
{
	uint32_t settled = atomic_load(&shared->settled);

	/* Behind: a sample was read before the guest came to decide. */
	return (int32_t)(settled - watch->reader.next) > 0 && !is_kicked(0);
}

static void sleep_until_kicked(struct watch *watch)
{
	uint64_t count;

	while (!is_kicked(SLEEP_MS)) {
		if (is_slept_through(watch)) {
			watch->lost++;
			return;
		}
		if (in_haste)
			return;		/* there is a limit of time to look at */
	}
	if (read(channel_fd, &count, sizeof(count)) == sizeof(count))
		watch->kicks++;
}

/* What dom0/loop.c does with one guest. */
static void watch_guest(struct other *other)
{
	struct watch watch = { 0 };
	int64_t start_s = unit_now_s();

	start(other);
	watch.reader.page = &shared->page;
	torture_real_store(&shared->page.publication.state, CAGMA_STATE_LIVE);
	seed = 2;
	while (!watch.lost && !watch.bad &&
	       !is_enough(watch.kicks, KICKS_MIN, kicks_wanted, start_s)) {
		cagma_reader_disarm(&watch.reader);
		take_samples(&watch);
		hold_open();
		if (cagma_reader_arm(&watch.reader))
			watch.looks++;
		else
			sleep_until_kicked(&watch);
	}
	finish(other);
	say_figures("kicks", watch.kicks, watch.looks, watch.lost, start_s);
	assert_int_equal(watch.lost, 0);
	assert_int_equal(watch.bad, 0);
	assert_true(watch.kicks >= KICKS_MIN);
}

static void test_kick_is_never_lost_between_threads(void **state)
{
	(void)state;
	watch_guest(&(struct other){ .run = write_and_kick });
}

static void test_kick_is_never_lost_between_processes(void **state)
{
	(void)state;
	watch_guest(&(struct other){ .run = write_and_kick, .is_process = true });
}

/* ---- */

static unsigned long from_environment(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	if (!text)
		return otherwise;
	in_haste = false;
	return strtoul(text, NULL, 10);
}

static int set_up(void **state)
{
	(void)state;
	memory_fd = memfd_create("page", MFD_CLOEXEC);
	channel_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (memory_fd < 0 || channel_fd < 0 ||
	    ftruncate(memory_fd, sizeof(struct shared)))
		return -1;
	shared = map_memory();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_D3_sample_is_never_torn_between_threads),
		cmocka_unit_test(test_D3_sample_is_never_torn_between_processes),
		cmocka_unit_test(test_D6_guest_goes_on_while_nobody_reads),
		cmocka_unit_test(test_G13_flood_is_read_in_batches),
		cmocka_unit_test(test_D3_mail_is_never_torn_between_threads),
		cmocka_unit_test(test_D3_mail_is_never_torn_between_processes),
		cmocka_unit_test(test_kick_is_never_lost_between_threads),
		cmocka_unit_test(test_kick_is_never_lost_between_processes),
	};

	reads_wanted = from_environment("CAGMA_TORTURE_READS", reads_wanted);
	kicks_wanted = from_environment("CAGMA_TORTURE_KICKS", kicks_wanted);
	return cmocka_run_group_tests_name("torture", tests, set_up, NULL);
}
