/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The verbs that show records, and migration-cancel: one call each, and its answer printed. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli_caller.h"
#include "cli_print.h"

/* clang-format off */
static const struct cli_field guest_fields[] = {
	{ "uuid", "uuid", true },
	{ "name-label", "name-label", true },
	{ "domid", "domid", true },
	{ "power-state", "power-state", true },
	{ "type", "type", true },
	{ "memory", "memory", true },
	{ "vcpus", "vcpus", true },
	{ "host", "host", true },
	{ NULL, NULL, false },
};

static const struct cli_field migration_fields[] = {
	{ "uuid", "uuid", true },
	{ "vm-uuid", "vm.uuid", false },
	{ "vm-name-label", "vm.name-label", true },
	{ "source", "source", true },
	{ "target", "target", true },
	{ "side", "side", false },
	{ "plan", "plan", true },
	{ "policy", "policy", false },
	{ "status", "status", true },
	{ "phase", "phase", false },
	{ "sync-point", "sync_point", false },
	{ "error-code", "error.code", false },
	{ "error-message", "error.message", false },
	{ "started", "job_started", true },
	{ "total-ms", "total_ms", false },
	{ "downtime-ms", "downtime_ms", true },
	{ "predicted-downtime-ms", "predicted_downtime_ms", false },
	{ "downtime-limit-ms", "downtime_limit_ms", false },
	{ "throttle-percent", "throttle_percent", false },
	{ "bandwidth-bytes-per-s", "bandwidth_bytes_per_s", false },
	{ "awaits-continue", "awaits_continue", false },
	{ "clock-uncertainty-ms", "clock_uncertainty_ms", false },
	{ "packet-gap-ms", "packet_gap_ms", false },
	{ "packets-sent", "packets_sent", false },
	{ "packets-lost", "packets_lost", false },
	{ "memory-total-bytes", "memory.total_bytes", false },
	{ "memory-transferred-bytes", "memory.transferred_bytes", false },
	{ "memory-wire-bytes", "memory.wire_bytes", false },
	{ "memory-remaining-bytes", "memory.remaining_bytes", false },
	{ "memory-zero-pages", "memory.zero_pages", false },
	{ "memory-iterations", "memory.iterations", false },
	{ "memory-dirty-bytes-per-s", "memory.dirty_bytes_per_s", false },
	{ "memory-send-bytes-per-s", "memory.send_bytes_per_s", false },
	{ "memory-eta-ms", "memory.eta_ms", false },
	{ "steps", "steps", false },
	{ NULL, NULL, false },
};
/* clang-format on */

/* ---- which of them ---- */

/* xe's: a guest by its name or its UUID. */
#define BY_GUEST "vm"

static int check_selectors(const struct cli_args *args, const struct cli_field *fields,
			   struct err *err)
{
	struct cli_columns ignored;
	int rc = 0;

	for (const struct cli_selector *s = args->selectors; rc == 0 && s->field; s++)
		if (strcmp(s->field, BY_GUEST) != 0)
			rc = cli_choose(fields, s->field, &ignored, err);
	return rc;
}

static bool has_value(const struct json_value *record, const char *path, const char *wanted)
{
	CLEANUP_FREE char *value = cli_value(record, path);

	return value && strcmp(value, wanted) == 0;
}

static bool matches(const struct json_value *record, const struct cli_field *fields,
		    const struct cli_selector *selector)
{
	const struct cli_field *uuid, *name;

	if (strcmp(selector->field, BY_GUEST) != 0)
		return has_value(record, cli_find_field(fields, selector->field)->path,
				 selector->value);
	uuid = cli_find_field(fields, fields == guest_fields ? "uuid" : "vm-uuid");
	name = cli_find_field(fields, fields == guest_fields ? "name-label" : "vm-name-label");
	return has_value(record, uuid->path, selector->value) ||
	       has_value(record, name->path, selector->value);
}

/* The records that all selectors match, as a list of their own; NULL: out of memory. */
static struct json_value *select_records(const struct cli_args *args,
					 const struct cli_field *fields,
					 const struct json_value *list)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	const char *text;
	size_t size;

	if (!writer)
		return NULL;
	json_array_begin(writer);
	for (size_t i = 0; i < json_size(list); i++) {
		const struct cli_selector *selector = args->selectors;

		while (selector->field && matches(json_at(list, i), fields, selector))
			selector++;
		if (!selector->field)
			json_copy(writer, json_at(list, i));
	}
	json_array_end(writer);
	text = json_text(writer, &size);
	return json_parse(text, size, NULL);
}

/* A call without parameters whose answer is a list of records. */
static int show_list(const struct cli_args *args, const char *method,
		     const struct cli_field *fields, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *selected = NULL;
	CLEANUP_CALLER struct caller *caller = NULL;
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *list;
	struct cli_columns columns;
	int rc = cli_choose(fields, cli_text(args, "params"), &columns, err);

	if (rc == 0)
		rc = check_selectors(args, fields, err);
	if (rc == 0)
		rc = caller_open(args, &caller, err);
	if (rc == 0 && !caller_begin(caller, method))
		rc = err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (rc == 0)
		rc = caller_finish(caller, CALL_TIMEOUT_MS, NULL, NULL, &answer, &list, err);
	if (rc < 0)
		return rc;
	selected = select_records(args, fields, list);
	if (!selected)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (args->json)
		cli_print_json(stdout, selected);
	else
		cli_print_list(stdout, selected, &columns, args->minimal);
	return 0;
}

