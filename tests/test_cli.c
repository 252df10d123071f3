/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "cli_print.h"
#include "cli_progress.h"

#define WORDS_MAX 24

/* Splits at blanks. What is parsed is good until the next line is. */
static int parse(const char *text, struct cli_args *args, struct err *err)
{
	static char line[256];
	char *rest = line, *words[WORDS_MAX];
	int count = 0;

	snprintf(line, sizeof(line), "%s", text);
	for (char *word; (word = strsep(&rest, " ")) && count < WORDS_MAX;)
		words[count++] = word;
	return cli_parse(cli_verbs, count, words, args, err);
}

/* ---- the grammar ---- */

static void a_verb_is_followed_by_its_parameters(void **state)
{
	struct cli_args args;
	struct err err;

	(void)state;
	assert_int_equal(parse("vm-migrate vm=g1 host=B downtime-limit-ms=250 --live", &args, &err),
			 0);
	assert_string_equal(args.verb->name, "vm-migrate");
	assert_string_equal(cli_text(&args, "vm"), "g1");
	assert_string_equal(cli_text(&args, "host"), "B");
	assert_int_equal(cli_number(&args, "downtime-limit-ms", 0), 250);
	assert_true(cli_boolean(&args, "live"));
	assert_false(cli_boolean(&args, "async"));
	assert_null(cli_text(&args, "plan"));
}

static void a_value_keeps_every_equals_sign_after_the_first(void **state)
{
	struct cli_args args;
	struct err err;

	(void)state;
	assert_int_equal(parse("vm-migrate vm=a=b=c host=B", &args, &err), 0);
	assert_string_equal(cli_text(&args, "vm"), "a=b=c");
}

static void globals_stand_anywhere(void **state)
{
	struct cli_args args;
	struct err err;

	(void)state;
	assert_int_equal(
		parse("--socket /run/s vm-list --minimal json=true --config=/c", &args, &err), 0);
	assert_string_equal(args.socket, "/run/s");
	assert_string_equal(args.config, "/c");
	assert_true(args.minimal);
	assert_true(args.json);
	assert_false(args.progress);
}

static void a_list_is_selected_by_fields(void **state)
{
	struct cli_args args;
	struct err err;

	(void)state;
	assert_int_equal(parse("vm-list name-label=g=1 power-state=running --minimal", &args, &err),
			 0);
	assert_string_equal(args.selectors[0].field, "name-label");
	assert_string_equal(args.selectors[0].value, "g=1");
	assert_string_equal(args.selectors[1].field, "power-state");
	assert_null(args.selectors[2].field);
	assert_true(args.minimal);
	assert_int_equal(parse("vm-migrate vm=g1 host=B name-label=g1", &args, &err), -EINVAL);
}

static void more_selectors_than_there_is_room_for_are_refused(void **state)
{
	struct cli_args args;
	struct err err;

	(void)state;
	assert_int_equal(parse("vm-list a=1 b=1 c=1 d=1 e=1 f=1 g=1 h=1 i=1 j=1 k=1 l=1 m=1 n=1 "
			       "o=1 p=1", &args, &err), -E2BIG);
}

static void help_takes_a_verb(void **state)
{
	struct cli_args args;
	struct err err;

	(void)state;
	assert_int_equal(parse("help vm-migrate", &args, &err), 0);
	assert_string_equal(args.word, "vm-migrate");
	assert_int_equal(parse("vm-migrate --help", &args, &err), 0);
	assert_true(args.help);
}

/* One row a mistake, and what the message must hold. */
static const struct mistake {
	const char *line, *said;
} mistakes[] = {
	{ "vm-migrat", "there is no verb 'vm-migrat'; did you mean 'vm-migrate'?" },
	{ "migration-lsit", "did you mean 'migration-list'?" },
	{ "frobnicate", "there is no verb 'frobnicate'" },
	{ "vm-migrate vm=g1 hots=B", "vm-migrate has no parameter 'hots'; did you mean 'host'?" },
	{ "vm-migrate vm=g1 --liev", "did you mean 'live'?" },
	{ "vm-migrate vm=g1", "vm-migrate wants host=<name|address[:port]>" },
	{ "vm-migrate vm=g1 host=B live=yes", "live= wants true or false, not 'yes'" },
	{ "vm-migrate vm=g1 host=B downtime-limit-ms=-3", "not '-3'" },
	{ "vm-migrate vm=g1 host=B downtime-limit-ms=9999999999", "nine digits" },
	{ "vm-migrate vm= host=B", "vm= wants <name|uuid|domid>" },
	{ "vm-migrate g1", "vm-migrate wants key=value, not 'g1'" },
	{ "vm=g1 vm-migrate", "the verb is missing before 'vm'" },
	{ "vm-list --minimal=maybe", "--minimal wants true or false" },
	{ "vm-list -q", "there is no option '-q'" },
	{ "vm-list --socket", "--socket wants a path" },
};

