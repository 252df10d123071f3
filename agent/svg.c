/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "svg.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define LABEL_WIDTH 6.1 /* of a letter in a bar */
#define TEXT_MAX 512
#define THINNEST 0.8
#define TICKS_MAX 9
#define SECONDS_FROM_MS 10000.0

/*
 * Okabe and Ito's colours, which people with any kind of colour vision tell apart. Paper is white,
 * whatever the screen's scheme is.
 */
static const char style[] =
	"svg{--paper:#fff;--ink:#1b1f24;--quiet:#57606a;--rule:#d0d7de;--lane:#f3f5f7;"
	"--dirty:#b75000;background:var(--paper);"
	"font-family:'DejaVu Sans',Verdana,'Helvetica Neue',Arial,sans-serif}"
	"@media screen and (prefers-color-scheme:dark){svg{--paper:#14171b;--ink:#e9edf1;"
	"--quiet:#9aa4af;--rule:#3a424b;--lane:#1e2329;--dirty:#ff9e4a}}"
	"@media print{svg{-webkit-print-color-adjust:exact;print-color-adjust:exact}}"
	".paper{fill:var(--paper)}text{fill:var(--ink);font-size:12px}"
	".huge{font-size:58px;font-weight:700}.unit{font-size:26px;font-weight:400}"
	".head{font-size:15px;font-weight:700}.strong{font-weight:700}.quiet{fill:var(--quiet)}"
	".right{text-anchor:end}.middle{text-anchor:middle}"
	".tick{fill:var(--quiet);font-size:11px;text-anchor:middle}"
	".ytick{fill:var(--quiet);font-size:11px;text-anchor:end}"
	".number{fill:var(--quiet);text-anchor:end;font-variant-numeric:tabular-nums}"
	".figure{text-anchor:end;font-variant-numeric:tabular-nums}"
	".in{fill:#111;font-size:10.5px;text-anchor:middle}.in-copy{fill:#fff}"
	".sync{font-size:11px;font-weight:700;text-anchor:middle}"
	".lane{fill:var(--lane)}.rule{stroke:var(--rule);stroke-width:1}"
	".axis{stroke:var(--quiet);stroke-width:1}"
	".point{stroke:var(--ink);stroke-width:1.2;stroke-dasharray:3 2}"
	".zoom{stroke:#d55e00;stroke-width:1;fill:#d55e00;fill-opacity:.12}"
	".prepare{fill:#56b4e9}.copy{fill:#0072b2}.blackout{fill:#d55e00}.run{fill:#009e73}"
	".clean{fill:#a6a6a6}.source{fill:#e69f00}.target{fill:#56b4e9}.both{fill:#009e73}"
	".commit{fill:#f0e442}.message{fill:#cc79a7}"
	".nobody{fill:url(#nobody);stroke:var(--ink);stroke-width:1}"
	".wait{fill:none;stroke:var(--quiet);stroke-width:1;stroke-dasharray:2 2}"
	".casing{stroke:var(--paper);stroke-width:6}"
	".dirty{stroke:var(--dirty);stroke-width:3}.swatch-dirty{fill:var(--dirty)}";

/* ---- texts that may hold anything ---- */

static void put_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("&lt;", out);
		else if (*text == '>')
			fputs("&gt;", out);
		else if (*text == '&')
			fputs("&amp;", out);
		else if (*text == '"')
			fputs("&quot;", out);
		else
			fputc((unsigned char)*text < ' ' || *text == 0x7f ? ' ' : *text, out);
	}
}

static void put_formatted(FILE *out, const char *format, va_list args)
{
	char text[TEXT_MAX];

	vsnprintf(text, sizeof(text), format, args);
	put_escaped(out, text);
}

/* ---- shapes ---- */

