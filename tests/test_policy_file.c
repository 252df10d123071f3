/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Policies as files: RHV's load as they are, and each mistake is named by line and key. */
#include "policy_rules.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "steering.h"

static int parse(const char *text, struct policy_rules *rules, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *json = json_parse(text, strlen(text), err);

	assert_non_null(json);
	return policy_parse(json, "mine.json", rules, err);
}

/* ---- what loads ---- */

static void assert_same_rules(const struct policy_rules *a, const struct policy_rules *b)
{
	assert_int_equal(a->migrations_max, b->migrations_max);
	assert_int_equal(a->auto_converge, b->auto_converge);
	assert_int_equal(a->compress, b->compress);
	assert_int_equal(a->initial_ms, b->initial_ms);
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		assert_int_equal(a->items[i].stalls, b->items[i].stalls);
		assert_int_equal(a->items[i].action, b->items[i].action);
		assert_int_equal(a->items[i].downtime_ms, b->items[i].downtime_ms);
	}
}

/* policies/ has RHV's own files, as it ships them. */
static void rhvs_files_are_the_built_in_policies(void **state)
{
	static const char *const pairs[][2] = {
		{ "minimal-downtime.json", "minimal-downtime" },
		{ "suspend-workload-if-needed.json", "suspend-workload-if-needed" },
		{ "post-copy-migration.json", "post-copy" },
	};
	struct policy_rules rules;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		char path[600];

		snprintf(path, sizeof(path), "%s/tests/policies/%s", getenv("top_srcdir"),
			 pairs[i][0]);
		assert_int_equal(policy_read(path, &rules, &err), 0);
		assert_same_rules(&rules, policy_builtin(pairs[i][1]));
	}
	assert_string_equal(rules.name, "post-copy-migration");
}

static void what_is_written_reads_as_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; policy_builtin_at(i); i++) {
		CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(true);
		struct policy_rules rules;
		struct err err;

		policy_write(policy_builtin_at(i), writer);
		assert_int_equal(parse(json_text(writer, NULL), &rules, &err), 0);
		assert_same_rules(&rules, policy_builtin_at(i));
	}
}

static void a_caution_is_given_where_post_copy_stands(void **state)
{
	(void)state;
	assert_null(policy_caution(policy_builtin("minimal-downtime")));
	assert_non_null(strstr(policy_caution(policy_builtin("post-copy")), "given up"));
}

/* ---- mistakes ---- */

#define INITIAL "\n\"initialItems\": [{\"action\": \"setDowntime\", \"params\": [\"100\"]}]"
#define CONFIG(more) "{\"config\": {" INITIAL more "}}"
#define STALL(limit, action, params) \
	"{\"stallingLimit\": " limit ", \"convergenceItem\": {\"action\": \"" action "\", " \
	"\"params\": [" params "]}}"

