/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "record.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const struct {
	const char *word;
	bool final;
} statuses[STATUSES] = {
#define X(status, word, final) [STATUS_##status] = { word, final },
	STATUS_TABLE(X)
#undef X
};

const char *status_word(enum status status)
{
	assert(status < STATUSES);
	return statuses[status].word;
}

bool status_is_final(enum status status)
{
	assert(status < STATUSES);
	return statuses[status].final;
}

enum status record_status_after(int rc, const struct err *err)
{
	bool refused = err_exit_status(err->code) == err_exit_status(ERR_REFUSED);

	if (rc == 0)
		return STATUS_COMPLETED;
	switch (err->code) {
	case ERR_CANCELLED: return STATUS_CANCELLED;
	case ERR_IN_DOUBT: return STATUS_IN_DOUBT;
	case ERR_LOST: return STATUS_LOST;
	default: return refused ? STATUS_REFUSED : STATUS_FAILED;
	}
}

void record_step_start(struct record *record, const struct step *step, enum side side,
		       enum phase phase, uint64_t now_us)
{
	if (record->step_count == RECORD_STEPS_MAX)
		return;
	record->steps[record->step_count++] = (struct step_stamp){
		.name = step->name, .side = side, .phase = phase, .start_us = now_us
	};
}

void record_step_end(struct record *record, const struct step *step, enum side side,
		     uint64_t now_us)
{
	for (size_t i = record->step_count; i-- > 0;) {
		struct step_stamp *stamp = &record->steps[i];

		if (stamp->side == side && strcmp(stamp->name, step->name) == 0) {
			stamp->end_us = now_us;
			return;
		}
	}
}

double record_downtime_ms(const struct record *record, uint64_t now_us)
{
	uint64_t end_us = record->running_us ? record->running_us : now_us;

	if (!record->suspended_us || end_us < record->suspended_us)
		return 0;
	if (!record->running_us && status_is_final(record->status))
		end_us = record->ended_us;
	return (double)(end_us - record->suspended_us) / 1000;
}

static void write_error(const struct record *record, struct json_writer *writer)
{
	json_key(writer, "error");
	if (record->error.code == ERR_NONE) {
		json_null(writer);
		return;
	}
	json_object_begin(writer);
	json_put_string(writer, "code", err_text(record->error.code));
	json_put_string(writer, "message", record->error.message);
	json_object_end(writer);
}

static void write_memory(const struct record *record, struct json_writer *writer)
{
	json_key(writer, "memory");
	json_object_begin(writer);
	json_put_integer(writer, "total_bytes", (int64_t)record->memory_bytes);
	json_put_integer(writer, "transferred_bytes", (int64_t)record->transferred_bytes);
	json_put_integer(writer, "wire_bytes", (int64_t)record->wire_bytes);
	json_put_integer(writer, "remaining_bytes", (int64_t)record->remaining_bytes);
	json_put_integer(writer, "zero_pages", (int64_t)record->zero_pages);
	json_put_integer(writer, "verified_pages", (int64_t)record->verified_pages);
	json_put_integer(writer, "late_pages", (int64_t)record->late_pages);
	json_put_double(writer, "verify_ms", (double)record->verify_us / 1000);
	json_put_integer(writer, "slow_channel", record->slow_channel);
	json_put_integer(writer, "iterations", record->iterations);
	json_put_integer(writer, "dirty_bytes_per_s", (int64_t)record->dirty_bytes_per_s);
	json_put_integer(writer, "send_bytes_per_s", (int64_t)record->send_bytes_per_s);
	json_put_integer(writer, "eta_ms", (int64_t)record->eta_ms);
	json_object_end(writer);
}

static void write_steps(const struct record *record, uint64_t now_us, struct json_writer *writer)
{
	json_key(writer, "steps");
	json_array_begin(writer);
	for (size_t i = 0; i < record->step_count; i++) {
		const struct step_stamp *stamp = &record->steps[i];

		json_object_begin(writer);
		json_put_string(writer, "name", stamp->name);
		json_put_string(writer, "side", side_name(stamp->side));
		json_put_string(writer, "phase", phase_name(stamp->phase));
		json_put_double(writer, "start_ms", record_ms(record, stamp->start_us));
		json_put_double(writer, "end_ms",
				record_ms(record, stamp->end_us ? stamp->end_us : now_us));
		json_object_end(writer);
	}
	json_array_end(writer);
}

static void write_time(const struct record *record, const char *key, uint64_t at_us,
		       struct json_writer *writer)
{
	json_key(writer, key);
	if (at_us)
		json_double(writer, record_ms(record, at_us));
	else
		json_null(writer);
}

static void write_span(const struct record *record, const struct record_span *span,
		       uint64_t now_us, struct json_writer *writer)
{
	json_put_double(writer, "start_ms", record_ms(record, span->start_us));
	json_put_double(writer, "end_ms",
			record_ms(record, span->end_us ? span->end_us : now_us));
}

static void write_meetings(const struct record *record, uint64_t now_us,
			   struct json_writer *writer)
{
	json_key(writer, "sync_points");
	json_array_begin(writer);
	for (enum sync_point point = SYNC_NONE + 1; point < SYNC_POINTS; point++)
		for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
			const struct record_span *span = &record->meetings[point][side];

