/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli_args.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORD_MAX 64 /* of a word worth a suggestion, bytes */

/* ---- what was probably meant ---- */

static size_t least(size_t a, size_t b, size_t c)
{
	size_t both = a < b ? a : b;

	return both < c ? both : c;
}

/* Levenshtein's distance, for words shorter than WORD_MAX. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], length = strlen(b);

	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++) {
			size_t above = row[j + 1];

			row[j + 1] = least(above + 1, row[j] + 1, diagonal + (a[i] != b[j]));
			diagonal = above;
		}
	}
	return row[length];
}

const char *cli_suggest(const char *word, const char *(*name_at)(const void *names, size_t index),
			const void *names, size_t count, char *text, size_t size)
{
	size_t best = strlen(word) / 3 + 2; /* farther than this it is another word */
	const char *nearest = NULL;

	text[0] = '\0';
	for (size_t i = 0; i < count && strlen(word) < WORD_MAX; i++) {
		const char *name = name_at(names, i);
		size_t far = distance(word, name);

		assert(strlen(name) < WORD_MAX);
		if (far < best && far < strlen(name)) {
			best = far;
			nearest = name;
		}
	}
	if (nearest)
		snprintf(text, size, "; did you mean '%s'?", nearest);
	return text;
}

static const char *verb_name_at(const void *verbs, size_t index)
{
	return ((const struct cli_verb *)verbs)[index].name;
}

static const char *param_name_at(const void *params, size_t index)
{
	return ((const struct cli_param *)params)[index].name;
}

/* ---- looking up ---- */

const struct cli_verb *cli_find_verb(const struct cli_verb *verbs, const char *name)
{
	for (; verbs->name; verbs++)
		if (strcmp(verbs->name, name) == 0)
			return verbs;
	return NULL;
}

size_t cli_param_count(const struct cli_verb *verb)
{
	size_t count = 0;

	while (count < CLI_PARAMS_MAX && verb->params[count].name)
		count++;
	return count;
}

/* cli_param_count() when the verb has none of that name. */
static size_t find_param(const struct cli_verb *verb, const char *name)
{
	size_t count = cli_param_count(verb), i = 0;

	while (i < count && strcmp(verb->params[i].name, name) != 0)
		i++;
	return i;
}

const char *cli_text(const struct cli_args *args, const char *name)
{
	size_t i = find_param(args->verb, name);

	assert(i < cli_param_count(args->verb));
	return args->values[i];
}

long cli_number(const struct cli_args *args, const char *name, long fallback)
{
	const char *text = cli_text(args, name);

	return text ? strtol(text, NULL, 10) : fallback;
}

bool cli_boolean(const struct cli_args *args, const char *name)
{
	const char *text = cli_text(args, name);

	return text && strcmp(text, "true") == 0;
}

/* ---- parsing ---- */

/* What every verb takes, or nobody's verb needs. */
static const struct global {
	const char *name;
	size_t flag; /* offset of a bool; of a text when it takes one */
	bool takes_text;
} globals[] = {
	{ "socket", offsetof(struct cli_args, socket), true },
	{ "config", offsetof(struct cli_args, config), true },
	{ "minimal", offsetof(struct cli_args, minimal), false },
	{ "json", offsetof(struct cli_args, json), false },
	{ "progress", offsetof(struct cli_args, progress), false },
	{ "debug", offsetof(struct cli_args, debug), false },
	{ "help", offsetof(struct cli_args, help), false },
	{ "version", offsetof(struct cli_args, version), false },
};

static const struct global *find_global(const char *name)
{
	for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++)
		if (strcmp(globals[i].name, name) == 0)
			return &globals[i];
	return NULL;
}

static bool is_boolean(const char *value)
{
	return strcmp(value, "true") == 0 || strcmp(value, "false") == 0;
}

static bool is_number(const char *value)
{
	size_t length = strspn(value, "0123456789");

	return length > 0 && length <= 9 && value[length] == '\0';
}

static int check_value(const struct cli_param *param, const char *value, struct err *err)
{
	if (param->kind == CLI_BOOLEAN && !is_boolean(value))
		return err_set(err, ERR_USAGE, -EINVAL, "%s= wants true or false, not '%s'",
			       param->name, value);
	if (param->kind == CLI_NUMBER && !is_number(value))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "%s= wants a whole number of at most nine digits, not '%s': %s",
			       param->name, value, param->help);
	if (*value == '\0')
		return err_set(err, ERR_USAGE, -EINVAL, "%s= wants %s", param->name, param->value);
	return 0;
}

static bool has_selectors(const struct cli_verb *verb)
{
	size_t i = 0, count = cli_param_count(verb);

	while (i < count && verb->params[i].kind != CLI_SELECTORS)
		i++;
	return i < count;
}

static int add_selector(struct cli_args *args, const char *name, const char *value,
			struct err *err)
{
	size_t i = 0;

