/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_metrics.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "daemon_record.h"
#include "log.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unreleased"
#endif

/* Seconds; a cumulative bucket for each, and one for all. */
static const double duration_bounds[METRICS_BUCKETS] = { 1,   2,   5,    10,   20,   60,
							 120, 300, 600, 1800, 3600, 14400 };
static const double downtime_bounds[METRICS_BUCKETS] = { 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
							 0.5,   1,    2.5,   5,    10,  30 };

static const char *direction(enum side side)
{
	return side == SIDE_SOURCE ? "outgoing" : "incoming";
}

static enum side side_of(const struct json_value *record)
{
	const char *side = json_get_string(record, "side");

	return side && strcmp(side, side_name(SIDE_TARGET)) == 0 ? SIDE_TARGET : SIDE_SOURCE;
}

/* ---- counting ---- */

static void observe(struct metrics_histogram *histogram, const double *bounds, double value)
{
	size_t i = 0;

	while (i < METRICS_BUCKETS && value > bounds[i])
		i++;
	if (i < METRICS_BUCKETS)
		histogram->counts[i]++;
	histogram->count++;
	histogram->sum += value;
}

/* Where a job's bytes are remembered, else a free place; NULL when there is none. */
static struct metrics_sent *find_sent(struct metrics *metrics, const char *uuid)
{
	struct metrics_sent *place = NULL;

	for (size_t i = 0; i < METRICS_JOBS_MAX; i++) {
		if (strcmp(metrics->sent[i].uuid, uuid) == 0)
			return &metrics->sent[i];
		if (metrics->sent[i].uuid[0] == '\0' && !place)
			place = &metrics->sent[i];
	}
	if (place)
		snprintf(place->uuid, sizeof(place->uuid), "%s", uuid);
	return place;
}

static void count_bytes(struct metrics *metrics, const struct json_value *record, bool over)
{
	int64_t bytes = json_get_integer(json_get(record, "memory"), "wire_bytes", 0);
	struct metrics_sent *sent = find_sent(metrics, json_get_string(record, "uuid"));

	if (sent && bytes > 0 && (uint64_t)bytes > sent->bytes) {
		metrics->sent_bytes += (uint64_t)bytes - sent->bytes;
		sent->bytes = (uint64_t)bytes;
	}
	if (sent && over)
		*sent = (struct metrics_sent){ .bytes = 0 };
}

void metrics_note(struct metrics *metrics, const struct json_value *record)
{
	enum status status = daemon_record_status(record);
	bool over = status_is_final(status) && status != STATUS_IN_DOUBT;
	enum side side = side_of(record);

	if (daemon_record_is_dry_run(record))
		return;
	if (side == SIDE_SOURCE)
		count_bytes(metrics, record, over);
	if (!over)
		return;
	metrics->ended[side][status]++;
	if (side != SIDE_SOURCE || status != STATUS_COMPLETED)
		return;
	observe(&metrics->duration, duration_bounds, json_get_double(record, "total_ms", 0) / 1e3);
	observe(&metrics->downtime, downtime_bounds,
		json_get_double(record, "downtime_ms", 0) / 1e3);
}

/* ---- writing ---- */

struct page {
	const struct metrics *metrics;
	const struct jobs *jobs; /* NULL: none */
	enum metrics_format format;
	FILE *out;
};

/* OpenMetrics names a counter's family without _total, and its unit apart. */
static void head(const struct page *page, const char *name, const char *type, const char *help)
{
	bool bare = page->format == METRICS_OPENMETRICS && strcmp(type, "counter") == 0;
	int length = (int)strlen(name) - (bare ? (int)strlen("_total") : 0);

	fprintf(page->out, "# HELP %.*s %s\n# TYPE %.*s %s\n", length, name, help, length, name,
		type);
}

static void write_ended(const struct page *page, const char *name)
{
	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++)
		for (enum status status = STATUS_COMPLETED; status < STATUSES; status++)
			if (status != STATUS_IN_DOUBT)
				fprintf(page->out,
					"%s{direction=\"%s\",result=\"%s\"} %" PRIu64 "\n", name,
					direction(side), status_word(status),
					page->metrics->ended[side][status]);
}

static unsigned count_running(const struct jobs *jobs, enum side side, enum status status)
{
	const struct json_value *record;
	unsigned count = 0;

	for (size_t i = 0; jobs && (record = jobs_record_at(jobs, i)); i++)
		count += side_of(record) == side && daemon_record_status(record) == status;
	return count;
}

static void write_running(const struct page *page, const char *name)
{
	static const enum status statuses[] = { STATUS_PREPARING, STATUS_COPYING, STATUS_BLACKOUT,
						STATUS_IN_DOUBT };

	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++)
		for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
			fprintf(page->out, "%s{direction=\"%s\",phase=\"%s\"} %u\n", name,
				direction(side), status_word(statuses[i]),
				count_running(page->jobs, side, statuses[i]));
}

