/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the metrics' port is asked. Nothing that follows a request's end changes its answer. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_scrape.h"
#include "fuzz.h"

static char *terminated(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	assert(text);
	memcpy(text, data, size);
	text[size] = '\0';
	return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP_FREE char *text = terminated(data, size);
	struct scrape_request whole, first = { .refused = NULL };

	if (!scrape_read(text, &whole)) {
		assert(!strstr(text, "\r\n\r\n"));
		return 0;
	}
	assert(whole.format == METRICS_TEXT || whole.format == METRICS_OPENMETRICS);
	assert(whole.refused || strncmp(text, "GET /metrics", 12) == 0);
	for (size_t length = 0; length <= size; length++) {
		CLEANUP_FREE char *come = terminated(data, length);

		if (scrape_read(come, &first))
			break;
	}
	assert(first.refused == whole.refused && first.format == whole.format);
	return 0;
}
