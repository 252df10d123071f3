/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Policies as files, in RHV's form: policy_find() looks one up, policy_read() and policy_parse()
 * check it key by key, policy_write() writes one. Every mistake is named by line and key.
 */
#include "policy_rules.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"

#define PATH_MAX_BYTES 512

/* What is being read, for the sentence that says where a mistake is. */
struct reading {
	const char *origin;
	struct policy_rules *rules;
	struct err *err;
};

static const struct {
	const char *word;
	size_t params;
} actions[POLICY_ACTIONS] = {
	[POLICY_SET_DOWNTIME] = { "setDowntime", 1 },
	[POLICY_POST_COPY] = { "postcopy", 0 },
	[POLICY_ABORT] = { "abort", 0 },
};

const char *policy_action_word(enum policy_action action)
{
	return actions[action].word;
}

__attribute__((format(printf, 3, 4)))
static int wrong(const struct reading *reading, const struct json_value *at, const char *format,
		 ...)
{
	char sentence[ERR_MESSAGE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(sentence, sizeof(sentence), format, args);
	va_end(args);
	return err_set(reading->err, ERR_USAGE, -EINVAL, "%s:%u: %.300s", reading->origin,
		       json_line_of(at), sentence);
}

/* ---- values ---- */

static int read_count(const struct reading *reading, const struct json_value *value,
		      const char *key, int64_t min, int64_t max, uint32_t *count)
{
	int64_t number = json_integer_of(value, INT64_MIN);

	if (number < min || number > max)
		return wrong(reading, value, "%s wants a whole number from %lld to %lld", key,
			     (long long)min, (long long)max);
	*count = (uint32_t)number;
	return 0;
}

static int read_boolean(const struct reading *reading, const struct json_value *value,
			const char *key, bool *boolean)
{
	if (json_boolean_of(value, true) != json_boolean_of(value, false))
		return wrong(reading, value, "%s wants true or false", key);
	*boolean = json_boolean_of(value, false);
	return 0;
}

/* RHV writes its numbers as texts. */
static int read_downtime(const struct reading *reading, const struct json_value *value,
			 uint32_t *downtime_ms)
{
	const char *text = json_string_of(value);
	int64_t ms = json_integer_of(value, -1);
	char *end;

	if (text && *text >= '0' && *text <= '9') {
		errno = 0;
		ms = strtoll(text, &end, 10);
		if (errno != 0 || *end != '\0')
			ms = -1;
	}
	if (ms < 1 || ms > POLICY_DOWNTIME_MAX_MS)
		return wrong(reading, value,
			     "params: setDowntime wants milliseconds from 1 to %d, as \"300\"%s",
			     POLICY_DOWNTIME_MAX_MS,
			     ms == 0 ? "; a limit of zero can never be met" : "");
	*downtime_ms = (uint32_t)ms;
	return 0;
}

/* ---- items ---- */

static int read_action(const struct reading *reading, const struct json_value *json,
		       struct policy_item *item)
{
	const struct json_value *word = json_get(json, "action"), *params;
	const char *text = json_string_of(word);
	enum policy_action action = 0;

	if (!text)
		return wrong(reading, word ? word : json,
			     "action wants one of setDowntime, postcopy, abort");
	while (action < POLICY_ACTIONS && strcmp(actions[action].word, text) != 0)
		action++;
	if (action == POLICY_ACTIONS)
		return wrong(reading, word,
			     "action '%.40s' is not known: it is setDowntime, postcopy or abort",
			     text);
	params = json_get(json, "params");
	if ((params && !json_is_array(params)) || json_size(params) != actions[action].params)
		return wrong(reading, params ? params : json, "params: %s wants a list of %zu",
			     text, actions[action].params);
	item->action = action;
	return action == POLICY_SET_DOWNTIME ?
		       read_downtime(reading, json_at(params, 0), &item->downtime_ms) : 0;
}

/* The limit that holds before the next item. */
static uint32_t limit_so_far(const struct policy_rules *rules)
{
	for (size_t i = rules->count; i-- > 0;)
		if (rules->items[i].action == POLICY_SET_DOWNTIME)
			return rules->items[i].downtime_ms;
	return rules->initial_ms;
}

static int add_item(const struct reading *reading, const struct json_value *at,
		    const struct policy_item *item)
{
	struct policy_rules *rules = reading->rules;
	const struct policy_item *last =
		rules->count ? &rules->items[rules->count - 1] : NULL;
	bool sets = item->action == POLICY_SET_DOWNTIME;

	if (rules->count == POLICY_ITEMS_MAX)
		return wrong(reading, at, "a policy has at most %d items", POLICY_ITEMS_MAX);
	if (last && last->action == POLICY_ABORT)
		return wrong(reading, at, "action: nothing can follow abort");
	if (last && item->stalls && item->stalls <= last->stalls)
		return wrong(reading, at,
			     "stallingLimit: the schedule falls: %u comes after %u, and has to be "
			     "greater", item->stalls, last->stalls);
	if (sets && item->downtime_ms < limit_so_far(rules))
		return wrong(reading, at,
			     "params: the schedule falls: %u ms comes after %u ms, and what has "
			     "not fitted that will not fit less", item->downtime_ms,
			     limit_so_far(rules));
	rules->items[rules->count++] = *item;
	return 0;
}

static int read_initial(const struct reading *reading, const struct json_value *list)
{
	struct policy_item item = { 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_size(list); i++) {
		rc = read_action(reading, json_at(list, i), &item);
		if (rc == 0 && item.action != POLICY_SET_DOWNTIME)
			rc = wrong(reading, json_at(list, i),
				   "initialItems: a copy begins with setDowntime, not with %s",
				   policy_action_word(item.action));
		if (rc == 0)
			reading->rules->initial_ms = item.downtime_ms;
	}
	return rc;
}

static int read_stalling(const struct reading *reading, const struct json_value *list)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_size(list); i++) {
		const struct json_value *json = json_at(list, i);
		const struct json_value *limit = json_get(json, "stallingLimit");
		struct policy_item item = { 0 };

		rc = read_count(reading, limit ? limit : json, "stallingLimit", 1,
				POLICY_STALLS_MAX, &item.stalls);
		if (rc == 0 && !json_is_object(json_get(json, "convergenceItem")))
			rc = wrong(reading, json, "convergenceItem is missing: what is to be done");
		if (rc == 0)
			rc = read_action(reading, json_get(json, "convergenceItem"), &item);
		if (rc == 0)
			rc = add_item(reading, json, &item);
	}
	return rc;
}

