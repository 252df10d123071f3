/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static int begin(void **state)
{
	static struct events events;

	events = (struct events){ .count = 0 };
	*state = &events;
	return 0;
}

static int end(void **state)
{
	events_fini(*state);
	return 0;
}

static void note(struct events *events, unsigned job, const char *status)
{
	char text[256];
	struct json_value *record;

	snprintf(text, sizeof(text),
		 "{\"uuid\": \"00000000-0000-4000-8000-%012u\", \"status\": \"%s\", "
		 "\"steps\": [1, 2, 3]}",
		 job, status);
	record = json_parse(text, strlen(text), NULL);
	assert_non_null(record);
	events_note(events, record);
	json_value_free(record);
}

static struct json_value *since(const struct events *events, uint64_t number)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct json_value *value;
	size_t size;
	const char *text;

	assert_non_null(writer);
	events_write(events, number, writer);
	text = json_text(writer, &size);
	value = json_parse(text, size, NULL);
	assert_non_null(value);
	return value;
}

static const char *kind_at(const struct json_value *answer, size_t index)
{
	return json_get_string(json_at(json_get(answer, "events"), index), "event");
}

static void a_job_is_created_changes_and_finishes(void **state)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;

	note(*state, 1, "preparing");
	note(*state, 2, "preparing");
	note(*state, 1, "copying");
	note(*state, 1, "completed");
	answer = since(*state, 0);
	assert_int_equal(json_get_integer(answer, "next", 0), 4);
	assert_string_equal(kind_at(answer, 0), "created");
	assert_string_equal(kind_at(answer, 1), "created");
	assert_string_equal(kind_at(answer, 2), "changed");
	assert_string_equal(kind_at(answer, 3), "finished");
}

static void an_event_comes_without_the_steps(void **state)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *record;

	note(*state, 1, "preparing");
	answer = since(*state, 0);
	record = json_get(json_at(json_get(answer, "events"), 0), "record");
	assert_string_equal(json_get_string(record, "status"), "preparing");
	assert_null(json_get(record, "steps"));
}

static void a_doubt_is_not_the_end(void **state)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;

	note(*state, 1, "preparing");
	note(*state, 1, "in-doubt");
	note(*state, 1, "completed");
	answer = since(*state, 1);
	assert_string_equal(kind_at(answer, 0), "changed");
	assert_string_equal(kind_at(answer, 1), "finished");
}

static void who_is_slow_hears_how_much_was_missed(void **state)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;

	for (unsigned i = 0; i < EVENTS_KEPT + 5; i++)
		note(*state, 1, "copying");
	answer = since(*state, 2);
	assert_int_equal(json_get_integer(answer, "lost", 0), 3);
	assert_int_equal(json_size(json_get(answer, "events")), EVENTS_KEPT);
	assert_int_equal(json_get_integer(answer, "next", 0), EVENTS_KEPT + 5);
}

static void more_jobs_than_are_followed_do_no_harm(void **state)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;

	for (unsigned i = 0; i < EVENT_JOBS_MAX + 10; i++)
		note(*state, i, "copying");
	answer = since(*state, EVENT_JOBS_MAX + 9);
	assert_string_equal(kind_at(answer, 0), "changed");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_job_is_created_changes_and_finishes, begin, end),
		cmocka_unit_test_setup_teardown(an_event_comes_without_the_steps, begin, end),
		cmocka_unit_test_setup_teardown(a_doubt_is_not_the_end, begin, end),
		cmocka_unit_test_setup_teardown(who_is_slow_hears_how_much_was_missed, begin, end),
		cmocka_unit_test_setup_teardown(more_jobs_than_are_followed_do_no_harm, begin, end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
