/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "rpc.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lines ---- */

int rpc_lines_init(struct rpc_lines *lines, size_t max)
{
	*lines = (struct rpc_lines){ .bytes = malloc(max), .max = max };
	return lines->bytes ? 0 : -ENOMEM;
}

void rpc_lines_fini(struct rpc_lines *lines)
{
	free(lines->bytes);
	*lines = (struct rpc_lines){ .bytes = NULL };
}

char *rpc_lines_room(struct rpc_lines *lines, size_t *size)
{
	if (lines->start > 0) {
		memmove(lines->bytes, lines->bytes + lines->start, lines->size - lines->start);
		lines->size -= lines->start;
		lines->start = 0;
	}
	*size = lines->max - lines->size;
	return lines->bytes + lines->size;
}

void rpc_lines_filled(struct rpc_lines *lines, size_t size)
{
	assert(size <= lines->max - lines->size);
	lines->size += size;
}

int rpc_lines_next(struct rpc_lines *lines, const char **line, size_t *size)
{
	char *start = lines->bytes + lines->start;
	size_t left = lines->size - lines->start;
	char *newline = left > 0 ? memchr(start, '\n', left) : NULL;

	if (!newline)
		return left >= lines->max ? -EMSGSIZE : 0;
	*newline = '\0';
	*line = start;
	*size = (size_t)(newline - start);
	lines->start += *size + 1;
	return 1;
}

/* ---- requests ---- */

/* False when there is an id that is neither a number nor a short text. */
static bool read_id(const struct json_value *value, struct rpc_id *id)
{
	const char *text = json_string_of(value);
	int64_t number = json_integer_of(value, INT64_MIN);

	if (text && strlen(text) < sizeof(id->text)) {
		id->kind = RPC_ID_TEXT;
		memcpy(id->text, text, strlen(text) + 1);
	} else if (!text && number != INT64_MIN) {
		id->kind = RPC_ID_NUMBER;
		id->number = number;
	}
	return !value || id->kind != RPC_ID_NONE;
}

static int check_request(struct rpc_request *request, struct err *err)
{
	const char *version = json_get_string(request->root, "jsonrpc");
	const struct json_value *params = json_get(request->root, "params");

	if (!json_is_object(request->root) || !version || strcmp(version, "2.0") != 0)
		return err_set(err, ERR_USAGE, RPC_NOT_A_REQUEST,
			       "not a JSON-RPC 2.0 request: an object with \"jsonrpc\": \"2.0\"");
	if (!read_id(json_get(request->root, "id"), &request->id))
		return err_set(err, ERR_USAGE, RPC_NOT_A_REQUEST,
			       "the id is neither a whole number nor a text of less than %zu bytes",
			       sizeof(request->id.text));
	request->method = json_get_string(request->root, "method");
	if (!request->method)
		return err_set(err, ERR_USAGE, RPC_NOT_A_REQUEST, "the request has no method");
	if (params && !json_is_object(params))
		return err_set(err, ERR_USAGE, RPC_BAD_PARAMS,
			       "%s: params must be an object, by name", request->method);
	request->params = params;
	return 0;
}

int rpc_parse_request(const char *line, size_t size, struct rpc_request *request, struct err *err)
{
	*request = (struct rpc_request){ .root = json_parse(line, size, err) };
	if (!request->root)
		return RPC_NOT_JSON;
	return check_request(request, err);
}

void rpc_request_fini(struct rpc_request *request)
{
	json_value_free(request->root);
	*request = (struct rpc_request){ .root = NULL };
}

int rpc_number_of(const struct err *err)
{
	return err->code == ERR_USAGE ? RPC_BAD_PARAMS : RPC_OURS;
}

/* ---- writing ---- */

static void begin(struct json_writer *writer)
{
	json_object_begin(writer);
	json_put_string(writer, "jsonrpc", "2.0");
}

static void put_id(struct json_writer *writer, const struct rpc_id *id)
{
	json_key(writer, "id");
	if (id->kind == RPC_ID_NUMBER)
		json_integer(writer, id->number);
	else if (id->kind == RPC_ID_TEXT)
		json_string(writer, id->text);
	else
		json_null(writer);
}

void rpc_call_begin(struct json_writer *writer, int64_t id, const char *method)
{
	begin(writer);
	json_put_integer(writer, "id", id);
	json_put_string(writer, "method", method);
	json_key(writer, "params");
	json_object_begin(writer);
}

void rpc_call_end(struct json_writer *writer)
{
	json_object_end(writer);
	json_object_end(writer);
}

void rpc_result_begin(struct json_writer *writer, const struct rpc_id *id)
{
	begin(writer);
	put_id(writer, id);
	json_key(writer, "result");
}

void rpc_result_end(struct json_writer *writer)
{
	json_object_end(writer);
}

void rpc_put_error(struct json_writer *writer, const struct rpc_id *id, int number,
		   const struct err *err)
{
	begin(writer);
	put_id(writer, id);
	json_key(writer, "error");
	json_object_begin(writer);
	json_put_integer(writer, "code", number);
	json_put_string(writer, "message", err->message);
	json_key(writer, "data");
	json_object_begin(writer);
	json_put_string(writer, "code", err_text(err->code));
	json_put_integer(writer, "exit_status", err_exit_status(err->code));
	json_object_end(writer);
	json_object_end(writer);
	json_object_end(writer);
}

void rpc_put_event(struct json_writer *writer, const char *method, const struct json_value *params)
{
	begin(writer);
	json_put_string(writer, "method", method);
	json_key(writer, "params");
	json_copy(writer, params);
	json_object_end(writer);
}

/* ---- the client's side ---- */

/* Always fails: with the daemon's own code and words. */
static int read_error(const struct json_value *error, struct err *err)
{
	const char *message = json_get_string(error, "message");
	const char *code = json_get_string(json_get(error, "data"), "code");
	enum err_code ours = code ? err_from_text(code) : ERR_FAILED;

	return err_set(err, ours == ERR_NONE ? ERR_FAILED : ours,
		       ours == ERR_TIMED_OUT ? -ETIMEDOUT : -EREMOTEIO, "%s",
		       message ? message : "the agent gave an error without a message");
}

int rpc_read_answer(const struct json_value *line, int64_t id, const struct json_value **value,
		    struct err *err)
{
	const struct json_value *error = json_get(line, "error");
	const struct json_value *line_id = json_get(line, "id");

	if (!line_id && json_get_string(line, "method")) {
		*value = json_get(line, "params");
		return RPC_NOTIFICATION;
	}
	if (error)
		return read_error(error, err);
	if (json_integer_of(line_id, id - 1) != id || !json_get(line, "result"))
		return RPC_STRANGE;
	*value = json_get(line, "result");
	return RPC_RESULT;
}
