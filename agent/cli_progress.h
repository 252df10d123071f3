/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How far a migration has come, for the person who waits: one calm line that is written over at a
 * terminal, a line at each change elsewhere.
 */
#ifndef XENFERRY_CLI_PROGRESS_H
#define XENFERRY_CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "json.h"

#define PROGRESS_LINE_MAX 256

struct progress {
	FILE *out;
	bool terminal;
	char shown[PROGRESS_LINE_MAX]; /* at a terminal the line, else what changes are judged by */
};

void progress_init(struct progress *progress, FILE *out, bool terminal);
/* Shows a record in at most `columns`, as wide as a terminal is now; 0: as wide as it may be. */
void progress_show(struct progress *progress, const struct json_value *record, size_t columns);
/* Leaves the line that was written over; nothing when there is none. */
void progress_end(struct progress *progress);
/*
 * The line for a record, without an end: status, share, sent, left, rate, dirty rate, time left,
 * predicted downtime, of which what is not known, and what does not fit in `columns` (0: no
 * limit), is left out. Returns `line`.
 */
const char *progress_line(const struct json_value *record, size_t columns,
			  char line[PROGRESS_LINE_MAX]);

#endif
