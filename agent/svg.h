/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a picture is drawn with: boxes and texts whose contents may come from anywhere, an axis, the
 * style sheet. Lengths are the picture's units, which a browser shows as pixels.
 */
#ifndef XENFERRY_SVG_H
#define XENFERRY_SVG_H

#include <stdio.h>

#define SVG_WIDTH 900.0
#define SVG_LEFT 84.0   /* where plots begin: lanes' names and ticks stand before */
#define SVG_RIGHT 876.0

/* A stretch of values laid over the plot's width. */
struct svg_scale {
	double from, to;
};

/* The place of a value; what lies outside stands at the edge. */
double svg_x(const struct svg_scale *scale, double value);
/* The distance between ticks, 1, 2 or 5 times a power of ten, that gives `most` of them or less. */
double svg_step(double range, int most);

/* `height` is only known in the end: draw into a stream of its own first. */
void svg_begin(FILE *out, double height, const char *title, const char *description);
void svg_end(FILE *out);

/* A text of a class of the style sheet, as printf(). */
void svg_text(FILE *out, double x, double y, const char *class, const char *format, ...)
	__attribute__((format(printf, 5, 6)));
/* A box with a title, which a browser shows under the pointer; never thinner than can be seen. */
void svg_box(FILE *out, double x, double y, double width, double height, const char *class,
	     const char *format, ...) __attribute__((format(printf, 7, 8)));
void svg_line(FILE *out, double x1, double y1, double x2, double y2, const char *class);
/* Ticks below `y`, counted from `origin_ms`: in ms, or in s where those would be many. */
void svg_time_axis(FILE *out, const struct svg_scale *scale, double origin_ms, double y);
/* How wide a text of a bar's size is, about. */
double svg_label_width(const char *text);

#endif
