/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The grammar of xe: `verb key=value ... [--flag]`, where `--word` is `word=true` and a value keeps
 * every '=' after the first. Pure: a table of verbs and the words in, what was said out.
 */
#ifndef XENFERRY_CLI_ARGS_H
#define XENFERRY_CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>

#include "err.h"

#define CLI_PARAMS_MAX 24    /* of one verb */
#define CLI_SELECTORS_MAX 16 /* said at once */

/* CLI_SELECTORS: any other name is one of a field, by whose value records are selected. */
enum cli_kind { CLI_TEXT, CLI_NUMBER, CLI_BOOLEAN, CLI_SELECTORS };

struct cli_param {
	const char *name;
	enum cli_kind kind;
	bool required;
	const char *value; /* what stands for it in the usage: "<name|uuid|domid>" */
	const char *help;
};

/* Of a list's records: those whose field has that value. */
struct cli_selector {
	const char *field, *value;
};

struct cli_args;

struct cli_verb {
	const char *name;
	const char *summary; /* one line, no full stop */
	/* Does it. 0, or -errno with `err`, whose code is the exit status. */
	int (*run)(const struct cli_args *args, struct err *err);
	/* A bare word that may follow: "verb"; NULL: none. "WORD ...": and words of another's. */
	const char *word;
	struct cli_param params[CLI_PARAMS_MAX]; /* ended by one without a name */
};

struct cli_args {
	const struct cli_verb *verbs; /* the table, ended by one without a name */
	const struct cli_verb *verb;  /* NULL: none was said */
	const char *word;             /* NULL: none was said */
	char *const *rest;            /* what follows the word, where that is not ours */
	int rest_count;
	const char *values[CLI_PARAMS_MAX]; /* by the verb's params; NULL: not said */
	struct cli_selector selectors[CLI_SELECTORS_MAX]; /* ended by one without a field */
	const char *socket, *config;  /* NULL: not said */
	bool minimal, json, progress, debug, help, version;
};

/*
 * Reads the words after the program's name. -EINVAL with ERR_USAGE names the word that is wrong
 * and, when there is one, the word that was probably meant. The texts stay the caller's; a word
 * with '=' is taken apart in place.
 */
int cli_parse(const struct cli_verb *verbs, int count, char **words, struct cli_args *args,
	      struct err *err);
/*
 * The same one by one, for what does not come as words: a parameter of args->verb, whose value
 * stays the caller's; and whether all that the verb requires was said.
 */
int cli_set_param(struct cli_args *args, const char *name, const char *value, struct err *err);
int cli_check_required(const struct cli_args *args, struct err *err);
const struct cli_verb *cli_find_verb(const struct cli_verb *verbs, const char *name);
size_t cli_param_count(const struct cli_verb *verb);

/* A value by its name, which must be one of the verb's; NULL when it was not said. */
const char *cli_text(const struct cli_args *args, const char *name);
/* The same for a number or a boolean, which have been checked; `fallback` when it was not said. */
long cli_number(const struct cli_args *args, const char *name, long fallback);
bool cli_boolean(const struct cli_args *args, const char *name);

/*
 * ", did you mean 'x'?" for the nearest of `count` names, or "" when none is near. `name_at` gives
 * them one by one. Returns `text`.
 */
const char *cli_suggest(const char *word, const char *(*name_at)(const void *names, size_t index),
			const void *names, size_t count, char *text, size_t size);

#endif
