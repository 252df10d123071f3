/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli_print.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli_args.h"

#define KEY_SUFFIX " ( RO)" /* xe's mark of a field that cannot be set */
#define KEY_INDENT 4
#define NAME_MAX_BYTES 64

/* ---- fields ---- */

const struct cli_field *cli_find_field(const struct cli_field *fields, const char *name)
{
	for (; fields->name; fields++)
		if (strcmp(fields->name, name) == 0)
			return fields;
	return NULL;
}

static const char *field_name_at(const void *fields, size_t index)
{
	return ((const struct cli_field *)fields)[index].name;
}

static int choose_one(const struct cli_field *fields, const char *name, struct cli_columns *columns,
		      struct err *err)
{
	const struct cli_field *field = cli_find_field(fields, name);
	char suggestion[NAME_MAX_BYTES + 32];
	size_t count = 0;

	while (fields[count].name)
		count++;
	if (!field)
		return err_set(err, ERR_USAGE, -EINVAL, "there is no field '%s'%s", name,
			       cli_suggest(name, field_name_at, fields, count, suggestion,
					   sizeof(suggestion)));
	if (columns->count == CLI_FIELDS_MAX)
		return err_set(err, ERR_USAGE, -EINVAL, "params= has more than %d fields",
			       CLI_FIELDS_MAX);
	columns->fields[columns->count++] = field;
	return 0;
}

static void choose_all(const struct cli_field *fields, bool listed_only,
		       struct cli_columns *columns)
{
	for (; fields->name && columns->count < CLI_FIELDS_MAX; fields++)
		if (fields->listed || !listed_only)
			columns->fields[columns->count++] = fields;
}

int cli_choose(const struct cli_field *fields, const char *params, struct cli_columns *columns,
	       struct err *err)
{
	char name[NAME_MAX_BYTES];
	int rc = 0;

	columns->count = 0;
	if (!params || strcmp(params, "all") == 0) {
		choose_all(fields, !params, columns);
		return 0;
	}
	while (rc == 0) {
		size_t length = strcspn(params, ",");

		snprintf(name, sizeof(name), "%.*s", (int)length, params);
		rc = choose_one(fields, name, columns, err);
		if (params[length] == '\0')
			break;
		params += length + 1;
	}
	return rc;
}

/* ---- values ---- */

static const struct json_value *follow(const struct json_value *value, const char *path)
{
	char key[NAME_MAX_BYTES];

	while (value && *path) {
		size_t length = strcspn(path, ".");

		snprintf(key, sizeof(key), "%.*s", (int)length, path);
		value = json_get(value, key);
		path += path[length] == '.' ? length + 1 : length;
	}
	return value;
}

void cli_tame(char *text)
{
	for (; *text; text++) {
		unsigned char byte = (unsigned char)text[0], next = (unsigned char)text[1];

		if (byte < ' ' || byte == 0x7f)
			*text = '?';
		else if (byte == 0xc2 && next >= 0x80 && next <= 0x9f) /* C1, in UTF-8 */
			text[0] = text[1] = '?';
	}
}

char *cli_value(const struct json_value *record, const char *path)
{
	const struct json_value *value = follow(record, path);
	CLEANUP_JSON_WRITER struct json_writer *writer = NULL;
	const char *text = json_string_of(value);
	char *copy;

	if (!text && value) {
		writer = json_writer_new(false);
		if (!writer)
			return NULL;
		json_copy(writer, value);
		text = json_text(writer, NULL);
	}
	copy = strdup(text && (json_string_of(value) || strcmp(text, "null") != 0) ? text : "");
	if (copy)
		cli_tame(copy);
	return copy;
}

/* ---- printing ---- */

void cli_print_record(FILE *out, const struct cli_columns *columns, char *const values[])
{
	size_t width = 0;

	for (size_t i = 0; i < columns->count; i++)
		if (strlen(columns->fields[i]->name) > width)
			width = strlen(columns->fields[i]->name);
	width += strlen(KEY_SUFFIX) + KEY_INDENT;
	for (size_t i = 0; i < columns->count; i++) {
		char key[NAME_MAX_BYTES];

		snprintf(key, sizeof(key), "%s" KEY_SUFFIX, columns->fields[i]->name);
		fprintf(out, i == 0 ? "%-*s: %s\n" : "%*s: %s\n", (int)width, key,
			values[i] ? values[i] : "");
	}
	fputs("\n\n", out);
}

void cli_print_minimal(FILE *out, const char *value, bool first)
{
	if (!first)
		fputc(',', out);
	for (; *value; value++) {
		if (*value == ',' || *value == '\\')
			fputc('\\', out);
		fputc(*value, out);
	}
}

static void print_row(FILE *out, const struct json_value *record, const struct cli_columns *columns)
{
	char *values[CLI_FIELDS_MAX];

	for (size_t i = 0; i < columns->count; i++)
		values[i] = cli_value(record, columns->fields[i]->path);
	cli_print_record(out, columns, values);
	for (size_t i = 0; i < columns->count; i++)
		free(values[i]);
}

void cli_print_list(FILE *out, const struct json_value *list, const struct cli_columns *columns,
		    bool minimal)
{
	for (size_t i = 0; i < json_size(list); i++) {
		char *value = NULL;

		if (!minimal) {
			print_row(out, json_at(list, i), columns);
			continue;
		}
		value = cli_value(json_at(list, i), columns->fields[0]->path);
		cli_print_minimal(out, value ? value : "", i == 0);
		free(value);
	}
	if (minimal)
		fputc('\n', out);
}

void cli_print_json(FILE *out, const struct json_value *value)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return;
	json_copy(writer, value);
	fprintf(out, "%s\n", json_text(writer, NULL));
}
