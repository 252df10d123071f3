/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "handover_costs.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "json.h"

#define COSTS_FILE_MAX 4096
#define PATH_BYTES 640

#define FIRST_FIXED_MS 60.0
#define FIRST_DEVIATION_MS 20.0
#define FIRST_SUSPEND_MS 20.0
#define COST_MAX_MS 600000.0

#define WEIGHT 0.25         /* of a new sample; half of the memory is gone after three */
#define DEVIATIONS 3.0      /* below the limit, as TCP's timer leaves four above the mean */
#define COPY_DOUBT 0.05     /* of the copying time: a rate is never quite the last one's */
#define RATE_SAMPLE_BYTES (1024u * 1024u)

void costs_init(struct costs *costs)
{
	*costs = (struct costs){ .fixed_ms = FIRST_FIXED_MS,
				 .deviation_ms = FIRST_DEVIATION_MS,
				 .suspend_ms = FIRST_SUSPEND_MS };
}

void costs_guess(struct costs *costs, const struct costs *others, size_t count)
{
	double fixed_ms = 0, suspend_ms = 0;

	costs_init(costs);
	if (count == 0)
		return;
	for (size_t i = 0; i < count; i++) {
		fixed_ms += others[i].fixed_ms;
		suspend_ms += others[i].suspend_ms;
	}
	costs->fixed_ms = fixed_ms / (double)count;
	costs->suspend_ms = suspend_ms / (double)count;
}

double costs_margin_ms(const struct costs *costs, double copy_ms)
{
	return costs->deviation_ms * DEVIATIONS + copy_ms * COPY_DOUBT;
}

/* ---- learning ---- */

static void learn(double *mean, double sample, double weight)
{
	*mean += (sample - *mean) * weight;
}

static double distance(double a, double b)
{
	return a < b ? b - a : a - b;
}

/* From the decision, which is the last answer before the step, to the guest's standing still. */
static double suspend_ms(const struct record *record)
{
	for (size_t i = 0; i < record->step_count; i++) {
		const struct step_stamp *stamp = &record->steps[i];

		if (strcmp(stamp->name, "suspend-guest") == 0 &&
		    record->suspended_us > stamp->start_us)
			return (double)(record->suspended_us - stamp->start_us) / 1000;
	}
	return 0;
}

static double pass_rate(const struct pass_stamp *pass)
{
	uint64_t us = pass->span.end_us - pass->span.start_us;

	if (pass->span.end_us <= pass->span.start_us || pass->sent_bytes < RATE_SAMPLE_BYTES)
		return 0;
	return (double)pass->sent_bytes * 1e6 / (double)us;
}

void costs_learn(struct costs *costs, const struct record *record, bool limited)
{
	const struct pass_stamp *last;
	double weight = costs->samples ? WEIGHT : 1.0, rate, copy_ms, fixed_ms;

	if (record->pass_count < 2 || !record->running_us || !record->suspended_us ||
	    record->running_us < record->suspended_us)
		return;
	last = &record->passes[record->pass_count - 1];
	rate = limited ? 0 : pass_rate(last - 1);
	if (rate <= 0)
		rate = limited ? (double)costs->send_bytes_per_s : pass_rate(&record->passes[0]);
	if (rate <= 0)
		return;
	copy_ms = (double)last->sent_bytes * 1000 / rate;
	fixed_ms = (double)(record->running_us - record->suspended_us) / 1000 - copy_ms;
	if (fixed_ms < 0 || fixed_ms > COST_MAX_MS)
		return;
	/* the first sample says nothing of how far the next will be off */
	learn(&costs->deviation_ms, distance(fixed_ms, costs->fixed_ms),
	      costs->samples ? WEIGHT : 0);
	learn(&costs->fixed_ms, fixed_ms, weight);
	learn(&costs->suspend_ms, suspend_ms(record), weight);
	if (!limited)
		costs->send_bytes_per_s = (uint64_t)rate;
	costs->samples++;
}

/* ---- keeping ---- */

