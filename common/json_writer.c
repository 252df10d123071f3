/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <yajl/yajl_gen.h>

#include "utf8.h"

#define WRITER_RESERVE_BYTES 4096 /* most records fit, so that writing one allocates nothing */

struct json_writer {
	yajl_gen gen;
	char *text;
	size_t size, capacity;
};

/* Makes room for `size` bytes and a NUL. There is no way on without: half a text is a lie. */
static void writer_reserve(struct json_writer *writer, size_t size)
{
	size_t capacity = writer->capacity ? writer->capacity : WRITER_RESERVE_BYTES;
	char *text;

	while (capacity - writer->size <= size) {
		if (capacity > SIZE_MAX / 2)
			abort();
		capacity *= 2;
	}
	if (capacity == writer->capacity)
		return;
	text = realloc(writer->text, capacity);
	if (!text)
		abort();
	writer->text = text;
	writer->capacity = capacity;
}

static void writer_print(void *context, const char *bytes, size_t size)
{
	struct json_writer *writer = context;

	writer_reserve(writer, size);
	memcpy(writer->text + writer->size, bytes, size);
	writer->size += size;
}

struct json_writer *json_writer_new(bool pretty)
{
	struct json_writer *writer = calloc(1, sizeof(*writer));

	if (!writer)
		return NULL;
	writer->text = malloc(WRITER_RESERVE_BYTES);
	writer->gen = yajl_gen_alloc(NULL);
	if (!writer->text || !writer->gen) {
		json_writer_free(writer);
		return NULL;
	}
	writer->capacity = WRITER_RESERVE_BYTES;
	yajl_gen_config(writer->gen, yajl_gen_print_callback, writer_print, (void *)writer);
	yajl_gen_config(writer->gen, yajl_gen_beautify, (int)pretty);
	yajl_gen_config(writer->gen, yajl_gen_indent_string, "  ");
	return writer;
}

void json_writer_free(struct json_writer *writer)
{
	if (!writer)
		return;
	if (writer->gen)
		yajl_gen_free(writer->gen);
	free(writer->text);
	free(writer);
}

const char *json_text(struct json_writer *writer, size_t *size)
{
	writer_reserve(writer, 0);
	/* a finished pretty text ends in a newline of yajl's */
	if (writer->size > 0 && writer->text[writer->size - 1] == '\n')
		writer->size--;
	writer->text[writer->size] = '\0';
	if (size)
		*size = writer->size;
	return writer->text;
}

/* A value where a key must be, an end without its begin: mistakes of ours, never of the data. */
static void must(yajl_gen_status status)
{
	assert(status == yajl_gen_status_ok);
}

void json_object_begin(struct json_writer *writer)
{
	must(yajl_gen_map_open(writer->gen));
}

void json_object_end(struct json_writer *writer)
{
	must(yajl_gen_map_close(writer->gen));
}

void json_array_begin(struct json_writer *writer)
{
	must(yajl_gen_array_open(writer->gen));
}

void json_array_end(struct json_writer *writer)
{
	must(yajl_gen_array_close(writer->gen));
}

void json_string(struct json_writer *writer, const char *string)
{
	char *mended = NULL;

	if (!string) {
		json_null(writer);
		return;
	}
	if (!utf8_is_valid(string))
		string = mended = utf8_mend(string);
	must(yajl_gen_string(writer->gen, (const unsigned char *)string, strlen(string)));
	free(mended);
}

void json_key(struct json_writer *writer, const char *key)
{
	assert(key);
	json_string(writer, key);
}

void json_integer(struct json_writer *writer, int64_t value)
{
	must(yajl_gen_integer(writer->gen, value));
}

void json_double(struct json_writer *writer, double value)
{
	char number[64];

	if (!isfinite(value)) {
		json_null(writer);
		return;
	}
	/* beyond 2^53 a double has no decimals, only a long tail of digits */
	if (fabs(value) < 9007199254740992.0)
		snprintf(number, sizeof(number), "%.3f", value);
	else
		snprintf(number, sizeof(number), "%.17g", value);
	json_number(writer, number);
}

void json_number(struct json_writer *writer, const char *number)
{
	must(yajl_gen_number(writer->gen, number, strlen(number)));
}

void json_boolean(struct json_writer *writer, bool value)
{
	must(yajl_gen_bool(writer->gen, value));
}

void json_null(struct json_writer *writer)
{
	must(yajl_gen_null(writer->gen));
}

void json_put_string(struct json_writer *writer, const char *key, const char *value)
{
	json_key(writer, key);
	json_string(writer, value);
}

void json_put_integer(struct json_writer *writer, const char *key, int64_t value)
{
	json_key(writer, key);
	json_integer(writer, value);
}

void json_put_double(struct json_writer *writer, const char *key, double value)
{
	json_key(writer, key);
	json_double(writer, value);
}

void json_put_boolean(struct json_writer *writer, const char *key, bool value)
{
	json_key(writer, key);
	json_boolean(writer, value);
}
