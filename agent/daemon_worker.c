/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_worker.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "channel.h"
#include "cleanup.h"
#include "log.h"
#include "rpc.h"

struct worker {
	uv_process_t process;
	uv_pipe_t channel;
	struct rpc_lines lines;
	const struct worker_events *events;
	void *context;
	int handles; /* not closed yet */
};

int worker_run(uv_loop_t *loop, const struct worker_program *program, const char *const words[],
	       uv_exit_cb on_exit, uv_stdio_container_t *stdio, int stdio_count,
	       uv_process_t *process, struct err *err)
{
	char path[4096], config_word[] = "--config", debug_word[] = "--debug";
	char *args[WORKER_WORDS_MAX + 5];
	size_t count = 0;
	uv_process_options_t options = { .exit_cb = on_exit,
					 .flags = UV_PROCESS_DETACHED,
					 .stdio = stdio,
					 .stdio_count = stdio_count };
	int r;

	snprintf(path, sizeof(path), "%s/xenferry-worker", program->libexec_dir);
	/* the casts: execve() takes no const, and changes nothing */
	args[count++] = path;
	if (program->config_path) {
		args[count++] = config_word;
		args[count++] = (char *)(uintptr_t)program->config_path;
	}
	if (program->debug)
		args[count++] = debug_word;
	for (size_t i = 0; words[i]; i++) {
		assert(i < WORKER_WORDS_MAX);
		args[count++] = (char *)(uintptr_t)words[i];
	}
	args[count] = NULL;
	options.file = path;
	options.args = args;
	r = uv_spawn(loop, process, &options);
	return r < 0 ? err_set(err, ERR_FAILED, r, "%s cannot be started: %s", path, uv_strerror(r))
		     : 0;
}

/* ---- the channel ---- */

static void give_lines(struct worker *worker)
{
	const char *line;
	size_t size;
	int rc;

	while ((rc = rpc_lines_next(&worker->lines, &line, &size)) > 0)
		worker->events->line(worker->context, line, size);
	if (rc == 0)
		return;
	/* It must go on being read: a worker that waits for its daemon does not move its guest. */
	log_warning("worker %d: a line of more than %d bytes was dropped", worker->process.pid,
		    RPC_LINE_MAX);
	worker->lines.size = worker->lines.start = 0;
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct worker *worker = handle->data;
	size_t size;

	(void)suggested;
	buffer->base = rpc_lines_room(&worker->lines, &size);
	buffer->len = size;
}

static void on_bytes(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct worker *worker = stream->data;

	(void)buffer;
	if (size < 0) {
		uv_read_stop(stream); /* its exit says the rest */
		return;
	}
	rpc_lines_filled(&worker->lines, (size_t)size);
	give_lines(worker);
}

/* Reads what an ended worker has left behind. Its children may hold the other end open still. */
static void drain_channel(struct worker *worker)
{
	uv_os_fd_t fd;

	if (uv_fileno((uv_handle_t *)&worker->channel, &fd) < 0)
		return;
	for (;;) {
		size_t room;
		char *bytes = rpc_lines_room(&worker->lines, &room);
		ssize_t size = recv(fd, bytes, room, MSG_DONTWAIT);

		if (size < 0 && errno == EINTR)
			continue;
		if (size <= 0)
			return;
		rpc_lines_filled(&worker->lines, (size_t)size);
		give_lines(worker);
	}
}

/* ---- life ---- */

static void on_closed(uv_handle_t *handle)
{
	struct worker *worker = handle->data;

	if (--worker->handles > 0)
		return;
	rpc_lines_fini(&worker->lines);
	free(worker);
}

void worker_release(struct worker *worker)
{
	uv_close((uv_handle_t *)&worker->process, on_closed);
	uv_close((uv_handle_t *)&worker->channel, on_closed);
}

static void on_exit_status(uv_process_t *process, int64_t exit_status, int signal_number)
{
	struct worker *worker = process->data;

	drain_channel(worker);
	worker->events->ended(worker->context, (int)exit_status, signal_number);
	worker_release(worker);
}

