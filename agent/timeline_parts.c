/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the blackout was spent on. It is cut wherever something begins or ends on either host; each
 * piece belongs to the step that ran in it, of several to the one that ended last, which is the one
 * that was waited for; else to the commit; else to a message between the hosts. Who only waits
 * explains nothing: a point counts from when its speaker speaks, and the target's receiving only
 * once the source has sent everything. What then belongs to nobody is shown as that.
 */
#include "timeline.h"

#include <stdlib.h>
#include <string.h>

#define CUTS_MAX (2 * TIMELINE_BARS_MAX + 4 * SYNC_POINTS + 4)

struct cuts {
	double at_ms[CUTS_MAX];
	size_t count;
};

static void cut(struct cuts *cuts, const struct timeline_span *within, double at_ms)
{
	if (at_ms > within->start_ms && at_ms < within->end_ms && cuts->count < CUTS_MAX)
		cuts->at_ms[cuts->count++] = at_ms;
}

static void cut_span(struct cuts *cuts, const struct timeline_span *within,
		     const struct timeline_span *span)
{
	cut(cuts, within, span->start_ms);
	cut(cuts, within, span->end_ms);
}

static bool covers(const struct timeline_span *span, double at_ms)
{
	return span->start_ms <= at_ms && at_ms < span->end_ms;
}

/* When the source had sent everything: before it the target's receiving is a wait. */
static double sent_ms(const struct timeline *timeline)
{
	double at_ms = timeline->blackout.end_ms;

	for (size_t i = 0; i < timeline->bar_count; i++) {
		const struct timeline_bar *bar = &timeline->bars[i];
		const struct step *step = plan_step(bar->name);

		if (bar->side == SIDE_SOURCE && step && step->traits & STEP_FINISHES_COPY)
			at_ms = bar->span.end_ms;
	}
	return at_ms;
}

static bool is_at_work(const struct timeline *timeline, const struct timeline_bar *bar,
		       double at_ms)
{
	const struct step *step = plan_step(bar->name);

	if (!covers(&bar->span, at_ms))
		return false;
	return !(step && step->traits & STEP_COPIES && bar->side == SIDE_TARGET &&
		 at_ms < sent_ms(timeline));
}

static void name_part(char *what, const char *name, enum side side)
{
	snprintf(what, TIMELINE_TEXT_MAX, "%.*s (%s)", TIMELINE_TEXT_MAX - 16, name,
		 side_name(side));
}

/* What goes on beyond the blackout does not hold it up: of two such the target's, which ends it. */
static void name_step(const struct timeline *timeline, double at_ms, char *what)
{
	const struct timeline_bar *last = NULL;
	double last_end_ms = 0;

	for (size_t i = 0; i < timeline->bar_count; i++) {
		const struct timeline_bar *bar = &timeline->bars[i];
		double end_ms = bar->span.end_ms < timeline->blackout.end_ms ?
					bar->span.end_ms : timeline->blackout.end_ms;

		if (!is_at_work(timeline, bar, at_ms) || (last && end_ms < last_end_ms) ||
		    (last && end_ms <= last_end_ms && bar->side == SIDE_SOURCE))
			continue;
		last = bar;
		last_end_ms = end_ms;
	}
	if (last)
		name_part(what, last->name, last->side);
}

/* From when its speaker speaks until both know that it was heard. */
static struct timeline_span exchange(const struct timeline *timeline, enum sync_point point)
{
	enum side speaker = sync_speaker(point);

	return (struct timeline_span){ timeline->meetings[point][speaker].start_ms,
				       timeline_met_ms(timeline, point) };
}

static void name_message(const struct timeline *timeline, double at_ms, char *what)
{
	for (enum sync_point point = SYNC_POINTS; point-- > SYNC_NONE + 1;) {
		struct timeline_span span = exchange(timeline, point);

		if (!covers(&span, at_ms))
			continue;
		snprintf(what, TIMELINE_TEXT_MAX, "%s %s (message)", sync_label(point),
			 sync_name(point));
		return;
	}
}

static void add_part(struct timeline *timeline, const char *what, struct timeline_span span)
{
	struct timeline_part *last =
		timeline->part_count ? &timeline->parts[timeline->part_count - 1] : NULL;

	if (what[0] == '\0')
		timeline->unaccounted_ms += span.end_ms - span.start_ms;
	if (last &&
	    (strcmp(last->what, what) == 0 || timeline->part_count == TIMELINE_PARTS_MAX)) {
		last->span.end_ms = span.end_ms;
		return;
	}
	last = &timeline->parts[timeline->part_count++];
	snprintf(last->what, sizeof(last->what), "%s", what);
	last->span = span;
}

static int by_time(const void *a, const void *b)
{
	double first = *(const double *)a, second = *(const double *)b;

	return (first > second) - (first < second);
}

void timeline_attribute(struct timeline *timeline)
{
	const struct timeline_span *within = &timeline->blackout;
	struct cuts cuts = { .count = 0 };

	if (!timeline->suspended || within->end_ms <= within->start_ms)
		return;
	for (size_t i = 0; i < timeline->bar_count; i++)
		cut_span(&cuts, within, &timeline->bars[i].span);
	for (enum sync_point point = SYNC_NONE + 1; point < SYNC_POINTS; point++) {
		struct timeline_span span = exchange(timeline, point);

		cut_span(&cuts, within, &span);
	}
	cut_span(&cuts, within, &timeline->commit);
	qsort(cuts.at_ms, cuts.count, sizeof(cuts.at_ms[0]), by_time);
	for (size_t i = 0; i <= cuts.count; i++) {
		struct timeline_span span = { i ? cuts.at_ms[i - 1] : within->start_ms,
					      i < cuts.count ? cuts.at_ms[i] : within->end_ms };
		double middle_ms = (span.start_ms + span.end_ms) / 2;
		char what[TIMELINE_TEXT_MAX] = "";

		if (span.end_ms <= span.start_ms)
			continue;
		name_step(timeline, middle_ms, what);
		if (!what[0] && covers(&timeline->commit, middle_ms))
			name_part(what, "commit made durable", SIDE_TARGET);
		if (!what[0])
			name_message(timeline, middle_ms, what);
		add_part(timeline, what, span);
	}
}
