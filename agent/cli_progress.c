/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli_progress.h"

#include <string.h>

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

const char *progress_line(const struct json_value *record, char line[PROGRESS_LINE_MAX])
{
	const struct json_value *memory = json_get(record, "memory");
	const char *status = json_get_string(record, "status");
	double predicted_ms = json_get_double(record, "predicted_downtime_ms", 0);
	int used =
		snprintf(line, PROGRESS_LINE_MAX,
			 "%s %d%%, %.0f MiB sent, %.0f MiB left, %.0f MiB/s", status ? status : "?",
			 percent_of(record), json_get_double(memory, "wire_bytes", 0) / MIB,
			 json_get_double(memory, "remaining_bytes", 0) / MIB,
			 json_get_double(memory, "send_bytes_per_s", 0) / MIB);

	if (predicted_ms > 0 && used > 0 && used < PROGRESS_LINE_MAX)
		snprintf(line + used, PROGRESS_LINE_MAX - (size_t)used, ", downtime about %.0f ms",
			 predicted_ms);
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

void progress_show(struct progress *progress, const struct json_value *record)
{
	char line[PROGRESS_LINE_MAX];

	progress_line(record, line);
	if (progress->terminal) {
		/* the blanks cover what was longer before */
		fprintf(progress->out, "\r%-*s", (int)strlen(progress->shown), line);
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
