/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A handover that was away from 2.0 s to 2.1 s. */
static struct record example(void)
{
	struct record record = {
		.plan = plan_find("handover"), .status = STATUS_COMPLETED, .phase = PHASE_CLEAN,
		.sync_point = SYNC_SP5, .started_us = 1000000, .ended_us = 4000000,
		.suspended_us = 2000000, .running_us = 2100000, .downtime_limit_ms = 300,
		.clock_uncertainty_us = 150, .memory_bytes = 4096,
	};

	snprintf(record.uuid, sizeof(record.uuid), "6f1d2c3b-0000-4000-8000-00000000000a");
	snprintf(record.source, sizeof(record.source), "A");
	snprintf(record.target, sizeof(record.target), "B");
	return record;
}

static struct json_value *written(const struct record *record)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct json_value *value;
	const char *text;
	struct err err;
	size_t size;

	assert_non_null(writer);
	record_write(record, 5000000, writer);
	text = json_text(writer, &size);
	value = json_parse(text, size, &err);
	assert_non_null(value);
	return value;
}

static void the_json_has_the_names_that_others_rely_on(void **state)
{
	static const char *const keys[] = { "uuid", "vm", "source", "target", "plan", "policy",
					    "status", "sync_point", "error", "total_ms",
					    "downtime_ms", "downtime_limit_ms",
					    "clock_uncertainty_ms", "memory", "steps" };
	static const char *const memory[] = { "total_bytes", "transferred_bytes", "wire_bytes",
					      "remaining_bytes", "zero_pages", "iterations",
					      "dirty_bytes_per_s", "send_bytes_per_s", "eta_ms" };
	struct record record = example();
	CLEANUP_JSON_VALUE struct json_value *value = written(&record);

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_non_null(json_get(value, keys[i]));
	for (size_t i = 0; i < sizeof(memory) / sizeof(memory[0]); i++)
		assert_non_null(json_get(json_get(value, "memory"), memory[i]));
	assert_string_equal(json_get_string(value, "status"), "completed");
	assert_string_equal(json_get_string(value, "sync_point"), "SP5");
}

static void times_are_milliseconds_from_the_jobs_start(void **state)
{
	struct record record = example();
	const struct step *step = plan_step("suspend-guest");
	CLEANUP_JSON_VALUE struct json_value *value = NULL;
	const struct json_value *first;

	(void)state;
	record_step_start(&record, step, SIDE_SOURCE, PHASE_BLACKOUT, 1950000);
	record_step_end(&record, step, SIDE_SOURCE, 2000500);
	value = written(&record);
	first = json_at(json_get(value, "steps"), 0);

	assert_float_equal(json_get_double(value, "total_ms", 0), 3000, 0.001);
	assert_float_equal(json_get_double(value, "downtime_ms", 0), 100, 0.001);
	assert_string_equal(json_get_string(first, "name"), "suspend-guest");
	assert_string_equal(json_get_string(first, "side"), "source");
	assert_string_equal(json_get_string(first, "phase"), "BLACKOUT");
	assert_float_equal(json_get_double(first, "start_ms", 0), 950, 0.001);
	assert_float_equal(json_get_double(first, "end_ms", 0), 1000.5, 0.001);
}

static void a_guest_that_was_not_suspended_has_no_downtime(void **state)
{
	struct record record = example();

	(void)state;
	record.suspended_us = record.running_us = 0;
	assert_float_equal(record_downtime_ms(&record, 9000000), 0, 0.001);
}

static void downtime_grows_until_the_guest_runs_and_stops_with_the_job(void **state)
{
	struct record record = example();

	(void)state;
	record.running_us = 0;
	record.status = STATUS_BLACKOUT;
	assert_float_equal(record_downtime_ms(&record, 2050000), 50, 0.001);
	record.status = STATUS_IN_DOUBT;
	assert_float_equal(record_downtime_ms(&record, 9000000), 2000, 0.001);
}

static void an_error_is_a_code_and_a_sentence(void **state)
{
	struct record record = example();
	CLEANUP_JSON_VALUE struct json_value *value = NULL;

	(void)state;
	err_set(&record.error, ERR_NO_GUEST, -1, "there is no guest 'g9' on A");
	value = written(&record);
	assert_string_equal(json_get_string(json_get(value, "error"), "code"), "no-such-guest");
	assert_string_equal(json_get_string(json_get(value, "error"), "message"),
			    "there is no guest 'g9' on A");
}

static void each_pass_has_its_bytes_and_rates(void **state)
{
	struct record record = example();
	CLEANUP_JSON_VALUE struct json_value *value = NULL;
	const struct json_value *passes;

	(void)state;
	record_pass_start(&record, 8000000, 0, 1000000);
	record_pass_end(&record, 8000000, 2000000);
	record_pass_start(&record, 500000, 8000000, 2000000);
	record_pass_end(&record, 8500000, 2250000);
	value = written(&record);
	passes = json_get(value, "passes");

	assert_int_equal(json_size(passes), 2);
	assert_int_equal(json_get_integer(json_at(passes, 0), "send_bytes_per_s", 0), 8000000);
	assert_int_equal(json_get_integer(json_at(passes, 0), "dirty_bytes_per_s", 0), 500000);
	assert_int_equal(json_get_integer(json_at(passes, 1), "sent_bytes", 0), 500000);
	assert_int_equal(json_get_integer(json_at(passes, 1), "send_bytes_per_s", 0), 2000000);
}

