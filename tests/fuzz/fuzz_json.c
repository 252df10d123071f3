/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Any text as JSON: what is parsed is written again as a text that parses to the same. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "json.h"

static void walk(const struct json_value *value, unsigned depth)
{
	assert(depth <= JSON_DEPTH_MAX);
	(void)json_integer_of(value, 0);
	(void)json_double_of(value, 0);
	(void)json_boolean_of(value, false);
	(void)json_get_string(value, "name");
	for (size_t i = 0; i < json_size(value); i++) {
		if (json_is_object(value)) {
			assert(json_get(value, json_key_at(value, i)) == json_value_at(value, i));
			walk(json_value_at(value, i), depth + 1);
		} else {
			walk(json_at(value, i), depth + 1);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_JSON_WRITER struct json_writer *first = json_writer_new(false);
	CLEANUP_JSON_WRITER struct json_writer *second = json_writer_new(false);
	CLEANUP_JSON_VALUE struct json_value *value = NULL, *again = NULL;
	struct err err = { .code = ERR_NONE };
	const char *text;
	size_t length;

	value = json_parse((const char *)data, size, &err);
	if (!value) {
		assert(err.code != ERR_NONE && err.message[0]);
		return 0;
	}
	walk(value, 0);
	json_copy(first, value);
	text = json_text(first, &length);
	again = json_parse(text, length, &err);
	assert(again);
	json_copy(second, again);
	assert(strcmp(json_text(second, NULL), text) == 0);
	return 0;
}
