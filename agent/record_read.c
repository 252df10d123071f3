/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A record that an earlier worker wrote, for the one that recovers its job. */
#include "record.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define STRING(value, key, field) read_string(value, key, field, sizeof(field))

/* A text of at most `size`; `field` stays as it is when there is none. */
static void read_string(const struct json_value *value, const char *key, char *field, size_t size)
{
	const char *text = json_get_string(value, key);

	if (text && strlen(text) < size)
		snprintf(field, size, "%s", text);
}

static uint64_t read_number(const struct json_value *value, const char *key)
{
	int64_t number = json_get_integer(value, key, 0);

	return number > 0 ? (uint64_t)number : 0;
}

static void read_memory(const struct json_value *memory, struct record *record)
{
	record->memory_bytes = read_number(memory, "total_bytes");
	record->transferred_bytes = read_number(memory, "transferred_bytes");
	record->wire_bytes = read_number(memory, "wire_bytes");
	record->remaining_bytes = read_number(memory, "remaining_bytes");
	record->slow_channel = (uint32_t)read_number(memory, "slow_channel");
	record->iterations = (uint32_t)read_number(memory, "iterations");
	record->dirty_bytes_per_s = read_number(memory, "dirty_bytes_per_s");
	record->send_bytes_per_s = read_number(memory, "send_bytes_per_s");
}

/* When the job began, on this process's clock: it may have been before this host did. */
static void read_start(const struct json_value *last, uint64_t now_us, double now_wall_s,
		       struct record *record)
{
	const char *text = json_get_string(last, "job_started");
	struct tm utc = { .tm_sec = 0 };
	double ago_s;

	if (!text || !strptime(text, "%Y%m%dT%H:%M:%SZ", &utc))
		return;
	record->started_wall_s = (double)timegm(&utc);
	ago_s = now_wall_s - record->started_wall_s;
	if (ago_s > 0 && ago_s * 1e6 < (double)now_us)
		record->started_us = now_us - (uint64_t)(ago_s * 1e6);
}

static uint64_t read_stamp_us(const struct record *record, const struct json_value *step,
			      const char *key)
{
	double ms = json_get_double(step, key, 0);

	return ms > 0 && ms < 1e12 ? record->started_us + (uint64_t)(ms * 1000)
				   : record->started_us;
}

static void read_steps(const struct json_value *steps, struct record *record)
{
	for (size_t i = 0; i < json_size(steps) && record->step_count < RECORD_STEPS_MAX; i++) {
		const struct json_value *step = json_at(steps, i);
		const char *name = json_get_string(step, "name"),
			   *side = json_get_string(step, "side"),
			   *phase = json_get_string(step, "phase");
		const struct step *known = name ? plan_step(name) : NULL;
		struct step_stamp *stamp = &record->steps[record->step_count];

		if (!known || !side || !phase)
			continue;
		*stamp = (struct step_stamp){
			.name = known->name,
			.side = strcmp(side, side_name(SIDE_TARGET)) == 0 ? SIDE_TARGET
									  : SIDE_SOURCE,
			.start_us = read_stamp_us(record, step, "start_ms"),
			.end_us = read_stamp_us(record, step, "end_ms"),
		};
		while (stamp->phase < PHASE_CLEAN && strcmp(phase_name(stamp->phase), phase) != 0)
			stamp->phase++;
		record->step_count++;
	}
}

void record_read(const struct json_value *last, uint64_t now_us, double now_wall_s,
		 struct record *record)
{
	const struct json_value *guest = json_get(last, "vm");
	const char *point = json_get_string(last, "sync_point");

	STRING(guest, "uuid", record->guest_uuid);
	STRING(guest, "name-label", record->guest_name);
	STRING(last, "source", record->source);
	STRING(last, "target", record->target);
	record->downtime_limit_ms = (uint32_t)read_number(last, "downtime_limit_ms");
	record->predicted_downtime_ms = json_get_double(last, "predicted_downtime_ms", 0);
	for (enum sync_point at = SYNC_NONE; point && at < SYNC_POINTS; at++)
		if (strcmp(sync_label(at), point) == 0)
			record->sync_point = at;
	read_memory(json_get(last, "memory"), record);
	read_start(last, now_us, now_wall_s, record);
	if (json_get_double(last, "suspended_ms", 0) > 0)
		record->suspended_us = read_stamp_us(record, last, "suspended_ms");
	if (json_get_double(last, "running_ms", 0) > 0)
		record->running_us = read_stamp_us(record, last, "running_ms");
	read_steps(json_get(last, "steps"), record);
}
