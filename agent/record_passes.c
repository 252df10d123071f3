/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The passes of the copy in a record: how much each sent, how fast, against how fast it dirtied. */
#include "record.h"

static uint64_t per_second(uint64_t bytes, uint64_t us)
{
	double rate = us ? (double)bytes * 1e6 / (double)us : 0.0;

	return rate < 1e18 ? (uint64_t)rate : (uint64_t)1e18;
}

static uint64_t since(uint64_t now, uint64_t begun)
{
	return now > begun ? now - begun : 0;
}

/* NULL: none is under way. */
static struct pass_stamp *open_pass(struct record *record)
{
	struct pass_stamp *last =
		record->pass_count ? &record->passes[record->pass_count - 1] : NULL;

	return last && !last->span.end_us ? last : NULL;
}

void record_pass_end(struct record *record, uint64_t bytes, uint64_t now_us)
{
	struct pass_stamp *pass = open_pass(record);

	if (!pass)
		return;
	pass->sent_bytes = since(bytes, pass->begun_bytes);
	pass->span.end_us = now_us;
}

void record_pass_start(struct record *record, uint64_t dirty_bytes, uint64_t bytes,
		       uint64_t now_us)
{
	record_pass_end(record, bytes, now_us);
	if (record->pass_count == RECORD_PASSES_MAX) {
		record->passes[RECORD_PASSES_MAX - 1].span.end_us = 0;
		return;
	}
	record->passes[record->pass_count++] = (struct pass_stamp){
		.span = { .start_us = now_us },
		.begun_bytes = bytes,
		.dirty_bytes = dirty_bytes,
	};
}

void record_progress(struct record *record, uint64_t bytes, uint64_t now_us)
{
	struct pass_stamp *pass = open_pass(record);
	uint64_t rate;

	if (!pass)
		return;
	pass->sent_bytes = since(bytes, pass->begun_bytes);
	rate = per_second(pass->sent_bytes, since(now_us, pass->span.start_us));
	if (rate)
		record->send_bytes_per_s = rate;
	record->iterations = (uint32_t)record->pass_count;
	record->remaining_bytes =
		since(record->pass_count > 1 ? pass->dirty_bytes : record->memory_bytes,
		      pass->sent_bytes);
	record->eta_ms = record->send_bytes_per_s ?
				 record->remaining_bytes * 1000 / record->send_bytes_per_s : 0;
}

static void write_pass(const struct record *record, size_t index, uint64_t now_us,
		       struct json_writer *writer)
{
	const struct pass_stamp *pass = &record->passes[index], *next = pass + 1;
	uint64_t end_us = pass->span.end_us ? pass->span.end_us : now_us, dirty = 0;

	if (index + 1 < record->pass_count)
		dirty = per_second(next->dirty_bytes,
				   since(next->span.start_us, pass->span.start_us));
	json_object_begin(writer);
	json_put_double(writer, "start_ms", record_ms(record, pass->span.start_us));
	json_put_double(writer, "end_ms", record_ms(record, end_us));
	json_put_integer(writer, "dirty_bytes", (int64_t)pass->dirty_bytes);
	json_put_integer(writer, "sent_bytes", (int64_t)pass->sent_bytes);
	json_put_integer(writer, "send_bytes_per_s",
			 (int64_t)per_second(pass->sent_bytes,
					     since(end_us, pass->span.start_us)));
	json_put_integer(writer, "dirty_bytes_per_s", (int64_t)dirty);
	json_object_end(writer);
}

void record_write_passes(const struct record *record, uint64_t now_us, struct json_writer *writer)
{
	json_key(writer, "passes");
	json_array_begin(writer);
	for (size_t i = 0; i < record->pass_count; i++)
		write_pass(record, i, now_us, writer);
	json_array_end(writer);
}
