/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* policy-list, policy-show, policy-check: policies are data, so here is what they say. */
#include "cli.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "cli_print.h"
#include "config.h"
#include "json.h"
#include "log.h"
#include "policy_rules.h"

#define FILES_MAX 256 /* of one's own that are listed */

/* clang-format off */
static const struct cli_field policy_fields[] = {
	{ "name", "name", true },
	{ "description", "description", true },
	{ "origin", "origin", true },
	{ "downtime-initial-ms", "downtime_initial_ms", false },
	{ "downtime-max-ms", "downtime_max_ms", true },
	{ "max-migrations", "max_migrations", false },
	{ "auto-convergence", "auto_convergence", false },
	{ NULL, NULL, false },
};
/* clang-format on */

static uint32_t longest_ms(const struct policy_rules *rules)
{
	uint32_t longest = rules->initial_ms;

	for (size_t i = 0; i < rules->count; i++)
		if (rules->items[i].downtime_ms > longest)
			longest = rules->items[i].downtime_ms;
	return longest;
}

static void put_summary(struct json_writer *writer, const struct policy_rules *rules,
			const char *origin)
{
	json_object_begin(writer);
	json_put_string(writer, "name", rules->name);
	json_put_string(writer, "description", rules->description);
	json_put_string(writer, "origin", origin);
	json_put_integer(writer, "downtime_initial_ms", rules->initial_ms);
	json_put_integer(writer, "downtime_max_ms", longest_ms(rules));
	json_put_integer(writer, "max_migrations", rules->migrations_max);
	json_put_boolean(writer, "auto_convergence", rules->auto_converge);
	json_object_end(writer);
}

static bool is_policy_file(const char *name)
{
	size_t length = strlen(name);

	return length > 5 && name[0] != '.' && strcmp(name + length - 5, ".json") == 0;
}

/* One's own; a file that is wrong is said on stderr, and the others are listed. */
static void put_own(struct json_writer *writer, const char *folder)
{
	CLEANUP_DIR DIR *dir = opendir(folder);
	struct dirent *entry;

	for (int i = 0; dir && i < FILES_MAX && (entry = readdir(dir)) != NULL; i++) {
		char path[CONFIG_PATH_MAX + 300];
		struct policy_rules rules;
		struct err err;

		if (!is_policy_file(entry->d_name))
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		if (policy_read(path, &rules, &err) == 0)
			put_summary(writer, &rules, path);
		else
			log_warning("%s", err.message);
	}
}

/* A file of one's own stands before the built-in one of its name. */
static bool is_replaced(const struct policy_rules *builtin, const char *folder)
{
	struct policy_rules found;

	return policy_find(folder, builtin->name, &found, NULL) < 0 || !found.built_in;
}

int cli_policy_list(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	CLEANUP_JSON_VALUE struct json_value *list = NULL;
	const struct policy_rules *rules;
	struct cli_columns columns;
	struct config config;
	const char *text;
	size_t size;
	int rc = cli_choose(policy_fields, cli_text(args, "params"), &columns, err);

	if (rc == 0)
		rc = config_load(args->config, &config, err);
	if (rc < 0)
		return rc;
	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	json_array_begin(writer);
	for (size_t i = 0; (rules = policy_builtin_at(i)); i++)
		if (!is_replaced(rules, config.policies_dir))
			put_summary(writer, rules, "built-in");
	put_own(writer, config.policies_dir);
	json_array_end(writer);
	text = json_text(writer, &size);
	list = json_parse(text, size, err);
	if (!list)
		return -ENOMEM;
	if (args->json)
		cli_print_json(stdout, list);
	else
		cli_print_list(stdout, list, &columns, args->minimal);
	return 0;
}

int cli_policy_show(const struct cli_args *args, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(!args->json);
	struct policy_rules rules;
	struct config config;
	int rc = config_load(args->config, &config, err);

	if (rc == 0)
		rc = policy_find(config.policies_dir, cli_text(args, "policy"), &rules, err);
	if (rc < 0)
		return rc;
	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	policy_write(&rules, writer);
	printf("%s\n", json_text(writer, NULL));
	if (policy_caution(&rules))
		fprintf(stderr, "xenferry: %s\n", policy_caution(&rules));
	return 0;
}

int cli_policy_check(const struct cli_args *args, struct err *err)
{
	struct policy_rules rules;
	int rc = policy_read(cli_text(args, "file"), &rules, err);

	if (rc == 0 && policy_caution(&rules))
		fprintf(stderr, "xenferry: %s\n", policy_caution(&rules));
	return rc;
}
