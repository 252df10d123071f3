/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The timeline as a picture, from top to bottom: the downtime, the whole migration in two lanes,
 * the blackout magnified and taken apart, the passes of the copy.
 */
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "svg.h"

#define MIB (1024.0 * 1024.0)
#define LANE_HEIGHT 34.0
#define LANE_GAP 6.0
#define ROW_HEIGHT 19.0
#define PLOT_HEIGHT 130.0
#define PASSES_SHOWN 12

static const char *const phase_classes[] = {
	[PHASE_PREPARE] = "prepare", [PHASE_COPY] = "copy", [PHASE_BLACKOUT] = "blackout",
	[PHASE_COMMIT] = "blackout", [PHASE_RUN] = "run",   [PHASE_CLEAN] = "clean",
};

/* What is drawn, and how far down it has come. */
struct canvas {
	FILE *out;
	const struct timeline *timeline;
	double y;
};

/* ---- heading ---- */

static void draw_fact(struct canvas *canvas, double x, double *y, const char *name,
		      const char *value)
{
	svg_text(canvas->out, x, *y, "quiet", "%s", name);
	svg_text(canvas->out, SVG_RIGHT, *y, "figure", "%s", value);
	*y += ROW_HEIGHT;
}

static void draw_facts(struct canvas *canvas)
{
	const struct timeline *timeline = canvas->timeline;
	const double x = 600;
	char text[64];
	double y = 34;

	snprintf(text, sizeof(text), "%.0f ms", timeline->limit_ms);
	draw_fact(canvas, x, &y, "downtime allowed", text);
	snprintf(text, sizeof(text), "%.0f ms", timeline->predicted_ms);
	draw_fact(canvas, x, &y, "downtime predicted", text);
	snprintf(text, sizeof(text), "%.2f s", timeline->total_ms / 1000);
	draw_fact(canvas, x, &y, "whole migration", text);
	snprintf(text, sizeof(text), "%.0f MiB", timeline->memory_bytes / MIB);
	draw_fact(canvas, x, &y, "memory", text);
	snprintf(text, sizeof(text), "%.0f MiB in %zu passes", timeline->wire_bytes / MIB,
		 timeline->pass_count);
	draw_fact(canvas, x, &y, "sent", text);
	snprintf(text, sizeof(text), "± %.3f ms", timeline->uncertainty_ms);
	draw_fact(canvas, x, &y, "clocks joined within", text);
}

static void draw_heading(struct canvas *canvas)
{
	const struct timeline *timeline = canvas->timeline;

	svg_text(canvas->out, 24, 34, "head", "%.60s: %.24s → %.24s", timeline->guest,
		 timeline->source, timeline->target);
	fprintf(canvas->out,
		"<text x=\"22\" y=\"96\" class=\"huge\">%.*f<tspan class=\"unit\"> ms downtime"
		"</tspan></text>\n",
		timeline->downtime_ms < 100 ? 1 : 0, timeline->downtime_ms);
	svg_text(canvas->out, 24, 128, "quiet", "%s, plan %s, policy %s, %s", timeline->status,
		 timeline->plan, timeline->policy, timeline->started);
	draw_facts(canvas);
	canvas->y = 172;
}

/* ---- lanes ---- */

static double lane_y(const struct canvas *canvas, enum side side)
{
	return canvas->y + (side == SIDE_TARGET ? LANE_HEIGHT + LANE_GAP : 0);
}

static void draw_lanes(struct canvas *canvas)
{
	const char *const hosts[] = { canvas->timeline->source, canvas->timeline->target };

	for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
		double y = lane_y(canvas, side);

		svg_box(canvas->out, SVG_LEFT, y, SVG_RIGHT - SVG_LEFT, LANE_HEIGHT, "lane", "%s",
			hosts[side]);
		svg_text(canvas->out, SVG_LEFT - 8, y + 15, "right", "%s", side_name(side));
		svg_text(canvas->out, SVG_LEFT - 8, y + 29, "quiet right", "%.9s", hosts[side]);
	}
}

