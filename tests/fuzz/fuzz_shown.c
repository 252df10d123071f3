/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the command line makes of what a daemon answers, in which are texts of other hosts and of
 * guests. The first byte chooses: a migration's record, or an evacuation.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli_print.h"
#include "cli_progress.h"
#include "evacuation_show.h"
#include "fuzz.h"
#include "timeline.h"

#define NARROW 40 /* columns */

typedef void timeline_fn(const struct timeline *timeline, FILE *out);
typedef void show_fn(const struct json_value *evacuation, FILE *out);

static void check_json(const char *text, size_t size)
{
	CLEANUP_JSON_VALUE struct json_value *value = json_parse(text, size, NULL);

	assert(value);
}

/* A terminal would obey them. */
static void check_text(const char *text)
{
	for (const char *c = text; *c; c++)
		assert(((unsigned char)*c >= ' ' && *c != 0x7f) || *c == '\n');
}

/* Markup in a text would be markup of the picture. */
static void check_svg(const char *text)
{
	const char *end = strstr(text, "</svg>");

	assert(strncmp(text, "<svg", 4) == 0 && end && strcmp(end, "</svg>\n") == 0);
	assert(!strstr(text, "<script"));
}

static char *write_timeline(const struct timeline *timeline, timeline_fn *write, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	assert(out);
	write(timeline, out);
	assert(fclose(out) == 0);
	return text;
}

static void show_timeline(const struct json_value *record)
{
	static struct timeline timeline; /* large: not for the stack */
	CLEANUP_FREE char *text = NULL, *json = NULL, *zipkin = NULL, *svg = NULL;
	struct err err = { .code = ERR_NONE };
	size_t size;

	if (timeline_read(record, &timeline, &err) < 0) {
		assert(err.message[0]);
		return;
	}
	text = write_timeline(&timeline, timeline_write_text, &size);
	check_text(text);
	json = write_timeline(&timeline, timeline_write_json, &size);
	check_json(json, size);
	zipkin = write_timeline(&timeline, timeline_write_zipkin, &size);
	check_json(zipkin, size);
	svg = write_timeline(&timeline, timeline_write_svg, &size);
	check_svg(svg);
}

static void show_record(const struct json_value *record)
{
	static const char *const paths[] = { "vm.name-label", "status", "memory.wire_bytes" };
	char line[PROGRESS_LINE_MAX];

	show_timeline(record);
	check_text(progress_line(record, 0, line));
	check_text(progress_line(record, NARROW, line));
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		CLEANUP_FREE char *value = cli_value(record, paths[i]);

		assert(value);
	}
}

static char *show(const struct json_value *evacuation, show_fn *write)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert(out);
	write(evacuation, out);
	assert(fclose(out) == 0);
	return text;
}

static void show_evacuation(const struct json_value *evacuation)
{
	CLEANUP_FREE char *text = show(evacuation, evacuation_show_text);
	CLEANUP_FREE char *svg = show(evacuation, evacuation_show_svg);

	check_text(text);
	check_svg(svg);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_JSON_VALUE struct json_value *value = NULL;

	if (size == 0)
		return 0;
	value = json_parse((const char *)data + 1, size - 1, NULL);
	if (value && data[0] % 2 == 0)
		show_record(value);
	else if (value)
		show_evacuation(value);
	return 0;
}
