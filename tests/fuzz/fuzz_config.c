// SPDX-License-Identifier: GPL-2.0-only
/*
 * A configuration file: dom0/config.c as it is shipped.
 *
 * What must hold: a file is refused with one line and nothing changed, or what
 * it sets is in order.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "config.h"
#include "fuzz.h"
#include "units.h"

const char *__lsan_default_options(void);
const char *__lsan_default_suppressions(void);

const char *__lsan_default_options(void)
{
	return "print_suppressions=0";
}

/* The scanner of libconfig 1.5 forgets a text that a syntax error follows. */
const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\nleak:libconfig_yylex\n";
}

static bool is_none(const uint8_t uuid[CAGMA_UUID_BYTES])
{
	static const uint8_t none[CAGMA_UUID_BYTES];

	return !memcmp(uuid, none, CAGMA_UUID_BYTES);
}

static void check_guests(const struct cagma_config *config)
{
	for (size_t i = 0; i < config->guest_count; i++) {
		const struct cagma_guest_config *guest = &config->guests[i];

		fuzz_must(memchr(guest->name, '\0', sizeof(guest->name)));
		fuzz_must(!guest->name[0] == !is_none(guest->uuid));
		fuzz_must(cagma_config_guest(config, guest->name,
					     guest->uuid) == guest);
		fuzz_must(!guest->max_pages ||
			  guest->min_pages <= guest->max_pages);
		fuzz_must(guest->max_pages <= CAGMA_PAGES_MAX);
		fuzz_must(guest->weight <= 10000);
	}
}

static void check_pages(uint64_t pages, uint64_t low_mib, uint64_t high_mib)
{
	fuzz_must(pages >= cagma_mib_to_pages(low_mib));
	fuzz_must(pages <= cagma_mib_to_pages(high_mib));
}

static void check_ms(uint64_t ns, uint64_t low_ms, uint64_t high_ms)
{
	fuzz_must(ns >= low_ms * CAGMA_NS_PER_MS);
	fuzz_must(ns <= high_ms * CAGMA_NS_PER_MS);
}

/* The ranges of docs/cagmad.8. */
static void check_config(const struct cagma_config *config)
{
	const struct cagma_tuning *t = &config->tuning;

	fuzz_must(config->policy);
	check_pages(config->hard_pages, 16, 1048576);
	check_pages(config->reserve_pages, 16, 1048576);
	check_pages(config->min_pages, 32, 1048576);
	check_pages(t->cma_floor_pages, 4, 65536);
	check_pages(t->release_pages, 4, 1048576);
	check_ms(config->period_ns, 100, 60000);
	check_ms(config->tick_ns, 20, 1000);
	check_ms(t->horizon_ns, 100, 60000);
	check_ms(t->window_ns, 1000, 15000);
	check_ms(t->release_ns, 1000, 15000);
	check_ms(t->donor_ns, 100, 15000);
	check_ms(t->grace_ns, 0, 60000);
	check_ms(t->stale_ns, 500, 60000);
	fuzz_must(t->task_percent <= 100);
	fuzz_must(t->threshold_percent >= 10 && t->threshold_percent <= 100);
	fuzz_must(config->reserve_pages >= config->hard_pages);
	fuzz_must(config->tick_ns <= config->period_ns);
	check_guests(config);
}

static void check_error(const char *error, const char *path)
{
	fuzz_must(!strncmp(error, path, strlen(path)));
	fuzz_must(error[strlen(path)] == ':');
	for (; *error; error++)
		fuzz_must(*error >= ' ' && *error <= '~');
}

static bool has(const uint8_t *data, size_t size, const char *word)
{
	return size && memmem(data, size, word, strlen(word));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char path[32];
	static int fd = -1;
	struct cagma_config config, before;
	char error[256] = "";

	/* It would read any file of this machine, endless ones included. */
	if (has(data, size, "@include"))
		return 0;
	if (fd < 0) {
		fd = memfd_create("config", MFD_CLOEXEC);
		snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	}
	fuzz_must(!ftruncate(fd, 0));
	fuzz_must(pwrite(fd, data, size, 0) == (ssize_t)size);
	cagma_config_init(&config);
	before = config;
	if (cagma_config_read(&config, path, error, sizeof(error))) {
		fuzz_must(!memcmp(&config, &before, sizeof(config)));
		check_error(error, path);
	} else {
		check_config(&config);
	}
	cagma_config_destroy(&config);
	return 0;
}
