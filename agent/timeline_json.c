/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The timeline for programs: our own JSON, and Zipkin v2 spans. */
#include "timeline.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SERVICE "xenferry"

static void put_span(struct json_writer *writer, const struct timeline_span *span)
{
	json_put_double(writer, "start_ms", span->start_ms);
	json_put_double(writer, "end_ms", span->end_ms);
}

static void write_out(struct json_writer *writer, FILE *out)
{
	fprintf(out, "%s\n", json_text(writer, NULL));
}

/* ---- our own ---- */

static void put_bars(const struct timeline *timeline, struct json_writer *writer)
{
	json_key(writer, "steps");
	json_array_begin(writer);
	for (size_t i = 0; i < timeline->bar_count; i++) {
		const struct timeline_bar *bar = &timeline->bars[i];

		json_object_begin(writer);
		json_put_string(writer, "name", bar->name);
		json_put_string(writer, "side", side_name(bar->side));
		json_put_string(writer, "phase", phase_name(bar->phase));
		put_span(writer, &bar->span);
		json_object_end(writer);
	}
	json_array_end(writer);
}

static void put_points(const struct timeline *timeline, struct json_writer *writer)
{
	json_key(writer, "sync_points");
	json_array_begin(writer);
	for (enum sync_point point = SYNC_NONE + 1; point < SYNC_POINTS; point++) {
		if (timeline_met_ms(timeline, point) <= 0)
			continue;
		json_object_begin(writer);
		json_put_string(writer, "name", sync_label(point));
		json_put_string(writer, "meaning", sync_name(point));
		json_put_double(writer, "met_ms", timeline_met_ms(timeline, point));
		json_object_end(writer);
	}
	json_array_end(writer);
}

static void put_passes(const struct timeline *timeline, struct json_writer *writer)
{
	json_key(writer, "passes");
	json_array_begin(writer);
	for (size_t i = 0; i < timeline->pass_count; i++) {
		const struct timeline_pass *pass = &timeline->passes[i];

		json_object_begin(writer);
		put_span(writer, &pass->span);
		json_put_integer(writer, "dirty_bytes", (int64_t)pass->dirty_bytes);
		json_put_integer(writer, "sent_bytes", (int64_t)pass->sent_bytes);
		json_put_integer(writer, "send_bytes_per_s", (int64_t)pass->send_bytes_per_s);
		json_put_integer(writer, "dirty_bytes_per_s", (int64_t)pass->dirty_bytes_per_s);
		json_object_end(writer);
	}
	json_array_end(writer);
}

static void put_blackout(const struct timeline *timeline, struct json_writer *writer)
{
	json_key(writer, "blackout");
	if (!timeline->suspended) {
		json_null(writer);
		return;
	}
	json_object_begin(writer);
	put_span(writer, &timeline->blackout);
	json_put_double(writer, "unaccounted_ms", timeline->unaccounted_ms);
	json_key(writer, "parts");
	json_array_begin(writer);
	for (size_t i = 0; i < timeline->part_count; i++) {
		const struct timeline_part *part = &timeline->parts[i];

		json_object_begin(writer);
		json_put_string(writer, "what", part->what[0] ? part->what : NULL);
		put_span(writer, &part->span);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_object_end(writer);
}

void timeline_write_json(const struct timeline *timeline, FILE *out)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return;
	json_object_begin(writer);
	json_put_string(writer, "uuid", timeline->uuid);
	json_put_string(writer, "vm", timeline->guest);
	json_put_string(writer, "source", timeline->source);
	json_put_string(writer, "target", timeline->target);
	json_put_string(writer, "plan", timeline->plan);
	json_put_string(writer, "policy", timeline->policy);
	json_put_string(writer, "status", timeline->status);
	json_put_string(writer, "started", timeline->started);
	json_put_double(writer, "total_ms", timeline->total_ms);
	json_put_double(writer, "downtime_ms", timeline->downtime_ms);
	json_put_double(writer, "downtime_limit_ms", timeline->limit_ms);
	json_put_double(writer, "predicted_downtime_ms", timeline->predicted_ms);
	json_put_double(writer, "clock_uncertainty_ms", timeline->uncertainty_ms);
	put_blackout(timeline, writer);
	put_bars(timeline, writer);
	put_points(timeline, writer);
	put_passes(timeline, writer);
	json_object_end(writer);
	write_out(writer, out);
}

