/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The stop policy: each scenario is a copy as the library would run it, told in one row. */
#include "policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PASSES_MAX 34
#define HOLES 1044480 /* what a PVH guest's first pass counts, however small the guest */
#define MIB (1024u * 1024)

/* One iteration: what left on the connection, in which time, and what is dirty afterwards. */
struct pass {
	uint64_t sent_bytes, took_ms;
	int64_t dirty_pages;
};

struct outcome {
	enum stream_decision decision;
	uint32_t iteration; /* in which it was decided */
};

/* The question before an iteration, and the one after it. */
static enum stream_decision ask(struct policy *policy, uint32_t iteration, bool sent,
				int64_t dirty_pages, uint64_t wire_bytes, uint64_t now_ms,
				struct err *err)
{
	const struct stream_event event = {
		.kind = STREAM_ITERATION,
		.iteration = iteration,
		.sent = sent,
		.dirty_pages = sent ? -1 : dirty_pages,
		.memory_bytes = wire_bytes,
	};

	return policy_decide(policy, &event, now_ms * 1000, err);
}

/* Runs the passes in the library's order until the policy decides or they are used up. */
static struct outcome run(struct policy *policy, const struct pass *passes, size_t count,
			  struct err *err)
{
	uint64_t wire_bytes = 80, now_ms = 1000;
	struct outcome outcome = { STREAM_CONTINUE, 0 };
	int64_t dirty_pages = HOLES;

	for (uint32_t i = 0;; i++) {
		outcome.iteration = i;
		outcome.decision = ask(policy, i, false, dirty_pages, wire_bytes, now_ms, err);
		if (outcome.decision != STREAM_CONTINUE || i == count)
			return outcome;
		wire_bytes += passes[i].sent_bytes;
		now_ms += passes[i].took_ms;
		outcome.decision = ask(policy, i + 1, true, -1, wire_bytes, now_ms, err);
		if (outcome.decision != STREAM_CONTINUE)
			return outcome;
		dirty_pages = passes[i].dirty_pages;
	}
}

/* clang-format off */
static const struct scenario {
	const char *name;
	uint32_t limit_ms, fixed_ms;
	struct pass passes[8];
	size_t count;
	struct outcome expected;
	uint32_t limit_in_the_end_ms;
} scenarios[] = {
	{ "an idle guest is stopped after the first pass", 300, 50,
	  { { 100 * MIB, 1000, 256 } }, 1, { STREAM_STOP, 1 }, 300 },
	{ "nothing dirty is always a reason to stop", 10, 50,
	  { { 100 * MIB, 1000, 0 } }, 1, { STREAM_STOP, 1 }, 10 },
	{ "the first pass runs whatever it would cost", 60000, 0,
	  { { 0 } }, 0, { STREAM_CONTINUE, 0 }, 60000 },
	{ "what just fits the limit is stopped", 300, 50,
	  { { 100 * MIB, 1000, 25 * 256 } }, 1, { STREAM_STOP, 1 }, 300 },
	{ "fixed costs count", 300, 51,
	  { { 100 * MIB, 1000, 25 * 256 } }, 1, { STREAM_CONTINUE, 1 }, 300 },
	{ "copying goes on while each iteration leaves less", 300, 50,
	  { { 100 * MIB, 1000, 80 * 256 }, { 80 * MIB, 800, 60 * 256 },
	    { 60 * MIB, 600, 40 * 256 }, { 40 * MIB, 400, 20 * 256 } },
	  4, { STREAM_STOP, 4 }, 300 },
	{ "a stall raises the limit, and at once", 300, 0,
	  { { 100 * MIB, 1000, 40 * 256 }, { 40 * MIB, 400, 40 * 256 } },
	  2, { STREAM_STOP, 2 }, 450 },
	{ "less by just a tenth is no stall", 300, 0,
	  { { 100 * MIB, 1000, 100 * 256 }, { 100 * MIB, 1000, 90 * 256 } },
	  2, { STREAM_CONTINUE, 2 }, 300 },
	{ "stalls add up, also with progress between them", 100, 0,
	  { { 100 * MIB, 1000, 100 * 256 }, { 100 * MIB, 1000, 100 * 256 },
	    { 100 * MIB, 1000, 50 * 256 }, { 50 * MIB, 500, 50 * 256 } },
	  4, { STREAM_CONTINUE, 4 }, 200 },
	{ "five seconds are the last item", 100, 0,
	  { { 500 * MIB, 5000, 490 * 256 }, { 490 * MIB, 4900, 490 * 256 },
	    { 490 * MIB, 4900, 490 * 256 }, { 490 * MIB, 4900, 490 * 256 },
	    { 490 * MIB, 4900, 490 * 256 }, { 490 * MIB, 4900, 490 * 256 } },
	  6, { STREAM_STOP, 6 }, 5000 },
	{ "an operator's long limit is not lowered by it", 3000, 0,
	  { { 2000 * MIB, 20000, 2000 * 256 }, { 2000 * MIB, 20000, 2000 * 256 },
	    { 2000 * MIB, 20000, 2000 * 256 }, { 2000 * MIB, 20000, 2000 * 256 },
	    { 2000 * MIB, 20000, 2000 * 256 }, { 2000 * MIB, 20000, 2000 * 256 } },
	  6, { STREAM_CONTINUE, 6 }, 12000 },
	{ "a guest that dirties as fast as we send is given up", 300, 50,
	  { { 900 * MIB, 9000, 900 * 256 }, { 900 * MIB, 9000, 900 * 256 },
	    { 900 * MIB, 9000, 900 * 256 }, { 900 * MIB, 9000, 900 * 256 },
	    { 900 * MIB, 9000, 900 * 256 }, { 900 * MIB, 9000, 900 * 256 },
	    { 900 * MIB, 9000, 900 * 256 } },
	  7, { STREAM_ABORT, 7 }, 5000 },
	{ "holes of the address space are no bytes sent", 300, 0,
	  { { 10 * MIB, 10000, 2 * 256 } }, 1, { STREAM_CONTINUE, 1 }, 300 },
	{ "a short iteration does not measure the connection", 300, 0,
	  { { 10 * MIB, 10000, 255 }, { MIB - 4096, 1, 255 } },
	  2, { STREAM_CONTINUE, 2 }, 450 },
	{ "a connection that sends nothing never looks ready", 300, 0,
	  { { 0, 1000, 1 }, { 0, 1000, 1 } }, 2, { STREAM_CONTINUE, 2 }, 450 },
	{ "time that stands still is survived", 300, 0,
	  { { 100 * MIB, 0, 1 }, { MIB, 0, 1 } }, 2, { STREAM_CONTINUE, 2 }, 450 },
	{ "absurd numbers are survived", UINT32_MAX, UINT32_MAX,
	  { { UINT64_MAX - 80, 1, INT64_MAX } }, 1, { STREAM_STOP, 1 }, UINT32_MAX },
};
/* clang-format on */

