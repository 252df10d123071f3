/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "cleanup.h"

/* ---- writing ---- */

static void a_record_is_written_in_the_order_of_its_calls(void **state)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	size_t size;

	(void)state;
	json_object_begin(writer);
	json_put_string(writer, "name-label", "g1");
	json_put_integer(writer, "total_bytes", INT64_MIN);
	json_put_double(writer, "downtime_ms", 130.25);
	json_put_boolean(writer, "verified", true);
	json_put_string(writer, "error", NULL);
	json_key(writer, "steps");
	json_array_begin(writer);
	json_integer(writer, 1);
	json_null(writer);
	json_array_end(writer);
	json_object_end(writer);

	assert_string_equal(json_text(writer, &size),
			    "{\"name-label\":\"g1\",\"total_bytes\":-9223372036854775808,"
			    "\"downtime_ms\":130.250,\"verified\":true,\"error\":null,"
			    "\"steps\":[1,null]}");
	assert_int_equal(size, strlen(json_text(writer, NULL)));
}

static void a_pretty_text_is_indented_and_ends_without_a_newline(void **state)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(true);

	(void)state;
	json_object_begin(writer);
	json_put_integer(writer, "hosts", 2);
	json_object_end(writer);

	assert_string_equal(json_text(writer, NULL), "{\n  \"hosts\": 2\n}");
	assert_string_equal(json_text(writer, NULL), "{\n  \"hosts\": 2\n}");
}

static void a_string_can_neither_break_a_line_nor_the_encoding(void **state)
{
	static const struct {
		const char *string, *written;
	} cases[] = {
		{ "", "\"\"" },
		{ "a\nb\"c\\", "\"a\\nb\\\"c\\\\\"" },
		{ "\x01", "\"\\u0001\"" },
		{ "caf\xc3\xa9 \xf0\x9f\x9a\xa2", "\"caf\xc3\xa9 \xf0\x9f\x9a\xa2\"" },
		{ "\xc3", "\"\xef\xbf\xbd\"" },                         /* cut */
		{ "\xff-g1", "\"\xef\xbf\xbd-g1\"" },                   /* never a first byte */
		{ "\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },         /* overlong */
		{ "\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" }, /* surrogate */
		{ "\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\"" },
		{ "\xf4\x90\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

		json_string(writer, cases[i].string);
		assert_string_equal(json_text(writer, NULL), cases[i].written);
	}
}

static void a_number_that_json_cannot_hold_is_null(void **state)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	(void)state;
	json_array_begin(writer);
	json_double(writer, (double)NAN);
	json_double(writer, (double)INFINITY);
	json_double(writer, 1e300);
	json_array_end(writer);

	assert_string_equal(json_text(writer, NULL), "[null,null,1.0000000000000001e+300]");
}

static void a_text_grows_beyond_what_was_reserved(void **state)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	CLEANUP_FREE char *string = malloc(100001);
	size_t size;

	(void)state;
	memset(string, 'x', 100000);
	string[100000] = '\0';
	json_string(writer, string);

	json_text(writer, &size);
	assert_int_equal(size, 100002);
}

/* ---- reading ---- */

static struct json_value *parsed(const char *text)
{
	struct err err = { 0 };
	struct json_value *value = json_parse(text, strlen(text), &err);

	if (!value)
		fail_msg("%s: %s", text, err.message);
	return value;
}

static void what_was_read_is_found_by_key_and_by_index(void **state)
{
	CLEANUP_JSON_VALUE struct json_value *root =
		parsed("{\"hosts\": [{\"name\": \"B\", \"port\": 8002}], \"live\": true,"
		       " \"rate\": 1.5}");
	const struct json_value *host = json_at(json_get(root, "hosts"), 0);

	(void)state;
	assert_true(json_is_object(root));
	assert_int_equal(json_size(root), 3);
	assert_true(json_is_array(json_get(root, "hosts")));
	assert_string_equal(json_get_string(host, "name"), "B");
	assert_int_equal(json_get_integer(host, "port", 0), 8002);
	assert_true(json_get_boolean(root, "live", false));
	assert_true(json_get_double(root, "rate", 0) == 1.5);
	assert_true(json_get_double(host, "port", 0) == 8002.0);
	assert_string_equal(json_key_at(root, 1), "live");
	assert_true(json_boolean_of(json_value_at(root, 1), false));
}

