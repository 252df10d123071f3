/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clock.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"

static const uint64_t long_ms = 60000; /* a test that waits this long has failed */

static void time_does_not_go_backwards(void **state)
{
	uint64_t before_us, after_us;

	(void)state;
	before_us = clock_now_us(&clock_system);
	after_us = clock_now_us(&clock_system);

	assert_true(after_us >= before_us);
	assert_true(clock_after_ms(&clock_system, 5) >= after_us + 5000);
}

static void a_deadline_that_has_passed_waits_for_nothing(void **state)
{
	(void)state;
	assert_int_equal(clock_wait(&clock_system, NULL, 0, 0, true), 0);
}

static void a_wait_ends_at_its_deadline_not_before(void **state)
{
	uint64_t deadline_us = clock_after_ms(&clock_system, 2);

	(void)state;
	assert_int_equal(clock_wait(&clock_system, NULL, 0, deadline_us, false), 0);
	assert_true(clock_now_us(&clock_system) >= deadline_us);
}

static void a_ready_descriptor_ends_the_wait(void **state)
{
	int ends[2];
	struct pollfd fd = { .events = POLLIN };

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	fd.fd = ends[0];

	assert_int_equal(clock_wait(&clock_system, &fd, 1, clock_after_ms(&clock_system, long_ms),
				    false), 1);
	assert_true(fd.revents & POLLIN);
	close(ends[0]);
	close(ends[1]);
}

static void a_ready_descriptor_is_seen_at_a_deadline_that_has_passed(void **state)
{
	int ends[2];
	struct pollfd fd = { .events = POLLOUT };

	(void)state;
	assert_int_equal(pipe(ends), 0);
	fd.fd = ends[1];

	assert_int_equal(clock_wait(&clock_system, &fd, 1, 0, false), 1);
	close(ends[0]);
	close(ends[1]);
}

static void a_cancel_request_ends_only_waits_that_can_be_cancelled(void **state)
{
	uint64_t deadline_us = clock_after_ms(&clock_system, long_ms);

	(void)state;
	assert_int_equal(clock_catch_cancel(), 0);
	assert_int_equal(raise(SIGTERM), 0);

	assert_int_equal(clock_wait(&clock_system, NULL, 0, deadline_us, true), -ECANCELED);
	assert_int_equal(clock_wait(&clock_system, NULL, 0, 0, false), 0);
	/* the request stays pending: every later wait of the job sees it too */
	assert_int_equal(clock_wait(&clock_system, NULL, 0, deadline_us, true), -ECANCELED);
}

static void random_bytes_differ_from_one_call_to_the_next(void **state)
{
	uint8_t first[16] = { 0 }, second[16] = { 0 };

	(void)state;
	clock_random(&clock_system, first, sizeof(first));
	clock_random(&clock_system, second, sizeof(second));

	assert_memory_not_equal(first, second, sizeof(first));
}

static void steal_leaves_nothing_to_clean_up(void **state)
{
	CLEANUP_FREE char *owner = malloc(1);
	char *stolen = steal(owner);
	CLEANUP_FD int fd = dup(STDERR_FILENO);
	int stolen_fd = steal_fd(&fd);

	(void)state;
	assert_null(owner);
	assert_non_null(stolen);
	assert_int_equal(fd, -1);
	assert_true(stolen_fd >= 0);
	free(stolen);
	close(stolen_fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_does_not_go_backwards),
		cmocka_unit_test(a_deadline_that_has_passed_waits_for_nothing),
		cmocka_unit_test(a_wait_ends_at_its_deadline_not_before),
		cmocka_unit_test(a_ready_descriptor_ends_the_wait),
		cmocka_unit_test(a_ready_descriptor_is_seen_at_a_deadline_that_has_passed),
		cmocka_unit_test(a_cancel_request_ends_only_waits_that_can_be_cancelled),
		cmocka_unit_test(random_bytes_differ_from_one_call_to_the_next),
		cmocka_unit_test(steal_leaves_nothing_to_clean_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
