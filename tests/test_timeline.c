/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "evacuation_show.h"

/* Suspended at 100 ms, unpaused at 200 ms. */
#define HEAD \
	"{\"uuid\": \"6f1d2c3b-0000-4000-8000-00000000000a\", \"status\": \"completed\"," \
	"\"vm\": {\"name-label\": \"g<1>&\\\"\"}, \"source\": \"A\", \"target\": \"B\"," \
	"\"plan\": \"handover\", \"job_started\": \"20261122T10:03:41Z\", \"total_ms\": 300.0," \
	"\"downtime_ms\": 100.0, \"suspended_ms\": 100.0, \"running_ms\": 200.0,"

static const char record_text[] = HEAD
	"\"commit\": {\"start_ms\": 172.0, \"end_ms\": 178.0},"
	"\"steps\": ["
	"{\"name\": \"suspend-guest\", \"side\": \"source\", \"phase\": \"BLACKOUT\","
	" \"start_ms\": 90.0, \"end_ms\": 110.0},"
	"{\"name\": \"stop-and-copy\", \"side\": \"source\", \"phase\": \"BLACKOUT\","
	" \"start_ms\": 115.0, \"end_ms\": 140.0},"
	"{\"name\": \"copy-memory\", \"side\": \"target\", \"phase\": \"COPY\","
	" \"start_ms\": 10.0, \"end_ms\": 160.0},"
	"{\"name\": \"drain-disks\", \"side\": \"source\", \"phase\": \"BLACKOUT\","
	" \"start_ms\": 140.0, \"end_ms\": 150.0},"
	"{\"name\": \"unpause-guest\", \"side\": \"target\", \"phase\": \"RUN\","
	" \"start_ms\": 190.0, \"end_ms\": 200.0},"
	"{\"name\": \"unpause-guest\", \"side\": \"source\", \"phase\": \"RUN\","
	" \"start_ms\": 195.0, \"end_ms\": 240.0}],"
	"\"sync_points\": ["
	"{\"name\": \"SP2\", \"side\": \"source\", \"start_ms\": 150.0, \"end_ms\": 168.0},"
	"{\"name\": \"SP2\", \"side\": \"target\", \"start_ms\": 162.0, \"end_ms\": 163.0},"
	"{\"name\": \"SP3\", \"side\": \"source\", \"start_ms\": 168.0, \"end_ms\": 185.0},"
	"{\"name\": \"SP3\", \"side\": \"target\", \"start_ms\": 163.0, \"end_ms\": 180.0}],"
	"\"passes\": [{\"start_ms\": 10.0, \"end_ms\": 90.0, \"dirty_bytes\": 4096,"
	" \"sent_bytes\": 4096, \"send_bytes_per_s\": 51200, \"dirty_bytes_per_s\": 1024}]}";

static struct timeline *read_text(const char *text)
{
	CLEANUP_JSON_VALUE struct json_value *record = json_parse(text, strlen(text), NULL);
	struct timeline *timeline = malloc(sizeof(*timeline));
	struct err err;

	assert_non_null(record);
	assert_non_null(timeline);
	assert_int_equal(timeline_read(record, timeline, &err), 0);
	return timeline;
}

static char *write_with(void (*write)(const struct timeline *, FILE *), const char *text)
{
	CLEANUP_FREE struct timeline *timeline = read_text(text);
	char *written = NULL;
	size_t size;
	FILE *out = open_memstream(&written, &size);

	assert_non_null(out);
	write(timeline, out);
	fclose(out);
	return written;
}