static int read_last(const struct reading *reading, const struct json_value *list)
{
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < json_size(list); i++) {
		struct policy_item item = { 0 };

		rc = read_action(reading, json_at(list, i), &item);
		if (rc == 0)
			rc = add_item(reading, json_at(list, i), &item);
	}
	return rc;
}

/* ---- keys; the order of the tables is that of reading ---- */

typedef int read_fn(const struct reading *reading, const struct json_value *value);

static int read_migrations(const struct reading *reading, const struct json_value *value)
{
	return read_count(reading, value, "maxMigrations", 1, 64,
			  &reading->rules->migrations_max);
}

static int read_converge(const struct reading *reading, const struct json_value *value)
{
	return read_boolean(reading, value, "autoConvergence", &reading->rules->auto_converge);
}

static int read_compress(const struct reading *reading, const struct json_value *value)
{
	return read_boolean(reading, value, "migrationCompression", &reading->rules->compress);
}

static int read_description(const struct reading *reading, const struct json_value *value)
{
	const char *text = json_string_of(value);

	if (!text)
		return wrong(reading, value, "description wants a text");
	if (strlen(text) >= sizeof(reading->rules->description))
		return wrong(reading, value, "description wants at most %zu bytes",
			     sizeof(reading->rules->description) - 1);
	snprintf(reading->rules->description, sizeof(reading->rules->description), "%s", text);
	return 0;
}

static int read_config(const struct reading *reading, const struct json_value *value);

struct key {
	const char *name;
	read_fn *read; /* NULL: it means nothing here */
	bool is_list, required;
};

static const struct key config_keys[] = {
	{ "initialItems", read_initial, true, true },
	{ "convergenceItems", read_stalling, true, false },
	{ "lastItems", read_last, true, false },
	{ .name = NULL },
};

static const struct key policy_keys[] = {
	{ "id", NULL, false, false },
	{ "name", NULL, false, false }, /* the file's name is the policy's */
	{ "enableGuestEvents", NULL, false, false },
	{ "description", read_description, false, false },
	{ "maxMigrations", read_migrations, false, false },
	{ "autoConvergence", read_converge, false, false },
	{ "migrationCompression", read_compress, false, false },
	{ "config", read_config, false, true },
	{ .name = NULL },
};

static int check_keys(const struct reading *reading, const struct json_value *object,
		      const char *what, const struct key *keys)
{
	if (!json_is_object(object))
		return wrong(reading, object, "%s wants an object", what);
	for (size_t i = 0; i < json_size(object); i++) {
		const struct key *key = keys;

		while (key->name && strcmp(key->name, json_key_at(object, i)) != 0)
			key++;
		if (!key->name)
			return wrong(reading, json_value_at(object, i),
				     "%s has no key '%.40s'", what, json_key_at(object, i));
	}
	return 0;
}

static int read_keys(const struct reading *reading, const struct json_value *object,
		     const char *what, const struct key *keys)
{
	int rc = check_keys(reading, object, what, keys);

	for (const struct key *key = keys; rc == 0 && key->name; key++) {
		const struct json_value *value = json_get(object, key->name);

		if (!value && key->required)
			rc = wrong(reading, object, "%s lacks %s", what, key->name);
		else if (value && key->is_list && !json_is_array(value))
			rc = wrong(reading, value, "%s wants a list", key->name);
		else if (value && key->read)
			rc = key->read(reading, value);
	}
	return rc;
}

static int read_config(const struct reading *reading, const struct json_value *value)
{
	return read_keys(reading, value, "config", config_keys);
}