static void write_histogram(const struct page *page, const char *name,
			    const struct metrics_histogram *histogram, const double *bounds)
{
	uint64_t below = 0;

	for (size_t i = 0; i < METRICS_BUCKETS; i++) {
		below += histogram->counts[i];
		/* OpenMetrics wants "1.0", and Prometheus takes it too */
		fprintf(page->out, "%s_bucket{le=\"%.*f\"} %" PRIu64 "\n", name,
			bounds[i] < 1 ? 3 : 1, bounds[i], below);
	}
	fprintf(page->out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, histogram->count);
	fprintf(page->out, "%s_sum %.6f\n%s_count %" PRIu64 "\n", name, histogram->sum, name,
		histogram->count);
}

static void write_duration(const struct page *page, const char *name)
{
	write_histogram(page, name, &page->metrics->duration, duration_bounds);
}

static void write_downtime(const struct page *page, const char *name)
{
	write_histogram(page, name, &page->metrics->downtime, downtime_bounds);
}

static void write_sent(const struct page *page, const char *name)
{
	fprintf(page->out, "%s %" PRIu64 "\n", name, page->metrics->sent_bytes);
}

static void write_build(const struct page *page, const char *name)
{
	fprintf(page->out, "%s{version=\"%s\"} 1\n", name, PACKAGE_VERSION);
}

/* One row a metric: a function that writes its samples, or the member of "memory" that it shows. */
static const struct metric {
	const char *name, *type, *help;
	void (*write)(const struct page *page, const char *name);
	const char *member;
} table[] = {
	{ "xenferry_build_info", "gauge", "The agent's version.", write_build, NULL },
	{ "xenferry_migrations_total", "counter", "Migrations that ended, by how they ended.",
	  write_ended, NULL },
	{ "xenferry_migrations_in_progress", "gauge", "Migrations that run now.", write_running,
	  NULL },
	{ "xenferry_migration_duration_seconds", "histogram",
	  "How long completed outgoing migrations took.", write_duration, NULL },
	{ "xenferry_migration_downtime_seconds", "histogram",
	  "How long the guests of completed outgoing migrations stood still.", write_downtime,
	  NULL },
	{ "xenferry_migration_sent_bytes_total", "counter",
	  "Bytes of memory streams that left this host.", write_sent, NULL },
	{ "xenferry_migration_memory_total_bytes", "gauge", "Memory of a guest that leaves.",
	  NULL, "total_bytes" },
	{ "xenferry_migration_memory_processed_bytes", "gauge",
	  "Memory of it that was sent, repetitions included.", NULL, "transferred_bytes" },
	{ "xenferry_migration_memory_remaining_bytes", "gauge",
	  "Memory that the pass under way has still to send.", NULL, "remaining_bytes" },
	{ "xenferry_migration_dirty_memory_rate_bytes_per_second", "gauge",
	  "How fast the guest writes to memory that was sent.", NULL, "dirty_bytes_per_s" },
	{ "xenferry_migration_memory_transfer_rate_bytes_per_second", "gauge",
	  "How fast its memory is sent.", NULL, "send_bytes_per_s" },
	{ "xenferry_migration_iteration", "gauge", "Passes of the copy, begun so far.", NULL,
	  "iterations" },
};

/* A series for each guest that leaves; its uuid may be anything that a worker said. */
static void write_guests(const struct page *page, const struct metric *metric)
{
	const struct json_value *record;

	for (size_t i = 0; page->jobs && (record = jobs_record_at(page->jobs, i)); i++) {
		const char *uuid = json_get_string(json_get(record, "vm"), "uuid");
		uint8_t bytes[UUID_BYTES];

		if (side_of(record) != SIDE_SOURCE || !uuid || !uuid_from_text(uuid, bytes) ||
		    status_is_final(daemon_record_status(record)))
			continue;
		fprintf(page->out, "%s{vm=\"%s\"} %" PRId64 "\n", metric->name, uuid,
			json_get_integer(json_get(record, "memory"), metric->member, 0));
	}
}

void metrics_write(const struct metrics *metrics, const struct jobs *jobs,
		   enum metrics_format format, FILE *out)
{
	const struct page page = { metrics, jobs, format, out };

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		head(&page, table[i].name, table[i].type, table[i].help);
		if (table[i].write)
			table[i].write(&page, table[i].name);
		else
			write_guests(&page, &table[i]);
	}
	if (format == METRICS_OPENMETRICS)
		fputs("# EOF\n", out);
}

void metrics_write_file(const struct metrics *metrics, const struct jobs *jobs, const char *path)
{
	CLEANUP_FILE FILE *out = NULL;
	char fresh[PATH_MAX];

	snprintf(fresh, sizeof(fresh), "%s.new", path); /* not *.prom: nobody reads half a page */
	out = fopen(fresh, "we");
	if (!out) {
		log_warning("metrics: %s cannot be written: %s", fresh, strerror(errno));
		return;
	}
	metrics_write(metrics, jobs, METRICS_TEXT, out);
	if (fflush(out) != 0 || ferror(out) || rename(fresh, path) < 0) {
		log_warning("metrics: %s cannot be written: %s", path, strerror(errno));
		(void)unlink(fresh);
	}
}
