/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "steps.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fake_migration.h"
#include "runner.h"

static int run(struct fake_migration *fake, enum side side, const char *plan, const char *fail_at,
	       struct err *err)
{
	fake_migration_init(fake, side, plan);
	fake->fail_at = fail_at;
	*err = (struct err){ ERR_NONE, "" };
	return plan_run(&fake->migration, 0, err);
}

static void assert_order(const struct fake_migration *fake, const char *const *entries,
			 size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (fake_count(fake, entries[i]) != 1)
			fail_msg("not once: %s", entries[i]);
		if (i > 0 && fake_index(fake, entries[i - 1]) > fake_index(fake, entries[i]))
			fail_msg("%s comes before %s", entries[i], entries[i - 1]);
	}
}

static void the_source_runs_xenopsds_hooks_where_xenopsd_does(void **state)
{
	static const char *const order[] = {
		"describe", "hook vm-pre-migrate source of a domain", "watch_disks", "suspend",
		"hear SP4", "hook vm-pre-shutdown suspend of a domain", "destroy",
		"hook vm-post-destroy suspend", "say SP5",
	};
	struct fake_migration fake;
	struct err err;

	(void)state;
	for (size_t i = 0; plan_at(i); i++) {
		assert_int_equal(run(&fake, SIDE_SOURCE, plan_at(i)->name, NULL, &err), 0);
		assert_order(&fake, order, sizeof(order) / sizeof(order[0]));
		fake_migration_fini(&fake);
	}
}

static void the_target_asks_before_it_creates_and_tells_when_the_guest_runs(void **state)
{
	static const char *const order[] = {
		"answer SP0", "hook vm-pre-migrate destination", "create", "unpause", "say SP4",
		"hook vm-post-migrate destination of a domain", "journal done",
	};
	struct fake_migration fake;
	struct err err;

	(void)state;
	for (size_t i = 0; plan_at(i); i++) {
		assert_int_equal(run(&fake, SIDE_TARGET, plan_at(i)->name, NULL, &err), 0);
		assert_order(&fake, order, sizeof(order) / sizeof(order[0]));
		fake_migration_fini(&fake);
	}
}

static void a_veto_at_the_source_ends_it_with_the_hooks_words(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	assert_int_equal(run(&fake, SIDE_SOURCE, "handover",
			     "hook vm-pre-migrate source of a domain", &err), -EIO);
	assert_string_equal(err.message, "ask-hooks: told to fail at hook vm-pre-migrate source of "
					 "a domain");
	assert_int_equal(fake_count(&fake, "suspend"), 0);
	assert_int_equal(fake_count(&fake, "abort"), 1);
	fake_migration_fini(&fake);
}

static void a_veto_at_the_target_creates_nothing_and_closes_what_was_opened(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	assert_int_equal(run(&fake, SIDE_TARGET, "handover", "hook vm-pre-migrate destination",
			     &err), -EIO);
	assert_int_equal(fake_count(&fake, "create"), 0);
	assert_int_equal(fake_count(&fake, "hook vm-post-destroy destination"), 1);
	assert_int_equal(fake_count(&fake, "journal never"), 1);
	fake_migration_fini(&fake);
}

static void a_target_that_fails_later_tells_its_hooks_last(void **state)
{
	struct fake_migration fake;
	struct err err;

	(void)state;
	assert_int_equal(run(&fake, SIDE_TARGET, "handover", "introduce", &err), -EIO);
	assert_true(fake_index(&fake, "destroy") <
		    fake_index(&fake, "hook vm-post-destroy destination"));
	assert_int_equal(fake_count(&fake, "hook vm-post-migrate destination of a domain"), 0);
	fake_migration_fini(&fake);
}

static void what_hooks_say_of_a_guest_that_has_moved_is_a_warning(void **state)
{
	static const struct {
		enum side side;
		const char *entry;
	} cases[] = {
		{ SIDE_SOURCE, "hook vm-pre-shutdown suspend of a domain" },
		{ SIDE_SOURCE, "hook vm-post-destroy suspend" },
		{ SIDE_TARGET, "hook vm-post-migrate destination of a domain" },
	};
	struct fake_migration fake;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(run(&fake, cases[i].side, "handover", cases[i].entry, &err), 0);
		assert_int_equal(fake_count(&fake, cases[i].entry), 1); /* not tried again */
		assert_int_equal(fake_count(&fake, "journal done"), 1);
		assert_non_null(strstr(fake.record.error.message, cases[i].entry));
		fake_migration_fini(&fake);
	}
}

static void a_guest_into_a_file_has_the_hooks_of_a_suspend(void **state)
{
	static const char *const order[] = {
		"describe", "hook vm-pre-suspend suspend of a domain", "watch_disks",
		"hook vm-pre-shutdown suspend of a domain", "destroy",
		"hook vm-post-destroy suspend",
	};
	const struct plan *plan = plan_find_file("suspend");
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_SOURCE, "handover");
	for (size_t row = 0; row < plan_count(plan); row++) {
		step_fn *const step = plan->rows[row].step->run[SIDE_SOURCE];

		if (step == source_describe || step == source_watch_disks ||
		    step == source_ask_hooks_suspend || step == source_tell_hooks_moved ||
		    step == source_tear_down || step == source_tell_hooks_gone)
			assert_int_equal(step(&fake.migration, &err), 0);
	}
	assert_order(&fake, order, sizeof(order) / sizeof(order[0]));
	fake_migration_fini(&fake);
}

static void a_guest_out_of_a_file_has_the_hooks_of_a_resume(void **state)
{
	static const char *const order[] = {
		"create", "hook vm-pre-resume none of a domain", "unpause",
		"hook vm-post-resume none of a domain",
	};
	const struct plan *plan = plan_find_file("resume");
	struct fake_migration fake;
	struct err err = { ERR_NONE, "" };

	(void)state;
	fake_migration_init(&fake, SIDE_TARGET, "handover");
	for (size_t row = 0; row < plan_count(plan); row++) {
		step_fn *const step = plan->rows[row].step->run[SIDE_TARGET];

		if (step == target_create || step == target_ask_hooks_resume ||
		    step == target_unpause || step == tell_hooks_resumed)
			assert_int_equal(step(&fake.migration, &err), 0);
	}
	assert_order(&fake, order, sizeof(order) / sizeof(order[0]));
	fake_migration_fini(&fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_source_runs_xenopsds_hooks_where_xenopsd_does),
		cmocka_unit_test(the_target_asks_before_it_creates_and_tells_when_the_guest_runs),
		cmocka_unit_test(a_veto_at_the_source_ends_it_with_the_hooks_words),
		cmocka_unit_test(a_veto_at_the_target_creates_nothing_and_closes_what_was_opened),
		cmocka_unit_test(a_target_that_fails_later_tells_its_hooks_last),
		cmocka_unit_test(what_hooks_say_of_a_guest_that_has_moved_is_a_warning),
		cmocka_unit_test(a_guest_into_a_file_has_the_hooks_of_a_suspend),
		cmocka_unit_test(a_guest_out_of_a_file_has_the_hooks_of_a_resume),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
