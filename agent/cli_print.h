/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records as xe prints them: a line a field, the first key to the left and the others to the right,
 * two blank lines after each record; or, minimal, the first field of all records in one line.
 */
#ifndef XENFERRY_CLI_PRINT_H
#define XENFERRY_CLI_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "err.h"
#include "json.h"

#define CLI_FIELDS_MAX 40

/* A field that a kind of record has, and where its value is: "vm.name-label". */
struct cli_field {
	const char *name;
	const char *path;
	bool listed; /* in a list unless params= says otherwise */
};

/* Which fields to print, in which order. */
struct cli_columns {
	const struct cli_field *fields[CLI_FIELDS_MAX];
	size_t count;
};

/*
 * Chooses from `fields` (ended by one without a name) by `params`: names with commas between,
 * "all", or NULL for the listed ones. -EINVAL names what is no field.
 */
int cli_choose(const struct cli_field *fields, const char *params, struct cli_columns *columns,
	       struct err *err);
const struct cli_field *cli_find_field(const struct cli_field *fields, const char *name);

/* Names are the guests' own choice: nothing in one may reach the terminal as a command. */
void cli_tame(char *text);
/* The value of a field, tame, to free(): a JSON text for what is no text, "" for null. */
char *cli_value(const struct json_value *record, const char *path);

/* One record; `fields` and their `values` side by side. */
void cli_print_record(FILE *out, const struct cli_columns *columns, char *const values[]);
/* One value of a minimal list; `first`: no comma before it. */
void cli_print_minimal(FILE *out, const char *value, bool first);
/* An array of records, either way; ends a minimal list with its newline. */
void cli_print_list(FILE *out, const struct json_value *list, const struct cli_columns *columns,
		    bool minimal);
/* A JSON value on one line. */
void cli_print_json(FILE *out, const struct json_value *value);

#endif
