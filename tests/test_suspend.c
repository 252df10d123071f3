/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "domain.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xen/sched.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "fake_hypervisor.h"
#include "fake_store.h"

#define REQUEST "/local/domain/7/control/shutdown"
#define DEADLINE_MS 1000
#define NEVER UINT64_MAX

/* A guest that acknowledges and shuts down at its own times after the test began. */
struct fixture {
	struct fake_hypervisor xen;
	struct fake_clock clock;
	struct store *store;
	struct description guest;
	struct err err;
	uint64_t start_us, suspended_at_us;
	uint64_t acknowledges_ms, shuts_down_ms;
	unsigned reason;
};

static uint64_t passed_ms(const struct fixture *f)
{
	return (f->clock.now_us - f->start_us) / 1000;
}

static void play_guest(struct fake_clock *clock, void *argument)
{
	struct fixture *f = argument;

	(void)clock;
	if (passed_ms(f) >= f->acknowledges_ms) {
		f->acknowledges_ms = NEVER;
		f->store->ops->write(f->store, REQUEST, "");
	}
	if (passed_ms(f) >= f->shuts_down_ms) {
		f->shuts_down_ms = NEVER;
		fake_hypervisor_shut_down(&f->xen, 7, f->reason);
	}
}

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	if (!f)
		return -1;
	fake_hypervisor_init(&f->xen);
	fake_hypervisor_add(&f->xen, 7, "6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e001");
	fake_clock_init(&f->clock);
	f->clock.on_wait = play_guest;
	f->clock.argument = f;
	f->store = fake_store_new();
	store_write(f->store, "", REQUEST);
	description_init(&f->guest);
	snprintf(f->guest.name, sizeof(f->guest.name), "g1");
	f->guest.domid = 7;
	f->start_us = f->clock.now_us;
	f->acknowledges_ms = f->shuts_down_ms = NEVER;
	f->reason = SHUTDOWN_suspend;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	fake_store_free(f->store);
	free(f);
	return 0;
}

static int run_suspend(struct fixture *f)
{
	return domain_suspend(&f->xen.hypervisor, f->store, &f->clock.clock, &f->guest,
			      f->start_us + DEADLINE_MS * 1000, &f->suspended_at_us, &f->err);
}

static int run_resume(struct fixture *f)
{
	return domain_resume(&f->xen.hypervisor, f->store, &f->clock.clock, &f->guest,
			     &f->err);
}

static void a_guest_is_seen_suspended_within_milliseconds(void **state)
{
	struct fixture *f = *state;

	f->acknowledges_ms = 50;
	f->shuts_down_ms = 120;

	assert_int_equal(run_suspend(f), 0);

	assert_in_range(f->suspended_at_us, f->start_us + 120000, f->start_us + 125000);
}

static void a_request_that_nobody_answers_is_taken_back(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(run_suspend(f), -ETIMEDOUT);

	assert_int_equal(f->err.code, ERR_TIMED_OUT);
	assert_string_equal(fake_store_value(f->store, REQUEST), "");
	assert_in_range(passed_ms(f), DEADLINE_MS, DEADLINE_MS + 10);
	assert_int_equal(f->suspended_at_us, 0);
}

static void a_guest_that_suspends_too_late_is_waited_for_and_can_be_resumed(void **state)
{
	struct fixture *f = *state;

	f->acknowledges_ms = 500;
	f->shuts_down_ms = 3000;

	assert_int_equal(run_suspend(f), -ETIMEDOUT);
	assert_in_range(passed_ms(f), 3000, 3010);
	assert_int_equal(run_resume(f), 0);

	assert_int_equal(f->xen.resumes, 1);
	assert_int_equal(fake_store_resumed(f->store), 7);
}

/* The guest's answer meets our withdrawal in the same moment. */
static void answer(struct store *store, void *data)
{
	struct fixture *f = data;

	store->ops->write(store, REQUEST, "");
	f->shuts_down_ms = passed_ms(f) + 100;
}

static void an_answer_in_the_last_moment_counts(void **state)
{
	struct fixture *f = *state;
	struct fake_store_peer peer = { .conflicted = answer, .data = f };

	fake_store_peer(f->store, &peer);
	fake_store_conflict(f->store, 1);

	assert_int_equal(run_suspend(f), -ETIMEDOUT);

	assert_non_null(strstr(f->err.message, "too late"));
	assert_in_range(passed_ms(f), DEADLINE_MS + 100, DEADLINE_MS + 110);
}

static void a_guest_that_answers_and_does_nothing_is_not_waited_for_without_end(void **state)
{
	struct fixture *f = *state;

	f->acknowledges_ms = 10;

	assert_int_equal(run_suspend(f), -ETIMEDOUT);

	assert_in_range(passed_ms(f), DEADLINE_MS, DEADLINE_MS + 5010);
}