void svg_begin(FILE *out, double height, const char *title, const char *description)
{
	fprintf(out,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
		"width=\"%.0f\" height=\"%.0f\" role=\"img\" "
		"aria-labelledby=\"title description\">\n<title id=\"title\">",
		SVG_WIDTH, height, SVG_WIDTH, height);
	put_escaped(out, title);
	fputs("</title>\n<desc id=\"description\">", out);
	put_escaped(out, description);
	fprintf(out,
		"</desc>\n<style>%s</style>\n<defs><pattern id=\"nobody\" width=\"6\" height=\"6\" "
		"patternUnits=\"userSpaceOnUse\" patternTransform=\"rotate(45)\"><rect width=\"6\" "
		"height=\"6\" fill=\"#fff\"/><rect width=\"3\" height=\"6\" fill=\"#000\"/>"
		"</pattern></defs>\n<rect class=\"paper\" width=\"%.0f\" height=\"%.0f\"/>\n",
		style, SVG_WIDTH, height);
}

void svg_end(FILE *out)
{
	fputs("</svg>\n", out);
}

void svg_text(FILE *out, double x, double y, const char *class, const char *format, ...)
{
	va_list args;

	fprintf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
	va_start(args, format);
	put_formatted(out, format, args);
	va_end(args);
	fputs("</text>\n", out);
}

void svg_box(FILE *out, double x, double y, double width, double height, const char *class,
	     const char *format, ...)
{
	va_list args;

	fprintf(out,
		"<rect x=\"%.2f\" y=\"%.1f\" width=\"%.2f\" height=\"%.1f\" class=\"%s\"><title>",
		x, y, width > THINNEST ? width : THINNEST, height, class);
	va_start(args, format);
	put_formatted(out, format, args);
	va_end(args);
	fputs("</title></rect>\n", out);
}

void svg_line(FILE *out, double x1, double y1, double x2, double y2, const char *class)
{
	fprintf(out, "<line x1=\"%.2f\" y1=\"%.1f\" x2=\"%.2f\" y2=\"%.1f\" class=\"%s\"/>\n", x1,
		y1, x2, y2, class);
}

/* Bytes of UTF-8 that go on with a letter add nothing. */
double svg_label_width(const char *text)
{
	size_t letters = 0;

	for (; *text; text++)
		letters += ((unsigned char)*text & 0xc0) != 0x80;
	return (double)letters * LABEL_WIDTH;
}

/* ---- scales ---- */

double svg_x(const struct svg_scale *scale, double value)
{
	double range = scale->to - scale->from, part;

	if (!(range > 0))
		return SVG_LEFT;
	part = (value - scale->from) / range;
	part = part < 0 ? 0 : part > 1 ? 1 : part;
	return SVG_LEFT + part * (SVG_RIGHT - SVG_LEFT);
}

double svg_step(double range, int most)
{
	static const double steps[] = { 1, 2, 5, 10 };
	double least = range / most, power = 1;
	size_t i = 0;

	if (!(least > 1e-9 && least < 1e15))
		return 1;
	while (power > least)
		power /= 10;
	while (power * 10 <= least)
		power *= 10;
	while (i < 3 && steps[i] * power < least)
		i++;
	return steps[i] * power;
}

/* Of a number that steps of this size make: 0 from 1 on, 2 for 0.05. */
static int decimals_of(double step)
{
	int decimals = 0;

	for (; step < 0.9999 && decimals < 9; step *= 10)
		decimals++;
	return decimals;
}

void svg_time_axis(FILE *out, const struct svg_scale *scale, double origin_ms, double y)
{
	double range_ms = scale->to - scale->from, step = svg_step(range_ms, TICKS_MAX);
	bool seconds = range_ms >= SECONDS_FROM_MS;
	double unit = seconds ? 1000 : 1;
	int decimals = decimals_of(step / unit);
	int64_t first = (int64_t)((scale->from - origin_ms) / step);

	svg_line(out, SVG_LEFT, y, SVG_RIGHT, y, "axis");
	for (int i = 0; i <= TICKS_MAX; i++) {
		double at_ms = (double)(first + i) * step, x = svg_x(scale, origin_ms + at_ms);

		if (origin_ms + at_ms < scale->from || origin_ms + at_ms > scale->to + step / 1e6)
			continue;
		svg_line(out, x, y, x, y + 5, "axis");
		svg_text(out, x, y + 18, "tick", "%.*f %s", decimals, at_ms / unit,
			 seconds ? "s" : "ms");
	}
}