	while (args->selectors[i].field)
		i++;
	if (i + 1 == CLI_SELECTORS_MAX)
		return err_set(err, ERR_USAGE, -E2BIG, "more than %d fields are selected by",
			       CLI_SELECTORS_MAX - 1);
	args->selectors[i] = (struct cli_selector){ name, value };
	return 0;
}

int cli_set_param(struct cli_args *args, const char *name, const char *value, struct err *err)
{
	const struct cli_verb *verb = args->verb;
	char suggestion[WORD_MAX + 32];
	size_t i;
	int rc;

	if (!verb)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "the verb is missing before '%s'; see 'xenferry help'", name);
	i = find_param(verb, name);
	if (i == cli_param_count(verb) && has_selectors(verb))
		return add_selector(args, name, value, err);
	if (i == cli_param_count(verb))
		return err_set(err, ERR_USAGE, -EINVAL, "%s has no parameter '%s'%s", verb->name,
			       name,
			       cli_suggest(name, param_name_at, verb->params, i, suggestion,
					   sizeof(suggestion)));
	rc = check_value(&verb->params[i], value, err);
	if (rc == 0)
		args->values[i] = value;
	return rc;
}

static int set_global(struct cli_args *args, const struct global *global, const char *value,
		      struct err *err)
{
	void *field = (char *)args + global->flag;

	if (global->takes_text) {
		*(const char **)field = value;
		return 0;
	}
	if (!is_boolean(value))
		return err_set(err, ERR_USAGE, -EINVAL, "--%s wants true or false, not '%s'",
			       global->name, value);
	*(bool *)field = strcmp(value, "true") == 0;
	return 0;
}

/* Splits "name=value" in place; NULL when there is no '='. */
static char *split(char *word)
{
	char *equals = strchr(word, '=');

	if (!equals)
		return NULL;
	*equals = '\0';
	return equals + 1;
}

/* "--word", "--word=value", "--socket PATH". Returns how many more words it took, or -errno. */
static int take_flag(struct cli_args *args, int left, char **words, struct err *err)
{
	char *name = words[0] + 2, *value = split(name);
	const struct global *global = find_global(name);
	int rc, more = 0;

	if (global && global->takes_text && !value) {
		if (left < 2)
			return err_set(err, ERR_USAGE, -EINVAL, "--%s wants a path", name);
		value = words[1];
		more = 1;
	}
	if (global)
		rc = set_global(args, global, value ? value : "true", err);
	else
		rc = cli_set_param(args, name, value ? value : "true", err);
	return rc < 0 ? rc : more;
}

static int take_bare(struct cli_args *args, const char *word, struct err *err)
{
	char suggestion[WORD_MAX + 32];
	size_t count = 0;

	if (args->verb && args->verb->word && !args->word) {
		args->word = word;
		return 0;
	}
	if (args->verb)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "%s wants key=value, not '%s'; see 'xenferry help %s'",
			       args->verb->name, word, args->verb->name);
	args->verb = cli_find_verb(args->verbs, word);
	if (args->verb)
		return 0;
	while (args->verbs[count].name)
		count++;
	return err_set(err, ERR_USAGE, -EINVAL, "there is no verb '%s'%s", word,
		       cli_suggest(word, verb_name_at, args->verbs, count, suggestion,
				   sizeof(suggestion)));
}

/* Returns how many more words it took, or -errno. */
static int take_word(struct cli_args *args, int left, char **words, struct err *err)
{
	const struct global *global;
	char *value;

	if (strcmp(words[0], "-h") == 0)
		args->help = true;
	else if (strncmp(words[0], "--", 2) == 0 && words[0][2] != '\0')
		return take_flag(args, left, words, err);
	else if (words[0][0] == '-')
		return err_set(err, ERR_USAGE, -EINVAL, "there is no option '%s'; flags are --word",
			       words[0]);
	else if (!strchr(words[0], '='))
		return take_bare(args, words[0], err);
	else {
		value = split(words[0]);
		global = find_global(words[0]);
		if (global && !global->takes_text)
			return set_global(args, global, value, err);
		return cli_set_param(args, words[0], value, err);
	}
	return 0;
}

int cli_check_required(const struct cli_args *args, struct err *err)
{
	const struct cli_verb *verb = args->verb;

	for (size_t i = 0; verb && i < cli_param_count(verb); i++)
		if (verb->params[i].required && !args->values[i])
			return err_set(err, ERR_USAGE, -EINVAL,
				       "%s wants %s=%s; see 'xenferry help %s'", verb->name,
				       verb->params[i].name, verb->params[i].value, verb->name);
	return 0;
}

int cli_parse(const struct cli_verb *verbs, int count, char **words, struct cli_args *args,
	      struct err *err)
{
	*args = (struct cli_args){ .verbs = verbs };
	for (int i = 0; i < count; i++) {
		int rc;

		if (args->word && strchr(args->verb->word, '.')) {
			args->rest = words + i;
			args->rest_count = count - i;
			break;
		}
		rc = take_word(args, count - i, words + i, err);

		if (rc < 0)
			return rc;
		i += rc;
	}
	return args->help || args->version ? 0 : cli_check_required(args, err);
}
