/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Bars of time in characters, one below the other, over a common axis.
 */
#ifndef XENFERRY_SIM_PICTURE_H
#define XENFERRY_SIM_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#define PICTURE_COLUMNS 60
#define PICTURE_LABEL 28 /* columns before them */

struct picture {
	FILE *out;
	bool blocks;            /* the terminal shows UTF-8; else plain ASCII */
	double from_ms, to_ms;  /* what the columns span */
	const char *unit;       /* "s" or "ms", of the axis */
	double unit_ms;
};

enum bar { BAR_STEP, BAR_SILENCE };

/* Seconds where the span is long, milliseconds where it is short. */
struct picture picture_of(FILE *out, double from_ms, double to_ms);
/* The line of numbers on top. */
void picture_axis(const struct picture *picture);
/* `label` and a bar, which has one column at least; what is beyond the axis is cut off. */
void picture_bar(const struct picture *picture, enum bar bar, const char *label, double start_ms,
		 double end_ms);
/* How much one column stands for. */
double picture_column_ms(const struct picture *picture);

/* "11.3 s", "62 ms", "4.1 ms": as exact as a reader wants it. Returns `text`. */
char *picture_time(double ms, char *text, size_t size);

#endif
