// SPDX-License-Identifier: GPL-2.0-only
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "instance.h"
#include "unit.h"

static char parent[64], dir[80], path[96];

static int set_up(void **state)
{
	(void)state;
	snprintf(parent, sizeof(parent), "/tmp/cagma-instance-XXXXXX");
	if (!mkdtemp(parent))
		return -1;
	snprintf(dir, sizeof(dir), "%s/run", parent);
	snprintf(path, sizeof(path), "%s/lock", dir);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	unlink(path);
	rmdir(dir);
	return rmdir(parent);
}

static int lock(int *owner)
{
	return cagma_instance_lock(dir, "lock", owner);
}

static void test_C6_second_instance_is_refused(void **state)
{
	int owner, first = lock(&owner);

	(void)state;
	assert_true(first >= 0);
	assert_int_equal(fcntl(first, F_GETFD), FD_CLOEXEC);
	assert_int_equal(lock(&owner), -EBUSY);
	assert_int_equal(owner, getpid());
	close(first);
	first = lock(&owner);
	assert_true(first >= 0);
	close(first);
}

static void test_lock_ends_with_its_process(void **state)
{
	int owner, fd, status;
	pid_t child = fork();

	(void)state;
	assert_true(child >= 0);
	if (!child)
		_exit(lock(&owner) < 0);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	fd = lock(&owner);
	assert_true(fd >= 0);
	close(fd);
}

static void test_nobody_else_can_take_it(void **state)
{
	struct stat st;
	int owner, fd;

	(void)state;
	umask(0);
	fd = lock(&owner);
	assert_true(fd >= 0);
	assert_int_equal(stat(dir, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
	close(fd);
}

/* Whoever made it may hold it for ever: that isn't another instance. */
static void test_O5_what_others_can_open_is_no_lock(void **state)
{
	int owner, fd;

	(void)state;
	assert_int_equal(mkdir(dir, 0755), 0);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, 0644), 0);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	assert_int_equal(lock(&owner), -EPERM);
	assert_int_equal(fchmod(fd, 0600), 0);
	assert_int_equal(lock(&owner), -EBUSY);
	close(fd);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_int_equal(lock(&owner), -EPERM);
	/* Only root can give a file away. */
	assert_int_equal(unlink(path), 0);
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (!fchown(fd, 65534, 65534))
		assert_int_equal(lock(&owner), -EPERM);
	close(fd);
}

static void test_lock_is_no_link(void **state)
{
	int owner;

	(void)state;
	assert_int_equal(mkdir(dir, 0755), 0);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(lock(&owner), -ELOOP);
}

static void test_bad_places_for_the_lock(void **state)
{
	char long_name[400];
	int owner;

	(void)state;
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	assert_int_equal(cagma_instance_lock(long_name, "lock", &owner),
			 -ENAMETOOLONG);
	assert_int_equal(cagma_instance_lock("/nonexistent/run", "lock", &owner),
			 -ENOENT);
	assert_int_equal(cagma_instance_lock("/dev/null", "lock", &owner),
			 -ENOTDIR);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_C6_second_instance_is_refused),
		TEST(test_lock_ends_with_its_process),
		TEST(test_nobody_else_can_take_it),
		TEST(test_O5_what_others_can_open_is_no_lock),
		TEST(test_lock_is_no_link),
		TEST(test_bad_places_for_the_lock),
	};

	return cmocka_run_group_tests_name("instance", tests, NULL, NULL);
}
