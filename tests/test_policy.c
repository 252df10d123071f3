/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The decision: each scenario is a copy as the library would run it, told in one row. */
#include "policy.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PASSES_MAX 64
#define HOLES 1044480 /* what a PVH guest's first pass counts, however small the guest */
#define MIB (1024u * 1024)

/* One pass: what left on the connection, in which time, and what is dirty afterwards. */
struct pass {
	uint64_t sent_bytes, took_ms;
	int64_t dirty_pages;
};

struct outcome {
	enum stream_decision decision;
	uint32_t passes; /* after how many it was decided */
};

/* A handover that takes 50 ms, always, and a suspend that takes no time. */
static const struct costs steady = { .fixed_ms = 50, .samples = 9 };

/* The question before a pass, and the one after it. */
static enum stream_decision ask(struct policy *policy, uint32_t iteration, bool sent,
				int64_t dirty_pages, uint64_t wire_bytes, uint64_t now_ms,
				struct err *err)
{
	const struct stream_event event = {
		.kind = STREAM_ITERATION,
		.iteration = iteration,
		.sent = sent,
		.dirty_pages = dirty_pages,
		.memory_bytes = wire_bytes,
	};

	return policy_decide(policy, &event, now_ms * 1000, err);
}

/*
 * Runs the passes in the library's order until the policy decides or they are used up; the last
 * one goes on and on. `blind`: Xen does not say what is dirty after a pass.
 */
static struct outcome run_passes(struct policy *policy, const struct pass *passes, size_t count,
				 bool blind, struct err *err)
{
	uint64_t wire_bytes = 80, now_ms = 1000;
	struct outcome outcome = { STREAM_CONTINUE, 0 };
	int64_t dirty_pages = HOLES;

	for (uint32_t i = 0; i < PASSES_MAX; i++) {
		const struct pass *pass = &passes[i < count ? i : count - 1];

		outcome.passes = i;
		outcome.decision = ask(policy, i, false, dirty_pages, wire_bytes, now_ms, err);
		if (outcome.decision != STREAM_CONTINUE)
			return outcome;
		wire_bytes += pass->sent_bytes;
		now_ms += pass->took_ms;
		dirty_pages = pass->dirty_pages;
		outcome.passes = i + 1;
		outcome.decision = ask(policy, i + 1, true, blind ? -1 : dirty_pages, wire_bytes,
				       now_ms, err);
		if (outcome.decision != STREAM_CONTINUE)
			return outcome;
	}
	return outcome;
}

/* Dirty afterwards: so many MiB; sent at 100 MiB/s: so many. */
#define LEAVES(sent_mib, mib) { (uint64_t)(sent_mib) * MIB, (sent_mib) * 10, (mib) * 256 }

/* clang-format off */
static const struct scenario {
	const char *name, *policy;
	uint32_t limit_ms; /* the operator's; 0: none */
	struct pass passes[8];
	size_t count;
	struct outcome expected;
	uint32_t limit_in_the_end_ms;
} scenarios[] = {
	{ "an idle guest is stopped after the first pass", NULL, 0,
	  { LEAVES(100, 1) }, 1, { STREAM_STOP, 1 }, 100 },
	{ "nothing dirty is always a reason to stop", NULL, 10,
	  { LEAVES(100, 0) }, 1, { STREAM_STOP, 1 }, 10 },
	{ "copying time, its doubt and fixed costs together fit just so", NULL, 302,
	  { LEAVES(100, 24) }, 1, { STREAM_STOP, 1 }, 302 },
	{ "and then not", NULL, 301,
	  { LEAVES(100, 24), LEAVES(24, 1) }, 2, { STREAM_STOP, 2 }, 301 },
	{ "the operator's limit is not raised, and the schedule ends all the same", NULL, 300,
	  { LEAVES(900, 900) }, 1, { STREAM_ABORT, 8 }, 300 },
	{ "copying goes on while each pass leaves less", NULL, 300,
	  { LEAVES(100, 80), LEAVES(80, 60), LEAVES(60, 40), LEAVES(40, 20) },
	  4, { STREAM_STOP, 4 }, 300 },
	{ "an item is taken in the first pass after its stallingLimit, and tried at once", NULL, 0,
	  { LEAVES(100, 30), LEAVES(30, 9) }, 2, { STREAM_STOP, 2 }, 150 },
	{ "minimal-downtime goes through RHV's steps to half a second, then gives up", NULL, 0,
	  { LEAVES(100, 48) }, 1, { STREAM_ABORT, 8 }, 500 },
	{ "its half second comes after six stalls", NULL, 0,
	  { LEAVES(100, 42) }, 1, { STREAM_STOP, 7 }, 500 },
	{ "five seconds come in the end", "suspend-workload-if-needed", 0,
	  { LEAVES(450, 450) }, 1, { STREAM_STOP, 8 }, 5000 },
	{ "and gives up beyond them", "suspend-workload-if-needed", 0,
	  { LEAVES(900, 900) }, 1, { STREAM_ABORT, 9 }, 5000 },
	{ "post-copy takes its next item where there is none", "post-copy", 0,
	  { LEAVES(900, 900) }, 1, { STREAM_ABORT, 4 }, 200 },
	{ "very large guests begin with 300 ms", "very-large-vms", 0,
	  { LEAVES(100, 23) }, 1, { STREAM_STOP, 1 }, 300 },
	{ "holes of the address space are no bytes sent", NULL, 300,
	  { { 10 * MIB, 10000, 2 * 256 }, { 2 * MIB, 2000, 0 } }, 2, { STREAM_STOP, 2 }, 300 },
	{ "a short pass does not measure the connection", NULL, 300,
	  { { 10 * MIB, 10000, 255 }, { MIB - 4096, 1, 255 }, { MIB - 4096, 1, 0 } },
	  3, { STREAM_STOP, 3 }, 300 },
	{ "a connection that sends nothing never looks ready", NULL, 0,
	  { { 0, 1000, 1 } }, 1, { STREAM_ABORT, 8 }, 500 },
	{ "time that stands still is survived", NULL, 0,
	  { { 100 * MIB, 0, 1 } }, 1, { STREAM_ABORT, 8 }, 500 },
	{ "absurd numbers are survived", NULL, POLICY_DOWNTIME_MAX_MS,
	  { { UINT64_MAX - 80, 1, INT64_MAX } }, 1, { STREAM_STOP, 1 }, POLICY_DOWNTIME_MAX_MS },
};
/* clang-format on */

