/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * An evacuation for people, from its JSON (evacuation_record.c), which is not trusted: a row for
 * each guest, by target and start, with its copy, its wait at the gate, its blackout.
 */
#ifndef XENFERRY_EVACUATION_SHOW_H
#define XENFERRY_EVACUATION_SHOW_H

#include <stdio.h>

#include "json.h"

/* A line a guest. */
void evacuation_show_text(const struct json_value *evacuation, FILE *out);
/* One picture, in the style of the timelines. */
void evacuation_show_svg(const struct json_value *evacuation, FILE *out);

#endif
