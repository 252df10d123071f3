/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file with an operator's own plan. What was read can be written, and is the same read again. */
#include <assert.h>
#include <string.h>

#include "fuzz.h"
#include "plan_file.h"

static void write_and_read(const struct plan *plan)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct plan again;
	const char *text;
	size_t size;

	assert(writer);
	plan_write(plan, writer);
	text = json_text(writer, &size);
	assert(plan_read_file(fuzz_file(text, size), &again, NULL) == 0);
	assert(memcmp(plan->rows, again.rows, sizeof(plan->rows)) == 0);
	assert(strcmp(plan->name, again.name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct plan plan = { .name = "" };
	struct err err = { .code = ERR_NONE };

	if (plan_read_file(fuzz_file(data, size), &plan, &err) < 0) {
		assert(err.message[0]);
		return 0;
	}
	(void)plan_check(&plan, &err);
	write_and_read(&plan);
	return 0;
}