/* A worker with its end of the channel; the other end is *child_fd. */
static int make_worker(uv_loop_t *loop, int *child_fd, struct worker **made)
{
	CLEANUP_FREE struct worker *worker = calloc(1, sizeof(*worker));
	CLEANUP_FD int ours = -1;
	CLEANUP_FD int theirs = -1;
	int pair[2], rc;

	if (!worker)
		return -ENOMEM;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	ours = pair[0];
	theirs = pair[1];
	rc = rpc_lines_init(&worker->lines, RPC_LINE_MAX);
	if (rc < 0)
		return rc;
	uv_pipe_init(loop, &worker->channel, 0);
	rc = uv_pipe_open(&worker->channel, ours);
	assert(rc == 0); /* it is a connected socket, made above */
	ours = -1;
	worker->channel.data = worker->process.data = worker;
	worker->handles = 2;
	*child_fd = steal_fd(&theirs);
	*made = steal(worker);
	return 0;
}

int worker_start(uv_loop_t *loop, const struct worker_program *program, const char *const words[],
		 int peer_fd, const struct worker_events *events, void *context,
		 struct worker **started, struct err *err)
{
	struct worker *worker = NULL;
	CLEANUP_FD int child_fd = -1;
	uv_stdio_container_t stdio[WORKER_PEER_FD + 1] = {
		[0] = { .flags = UV_IGNORE },
		[1] = { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		[2] = { .flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO },
		[WORKER_PEER_FD] = { .flags = UV_INHERIT_FD, .data.fd = peer_fd },
	};
	int rc = make_worker(loop, &child_fd, &worker);

	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "no worker can be started: %s", strerror(-rc));
	worker->events = events;
	worker->context = context;
	stdio[WORKER_CHANNEL_FD] =
		(uv_stdio_container_t){ .flags = UV_INHERIT_FD, .data.fd = child_fd };
	rc = worker_run(loop, program, words, on_exit_status, stdio,
			peer_fd < 0 ? WORKER_PEER_FD : WORKER_PEER_FD + 1, &worker->process, err);
	if (rc < 0) {
		worker_release(worker);
		return rc;
	}
	uv_read_start((uv_stream_t *)&worker->channel, on_room, on_bytes);
	*started = worker;
	return 0;
}

pid_t worker_pid(const struct worker *worker)
{
	return worker->process.pid;
}

/* ---- spare workers ---- */

int worker_go(const struct worker *worker)
{
	const char word = WORKER_GO;
	uv_os_fd_t channel;
	int r = uv_fileno((const uv_handle_t *)&worker->channel, &channel);

	if (r < 0)
		return r;
	return send(channel, &word, 1, MSG_DONTWAIT | MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

static void ignore_line(void *context, const char *line, size_t size)
{
	(void)context;
	(void)line;
	(void)size;
}

static void ignore_end(void *context, int exit_status, int signal_number)
{
	(void)context;
	(void)exit_status;
	(void)signal_number;
}

void worker_dismiss(struct worker *worker)
{
	static const struct worker_events nobody = { ignore_line, ignore_end };
	uv_os_fd_t channel;

	worker->events = &nobody;
	worker->context = NULL;
	if (uv_fileno((uv_handle_t *)&worker->channel, &channel) == 0)
		(void)shutdown(channel, SHUT_RDWR);
	uv_unref((uv_handle_t *)&worker->process);
	uv_unref((uv_handle_t *)&worker->channel);
}

/* ---- connections ---- */

int worker_pass(const struct worker *worker, int fd, struct err *err)
{
	char byte = WORKER_MEMORY;
	struct iovec content = { .iov_base = &byte, .iov_len = 1 };
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control = { .bytes = "" };
	struct msghdr message = { .msg_iov = &content,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);
	uv_os_fd_t channel;
	ssize_t sent;

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
	if (uv_fileno((const uv_handle_t *)&worker->channel, &channel) < 0)
		return err_set(err, ERR_FAILED, -EBADF, "the job's worker has closed its channel");
	do
		sent = sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	return sent == 1 ? 0 : err_errno(err, "the job's worker does not take the connection");
}
