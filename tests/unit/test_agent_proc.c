// SPDX-License-Identifier: GPL-2.0-only
/* What the agent reads in /proc and /sys, of many kernels and of none. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../domU/print.h"
#include "../../domU/proc.h"
#include "domU/fake_tree.h"
#include "unit.h"

#define BALLOON	"sys/devices/system/xen_memory/xen_memory0/"

static const char *tree;
static struct cagma_proc proc;
static struct cagma_view view;

static int set_up(void **state)
{
	const char *failed;

	(void)state;
	tree = fake_tree_make();
	if (!tree)
		return -1;
	return cagma_proc_open(&proc, tree, true, &failed);
}

static int tear_down(void **state)
{
	(void)state;
	cagma_proc_close(&proc);
	fake_tree_remove();
	return 0;
}

static void reopen(void)
{
	const char *failed;

	cagma_proc_close(&proc);
	assert_int_equal(cagma_proc_open(&proc, tree, true, &failed), 0);
}

static void test_every_number_is_where_it_belongs(void **state)
{
	(void)state;
	fake_tree_memory(12345);
	fake_tree_events(77, 5, 9);
	fake_tree_balloon(99000, 98000);
	assert_int_equal(cagma_proc_read(&proc, &view), 0);
	assert_int_equal(view.sample.total_pages, 100000);
	assert_int_equal(view.sample.free_pages, 25000);
	assert_int_equal(view.sample.available_pages, 12345);
	assert_int_equal(view.sample.anon_pages, 20000);
	assert_int_equal(view.sample.shmem_pages, 5000);
	/* Cached and Buffers, less Shmem; the swap cache is in neither. */
	assert_int_equal(view.sample.file_pages, 11000);
	assert_int_equal(view.sample.committed_pages, 30864);
	assert_int_equal(view.sample.swap_free_pages, 50000);
	assert_int_equal(view.sample.swap_in_pages, 3);
	assert_int_equal(view.sample.swap_out_pages, 77);
	assert_int_equal(view.sample.refault_pages, 30);
	assert_int_equal(view.sample.direct_stalls, 5);
	assert_int_equal(view.sample.flags, CAGMA_SAMPLE_DETAILED);
	assert_int_equal(view.sample.swap_total_pages, 65535);
	assert_int_equal(view.sample.refault_file_pages, 20);
	assert_int_equal(view.sample.activate_file_pages, 8);
	assert_int_equal(view.sample.active_file_pages, 6000);
	/* Without what is free, on the four lists, on its way from one, or slab. */
	assert_int_equal(view.sample.least_pages, 99000 - 25000 - 36000 - 400 - 2000);
	assert_int_equal(view.sample.balloon_pages, 99000);
	assert_int_equal(view.sample.balloon_target_pages, 98000);
	assert_int_equal(view.pressure.swap_total_pages, 65535);
	assert_int_equal(view.pressure.some_us, 1234);
	assert_int_equal(view.pressure.full_us, 567);
	assert_int_equal(view.kswapd_work, 9);
	/* It is dom0's and the link's business. */
	assert_int_equal(view.sample.event + view.sample.mail_seq +
			 view.sample.offset_pages, 0);
}

