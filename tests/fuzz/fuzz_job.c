/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The files of a job's folder, and a worker's line to its daemon. The first byte chooses: a note, a
 * record, xl's configuration, orders, an operator's word in a doubt.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "arbiter.h"
#include "cleanup.h"
#include "daemon_record.h"
#include "description.h"
#include "fuzz.h"
#include "job.h"
#include "orders.h"
#include "record.h"
#include "xl_config.h"

#define UUID "6f1d2c3b-0000-4000-8000-000000000001"

static void try_note(const uint8_t *data, size_t size)
{
	struct err err = { .code = ERR_NONE };
	struct job job = { .lock = -1 };
	struct job_note note;

	snprintf(job.folder, sizeof(job.folder), "%s", fuzz_folder("note", data, size));
	if (job_read_note(&job, &note, &err) < 0)
		assert(err.message[0]);
	else
		assert(memchr(note.address, '\0', sizeof(note.address)));
}

static void try_record(const uint8_t *data, size_t size)
{
	const struct err why = { .code = ERR_FAILED, .message = "the worker died" };
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false),
					       *restored_text = json_writer_new(false);
	CLEANUP_JSON_VALUE struct json_value *record = NULL, *ended = NULL;
	struct record restored = { .side = SIDE_SOURCE };

	record = json_parse((const char *)data, size, NULL);
	record_read(record, UINT64_C(1) << 50, 1.8e9, &restored);
	record_write(&restored, UINT64_C(1) << 51, restored_text);
	if (!record || !daemon_record_is_sound(record, UUID))
		return;
	daemon_record_summarise(record, writer);
	ended = daemon_record_end(record, STATUS_FAILED, &why);
	assert(ended && daemon_record_status(ended) == STATUS_FAILED);
}

static void try_xl_config(const uint8_t *data, size_t size)
{
	CLEANUP_FREE uint8_t *bytes = NULL;
	size_t got = 0;

	if (xl_config_read(fuzz_file(data, size), &bytes, &got, NULL) == 0)
		assert(got == size && (size == 0 || memcmp(bytes, data, size) == 0));
}

static void try_orders(const uint8_t *data, size_t size)
{
	struct orders_folder orders;
	struct order order;
	struct job job = { .lock = -1 };

	snprintf(job.folder, sizeof(job.folder), "%s", fuzz_folder(ORDERS_FILE, data, size));
	orders_init(&orders, &job);
	(void)orders.orders.ops->take(&orders.orders, &order);
}

static void try_resolution(const uint8_t *data, size_t size)
{
	struct job job = { .lock = -1 };
	const struct arbiter_setup setup = { .job = &job };
	struct err err = { .code = ERR_NONE };
	struct arbiter *arbiter = NULL;
	struct verdict verdict;

	snprintf(job.folder, sizeof(job.folder), "%s", fuzz_folder(JOB_RESOLUTION, data, size));
	assert(arbiter_operator_open(&setup, &arbiter, &err) == 0);
	if (arbiter->ops->decide(arbiter, 0, &verdict, &err) < 0)
		assert(err.message[0] && verdict.outcome == OUTCOME_UNDECIDED);
	assert(verdict.outcome <= OUTCOME_NEVER);
	arbiter->ops->close(arbiter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static void (*const ways[])(const uint8_t *, size_t) = {
		try_note, try_record, try_xl_config, try_orders, try_resolution,
	};

	if (size > 0)
		ways[data[0] % 5](data + 1, size - 1);
	return 0;
}