static const struct mistake {
	const char *text, *where, *why;
} mistakes[] = {
	{ "[]", "mine.json:1:", "wants an object" },
	{ "{}", "mine.json:1:", "lacks config" },
	{ "{\"config\": {}}", "mine.json:1:", "lacks initialItems" },
	{ "{\"config\": {\n\"initialItems\": []}}", "mine.json:2:", "no setDowntime" },
	{ "{\"config\": {\n\"initialItems\": {}}}", "mine.json:2:", "wants a list" },
	{ "{\"config\": {\n\"initialItems\": [{\"action\": \"abort\"}]}}", "mine.json:2:",
	  "begins with setDowntime" },
	{ CONFIG(",\n\n\"lastItem\": []"), "mine.json:4:", "no key 'lastItem'" },
	{ CONFIG(",\n\"lastItems\": [\n{\"action\": \"reboot\"}]"), "mine.json:4:",
	  "action 'reboot' is not known" },
	{ CONFIG(",\n\"lastItems\": [{\"params\": []}]"), "mine.json:3:", "action wants" },
	{ CONFIG(",\n\"lastItems\": [{\"action\": \"abort\"},\n{\"action\": \"postcopy\"}]"),
	  "mine.json:4:", "nothing can follow abort" },
	{ CONFIG(",\n\"lastItems\": [{\"action\": \"setDowntime\", \"params\": []}]"),
	  "mine.json:3:", "params: setDowntime wants a list of 1" },
	{ CONFIG(",\n\"convergenceItems\": [" STALL("1", "setDowntime", "\"0\"") "]"),
	  "mine.json:3:", "a limit of zero" },
	{ CONFIG(",\n\"convergenceItems\": [" STALL("1", "setDowntime", "\"-5\"") "]"),
	  "mine.json:3:", "from 1 to" },
	{ CONFIG(",\n\"convergenceItems\": [" STALL("1", "setDowntime", "\"5s\"") "]"),
	  "mine.json:3:", "from 1 to" },
	{ CONFIG(",\n\"convergenceItems\": [" STALL("1", "setDowntime", "\"50\"") "]"),
	  "mine.json:3:", "the schedule falls: 50 ms comes after 100 ms" },
	{ CONFIG(",\n\"convergenceItems\": [" STALL("2", "setDowntime", "200") ",\n"
		 STALL("2", "setDowntime", "300") "]"),
	  "mine.json:4:", "stallingLimit: the schedule falls: 2 comes after 2" },
	{ CONFIG(",\n\"convergenceItems\": [" STALL("0", "setDowntime", "200") "]"),
	  "mine.json:3:", "stallingLimit wants" },
	{ CONFIG(",\n\"convergenceItems\": [" STALL("1.5", "setDowntime", "200") "]"),
	  "mine.json:3:", "stallingLimit wants" },
	{ CONFIG(",\n\"convergenceItems\": [{\"stallingLimit\": 1}]"), "mine.json:3:",
	  "convergenceItem is missing" },
	{ "{\"maxMigrations\": -1," INITIAL "}", "mine.json:2:", "no key 'initialItems'" },
	{ "{\n\"maxMigrations\": -1, \"config\": {" INITIAL "}}", "mine.json:2:",
	  "maxMigrations wants" },
	{ "{\n\"autoConvergence\": \"yes\", \"config\": {" INITIAL "}}", "mine.json:2:",
	  "autoConvergence wants true or false" },
	{ "{\n\"bandwidth\": 5, \"config\": {" INITIAL "}}", "mine.json:2:",
	  "no key 'bandwidth'" },
};

static void each_mistake_is_named_by_line_and_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct policy_rules rules = { .initial_ms = 7 };
		struct err err = { 0 };

		print_message("  %s\n", mistakes[i].why);
		assert_int_equal(parse(mistakes[i].text, &rules, &err), -EINVAL);
		assert_int_equal(err.code, ERR_USAGE);
		assert_ptr_equal(strstr(err.message, mistakes[i].where), err.message);
		assert_non_null(strstr(err.message, mistakes[i].why));
		assert_int_equal(rules.initial_ms, 7);
	}
}

static void too_many_items_are_refused(void **state)
{
	char text[8192] = "{\"config\": {" INITIAL ", \"lastItems\": [";
	struct policy_rules rules;
	struct err err;

	(void)state;
	for (int i = 0; i <= POLICY_ITEMS_MAX; i++)
		strncat(text, i ? ",{\"action\": \"postcopy\"}" : "{\"action\": \"postcopy\"}",
			sizeof(text) - strlen(text) - 1);
	strncat(text, "]}}", sizeof(text) - strlen(text) - 1);
	assert_int_equal(parse(text, &rules, &err), -EINVAL);
	assert_non_null(strstr(err.message, "at most 32 items"));
}

/* Cut short, a text could end within a character. */
static void a_description_that_has_no_room_is_refused(void **state)
{
	char text[POLICY_DESCRIPTION_MAX + 128], words[POLICY_DESCRIPTION_MAX];
	struct policy_rules rules = { .initial_ms = 7 };
	struct err err = { 0 };

	(void)state;
	memset(words, 'x', sizeof(words));
	memcpy(words + sizeof(words) - 2, "\xc3\xa9", 2);
	snprintf(text, sizeof(text), "{\n\"description\": \"%.*s\", \"config\": {" INITIAL "}}",
		 (int)sizeof(words), words);
	assert_int_equal(parse(text, &rules, &err), -EINVAL);
	assert_non_null(strstr(err.message, "mine.json:2: description wants at most 511 bytes"));
}

