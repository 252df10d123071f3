/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * demo-report [--json]: what the demo's runs came to. Reads one JSON object from stdin:
 *
 *   {"costs": "xenserver-6.2", "runs": [
 *      {"time_scale": 1, "ping": {"gap_ms": …, "sent": …, "lost": …},
 *       "verdict": {…}, "record": {…}}]}
 *
 * with what the pinger measured, what the guest says of itself (verdict.h) and what `vm-migrate
 * --json` printed. Exit 0 only if every migration completed with memory and disk intact.
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "err.h"
#include "json.h"
#include "picture.h"

#define INPUT_MAX (1u << 20)
#define STEPS_MAX 64
#define RUNS_MAX 8
#define BEFORE_MS 3000 /* of what happened before the guest was suspended, so much is drawn */
#define SUSPEND "suspend-guest"

struct step {
	const char *name, *side, *phase;
	double start_ms, end_ms; /* from the guest's suspension */
};

/* A migration, in the log's own time. */
struct run {
	const char *plan, *status, *source, *target;
	double scale;
	double downtime_ms, total_ms, gap_ms;
	int64_t sent, lost, memory_bytes;
	bool memory_verified, disk_verified;
	struct step steps[STEPS_MAX];
	size_t step_count;
};

/* ---- reading ---- */

static struct json_value *read_input(FILE *in, struct err *err)
{
	CLEANUP_FREE char *text = malloc(INPUT_MAX);
	size_t size;

	if (!text) {
		err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
		return NULL;
	}
	size = fread(text, 1, INPUT_MAX, in);
	return json_parse(text, size, err);
}

/* Whether a guest that is not heard of waits for it. */
static bool is_blackout(const struct step *step)
{
	static const char *const phases[] = { "BLACKOUT", "COMMIT", "RUN" };

	for (size_t i = 0; i < sizeof(phases) / sizeof(phases[0]); i++)
		if (strcmp(step->phase, phases[i]) == 0)
			return true;
	return false;
}

/* When the guest stood still, from the job's start: the last moment of its suspension. */
static double suspended_ms(const struct json_value *steps)
{
	for (size_t i = 0; i < json_size(steps); i++) {
		const struct json_value *step = json_at(steps, i);
		const char *name = json_get_string(step, "name");

		if (name && strcmp(name, SUSPEND) == 0)
			return json_get_double(step, "end_ms", 0);
	}
	return 0;
}

static struct step *find_step(struct run *run, const char *name)
{
	for (size_t i = 0; i < run->step_count; i++)
		if (strcmp(run->steps[i].name, name) == 0)
			return &run->steps[i];
	return NULL;
}

/* A step that both sides do at the same time is one bar. */
static void add_step(struct run *run, const struct step *step)
{
	struct step *known = find_step(run, step->name);

	if (!known || known->end_ms < step->start_ms || step->end_ms < known->start_ms) {
		if (run->step_count < STEPS_MAX)
			run->steps[run->step_count++] = *step;
		return;
	}
	known->side = "both";
	if (step->start_ms < known->start_ms)
		known->start_ms = step->start_ms;
	if (step->end_ms > known->end_ms)
		known->end_ms = step->end_ms;
}

static int by_start(const void *a, const void *b)
{
	const struct step *one = a, *other = b;

	return (one->start_ms > other->start_ms) - (one->start_ms < other->start_ms);
}

static const char *text_of(const struct json_value *object, const char *key)
{
	const char *text = json_get_string(object, key);

	return text ? text : "?";
}

static void read_steps(struct run *run, const struct json_value *steps)
{
	double zero_ms = suspended_ms(steps);

	for (size_t i = 0; i < json_size(steps); i++) {
		const struct json_value *from = json_at(steps, i);
		const struct step step = {
			.name = text_of(from, "name"),
			.side = text_of(from, "side"),
			.phase = text_of(from, "phase"),
			.start_ms = (json_get_double(from, "start_ms", 0) - zero_ms) * run->scale,
			.end_ms = (json_get_double(from, "end_ms", 0) - zero_ms) * run->scale,
		};

		add_step(run, &step);
	}
	qsort(run->steps, run->step_count, sizeof(run->steps[0]), by_start);
}

