/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON over yajl: a writer that cannot produce a broken text, and a bounded tree to read from.
 */
#ifndef XENFERRY_JSON_H
#define XENFERRY_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

/* ---- writing ---- */

struct json_writer;

/*
 * NULL only when out of memory. `pretty`: indented, for people. Memory that runs out later ends the
 * program (few texts outgrow what is reserved here): half a text must never be sent or kept.
 * A writer takes one value at the root; a value without its key, an end without its begin are
 * assertions.
 */
struct json_writer *json_writer_new(bool pretty);
void json_writer_free(struct json_writer *writer); /* accepts NULL */
static inline void json_writer_cleanup(struct json_writer **writer)
{
	json_writer_free(*writer);
}
#define CLEANUP_JSON_WRITER __attribute__((cleanup(json_writer_cleanup)))

void json_object_begin(struct json_writer *writer);
void json_object_end(struct json_writer *writer);
void json_array_begin(struct json_writer *writer);
void json_array_end(struct json_writer *writer);
void json_key(struct json_writer *writer, const char *key);
/* Invalid UTF-8 is written as U+FFFD: guests choose their own names. NULL is written as null. */
void json_string(struct json_writer *writer, const char *string);
void json_integer(struct json_writer *writer, int64_t value);
void json_double(struct json_writer *writer, double value); /* three decimals; not finite: null */
void json_number(struct json_writer *writer, const char *number); /* a JSON number, as it is */
void json_boolean(struct json_writer *writer, bool value);
void json_null(struct json_writer *writer);

/* key and value in one line */
void json_put_string(struct json_writer *writer, const char *key, const char *value);
void json_put_integer(struct json_writer *writer, const char *key, int64_t value);
void json_put_double(struct json_writer *writer, const char *key, double value);
void json_put_boolean(struct json_writer *writer, const char *key, bool value);

/*
 * The text so far, without a newline, NUL-terminated; valid until the next call on `writer`.
 * `size` (bytes, without the NUL) may be NULL.
 */
const char *json_text(struct json_writer *writer, size_t *size);

/* ---- reading ---- */

#define JSON_DEPTH_MAX 32
#define JSON_MEMBERS_MAX 1024 /* of one object */

struct json_value;

/*
 * Parses `size` bytes at `text` as one JSON value. NULL with `err` set (where, what) when it is
 * not JSON, is nested deeper than JSON_DEPTH_MAX, has an object of more than JSON_MEMBERS_MAX,
 * repeats a key, or holds a NUL in a string. Free with json_value_free().
 */
struct json_value *json_parse(const char *text, size_t size, struct err *err);
/* The same for a regular file of at most `size_max` bytes; the message names file and line. */
struct json_value *json_parse_file(const char *path, size_t size_max, struct err *err);
void json_value_free(struct json_value *value); /* the root only; accepts NULL */
static inline void json_value_cleanup(struct json_value **value)
{
	json_value_free(*value);
}
#define CLEANUP_JSON_VALUE __attribute__((cleanup(json_value_cleanup)))

bool json_is_object(const struct json_value *value);
bool json_is_array(const struct json_value *value);
/* All accept NULL and a value of another type, and then return NULL, 0, false or `fallback`. */
const struct json_value *json_get(const struct json_value *object, const char *key);
unsigned json_line_of(const struct json_value *value);         /* of its text, from 1 */
size_t json_size(const struct json_value *value);              /* members or elements */
const struct json_value *json_at(const struct json_value *array, size_t index);
const char *json_key_at(const struct json_value *object, size_t index);
const struct json_value *json_value_at(const struct json_value *object, size_t index);
const char *json_string_of(const struct json_value *value);    /* NULL: not a string */
/* A number with a fraction or an exponent, or one beyond 64 bits, is no integer. */
int64_t json_integer_of(const struct json_value *value, int64_t fallback);
double json_double_of(const struct json_value *value, double fallback);
bool json_boolean_of(const struct json_value *value, bool fallback);
/* json_string_of(json_get(object, key)), and so on */
const char *json_get_string(const struct json_value *object, const char *key);
int64_t json_get_integer(const struct json_value *object, const char *key, int64_t fallback);
double json_get_double(const struct json_value *object, const char *key, double fallback);
bool json_get_boolean(const struct json_value *object, const char *key, bool fallback);

/* Writes a parsed value into `writer`, unchanged. */
void json_copy(struct json_writer *writer, const struct json_value *value);

#endif
