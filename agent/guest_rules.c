/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_rules.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

#define FILE_MAX (1024 * 1024) /* bytes; as of the host list */
#define PRIORITY_MAX 1000000

/* The text of a key into a field; false when it is there and no text that fits and can be shown. */
static bool read_text(const struct json_value *row, const char *key, char *field, size_t size)
{
	const struct json_value *value = json_get(row, key);
	const char *text = json_string_of(value);

	if (!value)
		return true;
	if (!text || !*text || strlen(text) >= size)
		return false;
	for (const char *c = text; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			return false;
	snprintf(field, size, "%s", text);
	return true;
}

static bool is_known(const char *key)
{
	static const char *const keys[] = { "name", "apart", "together", "pinned", "tags",
					    "priority" };

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (strcmp(key, keys[i]) == 0)
			return true;
	return false;
}

static bool read_rule(const struct json_value *row, struct guest_rule *rule)
{
	int64_t priority = json_get_integer(row, "priority", json_get(row, "priority") ? -1 : 0);

	for (size_t i = 0; i < json_size(row); i++)
		if (!json_is_object(row) || !is_known(json_key_at(row, i)))
			return false; /* a slip in "apart" must not put two copies together */
	rule->priority = (uint32_t)priority;
	return priority >= 0 && priority <= PRIORITY_MAX &&
	       read_text(row, "name", rule->name, sizeof(rule->name)) && rule->name[0] &&
	       read_text(row, "apart", rule->apart, sizeof(rule->apart)) &&
	       read_text(row, "together", rule->together, sizeof(rule->together)) &&
	       read_text(row, "pinned", rule->pinned, sizeof(rule->pinned)) &&
	       host_read_tags(json_get(row, "tags"), rule->tags) == 0;
}

static int read_list(const struct json_value *list, const char *path, struct guest_rules *rules,
		     struct err *err)
{
	for (size_t i = 0; i < json_size(list); i++) {
		const struct json_value *row = json_at(list, i);

		if (!read_rule(row, &rules->rules[i]))
			return err_set(err, ERR_USAGE, -EINVAL,
				       "%s:%u: guest %zu of the list wants a name, and at most "
				       "apart, together, pinned (texts), tags (words, in "
				       "brackets) and priority (a number from 0)", path,
				       json_line_of(row), i + 1);
		if (guest_rules_find(rules, rules->rules[i].name, ""))
			return err_set(err, ERR_USAGE, -EINVAL,
				       "%s:%u: guest %s is in the list already", path,
				       json_line_of(row), rules->rules[i].name);
		rules->count++;
	}
	return 0;
}

int guest_rules_load(const char *path, struct guest_rules *rules, struct err *err)
{
	CLEANUP_JSON_VALUE struct json_value *file = NULL;
	const struct json_value *list;
	int rc;

	*rules = (struct guest_rules){ .count = 0 };
	if (access(path, F_OK) < 0 && errno == ENOENT)
		return 0;
	file = json_parse_file(path, FILE_MAX, err);
	if (!file)
		return -EINVAL;
	list = json_get(file, "guests");
	if (!list)
		return 0;
	if (!json_is_array(list) || json_size(list) > GUEST_RULES_MAX)
		return err_set(err, ERR_USAGE, -EINVAL,
			       "%s:%u: \"guests\" is a list of at most %d guests", path,
			       json_line_of(list), GUEST_RULES_MAX);
	rules->rules = calloc(json_size(list) + 1, sizeof(*rules->rules));
	rc = rules->rules ? read_list(list, path, rules, err)
			  : err_set(err, ERR_FAILED, -ENOMEM, "no memory for %s", path);
	if (rc < 0)
		guest_rules_fini(rules);
	return rc;
}

void guest_rules_fini(struct guest_rules *rules)
{
	free(rules->rules);
	*rules = (struct guest_rules){ .count = 0 };
}

const struct guest_rule *guest_rules_find(const struct guest_rules *rules, const char *name,
					  const char *uuid)
{
	for (size_t i = 0; i < rules->count; i++)
		if (strcmp(rules->rules[i].name, name) == 0 ||
		    (uuid[0] && strcmp(rules->rules[i].name, uuid) == 0))
			return &rules->rules[i];
	return NULL;
}

bool guest_rule_misses_tag(const struct guest_rule *rule, const struct host_place *place,
			   char tag[HOST_TAGS_SIZE])
{
	const char *at = rule->tags;

	while (*at == ',' && at[1]) {
		size_t length = strcspn(at + 1, ",");

		snprintf(tag, HOST_TAGS_SIZE, "%.*s", (int)length, at + 1);
		if (!host_has_tag(place, tag))
			return true;
		at += length + 1;
	}
	return false;
}
