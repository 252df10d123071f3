/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The reader: yajl's streaming parser calls back for each token, and a stack of open objects and
 * arrays, no deeper than JSON_DEPTH_MAX, grows the tree. Entry points: json_parse(),
 * json_parse_file(), then the look-ups, which never fail.
 */
#include "json.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <yajl/yajl_parse.h>

#include "cleanup.h"
#include "utf8.h"

enum json_type { JSON_NULL, JSON_BOOLEAN, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT };

struct json_member;

struct json_value {
	enum json_type type;
	bool boolean;
	unsigned line;               /* where it is written, or begins; from 1 */
	char *text;                  /* of a string or a number, as it was written */
	struct json_member *members; /* of an object or an array */
	size_t count, capacity;
};

struct json_member {
	char *key; /* NULL in an array */
	struct json_value value;
};

struct parser {
	yajl_handle yajl;
	const char *text;
	size_t counted;   /* bytes of the text in which `line` counts the newlines, from 1 */
	unsigned line;
	struct json_value *root;
	/*
	 * The open objects and arrays, the innermost last. They lie inside each other's members; an
	 * outer one does not grow, and so does not move, before the inner one is closed.
	 */
	struct json_value *open[JSON_DEPTH_MAX];
	size_t depth;
	char *key;        /* read, its value not yet */
	const char *why;  /* we refuse */
};

/* ---- building ---- */

/* Frees what `value` holds. Recursive, no deeper than the parser let it become. */
static void value_fini(struct json_value *value)
{
	for (size_t i = 0; i < value->count; i++) {
		free(value->members[i].key);
		value_fini(&value->members[i].value);
	}
	free(value->members);
	free(value->text);
}

void json_value_free(struct json_value *value)
{
	if (!value)
		return;
	value_fini(value);
	free(value);
}

/* Callbacks return 1 to go on, 0 to refuse. */
static int refuse(struct parser *parser, const char *why)
{
	parser->why = why;
	return 0;
}

/* One more member at the end of an object or an array; NULL when out of memory. */
static struct json_member *container_grow(struct json_value *container)
{
	if (container->count == container->capacity) {
		size_t capacity = container->capacity ? 2 * container->capacity : 4;
		struct json_member *members =
			reallocarray(container->members, capacity, sizeof(*members));

		if (!members)
			return NULL;
		container->members = members;
		container->capacity = capacity;
	}
	container->members[container->count] = (struct json_member){ 0 };
	return &container->members[container->count++];
}

/* The line to which the parser has come. */
static unsigned parser_line(struct parser *parser)
{
	size_t consumed = yajl_get_bytes_consumed(parser->yajl);

	for (; parser->counted < consumed; parser->counted++)
		parser->line += parser->text[parser->counted] == '\n';
	return parser->line;
}

/* Where the next value goes: into the innermost open container, or the root. */
static struct json_value *parser_place(struct parser *parser, enum json_type type)
{
	struct json_member *member = NULL;
	struct json_value *value;

	if (parser->depth == 0) {
		parser->root = value = calloc(1, sizeof(*parser->root));
	} else {
		member = container_grow(parser->open[parser->depth - 1]);
		value = member ? &member->value : NULL;
	}
	if (!value)
		return NULL;
	if (member)
		member->key = steal(parser->key);
	value->type = type;
	value->line = parser_line(parser);
	return value;
}

static int parser_text(struct parser *parser, enum json_type type, const char *text, size_t size)
{
	struct json_value *value = parser_place(parser, type);

	if (value)
		value->text = strndup(text, size);
	if (!value || !value->text)
		return refuse(parser, "out of memory");
	return utf8_is_valid(value->text) ? 1 : refuse(parser, "a string is not UTF-8");
}

static int parser_open(struct parser *parser, enum json_type type)
{
	struct json_value *value;

	if (parser->depth == JSON_DEPTH_MAX)
		return refuse(parser, "it is nested too deeply");
	value = parser_place(parser, type);
	if (!value)
		return refuse(parser, "out of memory");
	parser->open[parser->depth++] = value;
	return 1;
}

static int on_null(void *context)
{
	return parser_place(context, JSON_NULL) ? 1 : refuse(context, "out of memory");
}

static int on_boolean(void *context, int boolean)
{
	struct json_value *value = parser_place(context, JSON_BOOLEAN);

	if (!value)
		return refuse(context, "out of memory");
	value->boolean = boolean;
	return 1;
}