int cli_vm_list(const struct cli_args *args, struct err *err)
{
	return show_list(args, "vm.list", guest_fields, err);
}

int cli_migration_list(const struct cli_args *args, struct err *err)
{
	return show_list(args, "migration.list", migration_fields, err);
}

#define CANCEL_TIMEOUT_MS 70000 /* until everything is undone, which the daemon awaits */

/* A call about the migration uuid=, with the parameter `number` of that name, if any. */
static int call_with(const struct cli_args *args, const char *method, const char *number,
		     uint64_t timeout_ms, struct json_value **answer,
		     const struct json_value **result, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	struct json_writer *params;
	int rc = caller_open(args, &caller, err);

	if (rc < 0)
		return rc;
	params = caller_begin(caller, method);
	if (!params)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	json_put_string(params, "uuid", cli_text(args, "uuid"));
	if (number)
		json_put_integer(params, "bandwidth_mibps", cli_number(args, number, 0));
	return caller_finish(caller, timeout_ms, NULL, NULL, answer, result, err);
}

static int call_about(const struct cli_args *args, const char *method, struct json_value **answer,
		      const struct json_value **result, struct err *err)
{
	return call_with(args, method, NULL, CALL_TIMEOUT_MS, answer, result, err);
}

int cli_migration_record(const struct cli_args *args, struct json_value **answer,
			 const struct json_value **record, struct err *err)
{
	return call_about(args, "migration.get", answer, record, err);
}

/* "suspend-guest (source) 812.100-840.250; ..." */
static char *steps_text(const struct json_value *record)
{
	const struct json_value *steps = json_get(record, "steps");
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	if (!stream)
		return NULL;
	for (size_t i = 0; i < json_size(steps); i++) {
		const struct json_value *step = json_at(steps, i);
		CLEANUP_FREE char *name = cli_value(step, "name");
		CLEANUP_FREE char *side = cli_value(step, "side");

		fprintf(stream, "%s%s (%s) %.3f-%.3f", i > 0 ? "; " : "", name ? name : "",
			side ? side : "", json_get_double(step, "start_ms", 0),
			json_get_double(step, "end_ms", 0));
	}
	fclose(stream);
	return text;
}

static char *field_text(const struct json_value *record, const struct cli_field *field)
{
	return strcmp(field->name, "steps") == 0 ? steps_text(record)
						 : cli_value(record, field->path);
}

int cli_migration_param_list(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *record;
	struct cli_columns columns;
	char *values[CLI_FIELDS_MAX];
	int rc = cli_choose(migration_fields, "all", &columns, err);

	if (rc == 0)
		rc = cli_migration_record(args, &answer, &record, err);
	if (rc < 0)
		return rc;
	if (args->json) {
		cli_print_json(stdout, record);
		return 0;
	}
	for (size_t i = 0; i < columns.count; i++)
		values[i] = field_text(record, columns.fields[i]);
	cli_print_record(stdout, &columns, values);
	for (size_t i = 0; i < columns.count; i++)
		free(values[i]);
	return 0;
}

int cli_migration_param_get(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	CLEANUP_FREE char *value = NULL;
	const struct json_value *record;
	struct cli_columns columns;
	int rc = cli_choose(migration_fields, cli_text(args, "param-name"), &columns, err);

	if (rc == 0 && columns.count != 1)
		rc = err_set(err, ERR_USAGE, -EINVAL, "param-name= wants one field");
	if (rc == 0)
		rc = cli_migration_record(args, &answer, &record, err);
	if (rc < 0)
		return rc;
	value = field_text(record, columns.fields[0]);
	printf("%s\n", value ? value : "");
	return 0;
}

int cli_migration_cancel(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *done;

	return call_with(args, "migration.cancel", NULL, CANCEL_TIMEOUT_MS, &answer, &done, err);
}

int cli_migration_param_set(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *done;

	return call_with(args, "migration.param_set", "bandwidth-mibps", CALL_TIMEOUT_MS, &answer,
			 &done, err);
}

int cli_migration_continue(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *done;

	return call_about(args, "migration.continue", &answer, &done, err);
}

int cli_migration_resolve(const struct cli_args *args, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *done;
	struct json_writer *params;
	int rc = caller_open(args, &caller, err);

	if (rc < 0)
		return rc;
	params = caller_begin(caller, "migration.resolve");
	if (!params)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	json_put_string(params, "uuid", cli_text(args, "uuid"));
	json_put_string(params, "outcome", cli_text(args, "outcome"));
	return caller_finish(caller, CALL_TIMEOUT_MS, NULL, NULL, &answer, &done, err);
}