			if (!span->start_us)
				continue;
			json_object_begin(writer);
			json_put_string(writer, "name", sync_label(point));
			json_put_string(writer, "side", side_name(side));
			write_span(record, span, now_us, writer);
			json_object_end(writer);
		}
	json_array_end(writer);
}

/* What a blackout is taken apart by: when it was, and the target's commit in it. */
static void write_blackout(const struct record *record, uint64_t now_us,
			   struct json_writer *writer)
{
	write_time(record, "suspended_ms", record->suspended_us, writer);
	write_time(record, "running_ms", record->running_us, writer);
	json_key(writer, "commit");
	if (!record->commit.start_us) {
		json_null(writer);
		return;
	}
	json_object_begin(writer);
	write_span(record, &record->commit, now_us, writer);
	json_object_end(writer);
}

static void write_dry_run(const struct dry_run *dry_run, struct json_writer *writer)
{
	const struct reasons *reasons = &dry_run->reasons;

	json_key(writer, "dry_run");
	if (!dry_run->asked) {
		json_null(writer);
		return;
	}
	json_object_begin(writer);
	json_put_boolean(writer, "feasible", reasons->count == 0);
	json_key(writer, "reasons");
	json_array_begin(writer);
	for (size_t i = 0; i < reasons->count; i++) {
		json_object_begin(writer);
		json_put_string(writer, "code", err_text(reasons->list[i].code));
		json_put_string(writer, "message", reasons->list[i].message);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_key(writer, "hooks");
	json_array_begin(writer);
	for (size_t i = 0; i < dry_run->hook_count; i++) {
		json_object_begin(writer);
		json_put_string(writer, "side", side_name(dry_run->hooks[i].side));
		json_put_string(writer, "name", dry_run->hooks[i].name);
		json_object_end(writer);
	}
	json_array_end(writer);
	json_put_double(writer, "predicted_total_ms", dry_run->total_ms);
	json_put_double(writer, "predicted_downtime_ms", dry_run->downtime_ms);
	json_put_integer(writer, "send_bytes_per_s", (int64_t)dry_run->send_bytes_per_s);
	json_put_boolean(writer, "rate_measured", dry_run->measured);
	json_object_end(writer);
}

/* null: nobody pinged */
static void write_probe(const struct record *record, struct json_writer *writer)
{
	const struct probe_tally *tally = &record->probe;

	json_key(writer, "packet_gap_ms");
	if (!record->probed) {
		json_null(writer);
		return;
	}
	json_double(writer, (double)tally->gap_us / 1000);
	json_put_integer(writer, "packets_sent", tally->sent);
	json_put_integer(writer, "packets_lost", (int64_t)tally->sent - tally->answered);
}

static void write_started(const struct record *record, struct json_writer *writer)
{
	time_t seconds = (time_t)record->started_wall_s;
	char text[32];
	struct tm utc;

	gmtime_r(&seconds, &utc);
	strftime(text, sizeof(text), "%Y%m%dT%H:%M:%SZ", &utc);
	json_put_string(writer, "job_started", text);
}

void record_write(const struct record *record, uint64_t now_us, struct json_writer *writer)
{
	uint64_t end_us = record->ended_us ? record->ended_us : now_us;

	json_object_begin(writer);
	json_put_string(writer, "uuid", record->uuid);
	json_key(writer, "vm");
	json_object_begin(writer);
	json_put_string(writer, "uuid", record->guest_uuid);
	json_put_string(writer, "name-label", record->guest_name);
	json_object_end(writer);
	json_put_string(writer, "source", record->source);
	json_put_string(writer, "target", record->target);
	json_put_string(writer, "side", side_name(record->side));
	json_put_string(writer, "plan", record->plan ? record->plan->name : "");
	json_put_string(writer, "policy", record->policy);
	json_put_string(writer, "status", status_word(record->status));
	json_put_string(writer, "phase", phase_name(record->phase));
	json_put_string(writer, "sync_point", sync_label(record->sync_point));
	write_error(record, writer);
	write_started(record, writer);
	json_put_double(writer, "total_ms", record_ms(record, end_us));
	json_put_double(writer, "downtime_ms", record_downtime_ms(record, end_us));
	json_put_double(writer, "predicted_downtime_ms", record->predicted_downtime_ms);
	json_put_integer(writer, "downtime_limit_ms", record->downtime_limit_ms);
	json_put_integer(writer, "throttle_percent", record->throttle_percent);
	json_put_integer(writer, "bandwidth_bytes_per_s", (int64_t)record->bandwidth_bytes_per_s);
	json_put_boolean(writer, "awaits_continue", record->awaits_continue);
	json_put_double(writer, "clock_uncertainty_ms",
			(double)record->clock_uncertainty_us / 1000);
	write_probe(record, writer);
	write_dry_run(&record->dry_run, writer);
	write_memory(record, writer);
	write_blackout(record, now_us, writer);
	write_steps(record, now_us, writer);
	write_meetings(record, now_us, writer);
	record_write_passes(record, now_us, writer);
	json_object_end(writer);
}
