/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A migration's timeline: what each host did when, how the passes of the copy went, and what every
 * millisecond of the blackout was spent on. Read from a record, running or past, and written as
 * text, JSON, Zipkin spans or one picture. Pure: a record in, text out.
 *
 * timeline_read() first, then any of the writers.
 */
#ifndef XENFERRY_TIMELINE_H
#define XENFERRY_TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "err.h"
#include "json.h"
#include "plan.h"
#include "record.h"
#include "sync.h"

#define TIMELINE_BARS_MAX RECORD_STEPS_MAX
#define TIMELINE_PASSES_MAX RECORD_PASSES_MAX
#define TIMELINE_PARTS_MAX 64
#define TIMELINE_TEXT_MAX 128

/* Milliseconds from the job's start, on the joined clock. */
struct timeline_span {
	double start_ms, end_ms;
};

struct timeline_bar {
	char name[TIMELINE_TEXT_MAX];
	enum side side;
	enum phase phase;
	struct timeline_span span;
};

struct timeline_pass {
	struct timeline_span span;
	double dirty_bytes, sent_bytes; /* dirty_bytes 0: not known */
	double send_bytes_per_s, dirty_bytes_per_s;
};

/* A stretch of the blackout and what it was spent on; "" when nothing accounts for it. */
struct timeline_part {
	char what[TIMELINE_TEXT_MAX];
	struct timeline_span span;
};

struct timeline {
	char uuid[GUEST_UUID_SIZE], guest[GUEST_NAME_MAX], source[64], target[64];
	char plan[64], policy[64], status[32], started[32];
	double total_ms, downtime_ms, limit_ms, predicted_ms, uncertainty_ms;
	double memory_bytes, wire_bytes;

	struct timeline_bar bars[TIMELINE_BARS_MAX];
	size_t bar_count;
	struct timeline_span meetings[SYNC_POINTS][2]; /* by side; all 0: not met */
	struct timeline_span commit;                   /* all 0: none */
	struct timeline_pass passes[TIMELINE_PASSES_MAX];
	size_t pass_count;

	bool suspended;                /* there was a blackout, or there is one */
	struct timeline_span blackout; /* to the end of the record when it has not ended */
	struct timeline_part parts[TIMELINE_PARTS_MAX];
	size_t part_count;
	double unaccounted_ms;
};

/*
 * Reads a record as record_write() makes it; what is missing is empty. -EBADMSG when it is none.
 * More than there is room for is left out.
 */
int timeline_read(const struct json_value *record, struct timeline *timeline, struct err *err);
/* Takes the blackout apart; timeline_read() calls it (timeline_parts.c). */
void timeline_attribute(struct timeline *timeline);
/* When both sides had met `point`, or the later of what is known; 0: not met. */
double timeline_met_ms(const struct timeline *timeline, enum sync_point point);

void timeline_write_text(const struct timeline *timeline, FILE *out);
void timeline_write_json(const struct timeline *timeline, FILE *out);
/*
 * Zipkin v2, an array of spans on one line, as xapi and xenopsd write theirs, and with the names
 * by which theirs are looked for: VM.pool_migrate, VM_migrate_downtime_begin and _end.
 */
void timeline_write_zipkin(const struct timeline *timeline, FILE *out);
/* One SVG, self-contained, 900 wide. */
void timeline_write_svg(const struct timeline *timeline, FILE *out);

#endif
