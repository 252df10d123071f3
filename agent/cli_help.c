/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Help, from the table of verbs; as POD it is the heart of xenferry(1). */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli_print.h"

static const char globals_text[] = "  --socket PATH   the agent's control socket\n"
				   "  --config FILE   the configuration that names it\n"
				   "  --minimal       values only, with commas between\n"
				   "  --json          JSON\n"
				   "  --progress      how far it has come, on stderr\n"
				   "  --debug         what is said to the agent, on stderr\n";

/* Names with ", " between. */
static void add_name(char *text, size_t size, const char *name)
{
	size_t used = strlen(text);

	snprintf(text + used, size - used, "%s%s", used > 0 ? ", " : "", name);
}

/* As `xe help VERB`: scripts read the two lines of parameters. */
static void print_usage(FILE *out, const struct cli_verb *verb)
{
	char required[512] = "", optional[512] = "";

	for (size_t i = 0; i < cli_param_count(verb); i++) {
		const struct cli_param *param = &verb->params[i];

		if (param->required)
			add_name(required, sizeof(required), param->name);
		else
			add_name(optional, sizeof(optional), param->name);
	}
	fprintf(out,
		"command name            : %s\n"
		"        reqd params     : %s\n"
		"        optional params : %s\n"
		"        description     : %s.\n\n\n",
		verb->name, required, optional, verb->summary);
}

static void print_params(FILE *out, const struct cli_verb *verb)
{
	for (size_t i = 0; i < cli_param_count(verb); i++)
		fprintf(out, "    %s=%s: %s\n", verb->params[i].name, verb->params[i].value,
			verb->params[i].help);
}

static void print_verb(FILE *out, const struct cli_verb *verb)
{
	print_usage(out, verb);
	print_params(out, verb);
}

/* ---- all of it ---- */

static void print_names(FILE *out, const struct cli_verb *verbs)
{
	for (const struct cli_verb *verb = verbs; verb->name; verb++)
		cli_print_minimal(out, verb->name, verb == verbs);
	fputc('\n', out);
}

static void print_summaries(FILE *out, const struct cli_verb *verbs)
{
	fprintf(out, "usage: xenferry VERB [key=value ...] [--flag ...]\n\n");
	for (; verbs->name; verbs++)
		fprintf(out, "  %-22s %s\n", verbs->name, verbs->summary);
	fprintf(out, "\n%s\n'xenferry help VERB' says more of one, 'xenferry help --all' of all.\n",
		globals_text);
}

static void print_all(FILE *out, const struct cli_verb *verbs)
{
	for (; verbs->name; verbs++) {
		print_verb(out, verbs);
		fputc('\n', out);
	}
	fputs(globals_text, out);
}

/* POD gives a meaning to < and >. */
static void print_pod_text(FILE *out, const char *text)
{
	for (; *text; text++) {
		if (*text == '<')
			fputs("E<lt>", out);
		else if (*text == '>')
			fputs("E<gt>", out);
		else
			fputc(*text, out);
	}
}

static void print_pod(FILE *out, const struct cli_verb *verbs)
{
	fprintf(out, "=over\n\n");
	for (; verbs->name; verbs++) {
		fprintf(out, "=item B<%s>%s%s%s\n\n", verbs->name, verbs->word ? " [I<" : "",
			verbs->word ? verbs->word : "", verbs->word ? ">]" : "");
		fprintf(out, "%s.\n\n", verbs->summary);
		if (cli_param_count(verbs) > 0)
			fprintf(out, "=over\n\n");
		for (size_t i = 0; i < cli_param_count(verbs); i++) {
			const struct cli_param *param = &verbs->params[i];

			fprintf(out, "=item B<");
			print_pod_text(out, param->name);
			fprintf(out, ">=");
			print_pod_text(out, param->value);
			fprintf(out, "%s\n\n%s.\n\n", param->required ? " (required)" : "",
				param->help);
		}
		if (cli_param_count(verbs) > 0)
			fprintf(out, "=back\n\n");
	}
	fprintf(out, "=back\n");
}

int cli_help(const struct cli_args *args, struct err *err)
{
	const struct cli_verb *verb;
	const char *format = cli_text(args, "format");

	if (format && strcmp(format, "pod") != 0 && strcmp(format, "text") != 0)
		return err_set(err, ERR_USAGE, -EINVAL, "format= wants text or pod, not '%s'",
			       format);
	if (args->word) {
		verb = cli_find_verb(args->verbs, args->word);
		if (!verb)
			return err_set(err, ERR_USAGE, -EINVAL, "there is no verb '%s'",
				       args->word);
		print_verb(stdout, verb);
	} else if (format && strcmp(format, "pod") == 0) {
		print_pod(stdout, args->verbs);
	} else if (args->minimal) {
		print_names(stdout, args->verbs);
	} else if (cli_boolean(args, "all")) {
		print_all(stdout, args->verbs);
	} else {
		print_summaries(stdout, args->verbs);
	}
	return 0;
}
