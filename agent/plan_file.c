/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan_file.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SUFFIX ".json"

bool plan_name_is_valid(const char *name)
{
	static const char first[] = "abcdefghijklmnopqrstuvwxyz0123456789";
	static const char all[] = "abcdefghijklmnopqrstuvwxyz0123456789.-_";
	size_t length = strlen(name);

	return length > 0 && length < PLAN_NAME_MAX && strchr(first, name[0]) &&
	       strspn(name, all) == length;
}

/* ---- reading ---- */

__attribute__((format(printf, 2, 3)))
static int mistake(struct err *err, const char *format, ...)
{
	char text[ERR_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return err_set(err, ERR_USAGE, -EINVAL, "%s", text);
}

/* Nothing is skipped: a key that is not known is a mistake of the operator's. */
static int check_keys(const struct json_value *object, const char *const *known, struct err *err)
{
	for (size_t i = 0; i < json_size(object); i++) {
		const char *key = json_key_at(object, i);
		size_t k = 0;

		while (known[k] && strcmp(known[k], key) != 0)
			k++;
		if (!known[k])
			return mistake(err, "there is no key \"%.40s\"", key);
	}
	return 0;
}

static int read_point(const struct json_value *value, enum sync_point *point, struct err *err)
{
	const char *label = json_string_of(value);

	*point = SYNC_NONE;
	if (!value)
		return 0;
	for (enum sync_point p = SYNC_SP0; label && p < SYNC_POINTS; p++)
		if (strcmp(label, sync_label(p)) == 0)
			*point = p;
	return *point != SYNC_NONE ? 0 : mistake(err, "\"sync\" is one of \"SP0\" to \"SP5\"");
}

static int read_row(const struct json_value *value, struct plan_row *row, struct err *err)
{
	static const char *const keys[] = { "step", "sync", NULL };
	const char *name = json_get_string(value, "step");
	int rc;

	if (!json_is_object(value))
		return mistake(err, "a row is {\"step\": …, \"sync\": …}");
	rc = check_keys(value, keys, err);
	if (rc < 0)
		return rc;
	if (!name)
		return mistake(err, "\"step\" is missing, or no string");
	row->step = plan_step(name);
	if (!row->step)
		return mistake(err, "there is no step \"%.40s\"; plan-list --steps names them",
			       name);
	return read_point(json_get(value, "sync"), &row->sync, err);
}

static int read_rows(const struct json_value *rows, struct plan *plan, struct err *err)
{
	if (!json_is_array(rows) || json_size(rows) == 0 || json_size(rows) > PLAN_ROWS_MAX)
		return mistake(err, "\"rows\" is a list of 1 to %d rows", PLAN_ROWS_MAX);
	for (size_t i = 0; i < json_size(rows); i++) {
		int rc = read_row(json_at(rows, i), &plan->rows[i], err);

		if (rc < 0)
			return err_prefix(err, rc, "row %zu", i + 1);
	}
	return 0;
}

static int read_text(const struct json_value *value, const char *key, char *text, size_t size,
		     struct err *err)
{
	const char *found = json_get_string(value, key);

	if (!found || strlen(found) >= size)
		return mistake(err, "\"%s\" is missing, no string, or longer than %zu bytes", key,
			       size - 1);
	for (const char *c = found; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return mistake(err, "\"%s\" has a control character", key);
	memcpy(text, found, strlen(found) + 1);
	return 0;
}

static int read_plan(const struct json_value *value, struct plan *plan, struct err *err)
{
	static const char *const keys[] = { "name", "summary", "rows", NULL };
	int rc;

	if (!json_is_object(value))
		return mistake(err, "a plan is {\"name\": …, \"summary\": …, \"rows\": […]}");
	rc = check_keys(value, keys, err);
	if (rc == 0)
		rc = read_text(value, "name", plan->name, sizeof(plan->name), err);
	if (rc == 0 && !plan_name_is_valid(plan->name))
		rc = mistake(err, "\"name\" may have small letters, digits, '.', '-' and '_'");
	if (rc == 0)
		rc = read_text(value, "summary", plan->summary, sizeof(plan->summary), err);
	if (rc == 0)
		rc = read_rows(json_get(value, "rows"), plan, err);
	return rc;
}

int plan_read_file(const char *path, struct plan *plan, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *value = NULL;
	struct plan fresh = { .name = "" };
	int rc;

	if (access(path, F_OK) < 0 && errno == ENOENT)
		return err_set(err, ERR_USAGE, -ENOENT, "there is no file %s", path);
	value = json_parse_file(path, PLAN_FILE_MAX, err);
	if (!value) {
		if (err)
			err->code = ERR_USAGE;
		return -EINVAL;
	}
	rc = read_plan(value, &fresh, err);
	if (rc < 0)
		return err_prefix(err, rc, "%s", path);
	*plan = fresh;
	return 0;
}

/* ---- writing ---- */

void plan_write(const struct plan *plan, struct json_writer *writer)
{
	json_object_begin(writer);
	json_put_string(writer, "name", plan->name);
	json_put_string(writer, "summary", plan->summary);
	json_key(writer, "rows");
	json_array_begin(writer);
	for (const struct plan_row *row = plan->rows; row->step; row++) {
		json_object_begin(writer);
		json_put_string(writer, "step", row->step->name);
		if (row->sync != SYNC_NONE)
			json_put_string(writer, "sync", sync_label(row->sync));
		json_object_end(writer);
	}
	json_array_end(writer);
	json_object_end(writer);
}

/* ---- by name ---- */

int plan_load(const char *folder, const char *name, struct plan *plan, struct err *err)
{
	const struct plan *built_in = plan_find(name);
	char path[PATH_MAX];
	struct plan found;
	int rc = -ENOENT;

	if (built_in) {
		*plan = *built_in;
		return 0;
	}
	snprintf(path, sizeof(path), "%s/%s" SUFFIX, folder, name);
	if (plan_name_is_valid(name))
		rc = plan_read_file(path, &found, err);
	if (rc == 0)
		rc = plan_check(&found, err);
	if (rc == -ENOENT)
		return err_set(err, ERR_USAGE, rc, "there is no plan '%.64s'; see plan-list", name);
	if (rc == 0 && strcmp(found.name, name) != 0)
		rc = mistake(err, "%s: its plan is called \"%s\": file and plan have one name",
			     path, found.name);
	if (rc == 0)
		*plan = found;
	return rc;
}

static int by_name(const void *left, const void *right)
{
	return strcmp(*(char *const *)left, *(char *const *)right);
}

size_t plan_folder_names(const char *folder, char *names[PLAN_FOLDER_MAX])
{
	DIR *stream = opendir(folder);
	const struct dirent *entry;
	size_t count = 0;

	while (stream && count < PLAN_FOLDER_MAX && (entry = readdir(stream))) {
		size_t length = strlen(entry->d_name), suffix = strlen(SUFFIX);

		if (length <= suffix || strcmp(entry->d_name + length - suffix, SUFFIX) != 0)
			continue;
		names[count] = strndup(entry->d_name, length - suffix);
		if (names[count] && plan_name_is_valid(names[count]) && !plan_find(names[count]))
			count++;
		else
			free(names[count]);
	}
	if (stream)
		closedir(stream);
	qsort(names, count, sizeof(names[0]), by_name);
	return count;
}