/* The same names as in 3.16, 5.10 and 6.12, with what lies between them. */
static void test_kernels_of_all_ages_are_read(void **state)
{
	static const struct {
		const char *vmstat;
		uint64_t in, out, refaults, stalls, work, file, activated;
	} all[] = {
		{ "pswpin 1\npswpout 2\nallocstall 3\npageoutrun 4\n"
		  "workingset_refault 5\nworkingset_activate 3\n",
		  1, 2, 5, 3, 4, 5, 3 },
		{ "pswpin 1\npswpout 2\nallocstall_dma 10\nallocstall_dma32 20\n"
		  "allocstall_normal 30\nallocstall_movable 40\npageoutrun 4\n"
		  "workingset_refault_anon 5\nworkingset_refault_file 6\n"
		  "workingset_activate_anon 100\nworkingset_activate_file 2\n"
		  "pgscan_kswapd 30\n", 1, 2, 11, 100, 34, 6, 2 },
		{ "pswpin 1\npswpout 2\nzswpin 1000\nzswpout 2000\nzswpwb 7\n"
		  "allocstall_normal 1\nallocstall_device 9\npageoutrun 0\n",
		  1001, 2002, 0, 1, 0, 0, 0 },
		/* These two wrap. */
		{ "workingset_refault_file 4294967301\n"
		  "workingset_activate_file 8589934599\n",
		  0, 0, 4294967301, 0, 0, 5, 7 },
		/* Without CONFIG_SWAP, and without anything. */
		{ "nr_free_pages 5\n", 0, 0, 0, 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		fake_tree_write("proc/vmstat", all[i].vmstat);
		assert_int_equal(cagma_proc_read(&proc, &view), 0);
		assert_int_equal(view.sample.swap_in_pages, all[i].in);
		assert_int_equal(view.sample.swap_out_pages, all[i].out);
		assert_int_equal(view.sample.refault_pages, all[i].refaults);
		assert_int_equal(view.sample.direct_stalls, all[i].stalls);
		assert_int_equal(view.kswapd_work, all[i].work);
		assert_int_equal(view.sample.refault_file_pages, all[i].file);
		assert_int_equal(view.sample.activate_file_pages, all[i].activated);
	}
}

static void test_kernel_without_pressure_totals(void **state)
{
	(void)state;
	fake_tree_unlink("proc/pressure/memory");
	reopen();
	assert_int_equal(proc.pressure, -1);
	assert_int_equal(cagma_proc_open_trigger(&proc), -ENOENT);
	assert_int_equal(cagma_proc_read(&proc, &view), 0);
	assert_int_equal(view.pressure.some_us + view.pressure.full_us, 0);
	assert_int_equal(view.pressure.swap_total_pages, 65535);
}

static void test_pages_of_64_kib_are_16_of_4(void **state)
{
	(void)state;
	fake_tree_events(7, 5, 0);
	proc.unit_pages = 16;
	assert_int_equal(cagma_proc_read(&proc, &view), 0);
	assert_int_equal(view.sample.swap_out_pages, 7 * 16);
	assert_int_equal(view.sample.refault_pages, 30 * 16);
	/* KiB are KiB, and a stall is no page. */
	assert_int_equal(view.sample.total_pages, 100000);
	assert_int_equal(view.sample.direct_stalls, 5);
}

static uint64_t least(void)
{
	assert_int_equal(cagma_proc_read(&proc, &view), 0);
	return view.sample.least_pages;
}

#define BEFORE	"MemTotal: 400000 kB\nMemAvailable: 100000 kB\nBuffers: 0 kB\n" \
		"Cached: 0 kB\nAnonPages: 0 kB\nShmem: 0 kB\nSwapTotal: 0 kB\n" \
		"SwapFree: 0 kB\nCommitted_AS: 0 kB\n"

/* What is locked is on no list that reclaim looks at, nor is a huge page. */
static void test_P2_locked_memory_is_what_a_guest_needs(void **state)
{
	uint64_t before;

	(void)state;
	fake_tree_write("proc/meminfo", BEFORE
			"MemFree: 100000 kB\nActive(anon): 200000 kB\n"
			"Inactive(anon): 0 kB\nActive(file): 40000 kB\n"
			"Inactive(file): 10000 kB\nUnevictable: 0 kB\n"
			"SReclaimable: 4000 kB\n");
	before = least();
	fake_tree_write("proc/meminfo", BEFORE
			"MemFree: 100000 kB\nActive(anon): 97600 kB\n"
			"Inactive(anon): 0 kB\nActive(file): 40000 kB\n"
			"Inactive(file): 10000 kB\nUnevictable: 102400 kB\n"
			"SReclaimable: 4000 kB\n");
	assert_int_equal(least(), before + 100 * MIB);
	/* 20 huge pages of what was free. */
	fake_tree_write("proc/meminfo", BEFORE
			"MemFree: 59040 kB\nActive(anon): 97600 kB\n"
			"Inactive(anon): 0 kB\nActive(file): 40000 kB\n"
			"Inactive(file): 10000 kB\nUnevictable: 102400 kB\n"
			"SReclaimable: 4000 kB\nHugetlb: 40960 kB\n");
	assert_int_equal(least(), before + 140 * MIB);
}

/* A kernel that says nothing of its lists: nobody knows, and nothing is claimed. */
static void test_P2_what_is_not_known_is_not_claimed(void **state)
{
	(void)state;
	fake_tree_write("proc/meminfo", BEFORE "MemFree: 100000 kB\n");
	assert_int_equal(least(), 0);
	assert_int_equal(view.sample.flags, CAGMA_SAMPLE_DETAILED);
	/* More on the lists than there is: counts that were not taken at once. */
	fake_tree_write("proc/meminfo", BEFORE
			"MemFree: 100000 kB\nActive(anon): 400000 kB\n");
	assert_int_equal(least(), 0);
}

/* memory, swap, what is committed and the limit are the kernel's own numbers. */
static void commits(uint64_t limit_kib, uint64_t committed_kib)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "MemTotal: 400000 kB\nMemFree: 390000 kB\nMemAvailable: 390000 kB\n"
		 "Buffers: 0 kB\nCached: 0 kB\nAnonPages: 0 kB\nShmem: 0 kB\n"
		 "SwapTotal: 0 kB\nSwapFree: 0 kB\nCommitLimit: %" PRIu64 " kB\n"
		 "Committed_AS: %" PRIu64 " kB\n", limit_kib, committed_kib);
	fake_tree_write("proc/meminfo", text);
}

