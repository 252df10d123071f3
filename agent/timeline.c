/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "timeline.h"

#include <errno.h>
#include <string.h>

#include "cli_print.h"

#define NUMBER_MAX 1e14 /* ms, bytes, bytes a second */

static void read_text(const struct json_value *object, const char *key, char *text, size_t size)
{
	const char *value = json_get_string(object, key);

	snprintf(text, size, "%s", value ? value : "");
	cli_tame(text);
}

/* Numbers from a file may be anything: what no migration can reach is cut. */
static double read_number(const struct json_value *object, const char *key, double fallback)
{
	double value = json_get_double(object, key, fallback);

	if (!(value > -NUMBER_MAX))
		return -NUMBER_MAX;
	return value < NUMBER_MAX ? value : NUMBER_MAX;
}

/* What ends before it starts is empty. */
static struct timeline_span read_span(const struct json_value *object)
{
	struct timeline_span span = { read_number(object, "start_ms", 0),
				      read_number(object, "end_ms", 0) };

	if (span.end_ms < span.start_ms)
		span.end_ms = span.start_ms;
	return span;
}

static enum side read_side(const struct json_value *object)
{
	const char *side = json_get_string(object, "side");

	return side && strcmp(side, side_name(SIDE_TARGET)) == 0 ? SIDE_TARGET : SIDE_SOURCE;
}

static enum phase read_phase(const struct json_value *object)
{
	const char *name = json_get_string(object, "phase");
	enum phase phase = PHASE_PREPARE;

	while (name && phase < PHASE_CLEAN && strcmp(phase_name(phase), name) != 0)
		phase++;
	return phase;
}

static void read_bars(const struct json_value *steps, struct timeline *timeline)
{
	for (size_t i = 0; i < json_size(steps) && i < TIMELINE_BARS_MAX; i++) {
		const struct json_value *step = json_at(steps, i);
		struct timeline_bar *bar = &timeline->bars[timeline->bar_count++];

		read_text(step, "name", bar->name, sizeof(bar->name));
		bar->side = read_side(step);
		bar->phase = read_phase(step);
		bar->span = read_span(step);
	}
}

static void read_meetings(const struct json_value *points, struct timeline *timeline)
{
	for (size_t i = 0; i < json_size(points); i++) {
		const struct json_value *met = json_at(points, i);
		const char *name = json_get_string(met, "name");

		for (enum sync_point point = SYNC_NONE + 1; name && point < SYNC_POINTS; point++)
			if (strcmp(sync_label(point), name) == 0)
				timeline->meetings[point][read_side(met)] = read_span(met);
	}
}

static void read_passes(const struct json_value *passes, struct timeline *timeline)
{
	for (size_t i = 0; i < json_size(passes) && i < TIMELINE_PASSES_MAX; i++) {
		const struct json_value *pass = json_at(passes, i);

		timeline->passes[timeline->pass_count++] = (struct timeline_pass){
			.span = read_span(pass),
			.dirty_bytes = read_number(pass, "dirty_bytes", 0),
			.sent_bytes = read_number(pass, "sent_bytes", 0),
			.send_bytes_per_s = read_number(pass, "send_bytes_per_s", 0),
			.dirty_bytes_per_s = read_number(pass, "dirty_bytes_per_s", 0),
		};
	}
}

static void read_heading(const struct json_value *record, struct timeline *timeline)
{
	const struct json_value *memory = json_get(record, "memory");

	read_text(record, "uuid", timeline->uuid, sizeof(timeline->uuid));
	read_text(json_get(record, "vm"), "name-label", timeline->guest, sizeof(timeline->guest));
	read_text(record, "source", timeline->source, sizeof(timeline->source));
	read_text(record, "target", timeline->target, sizeof(timeline->target));
	read_text(record, "plan", timeline->plan, sizeof(timeline->plan));
	read_text(record, "policy", timeline->policy, sizeof(timeline->policy));
	read_text(record, "status", timeline->status, sizeof(timeline->status));
	read_text(record, "job_started", timeline->started, sizeof(timeline->started));
	timeline->total_ms = read_number(record, "total_ms", 0);
	timeline->downtime_ms = read_number(record, "downtime_ms", 0);
	timeline->limit_ms = read_number(record, "downtime_limit_ms", 0);
	timeline->predicted_ms = read_number(record, "predicted_downtime_ms", 0);
	timeline->uncertainty_ms = read_number(record, "clock_uncertainty_ms", 0);
	timeline->memory_bytes = read_number(memory, "total_bytes", 0);
	timeline->wire_bytes = read_number(memory, "wire_bytes", 0);
}

int timeline_read(const struct json_value *record, struct timeline *timeline, struct err *err)
{
	*timeline = (struct timeline){ .total_ms = 0 };
	if (!json_get_string(record, "uuid") || !json_get_string(record, "status"))
		return err_set(err, ERR_FAILED, -EBADMSG, "this is no record of a migration");
	read_heading(record, timeline);
	read_bars(json_get(record, "steps"), timeline);
	read_meetings(json_get(record, "sync_points"), timeline);
	read_passes(json_get(record, "passes"), timeline);
	timeline->commit = read_span(json_get(record, "commit"));
	timeline->suspended = read_number(record, "suspended_ms", -1) >= 0;
	timeline->blackout.start_ms = read_number(record, "suspended_ms", 0);
	timeline->blackout.end_ms = timeline->blackout.start_ms + timeline->downtime_ms;
	timeline_attribute(timeline);
	return 0;
}

double timeline_met_ms(const struct timeline *timeline, enum sync_point point)
{
	double source_ms = timeline->meetings[point][SIDE_SOURCE].end_ms;
	double target_ms = timeline->meetings[point][SIDE_TARGET].end_ms;

	return source_ms > target_ms ? source_ms : target_ms;
}
