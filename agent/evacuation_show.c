/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "evacuation_show.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "cli_print.h"
#include "svg.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unreleased"
#endif

#define ROW_HEIGHT 18.0
#define BAR_HEIGHT 12.0
#define HEAD_HEIGHT 78.0
#define GROUP_HEIGHT 24.0
#define STRIP_HEIGHT 36.0
#define FOOT_HEIGHT 64.0

/* A guest's way, as far as it has come; times in ms from the beginning, negative: not (yet). */
struct row {
	char *name, *target, *state, *why; /* owned; "": not known */
	double start_ms, ready_ms, blackout_ms, running_ms, end_ms, downtime_ms;
};

struct chart {
	struct row *rows;
	size_t count;
	double total_ms;
};

static const char *text_or(const char *text, const char *otherwise)
{
	return text ? text : otherwise;
}

static int by_target(const void *a, const void *b)
{
	const struct row *left = a, *right = b;
	int order = strcmp(left->target, right->target);

	if (order != 0)
		return order;
	if (left->start_ms != right->start_ms)
		return left->start_ms < right->start_ms ? -1 : 1;
	return strcmp(left->name, right->name);
}

static bool is_empty(const char *text)
{
	return !text || !text[0];
}

static char *take_first(char *first, char *second)
{
	if (is_empty(first)) {
		free(first);
		return second;
	}
	free(second);
	return first;
}

/* False when out of memory. */
static bool read_row(const struct json_value *guest, struct row *row)
{
	const struct json_value *reason = json_at(json_get(guest, "reasons"), 0);

	*row = (struct row){
		.name = cli_value(guest, "name-label"),
		.target = take_first(cli_value(guest, "last_target"), cli_value(guest, "target")),
		.state = cli_value(guest, "state"),
		.why = cli_value(guest, "error.message"),
		.start_ms = json_get_double(guest, "start_ms", -1),
		.ready_ms = json_get_double(guest, "ready_ms", -1),
		.blackout_ms = json_get_double(guest, "blackout_ms", -1),
		.running_ms = json_get_double(guest, "running_ms", -1),
		.end_ms = json_get_double(guest, "end_ms", -1),
		.downtime_ms = json_get_double(guest, "downtime_ms", 0),
	};
	if (is_empty(row->target))
		row->why = take_first(row->why, cli_value(reason, "message"));
	return row->name && row->target && row->state && row->why;
}

/* The latest time that is known, where it has not ended. */
static double latest(const struct chart *chart)
{
	double most = 1;

	for (size_t i = 0; i < chart->count; i++) {
		const struct row *row = &chart->rows[i];
		const double times[] = { row->start_ms, row->ready_ms, row->blackout_ms,
					 row->running_ms, row->end_ms };

		for (size_t j = 0; j < sizeof(times) / sizeof(times[0]); j++)
			most = times[j] > most ? times[j] : most;
	}
	return most;
}

static void free_chart(struct chart *chart)
{
	for (size_t i = 0; i < chart->count; i++) {
		free(chart->rows[i].name);
		free(chart->rows[i].target);
		free(chart->rows[i].state);
		free(chart->rows[i].why);
	}
	free(chart->rows);
}

/* False when out of memory. */
static bool read_chart(const struct json_value *evacuation, struct chart *chart)
{
	const struct json_value *guests = json_get(evacuation, "guests");
	double total_ms = json_get_double(evacuation, "total_ms", -1);

	*chart = (struct chart){ .rows = calloc(json_size(guests) + 1, sizeof(*chart->rows)) };
	while (chart->rows && chart->count < json_size(guests)) {
		size_t i = chart->count++;

		if (read_row(json_at(guests, i), &chart->rows[i]))
			continue;
		free_chart(chart);
		return false;
	}
	if (!chart->rows)
		return false;
	qsort(chart->rows, chart->count, sizeof(*chart->rows), by_target);
	chart->total_ms = latest(chart);
	if (total_ms > chart->total_ms)
		chart->total_ms = total_ms;
	return true;
}

