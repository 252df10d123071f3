/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <errno.h>
#include <stdio.h>

#include "cleanup.h"
#include "cli_caller.h"
#include "json.h"

#define PART_MS 12000 /* the daemon gives a listing of guests ten seconds */

static int ask(const struct cli_args *args, const char *method, struct json_value **answer,
	       const struct json_value **result, struct err *err)
{
	CLEANUP_CALLER struct caller *caller = NULL;
	int rc = caller_open(args, &caller, err);

	if (rc < 0)
		return rc;
	if (!caller_begin(caller, method))
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for a call");
	return caller_finish(caller, PART_MS, NULL, NULL, answer, result, err);
}

int cli_write_diagnostics(const struct cli_args *args, struct json_writer *writer, struct err *err)
{
	static const struct {
		const char *key, *method;
	} parts[] = {
		{ "agent", "agent.version" },
		{ "guests", "vm.list" },
		{ "migrations", "migration.list" },
		{ "evacuation", "host.evacuation" },
	};

	json_object_begin(writer);
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		CLEANUP_JSON_VALUE struct json_value *answer = NULL;
		const struct json_value *result;
		int rc = ask(args, parts[i].method, &answer, &result, err);

		json_key(writer, parts[i].key);
		if (rc == 0)
			json_copy(writer, result);
		else if (i == 0)
			return rc;
		else
			json_string(writer, err->message);
	}
	json_object_end(writer);
	return 0;
}

int cli_diagnostics(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(true);
	size_t size;
	int rc = writer ? cli_write_diagnostics(args, writer, err)
			: err_set(err, ERR_FAILED, -ENOMEM, "no memory for the answers");

	if (rc == 0)
		puts(json_text(writer, &size));
	return rc;
}
