/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What monitoring sees of this host's migrations: counts since the daemon began, and how each one
 * that runs stands now. As a page for node_exporter's textfile collector, and over HTTP
 * (daemon_scrape.h). Names follow Prometheus' rules: base units, counters end in _total; a guest's
 * series go with its job.
 */
#ifndef XENFERRY_DAEMON_METRICS_H
#define XENFERRY_DAEMON_METRICS_H

#include <stdint.h>
#include <stdio.h>

#include "daemon_jobs.h"
#include "json.h"
#include "record.h"
#include "sync.h"

#define METRICS_BUCKETS 12
#define METRICS_JOBS_MAX 128 /* whose bytes are counted as they are sent */

struct metrics_histogram {
	uint64_t counts[METRICS_BUCKETS]; /* not cumulative; beyond the last bound: `count` alone */
	uint64_t count;
	double sum;
};

struct metrics {
	uint64_t ended[2][STATUSES]; /* by side and final status */
	struct metrics_histogram duration, downtime;
	uint64_t sent_bytes;
	struct metrics_sent {
		char uuid[UUID_TEXT]; /* "": free */
		uint64_t bytes;       /* counted already */
	} sent[METRICS_JOBS_MAX];
};

/* The classic text, which node_exporter and promtool read, or OpenMetrics 1.0. */
enum metrics_format { METRICS_TEXT, METRICS_OPENMETRICS };

/* A job has this record now. Zero `metrics` before the first. */
void metrics_note(struct metrics *metrics, const struct json_value *record);
/* Writes the whole page; `jobs` may be NULL. */
void metrics_write(const struct metrics *metrics, const struct jobs *jobs,
		   enum metrics_format format, FILE *out);
/* Replaces the file `path` by the page in one step; failures are logged. May wait for the disk. */
void metrics_write_file(const struct metrics *metrics, const struct jobs *jobs, const char *path);

#endif