static void test_P3_commit_limit_stays_above_what_is_committed(void **state)
{
	/* The balloon counts 2400 pages more than the kernel. */
	static const struct {
		const char *memory, *kbytes, *ratio;
		uint64_t limit_kib, committed_kib, least;
	} all[] = {
		/* 128000 KiB, a 32nd and 24 MiB: in half the memory that is. */
		{ "2\n", "0\n", "50\n", 200000, 128000, 80688 },
		/* 60000 KiB of swap are in it as well. */
		{ "2\n", "0\n", "50\n", 260000, 128000, 50688 },
		{ "2\n", "0\n", "100\n", 400000, 128000, 41544 },
		{ "2\n", "0\n", "150\n", 600000, 128000, 28496 },
		/* It is beyond already: the guest lacks memory. */
		{ "2\n", "0\n", "50\n", 120000, 128000, 120688 },
		/* Swap alone is enough. */
		{ "2\n", "0\n", "50\n", 900000, 128000, 0 },
		/* Fixed, or by another policy. */
		{ "2\n", "200000\n", "50\n", 200000, 128000, 0 },
		{ "2\n", "0\n", "0\n", 200000, 128000, 0 },
		{ "0\n", "0\n", "50\n", 200000, 128000, 0 },
		{ "1\n", "0\n", "50\n", 200000, 128000, 0 },
		/* Settings that can't be. */
		{ "2\n", "0\n", "x\n", 200000, 128000, 0 },
		{ "2\n", "0\n", "-1\n", 200000, 128000, 0 },
		{ "2\n", "0\n", "99999999999\n", 200000, 128000, 0 },
		{ "2\n", "", "50\n", 200000, 128000, 0 },
		{ "2", "0\n", "50\n", 200000, 128000, 0 },
		/* Numbers that overflow nothing. */
		{ "2\n", "0\n", "1\n", 0, UINT64_MAX, UINT32_MAX },
		{ "2\n", "0\n", "1\n", UINT64_MAX, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		commits(all[i].limit_kib, all[i].committed_kib);
		fake_tree_overcommit(all[i].memory, all[i].kbytes, all[i].ratio);
		if (least() != all[i].least)
			fail_msg("case %zu: %" PRIu64, i, least());
	}
}

/* Where the settings can't be read, what reclaim leaves is still said. */
static void test_P3_kernel_without_the_settings(void **state)
{
	uint64_t before = least();

	(void)state;
	fake_tree_unlink("proc/sys/vm/overcommit_memory");
	fake_tree_unlink("proc/sys/vm/overcommit_kbytes");
	fake_tree_unlink("proc/sys/vm/overcommit_ratio");
	reopen();
	assert_int_equal(least(), before);
}

static void expect_meminfo(const char *text, int result)
{
	fake_tree_write("proc/meminfo", text);
	if (cagma_proc_read(&proc, &view) != result)
		fail_msg("\"%s\" is not %d", text, result);
}

#define REST	"Buffers: 0 kB\nCached: 0 kB\nAnonPages: 0 kB\nShmem: 0 kB\n" \
		"SwapTotal: 0 kB\nSwapFree: 0 kB\nCommitted_AS: 0 kB\n"

static void test_garbage_is_no_sample(void **state)
{
	(void)state;
	expect_meminfo("MemTotal: 8 kB\nMemFree: 4 kB\nMemAvailable: 4 kB\n" REST, 0);
	assert_int_equal(view.sample.total_pages, 2);
	expect_meminfo("", -EIO);
	expect_meminfo("\n\n\n", -ENODATA);
	expect_meminfo("MemTotal", -EIO);
	expect_meminfo("MemTotal:\n" REST, -EINVAL);
	expect_meminfo("MemTotal: x kB\n" REST, -EINVAL);
	expect_meminfo("MemTotal: -1 kB\n" REST, -EINVAL);
	/* As Linux before 3.14: what would be available is anybody's guess. */
	expect_meminfo("MemTotal: 8 kB\nMemFree: 4 kB\n" REST, -ENODATA);
	/* A name is the whole name. */
	expect_meminfo("MemTotal: 8 kB\nMemFree: 4 kB\nMemAvailableX: 4 kB\n" REST,
		       -ENODATA);
	expect_meminfo("MemTotal: 8 kB\nMemFree: 4 kB\nMemAvailabl: 4 kB\n" REST,
		       -ENODATA);
	/* Cut in the middle of a number. */
	expect_meminfo("MemFree: 4 kB\nMemAvailable: 4 kB\n" REST "MemTotal: 81",
		       -EIO);
}

static void test_huge_numbers(void **state)
{
	(void)state;
	expect_meminfo("MemTotal: 18446744073709551615 kB\nMemFree: 0 kB\n"
		       "MemAvailable: 0 kB\n" REST, 0);
	assert_true(view.sample.total_pages == UINT64_MAX / 4);
	expect_meminfo("MemTotal: 18446744073709551616 kB\nMemFree: 0 kB\n"
		       "MemAvailable: 0 kB\n" REST, -ERANGE);
	expect_meminfo("MemTotal: 99999999999999999999999 kB\nMemFree: 0 kB\n"
		       "MemAvailable: 0 kB\n" REST, -ERANGE);
	/* More shared memory than is cached: the kernel's counts are not exact. */
	expect_meminfo("MemTotal: 8 kB\nMemFree: 0 kB\nMemAvailable: 0 kB\n"
		       "Buffers: 0 kB\nCached: 4 kB\nAnonPages: 0 kB\nShmem: 8 kB\n"
		       "SwapTotal: 0 kB\nSwapFree: 0 kB\nCommitted_AS: 0 kB\n", 0);
	assert_int_equal(view.sample.file_pages, 0);
}

/* Every prefix of the file: an error, or all there is in it. */
static void test_truncated_anywhere(void **state)
{
	static const char whole[] =
		"MemTotal: 800 kB\nMemFree: 400 kB\nMemAvailable: 44 kB\n" REST;
	char text[sizeof(whole)];

	(void)state;
	for (size_t n = 0; n < sizeof(whole) - 1; n++) {
		memcpy(text, whole, n);
		text[n] = '\0';
		fake_tree_write("proc/meminfo", text);
		if (!cagma_proc_read(&proc, &view))
			fail_msg("%zu bytes are enough", n);
	}
	fake_tree_write("proc/meminfo", whole);
	assert_int_equal(cagma_proc_read(&proc, &view), 0);
}

static void test_file_that_is_too_long(void **state)
{
	const size_t size = 40000;
	char *text = malloc(size + 1);

	(void)state;
	assert_non_null(text);
	memset(text, '\n', size);
	text[size] = '\0';
	fake_tree_write("proc/vmstat", text);
	assert_int_equal(cagma_proc_read(&proc, &view), -EFBIG);
	text[20000] = '\0';
	fake_tree_write("proc/vmstat", text);
	assert_int_equal(cagma_proc_read(&proc, &view), 0);
	free(text);
}

static void test_garbage_in_the_pressure_file(void **state)
{
	static const char *const bad[] = {
		"", "some\n", "some total=\nfull total=1\n", "some total=1\n",
		"full total=1\n", "some avg10=0.00\nfull total=7\n",
		"some total=18446744073709551616\nfull total=1\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_tree_write("proc/pressure/memory", bad[i]);
		if (!cagma_proc_read(&proc, &view))
			fail_msg("\"%s\" is read", bad[i]);
	}
}

static void test_garbage_of_the_balloon(void **state)
{
	static const char *const bad[] = {
		"", "x\n", "12", "12x\n", "-1\n", " 4\n", "18446744073709551616\n",
		"123456789012345678901234567890123456\n",
	};
	uint64_t pages = 1, target = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		fake_tree_write(BALLOON "target_kb", bad[i]);
		if (!cagma_proc_read_balloon(&proc, &pages, &target))
			fail_msg("\"%s\" is a target", bad[i]);
	}
}

