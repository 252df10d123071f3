/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * JSON-RPC 2.0, one object a line: what the daemon and its clients say to each other. Pure: bytes
 * and values, no sockets.
 */
#ifndef XENFERRY_RPC_H
#define XENFERRY_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "json.h"

#define RPC_LINE_MAX (64 * 1024)     /* a request, an event of a worker; bytes, newline included */
#define RPC_REPLY_MAX (1024 * 1024)  /* a reply; also the most that waits for a slow reader */
#define RPC_EVENT "migration.event"  /* the notification with a job's record */

/* ---- lines ---- */

/* Collects bytes and gives them out as lines. */
struct rpc_lines {
	char *bytes;
	size_t size, start, max;
};

/* `max`: the longest line, newline included. -ENOMEM. */
int rpc_lines_init(struct rpc_lines *lines, size_t max);
void rpc_lines_fini(struct rpc_lines *lines); /* idempotent; a zeroed one is empty */
/* Where the next bytes go, and how many fit: 0 when the line is too long. */
char *rpc_lines_room(struct rpc_lines *lines, size_t *size);
void rpc_lines_filled(struct rpc_lines *lines, size_t size);
/*
 * Returns 1 with the next line, without its newline and terminated, valid until
 * rpc_lines_room(); 0 when there is none yet; -EMSGSIZE when it is longer than `max`.
 */
int rpc_lines_next(struct rpc_lines *lines, const char **line, size_t *size);

/* ---- requests ---- */

/* Ours to remember and to give back: a number or a short text. */
struct rpc_id {
	enum { RPC_ID_NONE, RPC_ID_NUMBER, RPC_ID_TEXT } kind;
	int64_t number;
	char text[64];
};

struct rpc_request {
	struct json_value *root;         /* owned */
	const char *method;
	const struct json_value *params; /* an object, or NULL */
	struct rpc_id id;                /* RPC_ID_NONE: a notification, which gets no answer */
};

/*
 * Parses one line. On failure returns the JSON-RPC error number to answer with (enum rpc_number,
 * all negative) and fills `err`; `request->id` is set if it could be read.
 */
int rpc_parse_request(const char *line, size_t size, struct rpc_request *request, struct err *err);
void rpc_request_fini(struct rpc_request *request); /* idempotent */

enum rpc_number {
	RPC_NOT_JSON = -32700,
	RPC_NOT_A_REQUEST = -32600,
	RPC_NO_METHOD = -32601,
	RPC_BAD_PARAMS = -32602,
	RPC_OURS = -32000, /* what went wrong says data.code, a text of err.h's table */
};

/* The JSON-RPC number that stands for an error of ours. */
int rpc_number_of(const struct err *err);

/* ---- writing; what is begun is filled by the caller, and ended ---- */

/* ... "params": { -- the caller puts the members */
void rpc_call_begin(struct json_writer *writer, int64_t id, const char *method);
void rpc_call_end(struct json_writer *writer);
/* ... "result": -- the caller writes one value */
void rpc_result_begin(struct json_writer *writer, const struct rpc_id *id);
void rpc_result_end(struct json_writer *writer);
/* {"code": number, "message": ..., "data": {"code": ..., "exit_status": ...}} */
void rpc_put_error(struct json_writer *writer, const struct rpc_id *id, int number,
		   const struct err *err);
/* A notification; `params` is copied. */
void rpc_put_event(struct json_writer *writer, const char *method, const struct json_value *params);

/* ---- the client's side ---- */

/* What a line from the daemon is. */
enum rpc_answer { RPC_RESULT, RPC_NOTIFICATION, RPC_STRANGE };

/*
 * Looks at a parsed line: RPC_RESULT with `*value` the result of call `id`, RPC_NOTIFICATION with
 * its params, RPC_STRANGE for anything else. An error object fills `err` and returns -errno.
 */
int rpc_read_answer(const struct json_value *line, int64_t id, const struct json_value **value,
		    struct err *err);

#endif
