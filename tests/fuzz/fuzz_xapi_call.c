/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What xapi gives to its plugin, and any text in an answer. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "fuzz.h"
#include "xapi_call.h"

static void try_answers(const char *text)
{
	const char *const description[] = { "INTERNAL_ERROR", text };
	CLEANUP_FREE char *written = NULL;
	size_t size;
	FILE *out = open_memstream(&written, &size);

	assert(out);
	xapi_answer_success(out, text);
	xapi_answer_failure(out, description, 2);
	fclose(out);
	assert(strstr(written, "</methodResponse>"));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = calloc(1, size + 1);
	struct xapi_call call = { .function = NULL };
	struct err err = { .code = ERR_NONE };

	assert(text);
	memcpy(text, data, size);
	if (xapi_call_read(text, size, &call, &err) < 0)
		assert(err.message[0]);
	else
		for (size_t i = 0; i < call.count; i++)
			assert(xapi_call_arg(&call, call.args[i].name));
	xapi_call_fini(&call);
	try_answers(text);
	return 0;
}
