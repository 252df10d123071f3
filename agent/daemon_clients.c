/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In the order of a client's life: on_connection, on_bytes, take_line, client_send, drop.
 */
#include "daemon_clients.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "cleanup.h"
#include "daemon_folder.h"
#include "log.h"

struct client {
	uv_pipe_t pipe;
	struct clients *clients;
	struct client *next;
	struct rpc_lines lines;
	bool dropped; /* closed with the loop's next turn: its own callback may be running */
};

struct clients {
	uv_pipe_t listener;
	uv_idle_t sweeper; /* closes dropped clients; runs only when there is one */
	const struct client_events *events;
	void *context;
	struct client *first;
	size_t count;
	int handles;
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

/* ---- leaving ---- */

static void on_client_closed(uv_handle_t *handle)
{
	struct client *client = handle->data;

	rpc_lines_fini(&client->lines);
	free(client);
}

static void close_client(struct client *client)
{
	struct clients *clients = client->clients;
	struct client **at = &clients->first;

	while (*at != client)
		at = &(*at)->next;
	*at = client->next;
	clients->count--;
	clients->events->gone(clients->context, client);
	uv_close((uv_handle_t *)&client->pipe, on_client_closed);
}

static void on_sweep(uv_idle_t *sweeper)
{
	struct clients *clients = sweeper->data;
	struct client *next;

	uv_idle_stop(sweeper);
	for (struct client *client = clients->first; client; client = next) {
		next = client->next;
		if (client->dropped)
			close_client(client);
	}
}

static void drop(struct client *client)
{
	client->dropped = true;
	uv_read_stop((uv_stream_t *)&client->pipe);
	uv_idle_start(&client->clients->sweeper, on_sweep);
}

/* ---- sending ---- */

struct line {
	uv_write_t request;
	char bytes[]; /* with its newline */
};

static void on_written(uv_write_t *request, int status)
{
	(void)status; /* a client that has gone is noticed by reading */
	free(request->data);
}

void client_send(struct client *client, struct json_writer *writer)
{
	size_t size, queued;
	const char *text = json_text(writer, &size);
	struct line *line;
	uv_buf_t buffer;

	if (client->dropped)
		return;
	queued = uv_stream_get_write_queue_size((uv_stream_t *)&client->pipe);
	line = queued + size < RPC_REPLY_MAX ? malloc(sizeof(*line) + size + 1) : NULL;
	if (!line) {
		log_warning("a client was dropped: %zu bytes wait for it", queued + size);
		drop(client);
		return;
	}
	memcpy(line->bytes, text, size);
	line->bytes[size] = '\n';
	line->request.data = line;
	buffer = uv_buf_init(line->bytes, (unsigned)size + 1);
	if (uv_write(&line->request, (uv_stream_t *)&client->pipe, &buffer, 1, on_written) < 0) {
		free(line);
		drop(client);
	}
}

void client_error(struct client *client, const struct rpc_id *id, int number, const struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer) {
		drop(client);
		return;
	}
	rpc_put_error(writer, id, number, err);
	client_send(client, writer);
}

void client_result(struct client *client, const struct rpc_id *id, const struct json_value *result)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);

	if (!writer) {
		drop(client);
		return;
	}
	rpc_result_begin(writer, id);
	json_copy(writer, result);
	rpc_result_end(writer);
	client_send(client, writer);
}

/* ---- receiving ---- */

static void take_line(struct client *client, const char *line, size_t size)
{
	struct clients *clients = client->clients;
	struct rpc_request request;
	struct err err;
	int number = rpc_parse_request(line, size, &request, &err);

	if (number < 0)
		client_error(client, &request.id, number, &err);
	else if (request.id.kind != RPC_ID_NONE)
		clients->events->request(clients->context, client, &request);
	rpc_request_fini(&request);
}

static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct client *client = handle->data;
	size_t size;

	(void)suggested;
	buffer->base = rpc_lines_room(&client->lines, &size);
	buffer->len = size;
}

static void refuse_long_line(struct client *client)
{
	const struct rpc_id nobody = { .kind = RPC_ID_NONE };
	struct err err;

	(void)err_set(&err, ERR_USAGE, -EMSGSIZE, "a request is at most %d bytes long",
		      RPC_LINE_MAX);
	client_error(client, &nobody, RPC_NOT_A_REQUEST, &err);
	drop(client);
}