static void test_target_is_written_in_kib(void **state)
{
	(void)state;
	assert_int_equal(cagma_proc_write_target(&proc, 12345), 0);
	assert_int_equal(fake_tree_target_pages(), 12345);
}

static void test_missing_file_is_named(void **state)
{
	static const char *const files[] = {
		"proc/meminfo", "proc/vmstat", BALLOON "info/current_kb",
		BALLOON "target_kb",
	};
	const char *failed;
	struct cagma_proc other;

	(void)state;
	assert_int_equal(cagma_proc_open(&other, "/nonexistent", false, &failed),
			 -ENOENT);
	assert_string_equal(failed, "/nonexistent");
	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		fake_tree_unlink(files[i]);
		assert_int_equal(cagma_proc_open(&other, tree, true, &failed),
				 -ENOENT);
		assert_string_equal(failed, files[i]);
		fake_tree_write(files[i], "0\n");
	}
}

static void test_module_is_seen(void **state)
{
	(void)state;
	assert_false(cagma_proc_has_module(&proc));
	fake_tree_write("sys/module/cagma/refcnt", "0\n");
	assert_true(cagma_proc_has_module(&proc));
}

static void test_a_file_says_one_word(void **state)
{
	(void)state;
	assert_true(cagma_proc_says(proc.root, "sys/hypervisor/type", "xen"));
	fake_tree_write("sys/hypervisor/type", "xenial\n");
	assert_false(cagma_proc_says(proc.root, "sys/hypervisor/type", "xen"));
	fake_tree_write("sys/hypervisor/type", "");
	assert_false(cagma_proc_says(proc.root, "sys/hypervisor/type", "xen"));
	fake_tree_unlink("sys/hypervisor/type");
	assert_false(cagma_proc_says(proc.root, "sys/hypervisor/type", "xen"));
}