static void every_stretch_of_the_blackout_has_its_owner(void **state)
{
	static const struct timeline_part expected[] = {
		{ "suspend-guest (source)", { 100, 110 } },
		{ "", { 110, 115 } }, /* the target only waits for what is to come */
		{ "stop-and-copy (source)", { 115, 140 } },
		{ "copy-memory (target)", { 140, 160 } }, /* which ends later than the drain */
		{ "", { 160, 162 } }, /* the source waits, and nobody has spoken */
		{ "SP2 restored (message)", { 162, 168 } },
		{ "SP3 released (message)", { 168, 172 } },
		{ "commit made durable (target)", { 172, 178 } },
		{ "SP3 released (message)", { 178, 185 } },
		{ "", { 185, 190 } },
		{ "unpause-guest (target)", { 190, 200 } },
	};
	CLEANUP_FREE struct timeline *timeline = read_text(record_text);

	(void)state;
	assert_int_equal(timeline->part_count, sizeof(expected) / sizeof(expected[0]));
	for (size_t i = 0; i < timeline->part_count; i++) {
		assert_string_equal(timeline->parts[i].what, expected[i].what);
		assert_float_equal(timeline->parts[i].span.start_ms, expected[i].span.start_ms,
				   1e-6);
		assert_float_equal(timeline->parts[i].span.end_ms, expected[i].span.end_ms, 1e-6);
	}
	assert_float_equal(timeline->unaccounted_ms, 12, 1e-6);
}

static void a_guest_that_was_never_away_has_no_blackout(void **state)
{
	CLEANUP_FREE struct timeline *timeline = read_text(
		"{\"uuid\": \"u\", \"status\": \"refused\", \"suspended_ms\": null}");
	CLEANUP_FREE char *json =
		write_with(timeline_write_json, "{\"uuid\": \"u\", \"status\": \"refused\"}");

	(void)state;
	assert_false(timeline->suspended);
	assert_int_equal(timeline->part_count, 0);
	assert_non_null(strstr(json, "\"blackout\":null"));
}

static void what_is_no_record_is_refused(void **state)
{
	static const char *const texts[] = { "{}", "[]", "{\"uuid\": 5, \"status\": \"failed\"}" };
	CLEANUP_FREE struct timeline *timeline = malloc(sizeof(*timeline));
	struct err err;

	(void)state;
	assert_non_null(timeline);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		CLEANUP_JSON_VALUE struct json_value *record =
			json_parse(texts[i], strlen(texts[i]), NULL);

		assert_true(timeline_read(record, timeline, &err) < 0);
	}
}

/* A file may say anything: it must be drawn, or left out, and never read beyond. */
static void strange_numbers_harm_no_writer(void **state)
{
	static const char *const texts[] = {
		HEAD "\"steps\": [{\"name\": \"x\", \"start_ms\": 1e300, \"end_ms\": -1e300}]}",
		(HEAD "\"passes\": [{\"start_ms\": -5.0, \"end_ms\": 1e18,"
		      "\"send_bytes_per_s\": 1e300}, {}]}"),
		(HEAD "\"sync_points\": [{\"name\": \"SP9\"}, "
		      "{\"name\": \"SP0\", \"end_ms\": 1e18}]}"),
		"{\"uuid\": \"\", \"status\": \"\", \"suspended_ms\": 0, \"downtime_ms\": -7}",
		("{\"uuid\": \"zz-zz\", \"status\": \"x\", \"total_ms\": 1e300, "
		 "\"suspended_ms\": 1, \"downtime_ms\": 1e300}"),
	};
	void (*const writers[])(const struct timeline *, FILE *) = {
		timeline_write_text, timeline_write_json, timeline_write_svg, timeline_write_zipkin
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t k = 0; k < sizeof(writers) / sizeof(writers[0]); k++) {
			CLEANUP_FREE char *written = write_with(writers[k], texts[i]);

			assert_true(strlen(written) < 1000000);
		}
}

static void a_guests_name_is_no_markup_of_the_picture(void **state)
{
	CLEANUP_FREE char *svg = write_with(timeline_write_svg, record_text);

	(void)state;
	assert_non_null(strstr(svg, "g&lt;1&gt;&amp;&quot;"));
	assert_null(strstr(svg, "g<1>"));
	assert_null(strstr(svg, "<script"));
	assert_non_null(strstr(svg, "<title id=\"title\">"));
	assert_non_null(strstr(svg, "<desc id=\"description\">"));
}