static void read_run(struct run *run, const struct json_value *from)
{
	const struct json_value *record = json_get(from, "record");
	const struct json_value *verdict = json_get(from, "verdict");
	const struct json_value *ping = json_get(from, "ping");
	double scale = json_get_double(from, "time_scale", 1);

	*run = (struct run){
		.plan = text_of(record, "plan"),
		.status = text_of(record, "status"),
		.source = text_of(record, "source"),
		.target = text_of(record, "target"),
		.scale = scale,
		.downtime_ms = json_get_double(record, "downtime_ms", 0) * scale,
		.total_ms = json_get_double(record, "total_ms", 0) * scale,
		.gap_ms = json_get_double(ping, "gap_ms", 0) * scale,
		.sent = json_get_integer(ping, "sent", 0),
		.lost = json_get_integer(ping, "lost", 0),
		.memory_bytes = json_get_integer(json_get(record, "memory"), "total_bytes", 0),
		.memory_verified = json_get_boolean(verdict, "memory_verified", false),
		.disk_verified = json_get_boolean(verdict, "disk_verified", false),
	};
	read_steps(run, json_get(record, "steps"));
}

/* ---- for programs ---- */

static void write_run(const struct run *run, struct json_writer *writer)
{
	json_object_begin(writer);
	json_put_string(writer, "plan", run->plan);
	json_put_string(writer, "status", run->status);
	json_put_double(writer, "downtime_ms", run->downtime_ms);
	json_put_double(writer, "packet_gap_ms", run->gap_ms);
	json_put_integer(writer, "packets_sent", run->sent);
	json_put_integer(writer, "packets_lost", run->lost);
	json_put_boolean(writer, "memory_verified", run->memory_verified);
	json_put_boolean(writer, "disk_verified", run->disk_verified);
	json_put_double(writer, "total_ms", run->total_ms);
	json_put_double(writer, "time_scale", run->scale);
	json_object_end(writer);
}

static int print_json(const struct run *runs, size_t count)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return -ENOMEM;
	json_object_begin(writer);
	json_key(writer, "guest");
	json_object_begin(writer);
	json_put_integer(writer, "memory_bytes", runs[0].memory_bytes);
	json_object_end(writer);
	json_put_integer(writer, "hosts", 2);
	json_key(writer, "migrations");
	json_array_begin(writer);
	for (size_t i = 0; i < count; i++)
		write_run(&runs[i], writer);
	json_array_end(writer);
	json_object_end(writer);
	return puts(json_text(writer, NULL)) < 0 ? -EIO : 0;
}

/* ---- for people: the table ---- */

static const char *intact(bool verified)
{
	return verified ? "intact" : "BROKEN";
}

static void print_row(const struct run *run)
{
	double rest_ms = run->gap_ms > run->downtime_ms ? run->gap_ms - run->downtime_ms : 0;
	char gap[32], steps[32], rest[32], total[32], lost[32];

	snprintf(lost, sizeof(lost), "%lld of %lld", (long long)run->lost, (long long)run->sent);
	printf("  %-14s %10s %10s %10s %14s   %-7s %-7s %8s\n", run->plan,
	       picture_time(run->gap_ms, gap, sizeof(gap)),
	       picture_time(run->downtime_ms, steps, sizeof(steps)),
	       picture_time(rest_ms, rest, sizeof(rest)), lost, intact(run->memory_verified),
	       intact(run->disk_verified), picture_time(run->total_ms, total, sizeof(total)));
}

static void print_table(const struct run *runs, size_t count)
{
	printf("  %-14s %10s %10s %10s %14s   %-7s %-7s %8s\n", "plan", "silence", "suspended",
	       "network", "pings lost", "memory", "disk", "all");
	for (size_t i = 0; i < count; i++)
		print_row(&runs[i]);
	printf("\n  silence = suspended (the agents' steps) + network (until a ping is answered"
	       " again)\n");
}

/* ---- for people: the picture ---- */

static void draw_step(const struct picture *picture, const struct step *step)
{
	char label[64];

	snprintf(label, sizeof(label), "%-7s %s", step->side, step->name);
	picture_bar(picture, BAR_STEP, label, step->start_ms, step->end_ms);
}

