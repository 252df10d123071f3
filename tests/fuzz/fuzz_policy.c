/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An operator's policy; what was understood is written, read again, and must say the same. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "fuzz.h"
#include "json.h"
#include "policy_rules.h"

static void write_rules(const struct policy_rules *rules, struct json_writer *writer)
{
	assert(writer);
	policy_write(rules, writer);
}

static void read_again(const struct policy_rules *rules)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false),
					       *second = json_writer_new(false);
	CLEANUP_JSON_VALUE struct json_value *json = NULL;
	struct policy_rules again;
	struct err err = { .code = ERR_NONE };
	const char *text;
	size_t size;

	write_rules(rules, writer);
	text = json_text(writer, &size);
	json = json_parse(text, size, &err);
	assert(json && policy_parse(json, "itself", &again, &err) == 0);
	memcpy(again.name, rules->name, sizeof(again.name));
	write_rules(&again, second);
	assert(strcmp(json_text(writer, NULL), json_text(second, NULL)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *folder = fuzz_folder("mine.json", data, size);
	struct policy_rules rules = { .count = 0 };
	struct err err = { .code = ERR_NONE };
	char path[256];

	snprintf(path, sizeof(path), "%s/mine.json", folder);
	if (policy_read(path, &rules, &err) < 0)
		assert(err.message[0]);
	else
		read_again(&rules);
	return 0;
}
