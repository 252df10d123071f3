/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"

static void note(struct metrics *metrics, const char *text)
{
	CLEANUP_JSON_VALUE struct json_value *record = json_parse(text, strlen(text), NULL);

	assert_non_null(record);
	metrics_note(metrics, record);
}

static char *page(const struct metrics *metrics, enum metrics_format format)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	metrics_write(metrics, NULL, format, out);
	fclose(out);
	return text;
}

#define JOB "\"uuid\": \"6f1d2c3b-0000-4000-8000-00000000000a\", \"side\": \"source\""

static struct metrics *two_migrations(void)
{
	struct metrics *metrics = calloc(1, sizeof(*metrics));

	assert_non_null(metrics);
	note(metrics, "{" JOB ", \"status\": \"copying\", \"memory\": {\"wire_bytes\": 1000}}");
	note(metrics, "{" JOB ", \"status\": \"completed\", \"total_ms\": 1500.0,"
		      " \"downtime_ms\": 30.0, \"memory\": {\"wire_bytes\": 5000}}");
	note(metrics, "{" JOB ", \"status\": \"refused\", \"memory\": {\"wire_bytes\": 0}}");
	return metrics;
}

static void what_ended_is_counted_by_how_it_ended(void **state)
{
	CLEANUP_FREE struct metrics *metrics = two_migrations();
	CLEANUP_FREE char *text = page(metrics, METRICS_TEXT);

	(void)state;
	assert_non_null(strstr(text, "_total{direction=\"outgoing\",result=\"completed\"} 1\n"));
	assert_non_null(strstr(text, "_total{direction=\"outgoing\",result=\"refused\"} 1\n"));
	assert_non_null(strstr(text, "_total{direction=\"incoming\",result=\"completed\"} 0\n"));
}

static void bytes_are_counted_once(void **state)
{
	CLEANUP_FREE struct metrics *metrics = two_migrations();
	CLEANUP_FREE char *text = page(metrics, METRICS_TEXT);

	(void)state;
	assert_non_null(strstr(text, "\nxenferry_migration_sent_bytes_total 5000\n"));
}

static void a_histogram_adds_up(void **state)
{
	CLEANUP_FREE struct metrics *metrics = two_migrations();
	CLEANUP_FREE char *text = page(metrics, METRICS_TEXT);

	(void)state;
	assert_non_null(strstr(text, "downtime_seconds_bucket{le=\"0.025\"} 0\n"));
	assert_non_null(strstr(text, "downtime_seconds_bucket{le=\"0.050\"} 1\n"));
	assert_non_null(strstr(text, "downtime_seconds_bucket{le=\"+Inf\"} 1\n"));
	assert_non_null(strstr(text, "downtime_seconds_sum 0.030000\n"));
	assert_non_null(strstr(text, "downtime_seconds_count 1\n"));
}

static void a_dry_run_is_no_migration(void **state)
{
	CLEANUP_FREE struct metrics *metrics = calloc(1, sizeof(*metrics));

	(void)state;
	assert_non_null(metrics);
	note(metrics, "{" JOB ", \"status\": \"completed\", \"dry_run\": {\"feasible\": true}}");
	assert_int_equal(metrics->ended[SIDE_SOURCE][STATUS_COMPLETED], 0);
}

static void a_doubt_is_not_the_end(void **state)
{
	CLEANUP_FREE struct metrics *metrics = calloc(1, sizeof(*metrics));

	(void)state;
	assert_non_null(metrics);
	note(metrics, "{" JOB ", \"status\": \"in-doubt\"}");
	assert_int_equal(metrics->ended[SIDE_SOURCE][STATUS_IN_DOUBT], 0);
}

/* Each sample's family was declared before it, each family once, and the text has its end. */
static void openmetrics_is_strict(void **state)
{
	CLEANUP_FREE struct metrics *metrics = two_migrations();
	CLEANUP_FREE char *text = page(metrics, METRICS_OPENMETRICS);
	char family[128] = "", type[32], last[128] = "";
	char *rest = NULL;

	(void)state;
	for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
		snprintf(last, sizeof(last), "%.120s", line);
		if (sscanf(line, "# TYPE %127s %31s", family, type) == 2) {
			if (strcmp(type, "counter") == 0)
				assert_null(strstr(family, "_total"));
			continue;
		}
		if (line[0] == '#')
			continue;
		assert_int_equal(strncmp(line, family, strlen(family)), 0);
		if (strcmp(type, "counter") == 0)
			assert_int_equal(strncmp(line + strlen(family), "_total", 6), 0);
	}
	assert_string_equal(last, "# EOF");
}

/* Texts of the dashboard that name a metric name one that there is. */
static void check_texts(const struct json_value *value, const char *known, unsigned *found)
{
	const char *text = json_string_of(value);

	for (size_t i = 0; i < json_size(value); i++)
		check_texts(json_is_object(value) ? json_value_at(value, i) : json_at(value, i),
			    known, found);
	while (text && (text = strstr(text, "xenferry_"))) {
		char declared[160];
		size_t length = strspn(text, "abcdefghijklmnopqrstuvwxyz_");

		if (length > 7 && strncmp(text + length - 7, "_bucket", 7) == 0)
			snprintf(declared, sizeof(declared), "# TYPE %.*s ", (int)length - 7, text);
		else
			snprintf(declared, sizeof(declared), "# TYPE %.*s ", (int)length, text);
		if (!strstr(known, declared))
			fail_msg("the dashboard asks for '%.*s'", (int)length, text);
		(*found)++;
		text += length;
	}
}

static void the_dashboard_asks_for_metrics_that_there_are(void **state)
{
	CLEANUP_FREE struct metrics *metrics = two_migrations();
	CLEANUP_FREE char *text = page(metrics, METRICS_TEXT);
	const char *sources = getenv("top_srcdir");
	CLEANUP_JSON_VALUE struct json_value *dashboard = NULL;
	char path[4096];
	unsigned found = 0;
	struct err err;

	(void)state;
	snprintf(path, sizeof(path), "%s/docs/grafana.json", sources ? sources : ".");
	dashboard = json_parse_file(path, 1 << 20, &err);
	if (!dashboard)
		fail_msg("%s", err.message);
	check_texts(dashboard, text, &found);
	assert_true(found >= 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_ended_is_counted_by_how_it_ended),
		cmocka_unit_test(bytes_are_counted_once),
		cmocka_unit_test(a_histogram_adds_up),
		cmocka_unit_test(a_dry_run_is_no_migration),
		cmocka_unit_test(a_doubt_is_not_the_end),
		cmocka_unit_test(openmetrics_is_strict),
		cmocka_unit_test(the_dashboard_asks_for_metrics_that_there_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
