/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lease.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"

struct fixture {
	struct config config;
	struct job job;
	struct record record;
	struct fake_clock clock;
	struct err err;
	char lock_path[CONFIG_PATH_MAX + 16];
	int other; /* another worker's, of this host */
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	char *folder;

	assert_non_null(f);
	folder = f->config.state_dir;
	snprintf(folder, sizeof(f->config.state_dir), "/tmp/test_lease.XXXXXX");
	assert_non_null(mkdtemp(folder));
	snprintf(f->config.arbiter_lease, sizeof(f->config.arbiter_lease), "/nowhere/lease");
	snprintf(f->lock_path, sizeof(f->lock_path), "%s/lease.lock", folder);
	f->other = open(f->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(f->other >= 0);
	fake_clock_init(&f->clock);
	alarm(10); /* whoever waits in real time */
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	alarm(0);
	close(f->other);
	unlink(f->lock_path);
	rmdir(f->config.state_dir);
	free(f);
	return 0;
}

static int put(struct fixture *f)
{
	const struct arbiter_setup setup = { &f->config, &f->clock.clock, &f->job, &f->record,
					     NULL };

	return lease_put(&setup, OUTCOME_TAKEN, &f->err);
}

static void who_does_not_come_to_its_turn_says_who_has_it(void **state)
{
	struct fixture *f = *state;
	uint64_t start_us = f->clock.now_us;

	assert_int_equal(flock(f->other, LOCK_EX), 0);

	assert_int_equal(put(f), -EBUSY);

	assert_in_range(f->clock.now_us - start_us, 3000000, 3010000);
	assert_non_null(strstr(f->err.message, "/nowhere/lease"));
	assert_non_null(strstr(f->err.message, f->lock_path));
}

static void let_go(struct fake_clock *clock, void *argument)
{
	const struct fixture *f = argument;

	(void)clock;
	flock(f->other, LOCK_UN);
}

static void a_turn_is_waited_for(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(flock(f->other, LOCK_EX), 0);
	f->clock.on_wait = let_go;
	f->clock.argument = f;

	assert_int_equal(put(f), -ENOENT); /* of the lease itself, which is not there */

	assert_int_equal(flock(f->other, LOCK_EX | LOCK_NB), 0); /* and it is over */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(who_does_not_come_to_its_turn_says_who_has_it),
		TEST(a_turn_is_waited_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