static void draw_bars(struct canvas *canvas, const struct svg_scale *scale)
{
	for (size_t i = 0; i < canvas->timeline->bar_count; i++) {
		const struct timeline_bar *bar = &canvas->timeline->bars[i];
		double x = svg_x(scale, bar->span.start_ms);
		double width = svg_x(scale, bar->span.end_ms) - x, y = lane_y(canvas, bar->side);
		const char *class = phase_classes[bar->phase];

		if (bar->span.end_ms < scale->from || bar->span.start_ms > scale->to)
			continue;
		svg_box(canvas->out, x, y + 4, width, LANE_HEIGHT - 8, class, "%s: %.3f ms",
			bar->name, bar->span.end_ms - bar->span.start_ms);
		if (svg_label_width(bar->name) + 6 <= width)
			svg_text(canvas->out, x + width / 2, y + LANE_HEIGHT / 2 + 4,
				 bar->phase == PHASE_COPY ? "in in-copy" : "in", "%s", bar->name);
	}
}

/* Labels that would stand on each other go up a line. */
static void draw_points(struct canvas *canvas, const struct svg_scale *scale, double bottom)
{
	double free_x[2] = { 0, 0 };

	for (enum sync_point point = SYNC_NONE + 1; point < SYNC_POINTS; point++) {
		double at_ms = timeline_met_ms(canvas->timeline, point), x = svg_x(scale, at_ms);
		size_t line = x - 16 >= free_x[0] ? 0 : 1;

		if (at_ms <= 0 || at_ms < scale->from || at_ms > scale->to)
			continue;
		svg_line(canvas->out, x, canvas->y - 4, x, bottom, "point");
		if (x - 16 < free_x[line])
			continue; /* the line stands for it, and the list has its name */
		svg_text(canvas->out, x, canvas->y - 8 - (double)line * 13, "sync", "%s",
			 sync_label(point));
		free_x[line] = x + 16;
	}
}

static void draw_legend(struct canvas *canvas, double y)
{
	static const struct {
		const char *class, *text;
	} entries[] = {
		{ "prepare", "prepare" }, { "copy", "copy" },   { "blackout", "blackout" },
		{ "run", "run" },         { "clean", "clean up" },
	};
	double x = 250;

	svg_text(canvas->out, SVG_RIGHT, y, "quiet right", "time since the job began");
	for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
		svg_box(canvas->out, x, y - 9, 10, 10, entries[i].class, "%s", entries[i].text);
		svg_text(canvas->out, x + 15, y, "quiet", "%s", entries[i].text);
		x += 32 + 7 * (double)strlen(entries[i].text);
	}
}

static void draw_whole(struct canvas *canvas)
{
	const struct timeline *timeline = canvas->timeline;
	const struct svg_scale scale = { 0, timeline->total_ms };

	svg_text(canvas->out, 24, canvas->y, "head", "The whole migration");
	draw_legend(canvas, canvas->y);
	canvas->y += 42;
	draw_lanes(canvas);
	draw_bars(canvas, &scale);
	draw_points(canvas, &scale, lane_y(canvas, SIDE_TARGET) + LANE_HEIGHT);
	canvas->y = lane_y(canvas, SIDE_TARGET) + LANE_HEIGHT + 4;
	svg_time_axis(canvas->out, &scale, 0, canvas->y);
	canvas->y += 24;
}

/* ---- the blackout ---- */

/* What the blackout was spent on, each once, with all of its time. */
struct share {
	const struct timeline_part *part; /* the first of its kind */
	double took_ms;
};

static const char *part_class(const struct timeline_part *part)
{
	static const struct {
		const char *word, *class;
	} rules[] = {
		{ "(message)", "message" },
		{ "commit made durable", "commit" },
		{ "(source)", "source" },
		{ "(target)", "target" },
	};

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (strstr(part->what, rules[i].word))
			return rules[i].class;
	return "nobody";
}

static const char *part_text(const struct timeline_part *part)
{
	return part->what[0] ? part->what : "nobody accounts for this";
}

/* Adds a part to its share, in the order of their first appearance; returns the share's number. */
static size_t add_share(struct share shares[TIMELINE_PARTS_MAX], size_t *count,
			const struct timeline_part *part)
{
	size_t i = 0;

	while (i < *count && strcmp(shares[i].part->what, part->what) != 0)
		i++;
	if (i == *count)
		shares[(*count)++] = (struct share){ .part = part };
	shares[i].took_ms += part->span.end_ms - part->span.start_ms;
	return i;
}

