/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli_progress.h"

#include <string.h>

#include "cli_print.h"

#define MIB (1024.0 * 1024.0)

void progress_init(struct progress *progress, FILE *out, bool terminal)
{
	*progress = (struct progress){ .out = out, .terminal = terminal };
}

/*
 * How much of memory is at the target, in percent: the first pass by what was sent, a later one by
 * what is left. Never 100 before the end.
 */
static int percent_of(const struct json_value *record)
{
	const struct json_value *memory = json_get(record, "memory");
	const char *status = json_get_string(record, "status");
	double total = json_get_double(memory, "total_bytes", 0);
	double there = json_get_double(memory, "transferred_bytes", 0);

	if (status && strcmp(status, "completed") == 0)
		return 100;
	if (json_get_integer(memory, "iterations", 0) > 1)
		there = total - json_get_double(memory, "remaining_bytes", 0);
	if (total <= 0 || there <= 0)
		return 0;
	return there >= total ? 99 : (int)(there / total * 100);
}

/* What the line is made of, in order; `worth`: the least goes first where there is no room. */
static const struct part {
	const char *path[2]; /* a member of the record, or of a member of it */
	double unit;
	const char *format;
	unsigned worth;
	bool always; /* also when it is 0 */
} parts[] = {
	{ { "memory", "wire_bytes" }, MIB, ", %.0f MiB sent", 2, true },
	{ { "memory", "remaining_bytes" }, MIB, ", %.0f MiB left", 5, true },
	{ { "memory", "send_bytes_per_s" }, MIB, ", %.0f MiB/s", 4, false },
	{ { "memory", "dirty_bytes_per_s" }, MIB, ", dirties %.0f MiB/s", 1, false },
	{ { "memory", "eta_ms" }, 1000, ", %.0f s to go", 6, false },
	{ { "predicted_downtime_ms", NULL }, 1, ", downtime about %.0f ms", 3, false },
};

#define PARTS (sizeof(parts) / sizeof(parts[0]))

static double value_of(const struct json_value *record, const struct part *part)
{
	if (!part->path[1])
		return json_get_double(record, part->path[0], 0);
	return json_get_double(json_get(record, part->path[0]), part->path[1], 0);
}

/* The line of all parts that are worth more than `worth`. */
static void put_line(const struct json_value *record, unsigned worth, char line[PROGRESS_LINE_MAX])
{
	const char *status = json_get_string(record, "status");
	size_t used;

	snprintf(line, PROGRESS_LINE_MAX, "%.20s %d%%", status ? status : "?", percent_of(record));
	for (size_t i = 0; i < PARTS; i++) {
		double value = value_of(record, &parts[i]) / parts[i].unit;

		used = strlen(line);
		if (parts[i].worth > worth && (value > 0 || parts[i].always))
			snprintf(line + used, PROGRESS_LINE_MAX - used, parts[i].format, value);
	}
	cli_tame(line);
}

const char *progress_line(const struct json_value *record, size_t columns,
			  char line[PROGRESS_LINE_MAX])
{
	unsigned worth = 0;

	do
		put_line(record, worth, line);
	while (columns > 0 && strlen(line) > columns && ++worth <= PARTS);
	return line;
}

/* Elsewhere than at a terminal, news is another status, phase or iteration. */
static bool is_news(struct progress *progress, const struct json_value *record)
{
	const char *status = json_get_string(record, "status");
	const char *phase = json_get_string(record, "phase");
	char state[PROGRESS_LINE_MAX];

	snprintf(state, sizeof(state), "%s %s %d", status ? status : "", phase ? phase : "",
		 (int)json_get_integer(json_get(record, "memory"), "iterations", 0));
	if (strcmp(state, progress->shown) == 0)
		return false;
	memcpy(progress->shown, state, sizeof(state));
	return true;
}

void progress_show(struct progress *progress, const struct json_value *record, size_t columns)
{
	char line[PROGRESS_LINE_MAX];

	progress_line(record, columns, line);
	if (progress->terminal) {
		size_t cover = strlen(progress->shown);

		if (columns > 0 && cover > columns)
			cover = columns;
		/* the blanks cover what was longer before */
		fprintf(progress->out, "\r%-*s", (int)cover, line);
		memcpy(progress->shown, line, sizeof(line));
	} else if (is_news(progress, record)) {
		fprintf(progress->out, "%s\n", line);
	}
	fflush(progress->out);
}

void progress_end(struct progress *progress)
{
	if (progress->terminal && progress->shown[0] != '\0')
		fputc('\n', progress->out);
	progress->shown[0] = '\0';
	fflush(progress->out);
}