static void more_passes_than_there_is_room_for_make_the_last_one_longer(void **state)
{
	struct record record = example();

	(void)state;
	for (uint64_t i = 0; i < RECORD_PASSES_MAX + 10; i++)
		record_pass_start(&record, 4096, i * 4096, 1000000 + i * 1000);
	record_pass_end(&record, (RECORD_PASSES_MAX + 10) * 4096, 9000000);
	assert_int_equal(record.pass_count, RECORD_PASSES_MAX);
	assert_int_equal(record.passes[RECORD_PASSES_MAX - 1].span.end_us, 9000000);
	assert_int_equal(record.passes[RECORD_PASSES_MAX - 1].sent_bytes, 11 * 4096);
}

static void the_first_pass_knows_what_remains_of_all_memory(void **state)
{
	struct record record = example();

	(void)state;
	record.memory_bytes = 10000000;
	record_pass_start(&record, record.memory_bytes, 0, 1000000);
	record_progress(&record, 4000000, 2000000);
	assert_int_equal(record.remaining_bytes, 6000000);
	assert_int_equal(record.send_bytes_per_s, 4000000);
	assert_int_equal(record.eta_ms, 1500);
}

static void meetings_and_the_commit_are_written_where_there_were_any(void **state)
{
	struct record record = example();
	CLEANUP_JSON_VALUE struct json_value *value = NULL;
	const struct json_value *points;

	(void)state;
	record.meetings[SYNC_SP3][SIDE_TARGET] = (struct record_span){ 2040000, 2060000 };
	record.commit = (struct record_span){ 2045000, 2055000 };
	value = written(&record);
	points = json_get(value, "sync_points");
	assert_int_equal(json_size(points), 1);
	assert_string_equal(json_get_string(json_at(points, 0), "name"), "SP3");
	assert_string_equal(json_get_string(json_at(points, 0), "side"), "target");
	assert_float_equal(json_get_double(json_get(value, "commit"), "end_ms", 0), 1055, 0.001);
}

static void a_recovery_goes_on_from_what_was_written(void **state)
{
	struct record record = example(), read = { .source = "?", .step_count = 0 };
	CLEANUP_JSON_VALUE struct json_value *value = NULL;

	(void)state;
	snprintf(record.guest_name, sizeof(record.guest_name), "g1");
	record.started_wall_s = 1700000000;
	record.slow_channel = 3;
	record.wire_bytes = 12345;
	record_step_start(&record, plan_step("copy-memory"), SIDE_TARGET, PHASE_COPY, 1500000);
	record_step_end(&record, plan_step("copy-memory"), SIDE_TARGET, 1600000);
	value = written(&record);
	record_read(value, 60000000, 1700000050, &read); /* another clock, 50 s after the start */
	assert_string_equal(read.source, "A");
	assert_string_equal(read.target, "B");
	assert_string_equal(read.guest_name, "g1");
	assert_int_equal(read.memory_bytes, 4096);
	assert_int_equal(read.slow_channel, 3);
	assert_int_equal(read.wire_bytes, 12345);
	assert_int_equal(read.sync_point, SYNC_SP5);
	assert_int_equal(read.started_us, 10000000);
	assert_int_equal(read.running_us - read.suspended_us, 100000);
	assert_int_equal(read.step_count, 1);
	assert_string_equal(read.steps[0].name, "copy-memory");
	assert_int_equal(read.steps[0].side, SIDE_TARGET);
	assert_int_equal(read.steps[0].phase, PHASE_COPY);
	assert_int_equal(read.steps[0].end_us - read.steps[0].start_us, 100000);
}

static void what_was_written_is_not_trusted(void **state)
{
	static const char *const texts[] = {
		"[]", "{}", "{\"vm\": 3, \"steps\": {}, \"memory\": []}",
		"{\"job_started\": \"tomorrow\", \"steps\": [3, {\"name\": \"x\"}]}",
		("{\"source\": \"a name of a host that is much, much longer than the sixty-three "
		 "bytes that one may have\", \"memory\": {\"total_bytes\": -1}}"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP_JSON_VALUE struct json_value *value =
			json_parse(texts[i], strlen(texts[i]), NULL);
		struct record read = { .source = "A", .started_us = 7 };

		assert_non_null(value);
		record_read(value, 60000000, 1700000050, &read);
		assert_string_equal(read.source, "A");
		assert_int_equal(read.memory_bytes, 0);
		assert_int_equal(read.started_us, 7);
		assert_int_equal(read.step_count, 0);
	}
	record_read(NULL, 1, 1, &(struct record){ .step_count = 0 });
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_json_has_the_names_that_others_rely_on),
		cmocka_unit_test(times_are_milliseconds_from_the_jobs_start),
		cmocka_unit_test(a_guest_that_was_not_suspended_has_no_downtime),
		cmocka_unit_test(downtime_grows_until_the_guest_runs_and_stops_with_the_job),
		cmocka_unit_test(an_error_is_a_code_and_a_sentence),
		cmocka_unit_test(each_pass_has_its_bytes_and_rates),
		cmocka_unit_test(more_passes_than_there_is_room_for_make_the_last_one_longer),
		cmocka_unit_test(the_first_pass_knows_what_remains_of_all_memory),
		cmocka_unit_test(meetings_and_the_commit_are_written_where_there_were_any),
		cmocka_unit_test(a_recovery_goes_on_from_what_was_written),
		cmocka_unit_test(what_was_written_is_not_trusted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