/* Clears the terminal, and what follows on a line of its own. */
#define COMMANDS "g\\u001b[2J\\u0007\\nroot"

static void a_guests_name_is_no_command_to_the_terminal(void **state)
{
	static const char job[] = "{\"uuid\": \"u\", \"status\": \"failed\", \"source\": \"A\","
		"\"target\": \"B\", \"vm\": {\"name-label\": \"" COMMANDS "\"}}";
	static const char emptied[] = "{\"guests\": [{\"name-label\": \"" COMMANDS "\","
		"\"state\": \"failed\", \"error\": {\"message\": \"" COMMANDS "\"}}]}";
	CLEANUP_FREE char *migration = write_with(timeline_write_text, job), *evacuation = NULL;
	CLEANUP_JSON_VALUE struct json_value *json = json_parse(emptied, strlen(emptied), NULL);
	size_t size;
	FILE *out = open_memstream(&evacuation, &size);

	(void)state;
	evacuation_show_text(json, out);
	fclose(out);
	assert_non_null(strstr(migration, "g?[2J??root from A to B"));
	assert_non_null(strstr(evacuation, "g?[2J??root: g?[2J??root\n"));
}

static void spans_have_the_names_that_others_look_for(void **state)
{
	CLEANUP_FREE char *text = write_with(timeline_write_zipkin, record_text);
	CLEANUP_JSON_VALUE struct json_value *spans = json_parse(text, strlen(text), NULL);
	const struct json_value *begin = NULL, *end = NULL;

	(void)state;
	assert_non_null(spans);
	for (size_t i = 0; i < json_size(spans); i++) {
		const struct json_value *span = json_at(spans, i);
		const char *name = json_get_string(span, "name");

		assert_int_equal(strlen(json_get_string(span, "traceId")), 32);
		assert_int_equal(strlen(json_get_string(span, "id")), 16);
		assert_true(json_get_integer(span, "duration", 0) >= 1);
		if (strcmp(name, "VM_migrate_downtime_begin") == 0)
			begin = span;
		if (strcmp(name, "VM_migrate_downtime_end") == 0)
			end = span;
	}
	assert_string_equal(json_get_string(json_at(spans, 0), "name"), "VM.pool_migrate");
	assert_int_equal(json_get_integer(json_at(spans, 0), "duration", 0), 300000);
	assert_int_equal(json_get_integer(end, "timestamp", 0) -
				 json_get_integer(begin, "timestamp", 0), 100000);
}

static void the_json_adds_up_to_the_downtime(void **state)
{
	CLEANUP_FREE char *text = write_with(timeline_write_json, record_text);
	CLEANUP_JSON_VALUE struct json_value *timeline = json_parse(text, strlen(text), NULL);
	const struct json_value *parts = json_get(json_get(timeline, "blackout"), "parts");
	double sum_ms = 0;

	(void)state;
	for (size_t i = 0; i < json_size(parts); i++)
		sum_ms += json_get_double(json_at(parts, i), "end_ms", 0) -
			  json_get_double(json_at(parts, i), "start_ms", 0);
	assert_float_equal(sum_ms, 100, 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_stretch_of_the_blackout_has_its_owner),
		cmocka_unit_test(a_guest_that_was_never_away_has_no_blackout),
		cmocka_unit_test(what_is_no_record_is_refused),
		cmocka_unit_test(strange_numbers_harm_no_writer),
		cmocka_unit_test(a_guests_name_is_no_markup_of_the_picture),
		cmocka_unit_test(a_guests_name_is_no_command_to_the_terminal),
		cmocka_unit_test(spans_have_the_names_that_others_look_for),
		cmocka_unit_test(the_json_adds_up_to_the_downtime),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