static void test_O1_dom0_is_known_without_xenfs(void **state)
{
	static const char features[] = "sys/hypervisor/properties/features";

	(void)state;
	fake_tree_write(features, "00002f05\n");	/* a dom0's */
	assert_true(cagma_proc_is_dom0(proc.root, features));
	fake_tree_write(features, "00002705\n");	/* a PV guest's */
	assert_false(cagma_proc_is_dom0(proc.root, features));
	fake_tree_unlink(features);
	assert_false(cagma_proc_is_dom0(proc.root, features));
}

static void test_printed_sample_has_every_name(void **state)
{
	static const char *const names[] = {
		"\"version\": 1", "\"total_pages\": 100000", "\"free_pages\": 25000",
		"\"available_pages\": 50000", "\"anon_pages\": 20000",
		"\"file_pages\": 11000", "\"shmem_pages\": 5000",
		"\"committed_pages\": 30864", "\"swap_free_pages\": 50000",
		"\"swap_in_pages\": 3", "\"swap_out_pages\": 0",
		"\"refault_pages\": 30", "\"direct_stalls\": 0",
		"\"balloon_pages\": 102400", "\"balloon_target_pages\": 102400",
		"\"swap_total_pages\": 65535", "\"some_us\": 1234",
		"\"full_us\": 567", "\"refault_file_pages\": 20",
		"\"activate_file_pages\": 8", "\"active_file_pages\": 6000",
		"\"least_pages\": 39000",
	};
	char text[2048] = "";
	FILE *out = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(out);
	assert_int_equal(cagma_proc_read(&proc, &view), 0);
	cagma_print_view(out, &view, true);
	fclose(out);
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		if (!strstr(text, names[i]))
			fail_msg("no %s in %s", names[i], text);
	}
	out = fmemopen(text, sizeof(text), "w");
	assert_non_null(out);
	cagma_print_view(out, &view, false);
	fclose(out);
	assert_null(strstr(text, "_us"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(test_every_number_is_where_it_belongs),
		TEST(test_kernels_of_all_ages_are_read),
		TEST(test_kernel_without_pressure_totals),
		TEST(test_pages_of_64_kib_are_16_of_4),
		TEST(test_P2_locked_memory_is_what_a_guest_needs),
		TEST(test_P2_what_is_not_known_is_not_claimed),
		TEST(test_P3_commit_limit_stays_above_what_is_committed),
		TEST(test_P3_kernel_without_the_settings),
		TEST(test_garbage_is_no_sample),
		TEST(test_huge_numbers),
		TEST(test_truncated_anywhere),
		TEST(test_file_that_is_too_long),
		TEST(test_garbage_in_the_pressure_file),
		TEST(test_garbage_of_the_balloon),
		TEST(test_target_is_written_in_kib),
		TEST(test_missing_file_is_named),
		TEST(test_module_is_seen),
		TEST(test_a_file_says_one_word),
		TEST(test_O1_dom0_is_known_without_xenfs),
		TEST(test_printed_sample_has_every_name),
	};

	return cmocka_run_group_tests_name("agent_proc", tests, NULL, NULL);
}