/* ---- as text ---- */

void evacuation_show_text(const struct json_value *evacuation, FILE *out)
{
	struct chart chart;

	if (!read_chart(evacuation, &chart))
		return;
	fprintf(out, "%-9s %10s %10s %12s  %-16s %s\n", "state", "from s", "to s", "downtime ms",
		"target", "guest");
	for (size_t i = 0; i < chart.count; i++) {
		const struct row *row = &chart.rows[i];

		fprintf(out, "%-9s", row->state);
		if (row->start_ms >= 0)
			fprintf(out, " %10.1f", row->start_ms / 1000);
		else
			fprintf(out, " %10s", "-");
		if (row->end_ms >= 0)
			fprintf(out, " %10.1f", row->end_ms / 1000);
		else
			fprintf(out, " %10s", "-");
		fprintf(out, " %12.1f  %-16s %s%s%s\n", row->downtime_ms,
			row->target[0] ? row->target : "-", row->name, row->why[0] ? ": " : "",
			row->why);
	}
	free_chart(&chart);
}

/* ---- as a picture ---- */

/* How many copied, all in all, at a time. */
static unsigned copying_at(const struct chart *chart, double at_ms)
{
	unsigned count = 0;

	for (size_t i = 0; i < chart->count; i++) {
		const struct row *row = &chart->rows[i];
		double end_ms = row->blackout_ms >= 0 ? row->blackout_ms :
				row->end_ms >= 0      ? row->end_ms :
							chart->total_ms;

		count += row->start_ms >= 0 && row->start_ms <= at_ms && at_ms < end_ms;
	}
	return count;
}

static void draw_strip(const struct chart *chart, const struct svg_scale *scale, double y,
		       FILE *out)
{
	enum { COLUMNS = 264 };
	unsigned counts[COLUMNS], most = 1;
	double width = (SVG_RIGHT - SVG_LEFT) / COLUMNS;

	for (size_t i = 0; i < COLUMNS; i++) {
		counts[i] = copying_at(chart, scale->to * ((double)i + 0.5) / COLUMNS);
		most = counts[i] > most ? counts[i] : most;
	}
	svg_text(out, SVG_LEFT - 6, y + 12, "ytick", "%u copy", most);
	for (size_t i = 0; i < COLUMNS; i++) {
		double height = STRIP_HEIGHT * counts[i] / most;

		if (counts[i] > 0)
			svg_box(out, SVG_LEFT + width * (double)i, y + STRIP_HEIGHT - height, width,
				height, "copy", "%u guests copy", counts[i]);
	}
}

static void draw_span(const struct svg_scale *scale, double from_ms, double to_ms, double y,
		      const char *class, const struct row *row, FILE *out)
{
	if (from_ms < 0 || to_ms < from_ms)
		return;
	svg_box(out, svg_x(scale, from_ms), y, svg_x(scale, to_ms) - svg_x(scale, from_ms),
		BAR_HEIGHT, class, "%s to %s: %s, %.1f s; downtime %.0f ms", row->name, row->target,
		class, (to_ms - from_ms) / 1000, row->downtime_ms);
}

/* The end of a part: where the next that is known begins. */
static double until(const double times[4], size_t from, double total_ms)
{
	for (size_t i = from; i < 4; i++)
		if (times[i] >= 0)
			return times[i];
	return total_ms;
}

/* Beside the last attempt, on the side that has more room. */
static void draw_reason(const struct row *row, const struct svg_scale *scale, double y, FILE *out)
{
	double x = row->start_ms >= 0 ? svg_x(scale, row->start_ms) : SVG_LEFT;
	bool left = x > (SVG_LEFT + SVG_RIGHT) / 2;

	if (row->why[0])
		svg_text(out, left ? x - 6 : x + 6, y + 10, left ? "strong right" : "strong",
			 "%.90s", row->why);
}