int policy_parse(const struct json_value *json, const char *origin, struct policy_rules *rules,
		 struct err *err)
{
	struct policy_rules fresh = { .count = 0 };
	const struct reading reading = { origin, &fresh, err };
	int rc = read_keys(&reading, json, "the policy", policy_keys);

	if (rc == 0 && fresh.initial_ms == 0)
		rc = wrong(&reading, json_get(json_get(json, "config"), "initialItems"),
			   "initialItems: no setDowntime says what the guest may miss");
	if (rc == 0)
		*rules = fresh;
	return rc;
}

/* ---- files ---- */

static bool is_name(const char *name)
{
	size_t length = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789-_.");

	return length > 0 && name[length] == '\0' && length < POLICY_NAME_MAX && *name != '.';
}

int policy_read(const char *path, struct policy_rules *rules, struct err *err)
{
	const char *file = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t length = strlen(file);
	CLEANUP_JSON_VALUE struct json_value *json = NULL;
	char name[POLICY_NAME_MAX];
	int rc;

	if (length > 5 && strcmp(file + length - 5, ".json") == 0)
		length -= 5;
	snprintf(name, sizeof(name), "%.*s", (int)length, file);
	if (length >= sizeof(name) || !is_name(name))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "%s: a policy's file is named of letters, digits, '-', '_' and '.', "
			       "at most %d", path, POLICY_NAME_MAX - 1);
	json = json_parse_file(path, POLICY_FILE_MAX, err);
	if (!json)
		return -EINVAL;
	rc = policy_parse(json, path, rules, err);
	if (rc == 0)
		memcpy(rules->name, name, sizeof(name));
	return rc;
}

int policy_find(const char *folder, const char *name, struct policy_rules *rules, struct err *err)
{
	const struct policy_rules *builtin =
		name ? policy_builtin(name) : policy_builtin_at(0);
	char path[PATH_MAX_BYTES];

	if (!name)
		name = builtin->name;
	if (!is_name(name))
		return err_set(err, ERR_REFUSED, -ENOENT, "'%.64s' is not a policy's name", name);
	snprintf(path, sizeof(path), "%s/%s.json", folder, name);
	if (access(path, F_OK) == 0)
		return policy_read(path, rules, err);
	if (!builtin)
		return err_set(err, ERR_REFUSED, -ENOENT,
			       "there is no policy '%s', neither built in nor as %s; see "
			       "policy-list", name, path);
	*rules = *builtin;
	return 0;
}

/* ---- writing ---- */

static void write_action(const struct policy_item *item, struct json_writer *writer)
{
	char ms[16];

	json_object_begin(writer);
	json_put_string(writer, "action", policy_action_word(item->action));
	json_key(writer, "params");
	json_array_begin(writer);
	if (item->action == POLICY_SET_DOWNTIME) {
		snprintf(ms, sizeof(ms), "%u", item->downtime_ms);
		json_string(writer, ms);
	}
	json_array_end(writer);
	json_object_end(writer);
}

static void write_items(const struct policy_rules *rules, bool last, struct json_writer *writer)
{
	json_array_begin(writer);
	for (size_t i = 0; i < rules->count; i++) {
		const struct policy_item *item = &rules->items[i];

		if ((item->stalls == 0) != last)
			continue;
		if (last) {
			write_action(item, writer);
			continue;
		}
		json_object_begin(writer);
		json_put_integer(writer, "stallingLimit", item->stalls);
		json_key(writer, "convergenceItem");
		write_action(item, writer);
		json_object_end(writer);
	}
	json_array_end(writer);
}

void policy_write(const struct policy_rules *rules, struct json_writer *writer)
{
	const struct policy_item initial = { 0, POLICY_SET_DOWNTIME, rules->initial_ms };

	json_object_begin(writer);
	json_put_string(writer, "name", rules->name);
	json_put_string(writer, "description", rules->description);
	if (rules->migrations_max)
		json_put_integer(writer, "maxMigrations", rules->migrations_max);
	json_put_boolean(writer, "autoConvergence", rules->auto_converge);
	json_put_boolean(writer, "migrationCompression", rules->compress);
	json_key(writer, "config");
	json_object_begin(writer);
	json_key(writer, "initialItems");
	json_array_begin(writer);
	write_action(&initial, writer);
	json_array_end(writer);
	json_key(writer, "convergenceItems");
	write_items(rules, false, writer);
	json_key(writer, "lastItems");
	write_items(rules, true, writer);
	json_object_end(writer);
	json_object_end(writer);
}

const char *policy_caution(const struct policy_rules *rules)
{
	for (size_t i = 0; i < rules->count; i++) {
		if (rules->items[i].action != POLICY_POST_COPY)
			continue;
		if (i + 1 == rules->count)
			return "this Xen has no post-copy: where the policy would switch to it, "
			       "nothing follows, and copying goes on as before";
		return rules->items[i + 1].action == POLICY_ABORT ?
			       "this Xen has no post-copy: where the policy would switch to it, "
			       "the migration is given up and the guest stays" :
			       "this Xen has no post-copy: where the policy would switch to it, "
			       "it takes its next item, a longer downtime";
	}
	return NULL;
}
