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
	(void)state;
	assert_false(plan_attaches_late(plan_find("handover")));
	assert_false(plan_attaches_late(plan_find("xenserver-6.2")));
	assert_true(plan_attaches_late(plan_find("xenopsd")));
	assert_true(plan_attaches_late(plan_find("xenserver-5.5")));
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

static void assert_breaks(const struct plan *plan, const char *sentence)
{
	struct err err;

	assert_int_equal(plan_check(plan, &err), -EINVAL);
	if (!strstr(err.message, sentence))
		fail_msg("not '%s', but: %s", sentence, err.message);
}

static void a_plan_with_a_step_out_of_place_is_refused_with_its_rule(void **state)
{
	static const struct {
		const char *plan, *step, *before, *sentence;
	} cases[] = {
		{ "xenopsd", "unpause-guest", "forget-macs", "never unpauses before the commit" },
		{ "handover", "unpause-guest", "introduce-domain", "never unpauses before the commit" },
		{ "handover", "drain-disks", "suspend-guest", "drained between suspend and SP3" },
		{ "handover", "stop-and-copy", "suspend-guest", "in this order" },
		{ "handover", "describe-guest", "hold-disks", "SP0, SP1" },
		{ "handover", "watch-disks", "drain-disks", "watched before the suspend" },
		{ "xenopsd", "write-release", "suspend-guest", "writes its release down between" },
		{ "xenopsd", "forget-macs", "create-domain", "SP0, SP1" },
		{ "handover", "plug-devices", "stop-and-copy", "no script runs" },
		{ "handover", "hold-disks", "plug-devices", "SP0, SP1" },
		{ "handover", "announce-guest", "unpause-guest", "comes after its unpause" },
		{ "handover", "settle-guest", "unpause-guest", "comes after its unpause" },
		{ "xenserver-6.2", "plug-vbds-in-turn", "forget-macs", "plugged after SP3" },
		{ "xenserver-6.2", "plug-vifs-in-turn", "settle-guest", "before it is unpaused" },
		{ "xenserver-6.2", "plug-vifs-in-turn", "watch-disks", "can be taken back" },
		{ "xenserver-6.2", "tear-down-source", "unpause-guest", "nothing before SP4" },
		{ "handover", "ask-hooks", "copy-memory", "are asked by SP1" },
		{ "handover", "ask-hooks", "drain-disks", "are asked by SP1" },
		{ "handover", "tell-hooks-moved", "drain-disks", "hooks are told of" },
		{ "handover", "tell-hooks-moved", "release-disks", "hooks are told of" },
		{ "handover", "tell-hooks-moved", "tell-hooks-gone", "hooks are told of" },
		{ "xenopsd", "close-disks", "drain-disks", "closes disks that are drained" },
		{ "xenopsd", "close-disks", "unpause-guest", "by SP3" },
		{ "xenserver-5.5", "unplug-vifs", "suspend-guest", "VIFs of a suspended guest" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct plan plan = moved(cases[i].plan, cases[i].step, cases[i].before);

		assert_breaks(&plan, cases[i].sentence);
	}
}

/* Without that step; the point at which it ended is met one row earlier. */
static struct plan without(const char *name, const char *step)
{
	struct plan plan = *plan_find(name);
	size_t row = 0;

	while (strcmp(plan.rows[row].step->name, step) != 0)
		row++;
	if (plan.rows[row].sync != SYNC_NONE)
		plan.rows[row - 1].sync = plan.rows[row].sync;
	memmove(&plan.rows[row], &plan.rows[row + 1], (PLAN_ROWS_MAX - row) * sizeof(plan.rows[0]));
	return plan;
}

static void a_plan_without_a_step_that_it_needs_is_refused(void **state)
{
	static const char *const needed[] = {
		"describe-guest", "create-domain", "watch-disks", "copy-memory", "suspend-guest",
		"stop-and-copy", "drain-disks", "write-release", "introduce-domain",
		"unpause-guest", "settle-guest", "tear-down-source",
	};
	struct plan plan;

	(void)state;
	for (size_t i = 1; i < sizeof(needed) / sizeof(needed[0]); i++) {
		plan = without("xenopsd", needed[i]);
		assert_breaks(&plan, "a plan describes, creates,");
	}
	plan = without("handover", "plug-devices");
	assert_breaks(&plan, "plugs the disks by one step");
	plan = without("xenopsd", "plug-vifs");
	assert_breaks(&plan, "the VIFs by one");
	plan = without("handover", "release-disks");
	assert_breaks(&plan, "let go again");
	plan = without("handover", "hold-disks");
	assert_breaks(&plan, "let go again");
}

static void a_plan_does_without_what_only_makes_it_better(void **state)
{
	static const char *const spare[] = { "announce-guest", "await-network" };

	(void)state;
	for (size_t i = 0; i < sizeof(spare) / sizeof(spare[0]); i++) {
		struct plan plan = without("handover", spare[i]);

		assert_int_equal(plan_check(&plan, NULL), 0);
	}
}

static void a_source_is_never_torn_down_before_the_guest_runs_at_the_target(void **state)
{
	struct plan plan = moved("handover", "tear-down-source", "release-disks");

	(void)state;
	plan.rows[plan_count(&plan) - 1].sync = SYNC_SP5; /* settle-guest ends it now */
	assert_breaks(&plan, "destroys nothing before SP4");
}

static void the_guest_runs_when_the_target_says_so(void **state)
{
	struct plan plan = *plan_find("xenserver-6.2");
	size_t row = plan_row_at(&plan, SYNC_SP4);

	(void)state;
	plan.rows[row].sync = SYNC_NONE;
	plan.rows[row - 1].sync = SYNC_SP4;
	assert_breaks(&plan, "unpaused by SP4");
}

static void the_target_waits_for_its_domain(void **state)
{
	struct plan plan = moved("handover", "forget-macs", "create-domain");

	(void)state;
	assert_breaks(&plan, "before its domain is created");
}

static void nothing_comes_after_the_last_point(void **state)
{
	struct plan plan = *plan_find("handover");
	size_t row = plan_row_at(&plan, SYNC_SP5);

	(void)state;
	plan.rows[row].sync = SYNC_NONE;
	plan.rows[row - 1].sync = SYNC_SP5;
	assert_breaks(&plan, "SP5 is met after the last step");
}

static void a_step_stands_in_a_plan_once(void **state)
{
	struct plan plan = *plan_find("handover");
	size_t row = plan_row_with(&plan, STEP_DESTROYS);

	(void)state;
	plan.rows[row - 1] = (struct plan_row){ plan_step("settle-guest"), SYNC_NONE };
	assert_breaks(&plan, "stands in a plan once");
}

static void nobody_is_told_that_the_guest_is_gone_while_it_is_there(void **state)
{
	struct plan plan = *plan_find("handover");
	size_t row = plan_row_with(&plan, STEP_DESTROYS);

	(void)state;
	plan.rows[row].step = plan_step("tell-hooks-gone");
	plan.rows[row + 1].step = plan_step("tear-down-source");
	assert_breaks(&plan, "the source's end when it is torn down");
}

static void what_a_failure_costs_follows_from_what_was_closed(void **state)
{
	(void)state;
	assert_string_equal(plan_after_failure(plan_find("handover")), "the guest resumes at once");
	assert_string_equal(plan_after_failure(plan_find("xenopsd")),
			    "the source plugs the disks again, then the guest resumes");
	assert_string_equal(plan_after_failure(plan_find("xenserver-5.5")),
			    "the source plugs disks and VIFs again, then the guest resumes");
}

static void who_is_lost_at_sp3_or_sp4_costs_a_doubt(void **state)
{
	const struct plan *plan = plan_find("xenopsd");

	(void)state;
	assert_string_equal(plan_cost_at(plan, SYNC_SP1), "nothing: the guest never stopped");
	assert_string_equal(plan_cost_at(plan, SYNC_SP2), plan_after_failure(plan));
	assert_memory_equal(plan_cost_at(plan, SYNC_SP3), "doubt", 5);
	assert_memory_equal(plan_cost_at(plan, SYNC_SP4), "doubt", 5);
	assert_memory_equal(plan_cost_at(plan, SYNC_SP5), "nothing", 7);
}

static void a_plan_that_closes_devices_says_beforehand_what_plugging_them_again_needs(void **state)
{
	(void)state;
	assert_null(plan_needs(plan_find("handover")));
	assert_null(plan_needs(plan_find("xenserver-6.2")));
	assert_non_null(plan_needs(plan_find("xenopsd")));
	assert_non_null(plan_needs(plan_find("xenserver-5.5")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_built_in_plan_passes_the_rules),
		cmocka_unit_test(handover_is_the_default_and_both_plans_are_found_by_name),
		cmocka_unit_test(phases_follow_from_the_place_in_the_plan),
		cmocka_unit_test(files_are_attached_only_by_a_plan_that_closes_them_first),
		cmocka_unit_test(a_plan_with_a_step_out_of_place_is_refused_with_its_rule),
		cmocka_unit_test(a_plan_without_a_step_that_it_needs_is_refused),
		cmocka_unit_test(a_plan_does_without_what_only_makes_it_better),
		cmocka_unit_test(a_source_is_never_torn_down_before_the_guest_runs_at_the_target),
		cmocka_unit_test(the_guest_runs_when_the_target_says_so),
		cmocka_unit_test(the_target_waits_for_its_domain),
		cmocka_unit_test(nothing_comes_after_the_last_point),
		cmocka_unit_test(a_step_stands_in_a_plan_once),
		cmocka_unit_test(nobody_is_told_that_the_guest_is_gone_while_it_is_there),
		cmocka_unit_test(what_a_failure_costs_follows_from_what_was_closed),
		cmocka_unit_test(who_is_lost_at_sp3_or_sp4_costs_a_doubt),
		cmocka_unit_test(
			a_plan_that_closes_devices_says_beforehand_what_plugging_them_again_needs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