static void a_mistake_names_the_word_and_the_nearest(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct cli_args args;
		struct err err;

		assert_int_equal(parse(mistakes[i].line, &args, &err), -EINVAL);
		assert_int_equal(err.code, ERR_USAGE);
		assert_non_null(strstr(err.message, mistakes[i].said));
	}
}

static void what_is_far_from_every_verb_suggests_none(void **state)
{
	struct cli_args args;
	struct err err;

	(void)state;
	assert_int_equal(parse("frobnicate", &args, &err), -EINVAL);
	assert_null(strstr(err.message, "did you mean"));
}

/* ---- what is printed ---- */

static const struct cli_field task_fields[] = {
	{ "uuid", "uuid", true },
	{ "name-label", "names.label", true },
	{ "name-description", "names.description", true },
	{ "status", "status", true },
	{ "progress", "progress", true },
	{ "hidden", "hidden", false },
	{ NULL, NULL, false },
};

static const char tasks[] =
	"[{\"uuid\": \"5f0c2c1e\", \"names\": {\"label\": \"Async.VM.pool_migrate\","
	" \"description\": null}, \"status\": \"pending\", \"progress\": 0.450, \"hidden\": [1, "
	"2]},"
	" {\"uuid\": \"a,b\\\\c\", \"names\": {\"label\": \"evil\\u001b[2J\"}}]";

/* What a list prints, to free(). */
static char *print_list(const char *params, bool minimal)
{
	struct json_value *list = json_parse(tasks, strlen(tasks), NULL);
	struct cli_columns columns;
	struct err err;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(list);
	assert_int_equal(cli_choose(task_fields, params, &columns, &err), 0);
	cli_print_list(out, list, &columns, minimal);
	fclose(out);
	json_value_free(list);
	return text;
}

static void a_record_is_laid_out_as_xe_does(void **state)
{
	char *text = print_list(NULL, false);

	(void)state;
	assert_string_equal(text, "uuid ( RO)                : 5f0c2c1e\n"
				  "          name-label ( RO): Async.VM.pool_migrate\n"
				  "    name-description ( RO): \n"
				  "              status ( RO): pending\n"
				  "            progress ( RO): 0.450\n"
				  "\n\n"
				  "uuid ( RO)                : a,b\\c\n"
				  "          name-label ( RO): evil?[2J\n"
				  "    name-description ( RO): \n"
				  "              status ( RO): \n"
				  "            progress ( RO): \n"
				  "\n\n");
	free(text);
}

static void params_choose_the_fields_and_their_order(void **state)
{
	char *text = print_list("status,uuid", false);

	(void)state;
	assert_ptr_equal(strstr(text, "status ( RO)    : pending\n"
				      "      uuid ( RO): 5f0c2c1e\n\n\n"),
			 text);
	free(text);
}

static void all_shows_what_a_list_does_not(void **state)
{
	char *text = print_list("all", false);

	(void)state;
	assert_non_null(strstr(text, "hidden ( RO): [1,2]\n"));
	free(text);
}

static void minimal_is_the_first_field_with_commas_escaped(void **state)
{
	char *text = print_list(NULL, true);

	(void)state;
	assert_string_equal(text, "5f0c2c1e,a\\,b\\\\c\n");
	free(text);
}

static void a_field_that_is_not_there_is_refused(void **state)
{
	struct cli_columns columns;
	struct err err;

	(void)state;
	assert_int_equal(cli_choose(task_fields, "uuid,sttaus", &columns, &err), -EINVAL);
	assert_non_null(strstr(err.message, "no field 'sttaus'; did you mean 'status'?"));
}

/* ---- progress ---- */