/* Steps that take half a column at least; the short ones of the blackout are told elsewhere. */
static void draw_run(const struct run *run, double to_ms)
{
	struct picture picture = picture_of(stdout, -BEFORE_MS, to_ms);
	double visible_ms = picture_column_ms(&picture) / 2;
	char gap[32];

	printf("\n  %s, %s to %s: %s without an answer", run->plan, run->source, run->target,
	       picture_time(run->gap_ms, gap, sizeof(gap)));
	if (run->scale > 1)
		printf(" (ran %g times as fast)", run->scale);
	printf("\n\n");
	picture_axis(&picture);
	for (size_t i = 0; i < run->step_count; i++)
		if (run->steps[i].end_ms - run->steps[i].start_ms >= visible_ms)
			draw_step(&picture, &run->steps[i]);
	picture_bar(&picture, BAR_SILENCE, "guest   silent", 0, run->gap_ms);
}

static double end_ms(const struct run *run)
{
	double end = run->gap_ms;

	for (size_t i = 0; i < run->step_count; i++)
		if (run->steps[i].end_ms > end)
			end = run->steps[i].end_ms;
	return end;
}

/* The blackout alone, as wide as the page. */
static void draw_blackout(const struct run *run)
{
	struct picture picture = picture_of(stdout, -run->gap_ms / 4, run->gap_ms * 1.05);

	printf("\n  the same from nearby: the blackout of %s\n\n", run->plan);
	picture_axis(&picture);
	for (size_t i = 0; i < run->step_count; i++)
		if (is_blackout(&run->steps[i]) && run->steps[i].start_ms < run->gap_ms)
			draw_step(&picture, &run->steps[i]);
	picture_bar(&picture, BAR_SILENCE, "guest   silent", 0, run->gap_ms);
}

static void print_report(const struct run *runs, size_t count, const char *costs)
{
	double to_ms = 0;

	printf("\n  A guest of %lld MiB between two simulated hosts; its devices cost what they"
	       " cost in\n  devices/sim/presets/%s.\n\n",
	       (long long)(runs[0].memory_bytes >> 20), costs);
	print_table(runs, count);
	for (size_t i = 0; i < count; i++)
		if (end_ms(&runs[i]) > to_ms)
			to_ms = end_ms(&runs[i]);
	for (size_t i = 0; i < count; i++)
		draw_run(&runs[i], to_ms);
	draw_blackout(&runs[count - 1]);
	printf("\n");
}

/* ---- all of it ---- */

static bool holds(const struct run *run)
{
	return strcmp(run->status, "completed") == 0 && run->memory_verified &&
	       run->disk_verified && run->sent > run->lost;
}

static int report(bool json, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *input = read_input(stdin, err);
	const struct json_value *list = json_get(input, "runs");
	size_t count = json_size(list);
	struct run runs[RUNS_MAX];
	bool all = true;

	if (!input)
		return -EINVAL;
	if (count == 0 || count > RUNS_MAX)
		return err_set(err, ERR_USAGE, -EINVAL, "wants 1 to %d runs, not %zu", RUNS_MAX,
			       count);
	for (size_t i = 0; i < count; i++) {
		read_run(&runs[i], json_at(list, i));
		all = all && holds(&runs[i]);
	}
	if (json && print_json(runs, count) < 0)
		return err_set(err, ERR_FAILED, -EIO, "cannot write the result");
	if (!json)
		print_report(runs, count, text_of(input, "costs"));
	return all ? 0
		   : err_set(err, ERR_FAILED, -EBADMSG, "a migration failed, or lost something");
}

int main(int argc, char **argv)
{
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	struct err err;

	if (argc > 2 || (argc == 2 && !json)) {
		fprintf(stderr, "usage: demo-report [--json] <FILE\n");
		return err_exit_status(ERR_USAGE);
	}
	setlocale(LC_CTYPE, "");
	if (report(json, &err) == 0)
		return 0;
	fprintf(stderr, "demo-report: %s\n", err.message);
	return err_exit_status(err.code);
}
