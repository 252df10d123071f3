/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "uuid.h"

/* ---- lines ---- */

static void feed(struct rpc_lines *lines, const char *text)
{
	size_t room;
	char *at = rpc_lines_room(lines, &room);

	assert_true(strlen(text) <= room);
	memcpy(at, text, strlen(text));
	rpc_lines_filled(lines, strlen(text));
}

static void lines_come_out_whole_however_they_came_in(void **state)
{
	struct rpc_lines lines;
	const char *line;
	size_t size;

	(void)state;
	assert_int_equal(rpc_lines_init(&lines, 64), 0);

	feed(&lines, "on");
	assert_int_equal(rpc_lines_next(&lines, &line, &size), 0);
	feed(&lines, "e\ntwo\n\nthr");
	assert_int_equal(rpc_lines_next(&lines, &line, &size), 1);
	assert_string_equal(line, "one");
	assert_int_equal(rpc_lines_next(&lines, &line, &size), 1);
	assert_string_equal(line, "two");
	assert_int_equal(rpc_lines_next(&lines, &line, &size), 1);
	assert_int_equal(size, 0);
	assert_int_equal(rpc_lines_next(&lines, &line, &size), 0);
	feed(&lines, "ee\n");
	assert_int_equal(rpc_lines_next(&lines, &line, &size), 1);
	assert_string_equal(line, "three");
	rpc_lines_fini(&lines);
}

static void a_line_may_fill_the_buffer_and_not_pass_it(void **state)
{
	struct rpc_lines lines;
	const char *line;
	size_t size;

	(void)state;
	assert_int_equal(rpc_lines_init(&lines, 8), 0);

	feed(&lines, "1234567\n");
	assert_int_equal(rpc_lines_next(&lines, &line, &size), 1);
	assert_int_equal(size, 7);
	feed(&lines, "12345678");
	assert_int_equal(rpc_lines_next(&lines, &line, &size), -EMSGSIZE);
	rpc_lines_fini(&lines);
	rpc_lines_fini(&lines);
}

/* ---- requests ---- */

static int parse(const char *text, struct rpc_request *request, struct err *err)
{
	return rpc_parse_request(text, strlen(text), request, err);
}

static void a_request_has_its_method_its_params_and_its_id(void **state)
{
	struct rpc_request request;
	struct err err;

	(void)state;
	assert_int_equal(parse("{\"jsonrpc\": \"2.0\", \"id\": 7, \"method\": \"vm.migrate\","
			       " \"params\": {\"vm\": \"g1\"}}",
			       &request, &err),
			 0);
	assert_string_equal(request.method, "vm.migrate");
	assert_string_equal(json_get_string(request.params, "vm"), "g1");
	assert_int_equal(request.id.kind, RPC_ID_NUMBER);
	assert_int_equal(request.id.number, 7);
	rpc_request_fini(&request);
	rpc_request_fini(&request);
}

static void a_request_without_an_id_is_a_notification(void **state)
{
	struct rpc_request request;
	struct err err;

	(void)state;
	assert_int_equal(parse("{\"jsonrpc\": \"2.0\", \"method\": \"x\"}", &request, &err), 0);
	assert_int_equal(request.id.kind, RPC_ID_NONE);
	assert_null(request.params);
	rpc_request_fini(&request);
}

static const struct bad_request {
	const char *text;
	int number;
} bad_requests[] = {
	{ "", RPC_NOT_JSON },
	{ "GET / HTTP/1.1", RPC_NOT_JSON },
	{ "{\"jsonrpc\": \"2.0\"", RPC_NOT_JSON },
	{ "[]", RPC_NOT_A_REQUEST },
	{ "{}", RPC_NOT_A_REQUEST },
	{ "{\"jsonrpc\": \"1.0\", \"id\": 1, \"method\": \"x\"}", RPC_NOT_A_REQUEST },
	{ "{\"jsonrpc\": \"2.0\", \"id\": 1}", RPC_NOT_A_REQUEST },
	{ "{\"jsonrpc\": \"2.0\", \"id\": {}, \"method\": \"x\"}", RPC_NOT_A_REQUEST },
	{ "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": 2}", RPC_NOT_A_REQUEST },
	{ "{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"x\", \"params\": []}", RPC_BAD_PARAMS },
};

static void what_is_no_request_is_refused_with_its_number(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad_requests) / sizeof(bad_requests[0]); i++) {
		struct rpc_request request;
		struct err err = { .code = ERR_NONE };

		assert_int_equal(parse(bad_requests[i].text, &request, &err),
				 bad_requests[i].number);
		assert_true(err.message[0] != '\0');
		rpc_request_fini(&request);
	}
}

static void an_id_that_is_too_long_is_refused(void **state)
{
	char text[200];
	struct rpc_request request;
	struct err err;

	(void)state;
	snprintf(text, sizeof(text), "{\"jsonrpc\": \"2.0\", \"id\": \"%070d\", \"method\": \"x\"}",
		 0);

	assert_int_equal(parse(text, &request, &err), RPC_NOT_A_REQUEST);
	assert_int_equal(request.id.kind, RPC_ID_NONE);
	rpc_request_fini(&request);
}

/* ---- what is written ---- */

