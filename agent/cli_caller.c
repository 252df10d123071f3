/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "cli_caller.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "cleanup.h"
#include "clock.h"
#include "config.h"
#include "log.h"
#include "rpc.h"

struct caller {
	const struct clock *clock;
	int fd;
	int interrupt_fd; /* -1: not caught */
	struct rpc_lines lines;
	int64_t id; /* of the call that is made */
	struct json_writer *request;
};

/* ---- opening ---- */

static int find_socket(const struct cli_args *args, struct sockaddr_un *address, struct err *err)
{
	const char *path = args->socket;
	struct config config;
	int rc;

	if (!path) {
		rc = config_load(args->config, &config, err);
		if (rc < 0)
			return rc;
		path = config.socket;
	}
	if (strlen(path) >= sizeof(address->sun_path))
		return err_set(err, ERR_USAGE, -EINVAL,
			       "the socket's path '%s' is longer than %zu bytes", path,
			       sizeof(address->sun_path) - 1);
	address->sun_family = AF_UNIX;
	memcpy(address->sun_path, path, strlen(path) + 1);
	return 0;
}

static int connect_to(const struct sockaddr_un *address, int *connected, struct err *err)
{
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return err_errno(err, "no socket can be made");
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
		return err_set(err, ERR_NO_AGENT, -errno,
			       "xenferryd does not answer on %s: %s; is it running (systemctl "
			       "status xenferryd), and may you use it?",
			       address->sun_path, strerror(errno));
	*connected = steal_fd(&fd);
	return 0;
}

int caller_open(const struct cli_args *args, struct caller **opened, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEANUP_CALLER struct caller *caller = calloc(1, sizeof(*caller));
	int rc;

	if (!caller)
		return err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	caller->clock = &clock_system;
	caller->fd = caller->interrupt_fd = -1;
	rc = find_socket(args, &address, err);
	if (rc == 0)
		rc = connect_to(&address, &caller->fd, err);
	if (rc == 0 && rpc_lines_init(&caller->lines, RPC_REPLY_MAX + RPC_LINE_MAX) < 0)
		rc = err_set(err, ERR_FAILED, -ENOMEM, "out of memory");
	if (rc == 0)
		*opened = steal(caller);
	return rc;
}

void caller_close(struct caller *caller)
{
	if (!caller)
		return;
	if (caller->fd >= 0)
		close(caller->fd);
	if (caller->interrupt_fd >= 0)
		close(caller->interrupt_fd);
	rpc_lines_fini(&caller->lines);
	json_writer_free(caller->request);
	free(caller);
}

int caller_catch_interrupt(struct caller *caller, struct err *err)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	if (sigprocmask(SIG_BLOCK, &signals, NULL) < 0)
		return err_errno(err, "signals cannot be blocked");
	caller->interrupt_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
	return caller->interrupt_fd < 0 ? err_errno(err, "signals cannot be heard") : 0;
}

/* ---- a call ---- */

struct json_writer *caller_begin(struct caller *caller, const char *method)
{
	json_writer_free(caller->request);
	caller->request = json_writer_new(false);
	if (caller->request)
		rpc_call_begin(caller->request, ++caller->id, method);
	return caller->request;
}

void caller_put_params(struct json_writer *params, const struct cli_args *args)
{
	for (size_t i = 0; i < cli_param_count(args->verb); i++) {
		const struct cli_param *param = &args->verb->params[i];
		char name[64];

		if (!args->values[i])
			continue;
		snprintf(name, sizeof(name), "%s", param->name);
		for (char *c = name; *c; c++)
			if (*c == '-')
				*c = '_';
		if (param->kind == CLI_NUMBER)
			json_put_integer(params, name, cli_number(args, param->name, 0));
		else if (param->kind == CLI_BOOLEAN)
			json_put_boolean(params, name, cli_boolean(args, param->name));
		else
			json_put_string(params, name, args->values[i]);
	}
}

