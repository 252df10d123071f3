/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tracking.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cmocka.h>

#define GUEST "6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e001"

static int lock_error; /* what the system says of every lock; 0: it does its work */

/* The system's, as file_lock() finds it here: no file system at hand refuses locks. */
int flock(int fd, int operation)
{
	if (lock_error == 0)
		return (int)syscall(SYS_flock, fd, operation);
	errno = lock_error;
	return -1;
}

struct fixture {
	struct config config;
	struct tracking_lock lock;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	snprintf(f->config.state_dir, sizeof(f->config.state_dir), "/tmp/test_tracking.XXXXXX");
	assert_non_null(mkdtemp(f->config.state_dir));
	tracking_init(&f->lock, &f->config);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;
	char path[CONFIG_PATH_MAX + 64];

	lock_error = 0;
	tracking_fini(&f->lock);
	snprintf(path, sizeof(path), "%s/tracking/" GUEST, f->config.state_dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/tracking", f->config.state_dir);
	rmdir(path);
	rmdir(f->config.state_dir);
	free(f);
	return 0;
}

static int claim(struct fixture *f)
{
	return f->lock.tracking.ops->claim(&f->lock.tracking, GUEST, &f->err);
}

static void who_gets_no_lock_has_claimed_nothing(void **state)
{
	struct fixture *f = *state;

	lock_error = ENOLCK;

	assert_int_equal(claim(f), -ENOLCK);
	assert_int_equal(f->err.code, ERR_FAILED);
	assert_non_null(strstr(f->err.message, GUEST));
	assert_int_equal(claim(f), -ENOLCK);

	lock_error = 0;
	assert_int_equal(claim(f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(who_gets_no_lock_has_claimed_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