static void follows(struct policy *policy, const struct scenario *scenario, bool blind)
{
	const struct policy_rules *rules =
		scenario->policy ? policy_builtin(scenario->policy) : policy_builtin_at(0);
	struct err err = { 0 };
	struct outcome outcome;

	policy_init(policy, rules, scenario->limit_ms, &steady);
	outcome = run_passes(policy, scenario->passes, scenario->count, blind, &err);
	print_message("  %s\n", scenario->name);
	assert_int_equal(outcome.decision, scenario->expected.decision);
	assert_int_equal(outcome.passes, scenario->expected.passes);
	assert_int_equal(policy->limit_ms, scenario->limit_in_the_end_ms);
	assert_int_equal(err.code, outcome.decision == STREAM_ABORT ? ERR_NOT_CONVERGED : ERR_NONE);
}

static void decides_each_scenario_as_told(void **state)
{
	struct policy policy;

	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		follows(&policy, &scenarios[i], false);
}

static void decides_before_the_pass_where_xen_does_not_tell_after_it(void **state)
{
	struct policy policy;

	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++)
		follows(&policy, &scenarios[i], true);
}

static void names_rates_costs_and_the_limit_when_it_gives_up(void **state)
{
	const struct pass passes[] = { { 900 * MIB, 9000, 1800 * 256 } };
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, policy_builtin_at(0), 0, &steady);
	assert_int_equal(run_passes(&policy, passes, 1, false, &err).decision, STREAM_ABORT);

	assert_non_null(strstr(err.message, "dirties 200.0 MiB/s"));
	assert_non_null(strstr(err.message, "sends 100.0 MiB/s"));
	assert_non_null(strstr(err.message, "50 ms that a handover takes"));
	assert_non_null(strstr(err.message, "500 ms"));
}

static void records_what_it_measured_and_predicted(void **state)
{
	const struct pass passes[] = { LEAVES(100, 80), { 80 * MIB, 1600, 20 * 256 } };
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, policy_builtin_at(0), 500, &steady);
	assert_int_equal(run_passes(&policy, passes, 2, false, &err).decision, STREAM_STOP);

	assert_int_equal(policy.send_bytes_per_s, 50 * MIB);
	assert_int_equal(policy.dirty_bytes_per_s, 20 * MIB * 10 / 16);
	assert_int_equal(policy.remaining_bytes, 20 * MIB);
	assert_int_equal(policy.predicted_downtime_ms, 450);
}

/* 100 ms in which 20 MiB more get dirty, and predictions that were 10 ms off. */
static void what_is_dirtied_meanwhile_and_earlier_errors_count(void **state)
{
	const struct costs rough = { .fixed_ms = 50, .deviation_ms = 10, .suspend_ms = 100,
				     .samples = 9 };
	const struct pass passes[] = { { 100 * MIB, 1000, 200 * 256 } };
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, policy_builtin_at(0), 2390, &rough);
	assert_int_equal(run_passes(&policy, passes, 1, false, &err).passes, 1);
	assert_int_equal(policy.predicted_downtime_ms, 2250);
	policy_init(&policy, policy_builtin_at(0), 2389, &rough);
	assert_int_not_equal(run_passes(&policy, passes, 1, false, &err).passes, 1);
}

static void a_limited_copy_expects_the_last_pass_to_be_as_fast_as_it_was(void **state)
{
	const struct costs fast = { .fixed_ms = 50, .send_bytes_per_s = 1000 * MIB, .samples = 9 };
	const struct pass passes[] = { { 100 * MIB, 10000, 20 * 256 } };
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, policy_builtin_at(0), 100, &fast);
	policy.limited = true;
	assert_int_equal(run_passes(&policy, passes, 1, false, &err).passes, 1);
	assert_int_equal(policy.predicted_downtime_ms, 70);
}

