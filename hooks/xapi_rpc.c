/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xapi_rpc.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cleanup.h"

struct json_writer *xapi_rpc_begin(const char *method)
{
	struct json_writer *writer = json_writer_new(false);

	if (!writer)
		return NULL;
	json_object_begin(writer);
	json_put_string(writer, "jsonrpc", "2.0");
	json_put_integer(writer, "id", 1);
	json_put_string(writer, "method", method);
	json_key(writer, "params");
	json_array_begin(writer);
	return writer;
}

/* ---- the connection ---- */

static int connect_to(const char *path, int *connected, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_errno(err, "no socket can be made");
	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, ERR_USAGE, -EINVAL, "the socket's path '%s' is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
		return err_set(err, ERR_NO_AGENT, -errno, "XAPI does not answer on %s: %s", path,
			       strerror(errno));
	*connected = steal_fd(&fd);
	return 0;
}

static int wait_for(const struct clock *clock, int fd, short events, uint64_t deadline_us,
		    struct err *err)
{
	struct pollfd ready = { .fd = fd, .events = events };
	int rc = clock_wait(clock, &ready, 1, deadline_us, false);

	if (rc == 0)
		return err_set(err, ERR_NO_AGENT, -ETIMEDOUT, "XAPI does not answer in time");
	return rc < 0 ? err_set(err, ERR_FAILED, rc, "waiting for XAPI: %s", strerror(-rc)) : 0;
}

static int send_all(const struct clock *clock, int fd, const char *bytes, size_t size,
		    uint64_t deadline_us, struct err *err)
{
	while (size > 0) {
		ssize_t sent = send(fd, bytes, size, MSG_NOSIGNAL);
		int rc = 0;

		if (sent > 0) {
			bytes += sent;
			size -= (size_t)sent;
		} else if (errno == EAGAIN) {
			rc = wait_for(clock, fd, POLLOUT, deadline_us, err);
		} else if (errno != EINTR) {
			rc = err_set(err, ERR_NO_AGENT, -errno, "XAPI does not listen: %s",
				     strerror(errno));
		}
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* HTTP 1.0: the answer ends where the connection does. */
static int read_all(const struct clock *clock, int fd, uint64_t deadline_us, char **text,
		    size_t *size, struct err *err)
{
	CLEANUP_FREE char *bytes = malloc(XAPI_REPLY_MAX + 1);
	size_t at = 0;

	if (!bytes)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for XAPI's answer");
	for (;;) {
		int rc = wait_for(clock, fd, POLLIN, deadline_us, err);
		ssize_t got;

		if (rc < 0)
			return rc;
		got = recv(fd, bytes + at, XAPI_REPLY_MAX - at, 0);
		if (got == 0)
			break;
		if (got < 0 && errno != EAGAIN && errno != EINTR)
			return err_set(err, ERR_NO_AGENT, -errno, "XAPI breaks off: %s",
				       strerror(errno));
		at += got > 0 ? (size_t)got : 0;
		if (at == XAPI_REPLY_MAX)
			return err_set(err, ERR_NO_AGENT, -EMSGSIZE,
				       "XAPI's answer is longer than %d bytes", XAPI_REPLY_MAX);
	}
	bytes[at] = '\0';
	*text = steal(bytes);
	*size = at;
	return 0;
}

static int post(const struct clock *clock, int fd, const char *body, size_t size,
		uint64_t deadline_us, struct err *err)
{
	char head[128];
	int length = snprintf(head, sizeof(head),
			      "POST /jsonrpc HTTP/1.0\r\nContent-Type: application/json\r\n"
			      "Content-Length: %zu\r\n\r\n", size);
	int rc = send_all(clock, fd, head, (size_t)length, deadline_us, err);

	return rc < 0 ? rc : send_all(clock, fd, body, size, deadline_us, err);
}

/* ---- the answer ---- */

static int read_error(const struct json_value *error, struct err *err)
{
	const struct json_value *data = json_get(error, "data");
	const char *code = json_get_string(error, "message");
	char params[256] = "";
	size_t at = 0;

	for (size_t i = 0; i < json_size(data) && at < sizeof(params) - 1; i++) {
		const char *param = json_string_of(json_at(data, i));

		at += (size_t)snprintf(params + at, sizeof(params) - at, " %s",
				       param ? param : "?");
	}
	return err_set(err, ERR_FAILED, -EREMOTEIO, "XAPI: %s%s", code ? code : "an error", params);
}

/* Finds the JSON below the HTTP header. */
static int read_answer(const char *text, size_t size, struct json_value **answer,
		       const struct json_value **result, struct err *err)
{
	const char *body = strstr(text, "\r\n\r\n");
	CLEANUP_JSON_VALUE struct json_value *value = NULL;

	if (strncmp(text, "HTTP/1.", 7) != 0 || !strstr(text, " 200 ") || !body)
		return err_set(err, ERR_NO_AGENT, -EBADMSG, "XAPI's answer is '%.60s'", text);
	body += 4;
	value = json_parse(body, size - (size_t)(body - text), err);
	if (!value)
		return err_prefix(err, -EBADMSG, "XAPI's answer is not JSON");
	if (json_is_object(json_get(value, "error")))
		return read_error(json_get(value, "error"), err);
	if (!json_get(value, "result"))
		return err_set(err, ERR_NO_AGENT, -EBADMSG, "XAPI's answer has no result");
	*result = json_get(value, "result");
	*answer = steal(value);
	return 0;
}

int xapi_rpc_call(const struct clock *clock, const char *socket, struct json_writer *call,
		  uint64_t deadline_us, struct json_value **answer,
		  const struct json_value **result, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = call;
	CLEANUP_FREE char *text = NULL;
	CLEANUP_FD int fd = -1;
	const char *body;
	size_t size;
	int rc;

	json_array_end(writer);
	json_object_end(writer);
	body = json_text(writer, &size);
	rc = connect_to(socket, &fd, err);
	if (rc == 0)
		rc = post(clock, fd, body, size, deadline_us, err);
	if (rc == 0)
		rc = read_all(clock, fd, deadline_us, &text, &size, err);
	return rc < 0 ? rc : read_answer(text, size, answer, result, err);
}
