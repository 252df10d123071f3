/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_record.h"

#include <string.h>

static struct json_value *parse_written(struct json_writer *writer)
{
	size_t size;
	const char *text = json_text(writer, &size);

	return json_parse(text, size, NULL);
}

struct json_value *daemon_record_begin(const struct clock *clock, struct record *begun)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return NULL;
	begun->status = STATUS_PREPARING;
	begun->started_us = clock_now_us(clock);
	begun->started_wall_s = clock_wall_s(clock);
	record_write(begun, begun->started_us, writer);
	return parse_written(writer);
}

static void put_reason(struct json_writer *writer, const struct err *why)
{
	json_object_begin(writer);
	json_put_string(writer, "code", err_text(why->code));
	json_put_string(writer, "message", why->message);
	json_object_end(writer);
}

struct json_value *daemon_record_end(const struct json_value *last, enum status status,
				     const struct err *why)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return NULL;
	json_object_begin(writer);
	for (size_t i = 0; i < json_size(last); i++) {
		const char *key = json_key_at(last, i);

		json_key(writer, key);
		if (strcmp(key, "status") == 0)
			json_string(writer, status_word(status));
		else if (strcmp(key, "error") == 0)
			put_reason(writer, why);
		else
			json_copy(writer, json_value_at(last, i));
	}
	json_object_end(writer);
	return parse_written(writer);
}

/* STATUSES when it has none that we know. */
static enum status read_status(const struct json_value *record)
{
	const char *word = json_get_string(record, "status");
	enum status status = 0;

	while (word && status < STATUSES && strcmp(status_word(status), word) != 0)
		status++;
	return word ? status : STATUSES;
}

bool daemon_record_is_sound(const struct json_value *record, const char *uuid)
{
	const char *id = json_get_string(record, "uuid");

	return json_is_object(record) && id && strcmp(id, uuid) == 0 &&
	       read_status(record) != STATUSES;
}

enum status daemon_record_status(const struct json_value *record)
{
	return read_status(record);
}

bool daemon_record_is_dry_run(const struct json_value *record)
{
	return json_is_object(json_get(record, "dry_run"));
}

void daemon_record_summarise(const struct json_value *record, struct json_writer *writer)
{
	static const char *const details[] = { "steps", "sync_points", "passes" };

	json_object_begin(writer);
	for (size_t i = 0; i < json_size(record); i++) {
		const char *key = json_key_at(record, i);

		bool detail = false;

		for (size_t k = 0; k < sizeof(details) / sizeof(details[0]); k++)
			detail = detail || strcmp(key, details[k]) == 0;
		if (detail)
			continue;
		json_key(writer, key);
		json_copy(writer, json_value_at(record, i));
	}
	json_object_end(writer);
}