static void stops_after_a_pass_when_it_has_to(void **state)
{
	const struct pass passes[] = { LEAVES(900, 900) };
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, policy_builtin_at(0), 0, &steady);
	policy.stop_at_once = true;
	assert_int_equal(run_passes(&policy, passes, 1, false, &err).decision, STREAM_STOP);
}

static void a_wait_for_the_operator_is_no_stall(void **state)
{
	const struct pass passes[] = { LEAVES(900, 900) };
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, policy_builtin_at(0), 0, &steady);
	policy_forgive(&policy, 3);
	assert_int_equal(run_passes(&policy, passes, 1, false, &err).passes, 11);
}

static void a_handover_that_alone_is_too_long_breaks_only_the_operators_limit(void **state)
{
	const struct costs slow = { .fixed_ms = 4000, .samples = 3 };
	const struct pass passes[] = { LEAVES(100, 1) };
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, policy_builtin_at(0), 0, &slow);
	assert_int_equal(run_passes(&policy, passes, 1, false, &err).decision, STREAM_STOP);
	assert_int_equal(policy_check(0, &slow, &err), 0);
	assert_int_equal(policy_check(300, &slow, &err), -ETIME);
	assert_int_equal(err.code, ERR_NOT_CONVERGED);
	assert_non_null(strstr(err.message, "4000 ms"));
}

static void a_handover_longer_than_the_first_limit_takes_the_next_at_once(void **state)
{
	const struct costs slow = { .fixed_ms = 180, .samples = 3 };
	const struct pass passes[] = { LEAVES(100, 1) };
	struct err err = { 0 };
	struct policy policy;
	struct outcome outcome;

	(void)state;
	policy_init(&policy, policy_builtin_at(0), 0, &slow);
	outcome = run_passes(&policy, passes, 1, false, &err);
	assert_int_equal(outcome.decision, STREAM_STOP);
	assert_int_equal(outcome.passes, 1);
	assert_int_equal(policy.limit_ms, 200); /* 10 to copy, 0.5 of doubt, 180 */
	assert_int_equal(policy.predicted_downtime_ms, 190);
}

/* ---- auto-convergence ---- */

static void every_second_pass_that_stays_high_slows_the_guest_further(void **state)
{
	static const uint32_t percents[] = { 0, 20, 20, 30, 30, 40, 40, 50, 50, 60, 60, 70, 70,
					     80, 80, 90, 90, 99, 99, 99 };
	struct converge converge = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(percents) / sizeof(percents[0]); i++)
		assert_int_equal(converge_step(&converge, 100, 51), percents[i]);
}

static void a_pass_that_gets_on_slows_nothing(void **state)
{
	struct converge converge = { 0 };

	(void)state;
	for (int i = 0; i < 10; i++)
		assert_int_equal(converge_step(&converge, 100, 50), 0);
}

static void a_cap_is_a_share_of_what_the_guest_may_have(void **state)
{
	(void)state;
	assert_int_equal(converge_cap(0, 4, 0), 0);
	assert_int_equal(converge_cap(0, 4, 20), 320);
	assert_int_equal(converge_cap(150, 4, 20), 120);
	assert_int_equal(converge_cap(150, 4, 0), 150);
	assert_int_equal(converge_cap(50, 1, 99), 1);
	assert_int_equal(converge_cap(0, 512, 99), 512);
}

static void a_policy_without_it_never_slows_the_guest(void **state)
{
	struct policy_rules rules = *policy_builtin_at(0);
	const struct pass passes[] = { LEAVES(900, 900) };
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, &rules, 0, &steady);
	run_passes(&policy, passes, 1, false, &err);
	assert_int_equal(policy.converge.throttle_percent, 40);
	rules.auto_converge = false;
	policy_init(&policy, &rules, 0, &steady);
	run_passes(&policy, passes, 1, false, &err);
	assert_int_equal(policy.converge.throttle_percent, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_each_scenario_as_told),
		cmocka_unit_test(decides_before_the_pass_where_xen_does_not_tell_after_it),
		cmocka_unit_test(names_rates_costs_and_the_limit_when_it_gives_up),
		cmocka_unit_test(records_what_it_measured_and_predicted),
		cmocka_unit_test(what_is_dirtied_meanwhile_and_earlier_errors_count),
		cmocka_unit_test(a_limited_copy_expects_the_last_pass_to_be_as_fast_as_it_was),
		cmocka_unit_test(stops_after_a_pass_when_it_has_to),
		cmocka_unit_test(a_wait_for_the_operator_is_no_stall),
		cmocka_unit_test(a_handover_that_alone_is_too_long_breaks_only_the_operators_limit),
		cmocka_unit_test(a_handover_longer_than_the_first_limit_takes_the_next_at_once),
		cmocka_unit_test(every_second_pass_that_stays_high_slows_the_guest_further),
		cmocka_unit_test(a_pass_that_gets_on_slows_nothing),
		cmocka_unit_test(a_cap_is_a_share_of_what_the_guest_may_have),
		cmocka_unit_test(a_policy_without_it_never_slows_the_guest),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
