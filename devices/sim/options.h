/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Command lines of the simulation's programs, as tables: `--name value`, long words only.
 */
#ifndef XENFERRY_SIM_OPTIONS_H
#define XENFERRY_SIM_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define OPTION_LIST_MAX 64

/* What an option that may be repeated was given. */
struct option_list {
	const char *items[OPTION_LIST_MAX];
	size_t count;
};

/* One of `text`, `number`, `list` and `flag` is set: it says what the option takes. */
struct option_row {
	const char *name;  /* without the dashes; NULL ends a table */
	const char *value; /* "DIR": for the help; NULL with `flag` */
	const char *help;
	bool required;
	const char **text;
	uint64_t *number;
	uint64_t min, max; /* of the number */
	struct option_list *list;
	bool *flag;
};

/*
 * Fills what the table points to; values stay in `argv`. Words that are no options go to `rest`,
 * or are refused when it is NULL. Returns 0, 1 when --help was asked for and printed, or -EINVAL.
 */
int options_parse(const struct option_row *table, const char *program, int argc, char **argv,
		  struct option_list *rest, struct err *err);

#endif
