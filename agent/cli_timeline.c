/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration-timeline: a record fetched, and written in the format that was asked for. */
#include "cli.h"

#include <errno.h>
#include <string.h>

#include "cleanup.h"
#include "cli_caller.h"
#include "timeline.h"

static const struct {
	const char *name;
	void (*write)(const struct timeline *timeline, FILE *out);
} formats[] = {
	{ "text", timeline_write_text },
	{ "json", timeline_write_json },
	{ "svg", timeline_write_svg },
	{ "zipkin", timeline_write_zipkin },
};

int cli_migration_timeline(const struct cli_args *args, struct err *err)
{
	const char *format = cli_text(args, "format");
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	CLEANUP_FREE struct timeline *timeline = malloc(sizeof(*timeline));
	const struct json_value *record;
	size_t chosen = 0;
	int rc;

	if (!timeline)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (!format)
		format = args->json ? "json" : "text";
	while (chosen < sizeof(formats) / sizeof(formats[0]) &&
	       strcmp(formats[chosen].name, format) != 0)
		chosen++;
	if (chosen == sizeof(formats) / sizeof(formats[0]))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "format= wants text, json, svg or zipkin, not '%s'", format);
	rc = cli_migration_record(args, &answer, &record, err);
	if (rc == 0)
		rc = timeline_read(record, timeline, err);
	if (rc == 0)
		formats[chosen].write(timeline, stdout);
	return rc;
}