static void on_bytes(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct client *client = stream->data;
	const char *line;
	size_t line_size;
	int rc = 0;

	(void)buffer;
	if (size < 0) {
		drop(client);
		return;
	}
	rpc_lines_filled(&client->lines, (size_t)size);
	while (!client->dropped && (rc = rpc_lines_next(&client->lines, &line, &line_size)) > 0)
		take_line(client, line, line_size);
	if (rc < 0)
		refuse_long_line(client);
}

/* ---- listening ---- */

static struct client *make_client(struct clients *clients)
{
	struct client *client = calloc(1, sizeof(*client));

	if (!client || rpc_lines_init(&client->lines, RPC_LINE_MAX) < 0) {
		free(client);
		return NULL;
	}
	uv_pipe_init(clients->listener.loop, &client->pipe, 0);
	client->pipe.data = client;
	client->clients = clients;
	client->next = clients->first;
	clients->first = client;
	clients->count++;
	return client;
}

static void turn_away(struct client *client)
{
	const struct rpc_id nobody = { .kind = RPC_ID_NONE };
	struct err err;

	(void)err_set(&err, ERR_REFUSED, -EUSERS, "%d clients are connected already, try later",
		      CLIENTS_MAX);
	client_error(client, &nobody, RPC_OURS, &err);
	drop(client);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct clients *clients = listener->data;
	struct client *client = status < 0 ? NULL : make_client(clients);

	if (!client)
		return;
	if (uv_accept(listener, (uv_stream_t *)&client->pipe) < 0)
		drop(client);
	else if (clients->count > CLIENTS_MAX)
		turn_away(client);
	else
		uv_read_start((uv_stream_t *)&client->pipe, on_room, on_bytes);
}

/* Somebody listens there, or a file is there that is not ours to remove. */
static bool is_taken(const struct sockaddr_un *address)
{
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct stat status;

	if (lstat(address->sun_path, &status) < 0)
		return false;
	if (!S_ISSOCK(status.st_mode) || fd < 0)
		return true;
	return connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
	       errno != ECONNREFUSED;
}

/* A bound socket that nobody but its owner could ever have opened; or -errno. */
static int bind_socket(const char *path, struct err *err)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	CLEANUP_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int rc;

	assert(strlen(path) < sizeof(address.sun_path));
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (fd < 0)
		return err_errno(err, "no socket can be made");
	if (is_taken(&address))
		return err_set(err, ERR_FAILED, -EADDRINUSE,
			       "another xenferryd answers on %s; give this one a socket of its own "
			       "([agent] socket)",
			       path);
	(void)unlink(path);
	mask = umask(0177);
	rc = bind(fd, (const struct sockaddr *)&address, sizeof(address));
	umask(mask);
	return rc < 0 ? err_errno(err, "the control socket %s cannot be made", path)
		      : steal_fd(&fd);
}

/* The folder that the socket stands in: /run is empty after a boot. */
static int make_folder_of(const char *path, struct err *err)
{
	char folder[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
	char *slash;

	snprintf(folder, sizeof(folder), "%s", path);
	slash = strrchr(folder, '/');
	if (!slash || slash == folder)
		return 0;
	*slash = '\0';
	return folder_create(folder, 0755, err);
}

static void on_listener_closed(uv_handle_t *handle)
{
	struct clients *clients = handle->data;

	if (--clients->handles == 0)
		free(clients);
}

void clients_close(struct clients *clients)
{
	if (!clients)
		return;
	while (clients->first)
		close_client(clients->first);
	(void)unlink(clients->path);
	uv_close((uv_handle_t *)&clients->listener, on_listener_closed);
	uv_close((uv_handle_t *)&clients->sweeper, on_listener_closed);
}

int clients_listen(uv_loop_t *loop, const char *path, const struct client_events *events,
		   void *context, struct clients **made, struct err *err)
{
	struct clients *clients;
	int fd = make_folder_of(path, err), r;

	if (fd == 0)
		fd = bind_socket(path, err);
	if (fd < 0)
		return fd;
	clients = calloc(1, sizeof(*clients));
	if (!clients) {
		close(fd);
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the control socket");
	}
	clients->events = events;
	clients->context = context;
	clients->handles = 2;
	snprintf(clients->path, sizeof(clients->path), "%s", path);
	uv_idle_init(loop, &clients->sweeper);
	uv_pipe_init(loop, &clients->listener, 0);
	clients->listener.data = clients->sweeper.data = clients;
	r = uv_pipe_open(&clients->listener, fd);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&clients->listener, CLIENTS_MAX, on_connection);
	if (r < 0) {
		clients_close(clients);
		return err_set(err, ERR_FAILED, r, "the control socket %s cannot be heard: %s",
			       path, uv_strerror(r));
	}
	*made = clients;
	return 0;
}
