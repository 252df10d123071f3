/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Undos that fail, and journals that cannot be written: what the runner does about them. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "runner.h"

static void what_cannot_be_undone_is_tried_again_when_all_else_is_undone(void **state)
{
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	fake.fail_at = "@(introduce|destroy)";
	fake.fail_times = 5; /* the step, all tries of its undo, and one of a later round */
	assert_true(plan_run(&fake.migration, 0, &err) < 0);
	assert_int_equal(fake_count(&fake, "destroy"), 5);
	assert_int_equal(fake_count(&fake, "journal undone"), 1);
	assert_null(strstr(err.message, "and then"));
	fake_migration_fini(&fake);
}

static void what_can_never_be_undone_is_said_and_not_called_undone(void **state)
{
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	fake.fail_at = "@(introduce|destroy)";
	assert_true(plan_run(&fake.migration, 0, &err) < 0);
	assert_int_equal(fake_count(&fake, "journal undone"), 0);
	assert_non_null(strstr(err.message, "and then: undo of create-domain"));
	assert_int_equal(fake_count(&fake, "unplug"), 1); /* it stopped nothing else */
	fake_migration_fini(&fake);
}

static void a_source_whose_devices_do_not_come_back_tells_people_and_goes_on_trying(void **state)
{
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "xenopsd");
	fake.fail_at = "@(journal released|replug 1)";
	fake.fail_times = 21; /* the step, and far more often than another undo is tried */
	assert_true(plan_run(&fake.migration, 0, &err) < 0);
	assert_int_equal(fake_count(&fake, "replug 1"), 21);
	assert_int_equal(fake_count(&fake, "resume"), 1);
	assert_true(fake.doubt_shown);
	assert_int_equal(fake_count(&fake, "journal undone"), 1);
	fake_migration_fini(&fake);
}

static void devices_that_have_gone_with_their_guest_are_not_waited_for(void **state)
{
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "xenopsd");
	fake.fail_at = "@(journal released|replug 1)";
	fake.fail_rc = -ENODEV;
	assert_true(plan_run(&fake.migration, 0, &err) < 0);
	assert_int_equal(fake_count(&fake, "replug 1"), 1);
	assert_int_equal(fake_count(&fake, "journal undone"), 0);
	assert_non_null(strstr(err.message, "and then: undo of close-disks"));
	fake_migration_fini(&fake);
}

/* How long nothing was done after the guest went on. */
static uint64_t pause_after_resume_us(const char *fail_at)
{
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };
	size_t resumed;
	uint64_t us;

	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.fail_at = fail_at;
	assert_true(plan_run(&fake.migration, 0, &err) < 0);
	resumed = fake_index(&fake, "resume");
	assert_true(resumed + 1 < fake.log_count);
	us = fake.log_us[resumed + 1] - fake.log_us[resumed];
	fake_migration_fini(&fake);
	return us;
}

static void a_guest_that_goes_on_has_the_cpu_before_what_is_left_to_undo(void **state)
{
	(void)state;
	assert_true(pause_after_resume_us("hear SP2") >= 100000);
	assert_int_equal(pause_after_resume_us("suspend"), 0); /* it never stood still */
}

/* A target that has taken the guest cannot give it back by saying so. */
static void an_abort_after_taken_does_not_let_the_source_resume(void **state)
{
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	fake.fail_at = "hear SP4";
	fake.fail_rc = -ECONNABORTED;
	fake.outcomes[0] = OUTCOME_TAKEN;
	assert_int_equal(plan_run(&fake.migration, 0, &err), 0);
	assert_int_equal(fake_count(&fake, "resume"), 0);
	assert_int_equal(fake_count(&fake, "ask"), 1);
	fake_migration_fini(&fake);
}

/* A source that heard ABORT would resume, and what stands on the disk might say "taken". */
static void a_target_that_can_write_neither_taken_nor_never_leaves_all_to_recovery(void **state)
{
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	fake.fail_at = "journal @(taken|never)";
	assert_true(plan_run(&fake.migration, 0, &err) < 0);
	assert_int_equal(err.code, ERR_IN_DOUBT);
	assert_int_equal(fake_count(&fake, "abort"), 0);
	assert_int_equal(fake_count(&fake, "destroy"), 0);
	assert_int_equal(fake_count(&fake, "unpause"), 0);
	fake_migration_fini(&fake);
}

/* The source hears it; but it may also ask later, so the job is not over. */
static void a_target_that_cannot_write_never_gives_up_and_is_recovered(void **state)
{
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	fake.fail_at = "@(introduce|journal never)";
	assert_true(plan_run(&fake.migration, 0, &err) < 0);
	assert_int_equal(err.code, ERR_IN_DOUBT);
	assert_int_equal(fake_count(&fake, "abort"), 1);
	assert_int_equal(fake_count(&fake, "destroy"), 1);
	fake_migration_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_cannot_be_undone_is_tried_again_when_all_else_is_undone),
		cmocka_unit_test(what_can_never_be_undone_is_said_and_not_called_undone),
		cmocka_unit_test(
			a_source_whose_devices_do_not_come_back_tells_people_and_goes_on_trying),
		cmocka_unit_test(devices_that_have_gone_with_their_guest_are_not_waited_for),
		cmocka_unit_test(a_guest_that_goes_on_has_the_cpu_before_what_is_left_to_undo),
		cmocka_unit_test(an_abort_after_taken_does_not_let_the_source_resume),
		cmocka_unit_test(
			a_target_that_can_write_neither_taken_nor_never_leaves_all_to_recovery),
		cmocka_unit_test(a_target_that_cannot_write_never_gives_up_and_is_recovered),
	};

	return cmocka_run_group_tests_name("undo", tests, NULL, NULL);
}
