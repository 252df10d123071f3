/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "options.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_help(const struct option_row *table, const char *program)
{
	printf("usage: %s", program);
	for (const struct option_row *row = table; row->name; row++)
		if (row->required)
			printf(" --%s %s", row->name, row->value);
	printf(" [options]\n\n");
	for (const struct option_row *row = table; row->name; row++) {
		char word[40];

		snprintf(word, sizeof(word), "--%s %s", row->name, row->value ? row->value : "");
		printf("  %-28s %s\n", word, row->help);
	}
}

static const struct option_row *find(const struct option_row *table, const char *name)
{
	for (; table->name; table++)
		if (strcmp(table->name, name) == 0)
			return table;
	return NULL;
}

static int add(struct option_list *list, const char *word, struct err *err)
{
	if (list->count == OPTION_LIST_MAX)
		return err_set(err, ERR_USAGE, -EINVAL, "'%s' is one too many: at most %d", word,
			       OPTION_LIST_MAX);
	list->items[list->count++] = word;
	return 0;
}

static int take_number(const struct option_row *row, const char *word, struct err *err)
{
	char *end;
	uint64_t number;

	errno = 0;
	number = strtoull(word, &end, 10);
	if (word[0] < '0' || word[0] > '9' || *end || errno || number < row->min ||
	    number > row->max)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "--%s takes a number from %" PRIu64 " to %" PRIu64 ", not '%s'",
			       row->name, row->min, row->max, word);
	*row->number = number;
	return 0;
}

static int take(const struct option_row *row, const char *word, struct err *err)
{
	if (row->number)
		return take_number(row, word, err);
	if (row->list)
		return add(row->list, word, err);
	*row->text = word;
	return 0;
}

/* Every required option takes a text or a list: an empty one was not given. */
static int check_required(const struct option_row *table, const char *program, struct err *err)
{
	for (; table->name; table++)
		if (table->required && ((table->text && !*table->text) ||
					(table->list && table->list->count == 0)))
			return err_set(err, ERR_USAGE, -EINVAL,
				       "--%s %s is missing (%s --help tells more)", table->name,
				       table->value, program);
	return 0;
}

int options_parse(const struct option_row *table, const char *program, int argc, char **argv,
		  struct option_list *rest, struct err *err)
{
	int rc = 0;

	for (int i = 1; i < argc && !rc; i++) {
		const struct option_row *row = NULL;

		if (strcmp(argv[i], "--help") == 0) {
			print_help(table, program);
			return 1;
		}
		if (strncmp(argv[i], "--", 2) == 0)
			row = find(table, argv[i] + 2);
		else if (rest && argv[i][0] != '-') {
			rc = add(rest, argv[i], err);
			continue;
		}
		if (!row)
			rc = err_set(err, ERR_USAGE, -EINVAL,
				     "%s knows no '%s' (%s --help tells what it knows)", program,
				     argv[i], program);
		else if (row->flag)
			*row->flag = true;
		else if (i + 1 == argc)
			rc = err_set(err, ERR_USAGE, -EINVAL, "--%s takes a value: %s", row->name,
				     row->value);
		else
			rc = take(row, argv[++i], err);
	}
	return rc ? rc : check_required(table, program, err);
}
