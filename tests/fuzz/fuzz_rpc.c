/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a client says to the daemon, and a daemon to a client: bytes in pieces of any size (the
 * first byte's) become lines, lines requests and answers, and requests what an operator wants.
 */
#include <assert.h>
#include <string.h>

#include "config.h"
#include "evacuation.h"
#include "fuzz.h"
#include "rpc.h"
#include "steering.h"

#define LINE_MAX_BYTES 4096

/* What an operator may say of a migration, and of an evacuation. */
static void try_params(const struct json_value *params)
{
	struct evacuation_request request;
	struct err err = { .code = ERR_NONE };
	struct steering steering;
	struct config config;

	config_defaults(&config);
	if (steering_read(params, &config, &steering, &err) < 0)
		assert(err.code != ERR_NONE && err.message[0]);
	else
		assert(steering.timeout_s <= STEERING_TIMEOUT_MAX_S);
	if (evacuation_read_request(params, &config, &request, &err) < 0)
		assert(err.code != ERR_NONE && err.message[0]);
	else
		assert(request.copying_max >= 1 && request.order < ORDERS);
}

static void try_request(const char *line, size_t size)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct err err = { .code = ERR_NONE };
	struct rpc_request request;
	int rc = rpc_parse_request(line, size, &request, &err);

	assert(rc <= 0);
	if (rc < 0) {
		assert(err.message[0]);
		rpc_put_error(writer, &request.id, rc, &err);
	} else {
		assert(request.method);
		try_params(request.params);
		rpc_result_begin(writer, &request.id);
		json_null(writer);
		rpc_result_end(writer);
	}
	assert(json_text(writer, NULL)[0] == '{');
	rpc_request_fini(&request);
}

static void try_answer(const char *line, size_t size)
{
	CLEANUP_JSON_VALUE struct json_value *answer = json_parse(line, size, NULL);
	const struct json_value *value = NULL;
	struct err err = { .code = ERR_NONE };

	if (answer && rpc_read_answer(answer, 7, &value, &err) < 0)
		assert(err.code != ERR_NONE);
}

static int take_lines(struct rpc_lines *lines)
{
	const char *line;
	size_t size;
	int rc;

	while ((rc = rpc_lines_next(lines, &line, &size)) > 0) {
		assert(line[size] == '\0');
		try_request(line, size);
		try_answer(line, size);
	}
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t piece = size > 0 ? data[0] + 1u : 1, at = 1;
	struct rpc_lines lines;

	assert(rpc_lines_init(&lines, LINE_MAX_BYTES) == 0);
	while (at < size) {
		size_t room, some = size - at < piece ? size - at : piece;
		char *to = rpc_lines_room(&lines, &room);

		if (some > room)
			some = room;
		memcpy(to, data + at, some);
		rpc_lines_filled(&lines, some);
		at += some;
		if (take_lines(&lines) < 0)
			break;
	}
	rpc_lines_fini(&lines);
	return 0;
}