static void draw_part(struct canvas *canvas, const struct svg_scale *scale,
		      const struct timeline_part *part, size_t number)
{
	double x = svg_x(scale, part->span.start_ms), width = svg_x(scale, part->span.end_ms) - x;

	svg_box(canvas->out, x, canvas->y, width, LANE_HEIGHT, part_class(part), "%s: %.3f ms",
		part_text(part), part->span.end_ms - part->span.start_ms);
	if (width >= 16 && part->what[0])
		svg_text(canvas->out, x + width / 2, canvas->y + 21, "in", "%zu", number);
}

static void draw_share(struct canvas *canvas, const struct share *share, size_t number, double x,
		       double y)
{
	svg_text(canvas->out, x + 18, y, "number", "%zu", number);
	svg_box(canvas->out, x + 24, y - 9, 10, 10, part_class(share->part), "%s",
		part_text(share->part));
	svg_text(canvas->out, x + 40, y, share->part->what[0] ? "name" : "strong", "%.40s",
		 part_text(share->part));
	svg_text(canvas->out, x + 354, y, "figure", "%.3f ms", share->took_ms);
	svg_text(canvas->out, x + 412, y, "number", "%.1f %%",
		 100 * share->took_ms / canvas->timeline->downtime_ms);
}

/* The strip, and the list that its numbers lead to, in two columns. */
static void draw_parts(struct canvas *canvas, const struct svg_scale *scale)
{
	const struct timeline *timeline = canvas->timeline;
	struct share shares[TIMELINE_PARTS_MAX];
	size_t count = 0, rows;

	svg_text(canvas->out, SVG_LEFT - 8, canvas->y + 21, "right", "spent on");
	for (size_t i = 0; i < timeline->part_count; i++) {
		size_t number = add_share(shares, &count, &timeline->parts[i]) + 1;

		draw_part(canvas, scale, &timeline->parts[i], number);
	}
	canvas->y += LANE_HEIGHT + 4;
	svg_time_axis(canvas->out, scale, scale->from, canvas->y);
	canvas->y += 46;
	rows = (count + 1) / 2;
	for (size_t i = 0; i < count; i++)
		draw_share(canvas, &shares[i], i + 1, i < rows ? 24 : 464,
			   canvas->y + (double)(i < rows ? i : i - rows) * ROW_HEIGHT);
	canvas->y += (double)rows * ROW_HEIGHT;
}

/* From the blackout in the lanes above, past the axis, to its own lanes. */
static void draw_lens(struct canvas *canvas, double top, double waist, double bottom)
{
	const struct timeline *timeline = canvas->timeline;
	const struct svg_scale scale = { 0, timeline->total_ms };
	double left = svg_x(&scale, timeline->blackout.start_ms);
	double right = svg_x(&scale, timeline->blackout.end_ms);

	right = right > left + 1 ? right : left + 1;
	fprintf(canvas->out,
		"<path class=\"zoom\" d=\"M%.2f %.1fV%.1fL%.1f %.1fH%.1fL%.2f %.1fV%.1fZ\"/>\n",
		left, top, waist, SVG_LEFT, bottom, SVG_RIGHT, right, waist, top);
}

static void draw_blackout(struct canvas *canvas)
{
	const struct timeline *timeline = canvas->timeline;
	const struct svg_scale scale = { timeline->blackout.start_ms, timeline->blackout.end_ms };

	draw_lens(canvas, canvas->y - 24, canvas->y - 2, canvas->y + 28);
	canvas->y += 54;
	svg_text(canvas->out, 24, canvas->y, "head", "The blackout, magnified: %.3f ms",
		 timeline->downtime_ms);
	svg_text(canvas->out, SVG_RIGHT, canvas->y, "quiet right",
		 "time since the guest was suspended; nobody accounts for %.3f ms (%.1f %%)",
		 timeline->unaccounted_ms, 100 * timeline->unaccounted_ms / timeline->downtime_ms);
	canvas->y += 40;
	draw_lanes(canvas);
	draw_bars(canvas, &scale);
	draw_points(canvas, &scale, lane_y(canvas, SIDE_TARGET) + 2 * LANE_HEIGHT + LANE_GAP);
	canvas->y = lane_y(canvas, SIDE_TARGET) + LANE_HEIGHT + LANE_GAP;
	draw_parts(canvas, &scale);
}

