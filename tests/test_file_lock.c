/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "file_lock.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "clock.h"

struct fixture {
	char path[64];
	int fd, other; /* two that were opened apart: each has locks of its own */
	pid_t child; /* 0: there is none */
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	snprintf(fixture->path, sizeof(fixture->path), "/tmp/test_file_lock.XXXXXX");
	fixture->fd = mkostemp(fixture->path, O_CLOEXEC);
	fixture->other = open(fixture->path, O_RDWR | O_CLOEXEC);
	assert_true(fixture->fd >= 0 && fixture->other >= 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	if (fixture->child > 0) {
		kill(fixture->child, SIGKILL);
		waitpid(fixture->child, NULL, 0);
	}
	unlink(fixture->path);
	if (fixture->fd >= 0)
		close(fixture->fd);
	close(fixture->other);
	free(fixture);
	return 0;
}

static void nobody_else_gets_a_lock(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(file_lock(fixture->fd), 0);
	assert_int_equal(file_lock(fixture->other), -EBUSY);
	assert_int_equal(file_lock(fixture->fd), 0);
}

/* A child that has the parent's lock for some time, and then becomes another program. */
static pid_t make_child(void)
{
	pid_t child = fork();

	assert_true(child >= 0);
	if (child > 0)
		return child;
	clock_sleep_us(&clock_system, 100000);
	execl("/bin/sleep", "sleep", "60", (char *)NULL);
	_exit(1);
}

static void a_lock_that_a_child_has_until_it_is_another_program_is_waited_for(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(file_lock(fixture->fd), 0);
	fixture->child = make_child();
	close(fixture->fd); /* as if killed */
	fixture->fd = -1;

	assert_int_equal(file_lock(fixture->other), 0);
}

static void what_cannot_be_locked_is_told_at_once(void **state)
{
	(void)state;
	assert_int_equal(file_lock(-1), -EBADF);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(nobody_else_gets_a_lock),
		TEST(a_lock_that_a_child_has_until_it_is_another_program_is_waited_for),
		TEST(what_cannot_be_locked_is_told_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
