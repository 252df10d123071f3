/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handover_costs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define MIB (1024u * 1024u)
#define TOLERANCE 0.01

/* 100 MiB/s, 10 MiB left for the blackout of `downtime_ms`, 30 ms to suspend. */
static void went(struct record *record, uint64_t downtime_ms)
{
	*record = (struct record){
		.suspended_us = 2030000,
		.running_us = 2030000 + downtime_ms * 1000,
		.passes = {
			{ .span = { 1000000, 2000000 }, .sent_bytes = 100 * MIB },
			{ .span = { 2030000, 2100000 }, .sent_bytes = 10 * MIB },
		},
		.pass_count = 2,
		.steps = { { .name = "suspend-guest", .start_us = 2000000, .end_us = 2030000 } },
		.step_count = 1,
	};
}

static void the_first_handover_replaces_the_guess(void **state)
{
	struct record record;
	struct costs costs;

	(void)state;
	costs_init(&costs);
	went(&record, 140);
	costs_learn(&costs, &record, false);
	assert_float_equal(costs.fixed_ms, 40, TOLERANCE);
	assert_float_equal(costs.suspend_ms, 30, TOLERANCE);
	assert_int_equal(costs.send_bytes_per_s, 100 * MIB);
	assert_int_equal(costs.samples, 1);
}

static void later_ones_move_it_and_its_margin_follows(void **state)
{
	struct record record;
	struct costs costs;
	double margin_ms;

	(void)state;
	costs_init(&costs);
	for (int i = 0; i < 20; i++) {
		went(&record, 140);
		costs_learn(&costs, &record, false);
	}
	assert_float_equal(costs.fixed_ms, 40, TOLERANCE);
	margin_ms = costs_margin_ms(&costs, 0);
	assert_true(margin_ms < 5);
	went(&record, 180);
	costs_learn(&costs, &record, false);
	assert_float_equal(costs.fixed_ms, 50, TOLERANCE);
	assert_true(costs_margin_ms(&costs, 0) > margin_ms + 25);
}

static void what_tells_nothing_is_not_learnt(void **state)
{
	struct record record;
	struct costs costs, before;

	(void)state;
	costs_init(&costs);
	before = costs;
	went(&record, 140);
	record.running_us = 0;
	costs_learn(&costs, &record, false);
	went(&record, 140);
	record.pass_count = 1;
	costs_learn(&costs, &record, false);
	went(&record, 50); /* less than the copy itself took: a clock that jumped */
	costs_learn(&costs, &record, false);
	assert_memory_equal(&costs, &before, sizeof(costs));
}

static void a_limited_copy_teaches_no_rate(void **state)
{
	struct record record;
	struct costs costs;

	(void)state;
	costs_init(&costs);
	costs.send_bytes_per_s = 200 * MIB;
	went(&record, 140);
	costs_learn(&costs, &record, true);
	assert_int_equal(costs.send_bytes_per_s, 200 * MIB);
	assert_float_equal(costs.fixed_ms, 90, TOLERANCE);
}

static void what_is_written_is_read_again_for_that_pair_and_plan_only(void **state)
{
	struct costs costs = { 41.5, 2.25, 30, 123456789, 7 }, read;
	char folder[] = "/tmp/costs.XXXXXX", command[64];
	struct err err;

	(void)state;
	assert_non_null(mkdtemp(folder));
	assert_int_equal(costs_write(folder, "b/../x:8002", "handover", &costs, &err), 0);
	assert_int_equal(costs_write(folder, "b/../x:8002", "handover", &costs, &err), 0);
	costs_read(folder, "b/../x:8002", "handover", &read);
	assert_float_equal(read.fixed_ms, 41.5, TOLERANCE);
	assert_float_equal(read.deviation_ms, 2.25, TOLERANCE);
	assert_int_equal(read.send_bytes_per_s, 123456789);
	assert_int_equal(read.samples, 7);
	costs_read(folder, "b/../x:8002", "xenserver-6.2", &read);
	assert_int_equal(read.samples, 0);
	snprintf(command, sizeof(command), "%s/costs/b_.._x_8002.handover.json", folder);
	assert_int_equal(unlink(command), 0);
	snprintf(command, sizeof(command), "%s/costs", folder);
	assert_int_equal(rmdir(command), 0);
	assert_int_equal(rmdir(folder), 0);
}

static void a_target_that_is_new_is_taken_to_be_like_the_others(void **state)
{
	const struct costs near = { 40, 1, 10, 123456789, 7 }, far = { 120, 5, 50, 1000, 2 };
	const struct costs other_plan = { 500, 5, 30, 1000, 2 };
	static const char *const names[] = { "near.handover", "far.handover", "far.xenopsd" };
	char folder[] = "/tmp/costs.XXXXXX", path[64];
	struct costs first, read;
	struct record record;
	struct err err;

	(void)state;
	costs_init(&first);
	assert_non_null(mkdtemp(folder));
	costs_read(folder, "new", "handover", &read);
	assert_memory_equal(&read, &first, sizeof(read));
	assert_int_equal(costs_write(folder, "near", "handover", &near, &err), 0);
	assert_int_equal(costs_write(folder, "far", "handover", &far, &err), 0);
	assert_int_equal(costs_write(folder, "far", "xenopsd", &other_plan, &err), 0);
	costs_read(folder, "new", "handover", &read);
	assert_float_equal(read.fixed_ms, 80, TOLERANCE);
	assert_float_equal(read.suspend_ms, 30, TOLERANCE);
	assert_float_equal(read.deviation_ms, first.deviation_ms, TOLERANCE);
	assert_int_equal(read.send_bytes_per_s, 0);
	assert_int_equal(read.samples, 0);
	went(&record, 140); /* and one of its own counts more than theirs */
	costs_learn(&read, &record, false);
	assert_float_equal(read.fixed_ms, 40, TOLERANCE);
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s/costs/%s.json", folder, names[i]);
		assert_int_equal(unlink(path), 0);
	}
	snprintf(path, sizeof(path), "%s/costs", folder);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_handover_replaces_the_guess),
		cmocka_unit_test(later_ones_move_it_and_its_margin_follows),
		cmocka_unit_test(what_tells_nothing_is_not_learnt),
		cmocka_unit_test(a_limited_copy_teaches_no_rate),
		cmocka_unit_test(what_is_written_is_read_again_for_that_pair_and_plan_only),
		cmocka_unit_test(a_target_that_is_new_is_taken_to_be_like_the_others),
	};

	return cmocka_run_group_tests_name("costs", tests, NULL, NULL);
}