static void decides_each_scenario_as_told(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(scenarios[0]); i++) {
		const struct scenario *scenario = &scenarios[i];
		struct err err = { 0 };
		struct policy policy;
		struct outcome outcome;

		policy_init(&policy, scenario->limit_ms, scenario->fixed_ms);
		outcome = run(&policy, scenario->passes, scenario->count, &err);

		print_message("  %s\n", scenario->name);
		assert_int_equal(outcome.decision, scenario->expected.decision);
		assert_int_equal(outcome.iteration, scenario->expected.iteration);
		assert_int_equal(policy.limit_ms, scenario->limit_in_the_end_ms);
		assert_int_equal(err.code, outcome.decision == STREAM_ABORT ? ERR_NOT_CONVERGED :
									      ERR_NONE);
	}
}

static void names_both_rates_and_the_limit_when_it_gives_up(void **state)
{
	struct pass passes[7];
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	for (size_t i = 0; i < 7; i++)
		passes[i] = (struct pass){ 900 * MIB, 9000, 1800 * 256 };
	policy_init(&policy, 300, 50);
	assert_int_equal(run(&policy, passes, 7, &err).decision, STREAM_ABORT);

	assert_non_null(strstr(err.message, "dirties 200.0 MiB/s"));
	assert_non_null(strstr(err.message, "sends 100.0 MiB/s"));
	assert_non_null(strstr(err.message, "5000 ms"));
}

static void gives_up_a_copy_that_creeps(void **state)
{
	struct pass passes[PASSES_MAX];
	struct err err = { 0 };
	struct policy policy;
	struct outcome outcome;
	double pages = 4e12;

	(void)state;
	for (size_t i = 0; i < PASSES_MAX; i++, pages *= 0.89)
		passes[i] = (struct pass){ 100 * MIB, 1000, (int64_t)pages };
	policy_init(&policy, 300, 50);
	outcome = run(&policy, passes, PASSES_MAX, &err);

	assert_int_equal(outcome.decision, STREAM_ABORT);
	assert_int_equal(outcome.iteration, POLICY_ITERATIONS_MAX);
	assert_int_equal(policy.stalls, 0);
	assert_int_equal(err.code, ERR_NOT_CONVERGED);
}

static void records_what_it_measured_and_predicted(void **state)
{
	const struct pass passes[] = {
		{ 100 * MIB, 1000, 80 * 256 },
		{ 80 * MIB, 1600, 20 * 256 },
	};
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, 100, 50);
	assert_int_equal(run(&policy, passes, 2, &err).decision, STREAM_CONTINUE);

	assert_int_equal(policy.send_bytes_per_s, 50 * MIB);
	assert_int_equal(policy.dirty_bytes_per_s, 20 * MIB * 10 / 16);
	assert_int_equal(policy.remaining_bytes, 20 * MIB);
	assert_int_equal(policy.predicted_downtime_ms, 450);
}

static void takes_another_schedule_as_data(void **state)
{
	static const struct policy_item impatient[] = { { 1, POLICY_ABORT, 0 } };
	const struct pass passes[] = { { 100 * MIB, 1000, 80 * 256 }, { 80 * MIB, 800, 80 * 256 } };
	struct err err = { 0 };
	struct policy policy;

	(void)state;
	policy_init(&policy, 100, 50);
	policy.schedule = impatient;
	policy.schedule_count = 1;

	assert_int_equal(run(&policy, passes, 2, &err).decision, STREAM_ABORT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(decides_each_scenario_as_told),
		cmocka_unit_test(names_both_rates_and_the_limit_when_it_gives_up),
		cmocka_unit_test(gives_up_a_copy_that_creeps),
		cmocka_unit_test(records_what_it_measured_and_predicted),
		cmocka_unit_test(takes_another_schedule_as_data),
	};

	return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