static const char *const records[] = {
	"{\"status\": \"preparing\", \"phase\": \"PREPARE\"}",
	"{\"status\": \"copying\", \"phase\": \"COPY\", \"memory\": {\"total_bytes\": 4194304,"
	" \"transferred_bytes\": 1048576, \"wire_bytes\": 1048576, \"iterations\": 1}}",
	"{\"status\": \"copying\", \"phase\": \"COPY\", \"memory\": {\"total_bytes\": 4194304,"
	" \"transferred_bytes\": 2097152, \"wire_bytes\": 2097152, \"iterations\": 1}}",
	"{\"status\": \"copying\", \"phase\": \"COPY\", \"predicted_downtime_ms\": 120.0,"
	" \"memory\": {\"total_bytes\": 4194304, \"remaining_bytes\": 1048576,"
	" \"wire_bytes\": 5242880, \"send_bytes_per_s\": 104857600, \"iterations\": 2,"
	" \"dirty_bytes_per_s\": 20971520, \"eta_ms\": 4000}}",
};

#define RECORDS (sizeof(records) / sizeof(records[0]))

/* What all records print, one after another, to free(). */
static char *show_all(bool terminal)
{
	struct progress progress;
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	progress_init(&progress, out, terminal);
	for (size_t i = 0; i < RECORDS; i++) {
		struct json_value *record = json_parse(records[i], strlen(records[i]), NULL);

		progress_show(&progress, record, 0);
		json_value_free(record);
	}
	progress_end(&progress);
	fclose(out);
	return text;
}

static void progress_in_a_file_is_a_line_at_each_change(void **state)
{
	char *text = show_all(false);

	(void)state;
	assert_string_equal(text, "preparing 0%, 0 MiB sent, 0 MiB left\n"
				  "copying 25%, 1 MiB sent, 0 MiB left\n"
				  "copying 75%, 5 MiB sent, 1 MiB left, 100 MiB/s, "
				  "dirties 20 MiB/s, 4 s to go, downtime about 120 ms\n");
	free(text);
}

static void progress_at_a_terminal_is_one_line(void **state)
{
	char *text = show_all(true);

	(void)state;
	assert_ptr_equal(strstr(text, "\rpreparing 0%"), text);
	assert_non_null(strstr(text, "\rcopying 50%"));
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
	free(text);
}

static void progress_keeps_to_the_terminals_width(void **state)
{
	static const struct {
		size_t columns;
		const char *line;
	} cases[] = {
		{ 80, "copying 75%, 5 MiB sent, 1 MiB left, 100 MiB/s, 4 s to go, downtime about "
		      "120 ms" },
		{ 60, "copying 75%, 1 MiB left, 100 MiB/s, 4 s to go" },
		{ 24, "copying 75%, 4 s to go" },
		{ 5, "copying 75%" },
	};
	struct json_value *record = json_parse(records[3], strlen(records[3]), NULL);
	char line[PROGRESS_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(progress_line(record, cases[i].columns, line), cases[i].line);
	json_value_free(record);
}

static void nothing_of_a_record_is_a_terminals_command(void **state)
{
	static const char text[] =
		"{\"status\": \"co\\u007fpy\\u001b[2J\\u009b2J\", \"vm\": \"caf\\u00e9\\u009d\"}";
	CLEANUP_JSON_VALUE struct json_value *record = json_parse(text, strlen(text), NULL);
	CLEANUP_FREE char *name = cli_value(record, "vm");
	char line[PROGRESS_LINE_MAX];

	(void)state;
	assert_string_equal(progress_line(record, 0, line),
			    "co?py?[2J??2J 0%, 0 MiB sent, 0 MiB left");
	assert_string_equal(name, "caf\u00e9??");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_verb_is_followed_by_its_parameters),
		cmocka_unit_test(a_value_keeps_every_equals_sign_after_the_first),
		cmocka_unit_test(globals_stand_anywhere),
		cmocka_unit_test(a_list_is_selected_by_fields),
		cmocka_unit_test(more_selectors_than_there_is_room_for_are_refused),
		cmocka_unit_test(help_takes_a_verb),
		cmocka_unit_test(a_mistake_names_the_word_and_the_nearest),
		cmocka_unit_test(what_is_far_from_every_verb_suggests_none),
		cmocka_unit_test(a_record_is_laid_out_as_xe_does),
		cmocka_unit_test(params_choose_the_fields_and_their_order),
		cmocka_unit_test(all_shows_what_a_list_does_not),
		cmocka_unit_test(minimal_is_the_first_field_with_commas_escaped),
		cmocka_unit_test(a_field_that_is_not_there_is_refused),
		cmocka_unit_test(progress_in_a_file_is_a_line_at_each_change),
		cmocka_unit_test(progress_at_a_terminal_is_one_line),
		cmocka_unit_test(progress_keeps_to_the_terminals_width),
		cmocka_unit_test(nothing_of_a_record_is_a_terminals_command),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