/* ---- finding ---- */

static void ones_own_file_stands_before_the_built_in_one(void **state)
{
	char folder[] = "/tmp/policies.XXXXXX", path[64];
	struct policy_rules rules;
	struct err err;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/minimal-downtime.json", folder);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs("{\"config\": {\"initialItems\": [{\"action\": \"setDowntime\", "
	      "\"params\": [\"42\"]}]}}", file);
	assert_int_equal(fclose(file), 0);

	assert_int_equal(policy_find(folder, NULL, &rules, &err), 0);
	assert_int_equal(rules.initial_ms, 42);
	assert_false(rules.built_in);
	assert_int_equal(policy_find(folder, "very-large-vms", &rules, &err), 0);
	assert_true(rules.built_in);
	assert_int_equal(policy_find(folder, "brave", &rules, &err), -ENOENT);
	assert_non_null(strstr(err.message, "no policy 'brave'"));
	assert_int_equal(policy_find(folder, "../minimal-downtime", &rules, &err), -ENOENT);
	unlink(path);
	rmdir(folder);
}

/* ---- what an operator says beside the policy ---- */

static int steer(const char *text, struct steering *steering, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *json = json_parse(text, strlen(text), err);
	struct config config;

	config_defaults(&config);
	snprintf(config.policies_dir, sizeof(config.policies_dir), "/nonexistent");
	return steering_read(json, &config, steering, err);
}

static void steering_takes_what_is_said_and_defaults_for_the_rest(void **state)
{
	struct steering steering;
	struct err err;

	(void)state;
	assert_int_equal(steer("{}", &steering, &err), 0);
	assert_string_equal(steering.policy.name, "minimal-downtime");
	assert_int_equal(steering.downtime_limit_ms, 0);
	assert_int_equal(steering.limit.bytes_per_s, 0);
	assert_int_equal(steer("{\"policy\": \"post-copy\", \"downtime_limit_ms\": 250, "
			       "\"bandwidth_mibps\": 52, \"pause_before_switchover\": true, "
			       "\"timeout_s\": 60, \"timeout_action\": \"suspend\"}",
			       &steering, &err), 0);
	assert_string_equal(steering.policy.name, "post-copy");
	assert_int_equal(steering.limit.bytes_per_s, 52 * 1048576);
	assert_true(steering.pause_before_switchover);
	assert_true(steering.timeout_suspends);
}

static void what_cannot_be_is_refused_by_key(void **state)
{
	static const char *const cases[][2] = {
		{ "{\"policy\": \"brave\"}", "brave" },
		{ "{\"downtime_limit_ms\": 0}", "downtime_limit_ms" },
		{ "{\"downtime_limit_ms\": 600001}", "downtime_limit_ms" },
		{ "{\"bandwidth_mibps\": -1}", "bandwidth_mibps" },
		{ "{\"bandwidth_mibps\": 99999999}", "bandwidth_mibps" },
		{ "{\"timeout_s\": 99999999}", "timeout_s" },
		{ "{\"timeout_s\": 5, \"timeout_action\": \"pray\"}", "timeout_action" },
		{ "{\"timeout_action\": \"abort\"}", "timeout_action" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct steering steering;
		struct err err;

		assert_true(steer(cases[i][0], &steering, &err) < 0);
		assert_non_null(strstr(err.message, cases[i][1]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rhvs_files_are_the_built_in_policies),
		cmocka_unit_test(what_is_written_reads_as_the_same),
		cmocka_unit_test(a_caution_is_given_where_post_copy_stands),
		cmocka_unit_test(each_mistake_is_named_by_line_and_key),
		cmocka_unit_test(too_many_items_are_refused),
		cmocka_unit_test(a_description_that_has_no_room_is_refused),
		cmocka_unit_test(ones_own_file_stands_before_the_built_in_one),
		cmocka_unit_test(steering_takes_what_is_said_and_defaults_for_the_rest),
		cmocka_unit_test(what_cannot_be_is_refused_by_key),
	};

	return cmocka_run_group_tests_name("policy_file", tests, NULL, NULL);
}