/* ---- the copy ---- */

static double highest_rate(const struct timeline *timeline)
{
	double highest = 1;

	for (size_t i = 0; i < timeline->pass_count; i++) {
		const struct timeline_pass *pass = &timeline->passes[i];

		highest = pass->send_bytes_per_s > highest ? pass->send_bytes_per_s : highest;
		highest = pass->dirty_bytes_per_s > highest ? pass->dirty_bytes_per_s : highest;
	}
	return highest / MIB;
}

/* Ticks from zero; returns the rate at the top. */
static double draw_rate_axis(struct canvas *canvas, double bottom)
{
	double highest = highest_rate(canvas->timeline), step = svg_step(highest, 4), top = 0;
	int decimals = step >= 1 ? 0 : step >= 0.1 ? 1 : 3;

	while (top < highest)
		top += step;
	for (double rate = 0; rate <= top + step / 2; rate += step) {
		double y = bottom - rate / top * PLOT_HEIGHT;

		svg_line(canvas->out, SVG_LEFT, y, SVG_RIGHT, y, "rule");
		svg_text(canvas->out, SVG_LEFT - 8, y + 4, "ytick", "%.*f", decimals, rate);
	}
	svg_text(canvas->out, SVG_LEFT - 8, bottom - PLOT_HEIGHT - 12, "ytick", "MiB/s");
	svg_text(canvas->out, SVG_RIGHT, bottom - PLOT_HEIGHT - 12, "quiet right",
		 "time since the job began");
	return top;
}

static void draw_pass(struct canvas *canvas, size_t index, const struct svg_scale *scale,
		      double bottom, double top_rate)
{
	const struct timeline_pass *pass = &canvas->timeline->passes[index];
	double x = svg_x(scale, pass->span.start_ms), width = svg_x(scale, pass->span.end_ms) - x;
	double height = pass->send_bytes_per_s / MIB / top_rate * PLOT_HEIGHT;
	bool last = canvas->timeline->suspended && index + 1 == canvas->timeline->pass_count;

	svg_box(canvas->out, x, bottom - height, width > 2 ? width - 0.7 : width, height,
		last ? "blackout" : "copy", "pass %zu: %.1f MiB in %.1f ms, %.1f MiB/s", index,
		pass->sent_bytes / MIB, pass->span.end_ms - pass->span.start_ms,
		pass->send_bytes_per_s / MIB);
	if (width >= 16 && height >= 18)
		svg_text(canvas->out, x + width / 2, bottom - height + 14,
			 last ? "in" : "in in-copy", "%zu", index);
}

/* Over each pass the rate that the next one's dirty pages show; the last but one has the last. */
static void draw_dirty(struct canvas *canvas, size_t index, const struct svg_scale *scale,
		       double bottom, double top_rate)
{
	const struct timeline_pass *pass = &canvas->timeline->passes[index];
	double y = bottom - pass->dirty_bytes_per_s / MIB / top_rate * PLOT_HEIGHT;
	double x = svg_x(scale, pass->span.start_ms), end_x = svg_x(scale, pass->span.end_ms);

	if (pass->dirty_bytes_per_s <= 0)
		return;
	end_x = end_x > x + 3 ? end_x : x + 3;
	svg_line(canvas->out, x, y, end_x, y, "casing");
	svg_line(canvas->out, x, y, end_x, y, "dirty");
}

static void draw_rates(struct canvas *canvas)
{
	const struct timeline *timeline = canvas->timeline;
	const struct svg_scale scale = { timeline->passes[0].span.start_ms,
					 timeline->passes[timeline->pass_count - 1].span.end_ms };
	double bottom = canvas->y + PLOT_HEIGHT, top_rate = draw_rate_axis(canvas, bottom);

	for (size_t i = 0; i < timeline->pass_count; i++)
		draw_pass(canvas, i, &scale, bottom, top_rate);
	for (size_t i = 0; i < timeline->pass_count; i++)
		draw_dirty(canvas, i, &scale, bottom, top_rate);
	svg_time_axis(canvas->out, &scale, 0, bottom);
	canvas->y = bottom + 18;
}