static int gone(struct err *err)
{
	return err_set(err, ERR_NO_AGENT, -EPIPE,
		       "xenferryd has closed the connection; running migrations go on");
}

/* Waits until the connection has one of `events`. */
static int wait_for(const struct caller *caller, short events, uint64_t deadline_us,
		    struct err *err)
{
	struct pollfd fds[] = {
		{ .fd = caller->fd, .events = events },
		{ .fd = caller->interrupt_fd, .events = POLLIN }, /* poll() skips -1 */
	};
	int ready = clock_wait(caller->clock, fds, 2, deadline_us, false);

	if (ready < 0)
		return err_set(err, ERR_FAILED, ready, "waiting for xenferryd: %s",
			       strerror(-ready));
	if (ready == 0)
		return err_set(err, ERR_NO_AGENT, -ETIMEDOUT, "xenferryd does not answer");
	if (fds[1].revents)
		return err_set(err, ERR_CANCELLED, -EINTR, "interrupted");
	return 0;
}

static int send_request(struct caller *caller, uint64_t deadline_us, struct err *err)
{
	size_t size, sent = 0;
	const char *text;

	rpc_call_end(caller->request);
	text = json_text(caller->request, &size);
	log_debug("-> %s", text);
	while (sent <= size) { /* and the newline */
		const char *rest = sent < size ? text + sent : "\n";
		size_t rest_size = sent < size ? size - sent : 1;
		ssize_t wrote = send(caller->fd, rest, rest_size, MSG_NOSIGNAL);
		int rc = 0;

		if (wrote > 0)
			sent += (size_t)wrote;
		else if (errno == EAGAIN)
			rc = wait_for(caller, POLLOUT, deadline_us, err);
		else if (errno != EINTR)
			rc = gone(err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int read_more(struct caller *caller, uint64_t deadline_us, struct err *err)
{
	size_t room;
	char *bytes = rpc_lines_room(&caller->lines, &room);
	ssize_t size;
	int rc = wait_for(caller, POLLIN, deadline_us, err);

	if (rc < 0)
		return rc;
	size = recv(caller->fd, bytes, room, 0);
	if (size < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (size <= 0)
		return gone(err);
	rpc_lines_filled(&caller->lines, (size_t)size);
	return 0;
}

/* The next line as a value to free(). */
static int read_line(struct caller *caller, uint64_t deadline_us, struct json_value **value,
		     struct err *err)
{
	const char *line;
	size_t size;
	int rc;

	while ((rc = rpc_lines_next(&caller->lines, &line, &size)) == 0) {
		rc = read_more(caller, deadline_us, err);
		if (rc < 0)
			return rc;
	}
	if (rc < 0)
		return err_set(err, ERR_NO_AGENT, rc, "xenferryd sent a line that has no end");
	log_debug("<- %s", line);
	*value = json_parse(line, size, err);
	return *value ? 0 : err_prefix(err, -EBADMSG, "what xenferryd sent is not JSON");
}

int caller_finish(struct caller *caller, uint64_t timeout_ms, caller_event_fn *event, void *context,
		  struct json_value **answer, const struct json_value **result, struct err *err)
{
	uint64_t deadline_us = clock_after_ms(caller->clock, timeout_ms);
	int rc = send_request(caller, deadline_us, err);

	while (rc == 0) {
		CLEANUP_JSON_VALUE struct json_value *line = NULL;
		const struct json_value *value = NULL;

		rc = read_line(caller, deadline_us, &line, err);
		if (rc < 0)
			return rc;
		rc = rpc_read_answer(line, caller->id, &value, err);
		if (rc == RPC_RESULT) {
			*result = value;
			*answer = steal(line);
			return 0;
		}
		if (rc == RPC_NOTIFICATION && event)
			event(context, value);
		rc = rc < 0 ? rc : 0;
	}
	return rc;
}