static int on_number(void *context, const char *text, size_t size)
{
	return parser_text(context, JSON_NUMBER, text, size);
}

static int on_string(void *context, const unsigned char *text, size_t size)
{
	if (memchr(text, '\0', size))
		return refuse(context, "a string holds a NUL");
	return parser_text(context, JSON_STRING, (const char *)text, size);
}

static int on_key(void *context, const unsigned char *text, size_t size)
{
	struct parser *parser = context;
	const struct json_value *object = parser->open[parser->depth - 1];

	if (memchr(text, '\0', size))
		return refuse(parser, "a key holds a NUL");
	if (object->count == JSON_MEMBERS_MAX)
		return refuse(parser, "an object has too many members");
	parser->key = strndup((const char *)text, size);
	if (!parser->key)
		return refuse(parser, "out of memory");
	if (!utf8_is_valid(parser->key)) /* yajl lets some through */
		return refuse(parser, "a key is not UTF-8");
	return json_get(object, parser->key) ? refuse(parser, "a key is repeated") : 1;
}

static int on_object(void *context)
{
	return parser_open(context, JSON_OBJECT);
}

static int on_array(void *context)
{
	return parser_open(context, JSON_ARRAY);
}

static int on_end(void *context)
{
	struct parser *parser = context;

	parser->depth--;
	return 1;
}

static const yajl_callbacks callbacks = {
	.yajl_null = on_null,
	.yajl_boolean = on_boolean,
	.yajl_number = on_number,
	.yajl_string = on_string,
	.yajl_start_map = on_object,
	.yajl_map_key = on_key,
	.yajl_end_map = on_end,
	.yajl_start_array = on_array,
	.yajl_end_array = on_end,
};

/* ---- parsing ---- */

/* What went wrong, and in which line of the text (from 1). */
struct complaint {
	char what[128];
	size_t line;
};

/* yajl's own words end in a newline, ours do not. */
static void complain(struct complaint *complaint, yajl_handle yajl, const struct parser *parser,
		     const char *text, size_t offset)
{
	unsigned char *said = parser->why ? NULL : yajl_get_error(yajl, 0, NULL, 0);
	const char *what = parser->why ? parser->why : (const char *)said;

	complaint->line = 1;
	for (size_t i = 0; i < offset; i++)
		complaint->line += text[i] == '\n';
	snprintf(complaint->what, sizeof(complaint->what), "%.*s", (int)strcspn(what, "\n"), what);
	if (said)
		yajl_free_error(yajl, said);
}

static struct json_value *parse(const char *text, size_t size, struct complaint *complaint)
{
	struct parser parser = { .text = text, .line = 1 };
	yajl_handle yajl = yajl_alloc(&callbacks, NULL, &parser);
	size_t offset;

	parser.yajl = yajl;

	if (!yajl) {
		*complaint = (struct complaint){ .what = "out of memory", .line = 1 };
		return NULL;
	}
	if (yajl_parse(yajl, (const unsigned char *)text, size) != yajl_status_ok) {
		offset = yajl_get_bytes_consumed(yajl);
		complain(complaint, yajl, &parser, text, offset < size ? offset : size);
	} else if (yajl_complete_parse(yajl) != yajl_status_ok) {
		complain(complaint, yajl, &parser, text, size);
	} else {
		yajl_free(yajl);
		return parser.root;
	}
	yajl_free(yajl);
	free(parser.key);
	json_value_free(parser.root);
	return NULL;
}

struct json_value *json_parse(const char *text, size_t size, struct err *err)
{
	struct complaint complaint;
	struct json_value *value = parse(text, size, &complaint);

	if (!value)
		err_set(err, ERR_FAILED, -EBADMSG, "not the JSON that it should be: line %zu: %s",
			complaint.line, complaint.what);
	return value;
}

/* Reads the whole of a file, one byte more than `size_max` at most. */
static int read_whole(const char *path, size_t size_max, char **text, size_t *size,
		      struct err *err)
{
	CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	CLEANUP_FREE char *buffer = NULL;
	struct stat about;
	size_t filled = 0;
	ssize_t got;

	if (fd < 0 || fstat(fd, &about) < 0)
		return err_errno(err, "read %s", path);
	if (!S_ISREG(about.st_mode))
		return err_set(err, ERR_FAILED, -EINVAL, "read %s: it is not a file", path);
	buffer = malloc(size_max + 1);
	if (!buffer)
		return err_errno(err, "read %s", path);
	do {
		got = read(fd, buffer + filled, size_max + 1 - filled);
		if (got < 0 && errno != EINTR)
			return err_errno(err, "read %s", path);
		filled += got > 0 ? (size_t)got : 0;
	} while (got != 0 && filled <= size_max);
	if (filled > size_max)
		return err_set(err, ERR_FAILED, -EFBIG, "read %s: it has more than %zu bytes", path,
			       size_max);
	*text = steal(buffer);
	*size = filled;
	return 0;
}

