/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "picture.h"

#include <langinfo.h>
#include <string.h>

#define TICKS_MAX 8

struct picture picture_of(FILE *out, double from_ms, double to_ms)
{
	struct picture picture = {
		.out = out,
		.blocks = strcmp(nl_langinfo(CODESET), "UTF-8") == 0,
		.from_ms = from_ms,
		.to_ms = to_ms > from_ms ? to_ms : from_ms + 1,
		.unit = "ms",
		.unit_ms = 1,
	};

	if (to_ms - from_ms >= 2000) {
		picture.unit = "s";
		picture.unit_ms = 1000;
	}
	return picture;
}

double picture_column_ms(const struct picture *picture)
{
	return (picture->to_ms - picture->from_ms) / PICTURE_COLUMNS;
}

/* The column of a time: may be outside. */
static double column_of(const struct picture *picture, double ms)
{
	return (ms - picture->from_ms) / picture_column_ms(picture);
}

/* ---- the axis ---- */

/* 1, 2 or 5 times a power of ten, so that there are at most TICKS_MAX. */
static double tick_ms(const struct picture *picture)
{
	static const double factors[] = { 2, 2.5, 2 };
	double tick = 1;

	for (size_t i = 0; (picture->to_ms - picture->from_ms) / tick > TICKS_MAX; i++)
		tick *= factors[i % 3];
	return tick;
}

static void put_number(char *line, size_t size, double column, const char *number)
{
	size_t length = strlen(number), at;

	if (column < 0)
		return;
	at = (size_t)column;
	if (at + length < size)
		memcpy(line + at, number, length);
}

void picture_axis(const struct picture *picture)
{
	double tick = tick_ms(picture);
	long first = (long)(picture->from_ms / tick), last = (long)(picture->to_ms / tick);
	char line[PICTURE_COLUMNS + 8], number[32];
	size_t length;

	memset(line, ' ', sizeof(line));
	for (long i = first; i <= last; i++) {
		double ms = (double)i * tick;

		snprintf(number, sizeof(number), "%g%s%s", ms / picture->unit_ms,
			 i == last ? " " : "", i == last ? picture->unit : "");
		/* the digit stands above its column */
		put_number(line, sizeof(line), column_of(picture, ms) - (i < 0), number);
	}
	for (length = sizeof(line); length > 0 && line[length - 1] == ' '; length--)
		;
	fprintf(picture->out, "  %-*s%.*s\n", PICTURE_LABEL, "", (int)length, line);
}

/* ---- bars ---- */

/* What fills a column, and what stands for less than half of one. */
static const struct glyphs {
	const char *full, *sliver;
} glyphs[][2] = {
	[BAR_STEP] = { { "#", "|" }, { "\xe2\x96\x88", "\xe2\x96\x8f" } },
	[BAR_SILENCE] = { { ":", ":" }, { "\xe2\x96\x91", "\xe2\x96\x91" } },
};

void picture_bar(const struct picture *picture, enum bar bar, const char *label, double start_ms,
		 double end_ms)
{
	const struct glyphs *glyph = &glyphs[bar][picture->blocks];
	double start = column_of(picture, start_ms), end = column_of(picture, end_ms);
	int first, last;

	if (start < 0)
		start = 0;
	if (end > PICTURE_COLUMNS)
		end = PICTURE_COLUMNS;
	if (start >= PICTURE_COLUMNS || end < 0)
		return;
	first = (int)start;
	last = (int)(end + 0.5) > first ? (int)(end + 0.5) : first + 1;
	fprintf(picture->out, "  %-*s%*s", PICTURE_LABEL, label, first, "");
	for (int i = first; i < last; i++)
		fputs(end - start < 0.5 ? glyph->sliver : glyph->full, picture->out);
	fputc('\n', picture->out);
}

char *picture_time(double ms, char *text, size_t size)
{
	if (ms >= 1000)
		snprintf(text, size, "%.1f s", ms / 1000);
	else
		snprintf(text, size, ms < 10 ? "%.1f ms" : "%.0f ms", ms);
	return text;
}