static void a_call_is_parsed_as_it_was_written(void **state)
{
	struct json_writer *writer = json_writer_new(false);
	struct rpc_request request;
	struct err err;

	(void)state;
	rpc_call_begin(writer, 3, "migration.get");
	json_put_string(writer, "uuid", "u");
	rpc_call_end(writer);

	assert_int_equal(parse(json_text(writer, NULL), &request, &err), 0);
	assert_string_equal(request.method, "migration.get");
	assert_string_equal(json_get_string(request.params, "uuid"), "u");
	rpc_request_fini(&request);
	json_writer_free(writer);
}

static struct json_value *written(struct json_writer *writer)
{
	size_t size;
	const char *text = json_text(writer, &size);
	struct json_value *value = json_parse(text, size, NULL);

	assert_non_null(value);
	assert_null(strchr(text, '\n'));
	json_writer_free(writer);
	return value;
}

static void a_result_is_found_by_its_id(void **state)
{
	const struct rpc_id id = { .kind = RPC_ID_NUMBER, .number = 3 };
	struct json_writer *writer = json_writer_new(false);
	const struct json_value *value;
	struct json_value *line;
	struct err err;

	(void)state;
	rpc_result_begin(writer, &id);
	json_string(writer, "done");
	rpc_result_end(writer);
	line = written(writer);

	assert_int_equal(rpc_read_answer(line, 3, &value, &err), RPC_RESULT);
	assert_string_equal(json_string_of(value), "done");
	assert_int_equal(rpc_read_answer(line, 4, &value, &err), RPC_STRANGE);
	json_value_free(line);
}

static void an_error_keeps_its_code_and_its_sentence(void **state)
{
	const struct rpc_id id = { .kind = RPC_ID_NUMBER, .number = 3 };
	const struct err sent = { ERR_NO_MEMORY, "not enough of it" };
	struct json_writer *writer = json_writer_new(false);
	const struct json_value *value, *data;
	struct json_value *line;
	struct err err;

	(void)state;
	rpc_put_error(writer, &id, rpc_number_of(&sent), &sent);
	line = written(writer);

	data = json_get(json_get(line, "error"), "data");
	assert_int_equal(json_get_integer(json_get(line, "error"), "code", 0), RPC_OURS);
	assert_string_equal(json_get_string(data, "code"), "not-enough-memory");
	assert_int_equal(json_get_integer(data, "exit_status", 0), 7);
	assert_true(rpc_read_answer(line, 3, &value, &err) < 0);
	assert_int_equal(err.code, ERR_NO_MEMORY);
	assert_string_equal(err.message, "not enough of it");
	json_value_free(line);
}

static void an_event_is_no_answer(void **state)
{
	struct json_value *record = json_parse("{\"uuid\": \"u\"}", 13, NULL);
	struct json_writer *writer = json_writer_new(false);
	const struct json_value *value;
	struct json_value *line;
	struct err err;

	(void)state;
	rpc_put_event(writer, RPC_EVENT, record);
	line = written(writer);

	assert_int_equal(rpc_read_answer(line, 3, &value, &err), RPC_NOTIFICATION);
	assert_string_equal(json_get_string(value, "uuid"), "u");
	json_value_free(line);
	json_value_free(record);
}

/* ---- ids ---- */

static void a_uuid_has_one_text_only(void **state)
{
	static const char *const bad[] = {
		"",
		"..",
		"5F0C2C1E-7C36-4B67-9D0C-6A1B2F0D9A11",
		"5f0c2c1e7c364b679d0c6a1b2f0d9a11",
		"5f0c2c1e-7c36-4b67-9d0c-6a1b2f0d9a1",
		"5f0c2c1e-7c36-4b67-9d0c-6a1b2f0d9a111",
		"5f0c2c1e-7c36-4b67-9d0c-6a1b2f0d9a1/",
	};
	char text[UUID_TEXT];
	uint8_t uuid[UUID_BYTES];

	(void)state;
	assert_true(uuid_from_text("5f0c2c1e-7c36-4b67-9d0c-6a1b2f0d9a11", uuid));
	uuid_to_text(uuid, text);
	assert_string_equal(text, "5f0c2c1e-7c36-4b67-9d0c-6a1b2f0d9a11");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(uuid_from_text(bad[i], uuid));
}

static void a_new_uuid_is_of_version_4(void **state)
{
	char text[UUID_TEXT], nonce[NONCE_TEXT];
	uint8_t uuid[UUID_BYTES], again[UUID_BYTES];

	(void)state;
	uuid_make(&clock_system, uuid);
	uuid_to_text(uuid, text);
	nonce_to_text(uuid, nonce);

	assert_int_equal(text[14], '4');
	assert_non_null(strchr("89ab", text[19]));
	assert_true(nonce_from_text(nonce, again));
	assert_memory_equal(uuid, again, sizeof(uuid));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_come_out_whole_however_they_came_in),
		cmocka_unit_test(a_line_may_fill_the_buffer_and_not_pass_it),
		cmocka_unit_test(a_request_has_its_method_its_params_and_its_id),
		cmocka_unit_test(a_request_without_an_id_is_a_notification),
		cmocka_unit_test(what_is_no_request_is_refused_with_its_number),
		cmocka_unit_test(an_id_that_is_too_long_is_refused),
		cmocka_unit_test(a_call_is_parsed_as_it_was_written),
		cmocka_unit_test(a_result_is_found_by_its_id),
		cmocka_unit_test(an_error_keeps_its_code_and_its_sentence),
		cmocka_unit_test(an_event_is_no_answer),
		cmocka_unit_test(a_uuid_has_one_text_only),
		cmocka_unit_test(a_new_uuid_is_of_version_4),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