struct json_value *json_parse_file(const char *path, size_t size_max, struct err *err)
{
	CLEANUP_FREE char *text = NULL;
	struct complaint complaint;
	struct json_value *value;
	size_t size = 0;

	if (read_whole(path, size_max, &text, &size, err) < 0)
		return NULL;
	value = parse(text, size, &complaint);
	if (!value)
		err_set(err, ERR_FAILED, -EBADMSG, "%s:%zu: %s", path, complaint.line,
			complaint.what);
	return value;
}

/* ---- looking up ---- */

static bool is(const struct json_value *value, enum json_type type)
{
	return value && value->type == type;
}

bool json_is_object(const struct json_value *value)
{
	return is(value, JSON_OBJECT);
}

bool json_is_array(const struct json_value *value)
{
	return is(value, JSON_ARRAY);
}

const struct json_value *json_get(const struct json_value *object, const char *key)
{
	if (!json_is_object(object))
		return NULL;
	for (size_t i = 0; i < object->count; i++)
		if (strcmp(object->members[i].key, key) == 0)
			return &object->members[i].value;
	return NULL;
}

unsigned json_line_of(const struct json_value *value)
{
	return value ? value->line : 0;
}

size_t json_size(const struct json_value *value)
{
	return value ? value->count : 0;
}

const struct json_value *json_at(const struct json_value *array, size_t index)
{
	return json_is_array(array) && index < array->count ? &array->members[index].value : NULL;
}

const char *json_key_at(const struct json_value *object, size_t index)
{
	return json_is_object(object) && index < object->count ? object->members[index].key : NULL;
}

const struct json_value *json_value_at(const struct json_value *object, size_t index)
{
	return json_key_at(object, index) ? &object->members[index].value : NULL;
}

const char *json_string_of(const struct json_value *value)
{
	return is(value, JSON_STRING) ? value->text : NULL;
}

int64_t json_integer_of(const struct json_value *value, int64_t fallback)
{
	long long integer;
	char *end;

	if (!is(value, JSON_NUMBER))
		return fallback;
	errno = 0;
	integer = strtoll(value->text, &end, 10);
	return errno || *end ? fallback : integer;
}

double json_double_of(const struct json_value *value, double fallback)
{
	double number = is(value, JSON_NUMBER) ? strtod(value->text, NULL) : fallback;

	return isfinite(number) ? number : fallback;
}

bool json_boolean_of(const struct json_value *value, bool fallback)
{
	return is(value, JSON_BOOLEAN) ? value->boolean : fallback;
}

const char *json_get_string(const struct json_value *object, const char *key)
{
	return json_string_of(json_get(object, key));
}

int64_t json_get_integer(const struct json_value *object, const char *key, int64_t fallback)
{
	return json_integer_of(json_get(object, key), fallback);
}

double json_get_double(const struct json_value *object, const char *key, double fallback)
{
	return json_double_of(json_get(object, key), fallback);
}

bool json_get_boolean(const struct json_value *object, const char *key, bool fallback)
{
	return json_boolean_of(json_get(object, key), fallback);
}

/* ---- copying ---- */

static void copy_members(struct json_writer *writer, const struct json_value *value)
{
	for (size_t i = 0; i < value->count; i++) {
		if (value->members[i].key)
			json_key(writer, value->members[i].key);
		json_copy(writer, &value->members[i].value);
	}
}

void json_copy(struct json_writer *writer, const struct json_value *value)
{
	switch (value ? value->type : JSON_NULL) {
	case JSON_NULL:
		json_null(writer);
		break;
	case JSON_BOOLEAN:
		json_boolean(writer, value->boolean);
		break;
	case JSON_NUMBER:
		json_number(writer, value->text);
		break;
	case JSON_STRING:
		json_string(writer, value->text);
		break;
	case JSON_ARRAY:
		json_array_begin(writer);
		copy_members(writer, value);
		json_array_end(writer);
		break;
	case JSON_OBJECT:
		json_object_begin(writer);
		copy_members(writer, value);
		json_object_end(writer);
		break;
	}
}