static void what_is_not_there_or_of_another_type_is_the_fallback(void **state)
{
	CLEANUP_JSON_VALUE struct json_value *root =
		parsed("{\"n\": 1, \"s\": \"1\", \"a\": [], \"o\": {}, \"z\": null}");

	(void)state;
	assert_null(json_get(NULL, "n"));
	assert_null(json_get(root, "absent"));
	assert_null(json_get(json_get(root, "a"), "n"));
	assert_null(json_at(root, 0));
	assert_null(json_at(json_get(root, "a"), 0));
	assert_null(json_key_at(root, 5));
	assert_null(json_value_at(root, 5));
	assert_null(json_get_string(root, "n"));
	assert_null(json_get_string(root, "z"));
	assert_int_equal(json_get_integer(root, "s", -7), -7);
	assert_true(json_get_double(root, "s", -7.0) == -7.0);
	assert_true(json_get_boolean(root, "n", true));
	assert_int_equal(json_size(NULL), 0);
	assert_int_equal(json_size(json_get(root, "n")), 0);
	assert_false(json_is_object(NULL));
	json_value_free(NULL);
}

static void a_value_knows_its_line(void **state)
{
	CLEANUP_JSON_VALUE struct json_value *root =
		parsed("\n{\n \"a\": 1, \"b\":\n  [\n\n\"x\", true],\n\"c\": {}}");

	(void)state;
	assert_int_equal(json_line_of(root), 2);
	assert_int_equal(json_line_of(json_get(root, "a")), 3);
	assert_int_equal(json_line_of(json_get(root, "b")), 4);
	assert_int_equal(json_line_of(json_at(json_get(root, "b"), 0)), 6);
	assert_int_equal(json_line_of(json_get(root, "c")), 7);
	assert_int_equal(json_line_of(NULL), 0);
}

static void only_a_whole_number_within_64_bits_is_an_integer(void **state)
{
	static const struct {
		const char *text;
		int64_t integer;
	} cases[] = {
		{ "9223372036854775807", INT64_MAX }, { "-9223372036854775808", INT64_MIN },
		{ "9223372036854775808", -1 },        { "1.0", -1 },
		{ "1e3", -1 },                        { "-0", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		CLEANUP_JSON_VALUE struct json_value *value = parsed(cases[i].text);

		assert_int_equal(json_integer_of(value, -1), cases[i].integer);
	}
}

static void a_double_beyond_its_range_is_the_fallback(void **state)
{
	CLEANUP_JSON_VALUE struct json_value *value = parsed("1e999");

	(void)state;
	assert_true(json_double_of(value, 3.0) == 3.0);
}

static void what_is_not_json_is_refused_with_its_line(void **state)
{
	static const char *const texts[] = {
		"",          " ",         "{",         "[1,]",          "{\"a\" 1}",  "nul",
		"1 2",       "{} x",      "'a'",       "\"\xff\"",      "\"a\nb\"",   "[1}",
		"{\"a\":1,}", "01",       "// no\n1",  "\"\\u0000\"",   "{\"\\u0000\":1}",
		"{\"a\":1,\"a\":2}",      "{\"a\":{\"b\":1,\"b\":1}}",   "\"open",
		"\"\xc1\x87\"", "{\"\xc1\x87\":1}", "[\"\xed\xa0\x80\"]",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct err err = { 0 };

		if (json_parse(texts[i], strlen(texts[i]), &err))
			fail_msg("taken: %s", texts[i]);
		assert_int_equal(err.code, ERR_FAILED);
		assert_non_null(strstr(err.message, "line "));
		assert_null(strchr(err.message, '\n'));
	}
}

static void the_line_of_a_mistake_is_named(void **state)
{
	static const char text[] = "{\n  \"name\": \"A\",\n  \"port\": x\n}\n";
	struct err err = { 0 };

	(void)state;
	assert_null(json_parse(text, strlen(text), &err));
	assert_non_null(strstr(err.message, "line 3"));
}

/* Parses `depth` arrays inside each other. */
static bool nests(size_t depth)
{
	char text[4 * JSON_DEPTH_MAX];
	struct json_value *value;

	memset(text, '[', depth);
	memset(text + depth, ']', depth);
	value = json_parse(text, 2 * depth, NULL);
	json_value_free(value);
	return value;
}

static void nesting_is_bounded(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_true(nests(JSON_DEPTH_MAX));
	assert_false(nests(JSON_DEPTH_MAX + 1));
	assert_null(json_parse("[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[", 40, &err));
	assert_non_null(strstr(err.message, "too deeply"));
}

/* Parses an object of `count` members. */
static bool holds(size_t count)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct json_value *value;
	const char *text;
	size_t size;

	json_object_begin(writer);
	for (size_t i = 0; i < count; i++) {
		char key[24];

		snprintf(key, sizeof(key), "%zu", i);
		json_put_boolean(writer, key, true);
	}
	json_object_end(writer);
	text = json_text(writer, &size);
	value = json_parse(text, size, NULL);
	json_value_free(value);
	return value;
}

