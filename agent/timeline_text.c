/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The timeline as text: a heading, the steps and points in order, the passes, the blackout. */
#include "timeline.h"

#include <stdlib.h>

#define MIB (1024.0 * 1024.0)
#define STRIPE_WIDTH 40

/* A line of the table: a step, or a point. */
struct line {
	double start_ms;
	const struct timeline_bar *bar; /* NULL: a point */
	enum sync_point point;
};

static int by_start(const void *a, const void *b)
{
	double first = ((const struct line *)a)->start_ms;
	double second = ((const struct line *)b)->start_ms;

	return (first > second) - (first < second);
}

static size_t collect(const struct timeline *timeline,
		      struct line lines[TIMELINE_BARS_MAX + SYNC_POINTS])
{
	size_t count = 0;

	for (size_t i = 0; i < timeline->bar_count; i++)
		lines[count++] = (struct line){ .start_ms = timeline->bars[i].span.start_ms,
						.bar = &timeline->bars[i] };
	for (enum sync_point point = SYNC_NONE + 1; point < SYNC_POINTS; point++)
		if (timeline_met_ms(timeline, point) > 0)
			lines[count++] = (struct line){
				.start_ms = timeline_met_ms(timeline, point), .point = point
			};
	qsort(lines, count, sizeof(lines[0]), by_start);
	return count;
}

static void write_steps(const struct timeline *timeline, FILE *out)
{
	struct line lines[TIMELINE_BARS_MAX + SYNC_POINTS];
	size_t count = collect(timeline, lines);

	fprintf(out, "\n%10s %10s  %-8s  %-22s %s\n", "at ms", "took ms", "phase",
		timeline->source, timeline->target);
	for (size_t i = 0; i < count; i++) {
		const struct timeline_bar *bar = lines[i].bar;

		if (bar)
			fprintf(out, "%10.1f %10.1f  %-8s  %*s%s\n", bar->span.start_ms,
				bar->span.end_ms - bar->span.start_ms, phase_name(bar->phase),
				bar->side == SIDE_TARGET ? 23 : 0, "", bar->name);
		else
			fprintf(out, "%10.1f %10s  %s %s\n", lines[i].start_ms, "--------",
				sync_label(lines[i].point), sync_name(lines[i].point));
	}
}

static void write_passes(const struct timeline *timeline, FILE *out)
{
	if (timeline->pass_count == 0)
		return;
	fprintf(out, "\n%4s %10s %10s %12s %12s %14s\n", "pass", "at ms", "took ms", "sent MiB",
		"sent MiB/s", "dirtied MiB/s");
	for (size_t i = 0; i < timeline->pass_count; i++) {
		const struct timeline_pass *pass = &timeline->passes[i];

		fprintf(out, "%4zu %10.1f %10.1f %12.1f %12.1f", i, pass->span.start_ms,
			pass->span.end_ms - pass->span.start_ms, pass->sent_bytes / MIB,
			pass->send_bytes_per_s / MIB);
		if (pass->dirty_bytes_per_s > 0)
			fprintf(out, " %14.1f\n", pass->dirty_bytes_per_s / MIB);
		else /* it was suspended, or nobody knows */
			fprintf(out, " %14s\n", "-");
	}
}

static void write_blackout(const struct timeline *timeline, FILE *out)
{
	double whole_ms = timeline->downtime_ms;

	if (timeline->part_count == 0)
		return;
	fprintf(out, "\nblackout: %.3f ms, of which %.3f ms (%.1f %%) nobody accounts for\n",
		whole_ms, timeline->unaccounted_ms, 100 * timeline->unaccounted_ms / whole_ms);
	for (size_t i = 0; i < timeline->part_count; i++) {
		const struct timeline_part *part = &timeline->parts[i];
		double took_ms = part->span.end_ms - part->span.start_ms;
		int stripe = (int)(took_ms / whole_ms * STRIPE_WIDTH + 0.5);

		fprintf(out, "%10.3f ms %5.1f %%  %s%s", took_ms, 100 * took_ms / whole_ms,
			part->what[0] ? part->what : "(not accounted for)", stripe ? "  " : "");
		for (int k = 0; k < stripe; k++)
			fputc(part->what[0] ? '#' : '?', out);
		fputc('\n', out);
	}
}

void timeline_write_text(const struct timeline *timeline, FILE *out)
{
	fprintf(out, "%s from %s to %s, plan %s, policy %s: %s\n", timeline->guest,
		timeline->source, timeline->target, timeline->plan, timeline->policy,
		timeline->status);
	fprintf(out, "started %s, took %.1f ms\n", timeline->started, timeline->total_ms);
	fprintf(out, "downtime %.1f ms (predicted %.0f, limit %.0f)\n", timeline->downtime_ms,
		timeline->predicted_ms, timeline->limit_ms);
	fprintf(out, "memory %.0f MiB, sent %.0f MiB in %zu passes\n",
		timeline->memory_bytes / MIB, timeline->wire_bytes / MIB, timeline->pass_count);
	fprintf(out, "the two hosts' clocks are joined within %.3f ms\n",
		timeline->uncertainty_ms);
	write_steps(timeline, out);
	write_passes(timeline, out);
	write_blackout(timeline, out);
}