static void draw_pass_rows(struct canvas *canvas)
{
	static const char *const columns[] = { "pass", "took, ms", "sent, MiB", "sent, MiB/s",
					       "dirtied, MiB/s" };
	static const double at[] = { 60, 190, 330, 480, 640 };
	const struct timeline *timeline = canvas->timeline;
	size_t hidden = timeline->pass_count > PASSES_SHOWN ? timeline->pass_count - PASSES_SHOWN :
							      0;

	for (size_t i = 0; i < sizeof(at) / sizeof(at[0]); i++)
		svg_text(canvas->out, at[i], canvas->y, "number", "%s", columns[i]);
	for (size_t i = 0; i < timeline->pass_count; i++) {
		const struct timeline_pass *pass = &timeline->passes[i];

		if (i >= PASSES_SHOWN / 2 && i < PASSES_SHOWN / 2 + hidden)
			continue; /* the middle; format=text has all */
		canvas->y += ROW_HEIGHT;
		svg_text(canvas->out, at[0], canvas->y, "figure", "%zu", i);
		svg_text(canvas->out, at[1], canvas->y, "figure", "%.1f",
			 pass->span.end_ms - pass->span.start_ms);
		svg_text(canvas->out, at[2], canvas->y, "figure", "%.1f", pass->sent_bytes / MIB);
		svg_text(canvas->out, at[3], canvas->y, "figure", "%.1f",
			 pass->send_bytes_per_s / MIB);
		if (pass->dirty_bytes_per_s > 0)
			svg_text(canvas->out, at[4], canvas->y, "figure", "%.1f",
				 pass->dirty_bytes_per_s / MIB);
	}
}

static void draw_copy(struct canvas *canvas)
{
	canvas->y += 28;
	svg_text(canvas->out, 24, canvas->y, "head",
		 "The copy: how fast it sent, how fast the guest dirtied");
	svg_box(canvas->out, 500, canvas->y - 9, 10, 10, "copy", "sent");
	svg_text(canvas->out, 515, canvas->y, "quiet", "sent, guest running");
	svg_box(canvas->out, 652, canvas->y - 9, 10, 10, "blackout", "sent");
	svg_text(canvas->out, 667, canvas->y, "quiet", "sent, suspended");
	svg_box(canvas->out, 786, canvas->y - 6, 16, 4, "swatch-dirty", "dirtied");
	svg_text(canvas->out, 808, canvas->y, "quiet", "dirtied");
	canvas->y += 36;
	draw_rates(canvas);
	canvas->y += 30;
	draw_pass_rows(canvas);
}

/* ---- the picture ---- */

static void draw(struct canvas *canvas)
{
	draw_heading(canvas);
	draw_whole(canvas);
	if (canvas->timeline->part_count > 0)
		draw_blackout(canvas);
	if (canvas->timeline->pass_count > 0)
		draw_copy(canvas);
	canvas->y += 34;
	svg_text(canvas->out, 24, canvas->y, "quiet", "migration %s", canvas->timeline->uuid);
	canvas->y += 20;
}

void timeline_write_svg(const struct timeline *timeline, FILE *out)
{
	CLEANUP_FREE char *shapes = NULL;
	struct canvas canvas = { .timeline = timeline };
	char title[512], description[640];
	size_t size;

	canvas.out = open_memstream(&shapes, &size);
	if (!canvas.out)
		return;
	draw(&canvas);
	fclose(canvas.out);
	snprintf(title, sizeof(title), "%s from %s to %s: %.1f ms downtime", timeline->guest,
		 timeline->source, timeline->target, timeline->downtime_ms);
	snprintf(description, sizeof(description),
		 "Migration %s by plan %s, %s after %.1f ms. Two lanes show what source and target "
		 "did, then what the %.3f ms of the blackout were spent on (%.3f ms unaccounted "
		 "for), then how fast each of %zu passes sent against how fast the guest dirtied.",
		 timeline->uuid, timeline->plan, timeline->status, timeline->total_ms,
		 timeline->downtime_ms, timeline->unaccounted_ms, timeline->pass_count);
	svg_begin(out, canvas.y, title, description);
	fwrite(shapes, 1, size, out);
	svg_end(out);
}