static void members_are_bounded(void **state)
{
	(void)state;
	assert_true(holds(JSON_MEMBERS_MAX));
	assert_false(holds(JSON_MEMBERS_MAX + 1));
}

static void a_copy_says_the_same(void **state)
{
	static const char text[] =
		"{\"a\":[1,-2.50,3e7,9223372036854775808,[],{}],\"b\":{\"c\":null,\"d\":false},"
		"\"\":\"\xc3\xa9\\n\"}";
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	CLEANUP_JSON_VALUE struct json_value *value = parsed(text);

	(void)state;
	json_copy(writer, value);

	assert_string_equal(json_text(writer, NULL), text);
}

static void the_copy_of_nothing_is_null(void **state)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	(void)state;
	json_copy(writer, NULL);

	assert_string_equal(json_text(writer, NULL), "null");
}

/* ---- files ---- */

/* A file with `text`, whose name is put into `path` (a template for mkstemp). */
static void write_file(char *path, const char *text)
{
	CLEANUP_FD int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void a_file_is_read_whole(void **state)
{
	char path[] = "test_json.XXXXXX";
	CLEANUP_JSON_VALUE struct json_value *value = NULL;

	(void)state;
	write_file(path, "{\"port\": 8002}\n");
	value = json_parse_file(path, 15, NULL);
	unlink(path);

	assert_int_equal(json_get_integer(value, "port", 0), 8002);
}

static void a_mistake_in_a_file_is_named_by_file_and_line(void **state)
{
	char path[] = "test_json.XXXXXX", place[64];
	struct err err = { 0 };

	(void)state;
	write_file(path, "{\n\"port\" 8002}\n");
	assert_null(json_parse_file(path, 1000, &err));
	unlink(path);

	snprintf(place, sizeof(place), "%s:2: ", path);
	assert_memory_equal(err.message, place, strlen(place));
}

static void a_file_over_its_bound_is_refused(void **state)
{
	char path[] = "test_json.XXXXXX";
	struct err err = { 0 };

	(void)state;
	write_file(path, "{\"port\": 8002}\n");
	assert_null(json_parse_file(path, 14, &err));
	unlink(path);

	assert_non_null(strstr(err.message, "more than 14 bytes"));
}

static void what_is_no_file_is_refused_by_name(void **state)
{
	struct err err = { 0 };

	(void)state;
	assert_null(json_parse_file("/nonexistent/hosts.json", 1000, &err));
	assert_string_equal(err.message, "read /nonexistent/hosts.json: No such file or directory");
	assert_null(json_parse_file("/", 1000, &err));
	assert_string_equal(err.message, "read /: it is not a file");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_record_is_written_in_the_order_of_its_calls),
		cmocka_unit_test(a_pretty_text_is_indented_and_ends_without_a_newline),
		cmocka_unit_test(a_string_can_neither_break_a_line_nor_the_encoding),
		cmocka_unit_test(a_number_that_json_cannot_hold_is_null),
		cmocka_unit_test(a_text_grows_beyond_what_was_reserved),
		cmocka_unit_test(what_was_read_is_found_by_key_and_by_index),
		cmocka_unit_test(what_is_not_there_or_of_another_type_is_the_fallback),
		cmocka_unit_test(only_a_whole_number_within_64_bits_is_an_integer),
		cmocka_unit_test(a_double_beyond_its_range_is_the_fallback),
		cmocka_unit_test(what_is_not_json_is_refused_with_its_line),
		cmocka_unit_test(the_line_of_a_mistake_is_named),
		cmocka_unit_test(nesting_is_bounded),
		cmocka_unit_test(members_are_bounded),
		cmocka_unit_test(a_copy_says_the_same),
		cmocka_unit_test(the_copy_of_nothing_is_null),
		cmocka_unit_test(a_value_knows_its_line),
		cmocka_unit_test(a_file_is_read_whole),
		cmocka_unit_test(a_mistake_in_a_file_is_named_by_file_and_line),
		cmocka_unit_test(a_file_over_its_bound_is_refused),
		cmocka_unit_test(what_is_no_file_is_refused_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