/* A name of a host may be an address with a port: what no file's name should hold becomes '_'. */
static void make_safe(char *name)
{
	for (char *c = name; *c; c++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.", *c))
			*c = '_';
}

static void path_of(const char *folder, const char *target, const char *plan,
		    char path[PATH_BYTES])
{
	char name[160];

	snprintf(name, sizeof(name), "%.64s.%.64s", target, plan);
	make_safe(name);
	snprintf(path, PATH_BYTES, "%.256s/costs/%s.json", folder, name);
}

static double bounded(const struct json_value *json, const char *key, double fallback)
{
	double value = json_get_double(json, key, fallback);

	return value >= 0 && value <= COST_MAX_MS ? value : fallback;
}

/* -ENOENT: nothing is known there. */
static int read_file(const char *path, struct costs *costs)
{
	CLEANUP_JSON_VALUE struct json_value *json = json_parse_file(path, COSTS_FILE_MAX, NULL);
	int64_t rate = json_get_integer(json, "send_bytes_per_s", 0);
	int64_t samples = json_get_integer(json, "samples", 0);

	if (!json || rate < 0 || samples < 0 || samples > UINT32_MAX)
		return -ENOENT;
	costs->fixed_ms = bounded(json, "fixed_ms", costs->fixed_ms);
	costs->deviation_ms = bounded(json, "deviation_ms", costs->deviation_ms);
	costs->suspend_ms = bounded(json, "suspend_ms", costs->suspend_ms);
	costs->send_bytes_per_s = (uint64_t)rate;
	costs->samples = (uint32_t)samples;
	return 0;
}

/* What is kept of that plan, whatever the target. Returns how many. */
static size_t read_others(const char *folder, const char *plan,
			  struct costs others[COSTS_OTHERS_MAX])
{
	char path[PATH_BYTES], ending[80];
	CLEANUP_DIR DIR *dir = NULL;
	const struct dirent *entry;
	size_t count = 0;

	snprintf(ending, sizeof(ending), ".%.64s.json", plan);
	make_safe(ending);
	snprintf(path, sizeof(path), "%.256s/costs", folder);
	dir = opendir(path);
	while (dir && count < COSTS_OTHERS_MAX && (entry = readdir(dir)) != NULL) {
		size_t length = strlen(entry->d_name);

		if (length <= strlen(ending) ||
		    strcmp(entry->d_name + length - strlen(ending), ending) != 0)
			continue;
		snprintf(path, sizeof(path), "%.256s/costs/%.255s", folder, entry->d_name);
		costs_init(&others[count]);
		if (read_file(path, &others[count]) == 0 && others[count].samples > 0)
			count++;
	}
	return count;
}

void costs_read(const char *folder, const char *target, const char *plan, struct costs *costs)
{
	struct costs others[COSTS_OTHERS_MAX];
	char path[PATH_BYTES];

	costs_init(costs);
	path_of(folder, target, plan, path);
	if (read_file(path, costs) < 0)
		costs_guess(costs, others, read_others(folder, plan, others));
}

static int put(const char *path, const char *text, struct err *err)
{
	char fresh[PATH_BYTES + 8];
	FILE *file;
	int written;

	snprintf(fresh, sizeof(fresh), "%s.%d", path, (int)getpid());
	file = fopen(fresh, "we");
	if (!file)
		return err_errno(err, "write %s", fresh);
	written = fprintf(file, "%s\n", text);
	if (fclose(file) != 0 || written < 0 || rename(fresh, path) < 0) {
		(void)err_errno(err, "write %s", path);
		(void)unlink(fresh);
		return -EIO;
	}
	return 0;
}

int costs_write(const char *folder, const char *target, const char *plan,
		const struct costs *costs, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	char path[PATH_BYTES], costs_folder[PATH_BYTES];

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	json_object_begin(writer);
	json_put_double(writer, "fixed_ms", costs->fixed_ms);
	json_put_double(writer, "deviation_ms", costs->deviation_ms);
	json_put_double(writer, "suspend_ms", costs->suspend_ms);
	json_put_integer(writer, "send_bytes_per_s", (int64_t)costs->send_bytes_per_s);
	json_put_integer(writer, "samples", costs->samples);
	json_object_end(writer);
	snprintf(costs_folder, sizeof(costs_folder), "%.256s/costs", folder);
	if (mkdir(costs_folder, 0700) < 0 && errno != EEXIST)
		return err_errno(err, "make %s", costs_folder);
	path_of(folder, target, plan, path);
	return put(path, json_text(writer, NULL), err);
}