static void draw_row(const struct chart *chart, const struct row *row,
		     const struct svg_scale *scale, double y, FILE *out)
{
	const double times[4] = { row->ready_ms, row->blackout_ms, row->running_ms, row->end_ms };
	double at = chart->total_ms;
	bool failed = strcmp(row->state, "failed") == 0;

	svg_text(out, SVG_LEFT - 6, y + 10, "ytick", "%.12s", row->name);
	if (failed && row->start_ms >= 0)
		draw_span(scale, row->start_ms, until(times, 3, at), y, "nobody", row, out);
	else if (row->start_ms >= 0)
		draw_span(scale, row->start_ms, until(times, 0, at), y, "copy", row, out);
	if (!failed) {
		draw_span(scale, row->ready_ms, until(times, 1, at), y, "prepare", row, out);
		draw_span(scale, row->blackout_ms, until(times, 2, at), y, "blackout", row, out);
		draw_span(scale, row->running_ms, until(times, 3, at), y, "run", row, out);
	}
	draw_reason(row, scale, y, out);
}

static void draw_key(double y, FILE *out)
{
	static const struct {
		const char *class, *means;
		double x;
	} key[] = {
		{ "copy", "copies", 84 },
		{ "prepare", "waits for its turn, catches up", 160 },
		{ "blackout", "suspended", 390 },
		{ "run", "runs at the target", 490 },
		{ "nobody", "failed: runs at the source", 640 },
	};

	for (size_t i = 0; i < sizeof(key) / sizeof(key[0]); i++) {
		svg_box(out, key[i].x, y, 12, 12, key[i].class, "%s", key[i].means);
		svg_text(out, key[i].x + 17, y + 10, "quiet", "%s", key[i].means);
	}
}

static double draw_rows(const struct chart *chart, const struct svg_scale *scale, double y,
			FILE *out)
{
	for (size_t i = 0; i < chart->count; i++) {
		const struct row *row = &chart->rows[i];

		if (i == 0 || strcmp(row->target, chart->rows[i - 1].target) != 0) {
			svg_text(out, SVG_LEFT, y + 16, "strong", "%s%s",
				 row->target[0] ? "to " : "nowhere to go", row->target);
			y += GROUP_HEIGHT;
		}
		draw_row(chart, row, scale, y, out);
		y += ROW_HEIGHT;
	}
	return y;
}

void evacuation_show_svg(const struct json_value *evacuation, FILE *out)
{
	const char *host = text_or(json_get_string(evacuation, "host"), "?");
	long long moved = json_get_integer(evacuation, "moved", 0);
	struct svg_scale scale;
	struct chart chart;
	double height, y;
	size_t groups = 0;

	if (!read_chart(evacuation, &chart))
		return;
	scale = (struct svg_scale){ 0, chart.total_ms };
	for (size_t i = 0; i < chart.count; i++)
		groups += i == 0 ||
			  strcmp(chart.rows[i].target, chart.rows[i - 1].target) != 0;
	height = HEAD_HEIGHT + STRIP_HEIGHT + 8 + (double)chart.count * ROW_HEIGHT +
		 (double)groups * GROUP_HEIGHT + FOOT_HEIGHT;
	svg_begin(out, height, "A host is emptied",
		  "One row a guest: when it copied, waited, was suspended, and ran at its target.");
	svg_text(out, 24, 30, "head", "%s: %s", host,
		 text_or(json_get_string(evacuation, "status"), "?"));
	svg_text(out, 24, 50, "quiet", "%lld of %zu guests moved in %.1f s", moved, chart.count,
		 chart.total_ms / 1000);
	draw_key(58, out);
	draw_strip(&chart, &scale, HEAD_HEIGHT, out);
	y = draw_rows(&chart, &scale, HEAD_HEIGHT + STRIP_HEIGHT + 8, out);
	svg_time_axis(out, &scale, 0, y + 4);
	svg_text(out, SVG_RIGHT, y + 44, "quiet right", "xenferry " PACKAGE_VERSION ", %s",
		 text_or(json_get_string(evacuation, "uuid"), ""));
	svg_end(out);
	free_chart(&chart);
}