/* ---- Zipkin v2 ---- */

/* The trace; ids are made of the migration's and a number, so that they never change. */
struct zipkin {
	struct json_writer *writer;
	const struct timeline *timeline;
	char trace[33];  /* 32 hexadecimal digits: the migration's uuid */
	int64_t started_us;
	unsigned count;
};

#define ROOT_SPAN 1

static int64_t started_us(const char *text)
{
	struct tm utc = { .tm_isdst = 0 };
	const char *end = strptime(text, "%Y%m%dT%H:%M:%SZ", &utc);

	return end && *end == '\0' ? (int64_t)timegm(&utc) * 1000000 : 0;
}

static void put_id(struct zipkin *zipkin, const char *key, unsigned number)
{
	char id[17];

	snprintf(id, sizeof(id), "%.8s%08x", zipkin->trace, number);
	json_put_string(zipkin->writer, key, id);
}

/* Zipkin counts a duration from 1 µs. */
static void put_zipkin(struct zipkin *zipkin, const char *name, enum side side,
		       const struct timeline_span *span, const char *phase)
{
	const struct timeline *timeline = zipkin->timeline;
	struct json_writer *writer = zipkin->writer;
	int64_t us = (int64_t)((span->end_ms - span->start_ms) * 1000);

	json_object_begin(writer);
	json_put_string(writer, "traceId", zipkin->trace);
	put_id(zipkin, "id", ++zipkin->count);
	if (zipkin->count != ROOT_SPAN)
		put_id(zipkin, "parentId", ROOT_SPAN);
	json_put_string(writer, "name", name);
	json_put_integer(writer, "timestamp",
			 zipkin->started_us + (int64_t)(span->start_ms * 1000));
	json_put_integer(writer, "duration", us > 0 ? us : 1);
	json_key(writer, "localEndpoint");
	json_object_begin(writer);
	json_put_string(writer, "serviceName", SERVICE);
	json_object_end(writer);
	json_key(writer, "tags");
	json_object_begin(writer);
	json_put_string(writer, "host",
			side == SIDE_SOURCE ? timeline->source : timeline->target);
	json_put_string(writer, "side", side_name(side));
	if (phase)
		json_put_string(writer, "phase", phase);
	if (zipkin->count == ROOT_SPAN) {
		json_put_string(writer, "vm", timeline->guest);
		json_put_string(writer, "status", timeline->status);
		json_put_string(writer, "plan", timeline->plan);
	}
	json_object_end(writer);
	json_object_end(writer);
}

static void put_moment(struct zipkin *zipkin, const char *name, enum side side, double at_ms)
{
	const struct timeline_span moment = { at_ms, at_ms };

	put_zipkin(zipkin, name, side, &moment, NULL);
}

static void put_trace(struct zipkin *zipkin)
{
	const struct timeline *timeline = zipkin->timeline;
	const struct timeline_span whole = { 0, timeline->total_ms };

	put_zipkin(zipkin, "VM.pool_migrate", SIDE_SOURCE, &whole, NULL);
	for (size_t i = 0; i < timeline->bar_count; i++) {
		const struct timeline_bar *bar = &timeline->bars[i];

		put_zipkin(zipkin, bar->name, bar->side, &bar->span, phase_name(bar->phase));
	}
	for (enum sync_point point = SYNC_NONE + 1; point < SYNC_POINTS; point++)
		if (timeline_met_ms(timeline, point) > 0)
			put_moment(zipkin, sync_label(point), sync_speaker(point),
				   timeline_met_ms(timeline, point));
	if (!timeline->suspended)
		return;
	put_moment(zipkin, "VM_migrate_downtime_begin", SIDE_SOURCE, timeline->blackout.start_ms);
	put_moment(zipkin, "VM_migrate_downtime_end", SIDE_TARGET, timeline->blackout.end_ms);
}

void timeline_write_zipkin(const struct timeline *timeline, FILE *out)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct zipkin zipkin = { .writer = writer, .timeline = timeline };
	size_t digits = 0;

	if (!writer)
		return;
	for (const char *c = timeline->uuid; *c && digits + 1 < sizeof(zipkin.trace); c++)
		if (*c != '-')
			zipkin.trace[digits++] = *c;
	zipkin.started_us = started_us(timeline->started);
	json_array_begin(writer);
	put_trace(&zipkin);
	json_array_end(writer);
	write_out(writer, out);
}
