/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* migration-timeline: a record fetched, and written in the format that was asked for. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
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

static int write_timeline(const struct json_value *record, const char *format, FILE *out,
			  struct err *err)
{
	CLEANUP_FREE struct timeline *timeline = malloc(sizeof(*timeline));
	size_t chosen = 0;
	int rc;

	if (!timeline)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	while (chosen < sizeof(formats) / sizeof(formats[0]) &&
	       strcmp(formats[chosen].name, format) != 0)
		chosen++;
	if (chosen == sizeof(formats) / sizeof(formats[0]))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "format= wants text, json, svg or zipkin, not '%s'", format);
	rc = timeline_read(record, timeline, err);
	if (rc == 0)
		formats[chosen].write(timeline, out);
	return rc;
}

int cli_timeline_text(const struct json_value *record, const char *format, char **text,
		      struct err *err)
{
	CLEANUP_FREE char *written = NULL;
	size_t size;
	FILE *out = open_memstream(&written, &size);
	int rc;

	if (!out)
		return err_errno(err, "no memory for the timeline");
	rc = write_timeline(record, format, out, err);
	if (fclose(out) != 0 && rc == 0)
		rc = err_errno(err, "no memory for the timeline");
	if (rc == 0)
		*text = steal(written);
	return rc;
}

int cli_migration_timeline(const struct cli_args *args, struct err *err)
{
	const char *format = cli_text(args, "format");
	CLEANUP_JSON_VALUE struct json_value *answer = NULL;
	const struct json_value *record;
	int rc = cli_migration_record(args, &answer, &record, err);

	if (!format)
		format = args->json ? "json" : "text";
	return rc < 0 ? rc : write_timeline(record, format, stdout, err);
}