static void a_guest_that_shuts_down_otherwise_is_told_so(void **state)
{
	struct fixture *f = *state;

	f->shuts_down_ms = 50;
	f->reason = SHUTDOWN_reboot;

	assert_int_equal(run_suspend(f), -ESHUTDOWN);

	assert_non_null(strstr(f->err.message, "(reboot)"));
}

static void a_guest_that_is_gone_is_told_so(void **state)
{
	struct fixture *f = *state;

	f->xen.count = 1;

	assert_int_equal(run_suspend(f), -ESRCH);
}

static void another_tools_request_is_left_alone(void **state)
{
	struct fixture *f = *state;

	store_write(f->store, "poweroff", REQUEST);

	assert_int_equal(run_suspend(f), -EBUSY);

	assert_string_equal(fake_store_value(f->store, REQUEST), "poweroff");
}

static void resuming_a_running_guest_only_takes_a_request_back(void **state)
{
	struct fixture *f = *state;

	store_write(f->store, "suspend", REQUEST);

	assert_int_equal(run_resume(f), 0);

	assert_string_equal(fake_store_value(f->store, REQUEST), "");
	assert_int_equal(f->xen.resumes, 0);
}

static void resuming_keeps_another_tools_request(void **state)
{
	struct fixture *f = *state;

	store_write(f->store, "reboot", REQUEST);

	assert_int_equal(run_resume(f), 0);

	assert_string_equal(fake_store_value(f->store, REQUEST), "reboot");
}

static void a_guest_that_answered_a_worker_that_died_is_waited_for(void **state)
{
	struct fixture *f = *state;

	f->shuts_down_ms = 300; /* the request is empty already: it was acknowledged */

	assert_int_equal(run_resume(f), 0);

	assert_int_equal(f->xen.resumes, 1);
}

static void a_guest_that_suspended_unasked_is_not_asked_again(void **state)
{
	struct fixture *f = *state;

	store_write(f->store, "suspend", REQUEST);
	fake_hypervisor_shut_down(&f->xen, 7, SHUTDOWN_suspend);

	assert_int_equal(run_resume(f), 0);

	assert_int_equal(f->xen.resumes, 1);
	assert_string_equal(fake_store_value(f->store, REQUEST), "");
}

static void a_crashed_guest_is_not_resumed(void **state)
{
	struct fixture *f = *state;

	fake_hypervisor_shut_down(&f->xen, 7, SHUTDOWN_crash);

	assert_int_equal(run_resume(f), 0);

	assert_int_equal(f->xen.resumes, 0);
	assert_int_equal(fake_store_resumed(f->store), 0);
}

static void a_resume_cut_short_by_a_crash_is_completed(void **state)
{
	struct fixture *f = *state;

	fake_hypervisor_shut_down(&f->xen, 7, SHUTDOWN_suspend);
	f->xen.hypervisor.ops->resume(&f->xen.hypervisor, 7, &f->err);

	assert_int_equal(run_resume(f), 0);

	assert_int_equal(f->xen.resumes, 1);
	assert_int_equal(fake_store_resumed(f->store), 7);
}

static void has_resumed(struct store *store, void *data)
{
	const struct fixture *f = data;

	(void)store;
	assert_int_equal(f->xen.resumes, 1);
}

static void a_suspended_guest_goes_on_before_xenstored_is_asked(void **state)
{
	struct fixture *f = *state;
	struct fake_store_peer peer = { .asked = has_resumed, .data = f };

	fake_hypervisor_shut_down(&f->xen, 7, SHUTDOWN_suspend);
	fake_store_peer(f->store, &peer);

	assert_int_equal(run_resume(f), 0);

	assert_int_equal(fake_store_resumed(f->store), 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_guest_is_seen_suspended_within_milliseconds),
		TEST(a_request_that_nobody_answers_is_taken_back),
		TEST(a_guest_that_suspends_too_late_is_waited_for_and_can_be_resumed),
		TEST(an_answer_in_the_last_moment_counts),
		TEST(a_guest_that_answers_and_does_nothing_is_not_waited_for_without_end),
		TEST(a_guest_that_shuts_down_otherwise_is_told_so),
		TEST(a_guest_that_is_gone_is_told_so),
		TEST(another_tools_request_is_left_alone),
		TEST(resuming_a_running_guest_only_takes_a_request_back),
		TEST(resuming_keeps_another_tools_request),
		TEST(a_guest_that_answered_a_worker_that_died_is_waited_for),
		TEST(a_guest_that_suspended_unasked_is_not_asked_again),
		TEST(a_crashed_guest_is_not_resumed),
		TEST(a_resume_cut_short_by_a_crash_is_completed),
		TEST(a_suspended_guest_goes_on_before_xenstored_is_asked),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
