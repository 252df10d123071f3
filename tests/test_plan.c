/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_built_in_plan_passes_the_rules(void **state)
{
	struct err err;

	(void)state;
	for (size_t i = 0; plan_at(i); i++)
		assert_int_equal(plan_check(plan_at(i), &err), 0);
}

static void handover_is_the_default_and_both_plans_are_found_by_name(void **state)
{
	(void)state;
	assert_ptr_equal(plan_at(0), plan_find("handover"));
	assert_non_null(plan_find("xenserver-6.2"));
	assert_null(plan_find("xenserver-4.0"));
}

static void phases_follow_from_the_place_in_the_plan(void **state)
{
	const struct plan *plan = plan_find("handover");
	enum phase last = PHASE_PREPARE;

	(void)state;
	for (size_t row = 0; row < plan_count(plan); row++) {
		assert_true(plan_phase(plan, row) >= last);
		last = plan_phase(plan, row);
	}
	assert_int_equal(plan_phase(plan, plan_row_with(plan, STEP_COPIES)), PHASE_COPY);
	assert_int_equal(plan_phase(plan, plan_row_with(plan, STEP_SUSPENDS)), PHASE_BLACKOUT);
	assert_int_equal(plan_phase(plan, plan_row_at(plan, SYNC_SP3)), PHASE_COMMIT);
	assert_int_equal(plan_phase(plan, plan_row_with(plan, STEP_UNPAUSES)), PHASE_RUN);
	assert_int_equal(plan_phase(plan, plan_row_with(plan, STEP_DESTROYS)), PHASE_CLEAN);
}

static void files_are_attached_only_by_a_plan_that_closes_them_first(void **state)
{
	struct plan plan = *plan_find("xenserver-6.2");

	(void)state;
	assert_false(plan_attaches_late(plan_find("handover")));
	assert_false(plan_attaches_late(&plan));
	plan.rows[plan_row_with(&plan, STEP_DRAINS)].step = plan_step("close-disks");
	assert_true(plan_attaches_late(&plan));
	assert_int_equal(plan_check(&plan, NULL), 0);
}

/* Moves the row with `step` in front of the one with `before`. */
static struct plan moved(const char *name, const char *step, const char *before)
{
	struct plan plan = *plan_find(name), result = plan;
	struct plan_row row = { NULL, SYNC_NONE };
	size_t count = 0;

	for (size_t i = 0; plan.rows[i].step; i++)
		if (strcmp(plan.rows[i].step->name, step) == 0)
			row = plan.rows[i];
	for (size_t i = 0; plan.rows[i].step; i++) {
		if (strcmp(plan.rows[i].step->name, step) == 0)
			continue;
		if (strcmp(plan.rows[i].step->name, before) == 0)
			result.rows[count++] = (struct plan_row){ row.step, SYNC_NONE };
		result.rows[count++] = plan.rows[i];
	}
	return result;
}

static void each_broken_plan_is_refused_with_its_rule(void **state)
{
	static const struct {
		const char *plan, *step, *before, *sentence;
	} cases[] = {
		{ "handover", "unpause-guest", "forget-macs", "never unpauses before the commit" },
		{ "handover", "unpause-guest", "introduce-domain", "never unpauses before the commit" },
		{ "handover", "drain-disks", "suspend-guest", "drained or closed between" },
		{ "handover", "stop-and-copy", "suspend-guest", "in this order" },
		{ "handover", "plug-devices", "stop-and-copy", "no script runs" },
		{ "xenserver-6.2", "plug-vbds-in-turn", "forget-macs", "plugged after SP3" },
		{ "xenserver-6.2", "tear-down-source", "unpause-guest", "SP0, SP1" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plan plan = moved(cases[i].plan, cases[i].step, cases[i].before);
		struct err err;

		assert_int_equal(plan_check(&plan, &err), -EINVAL);
		if (!strstr(err.message, cases[i].sentence))
			fail_msg("%s before %s: %s", cases[i].step, cases[i].before, err.message);
	}
}

static void a_source_is_never_torn_down_before_the_guest_runs_at_the_target(void **state)
{
	struct plan plan = moved("handover", "tear-down-source", "release-disks");
	struct err err;

	(void)state;
	plan.rows[plan_count(&plan) - 1].sync = SYNC_SP5; /* settle-guest ends it now */
	assert_int_equal(plan_check(&plan, &err), -EINVAL);
	assert_non_null(strstr(err.message, "destroys nothing before SP4"));
}

static void a_step_stands_in_a_plan_once(void **state)
{
	struct plan plan = *plan_find("handover");
	size_t count = plan_count(&plan);
	struct err err;

	(void)state;
	plan.rows[count] = (struct plan_row){ plan_step("settle-guest"), SYNC_NONE };
	assert_int_equal(plan_check(&plan, &err), -EINVAL);
	assert_non_null(strstr(err.message, "stands in a plan once"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_built_in_plan_passes_the_rules),
		cmocka_unit_test(handover_is_the_default_and_both_plans_are_found_by_name),
		cmocka_unit_test(phases_follow_from_the_place_in_the_plan),
		cmocka_unit_test(files_are_attached_only_by_a_plan_that_closes_them_first),
		cmocka_unit_test(each_broken_plan_is_refused_with_its_rule),
		cmocka_unit_test(a_source_is_never_torn_down_before_the_guest_runs_at_the_target),
		cmocka_unit_test(a_step_stands_in_a_plan_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
