/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The control socket and who is connected to it: requests come in, replies go out, one line each.
 * What a request means is not known here.
 */
#ifndef XENFERRY_DAEMON_CLIENTS_H
#define XENFERRY_DAEMON_CLIENTS_H

#include <stddef.h>
#include <uv.h>

#include "err.h"
#include "rpc.h"

#define CLIENTS_MAX 64

struct client;
struct clients;

struct client_events {
	/* A request with an id; answered now or later with client_result() or client_error(). */
	void (*request)(void *context, struct client *client, const struct rpc_request *request);
	/* The client has gone: nothing may be sent to it any more. */
	void (*gone)(void *context, struct client *client);
};

/*
 * Listens on the unix socket `path`, which only its owner may use. A socket that is there already
 * is replaced if nobody answers on it, else -EADDRINUSE.
 */
int clients_listen(uv_loop_t *loop, const char *path, const struct client_events *events,
		   void *context, struct clients **clients, struct err *err);
/* Drops all clients, stops listening and removes the socket. Freed by the loop. NULL is fine. */
void clients_close(struct clients *clients);

/*
 * Queue what `writer` holds for `client`, as one line. They never block; a client that lets more
 * than RPC_REPLY_MAX bytes wait is dropped, from the loop.
 */
void client_send(struct client *client, struct json_writer *writer);
void client_error(struct client *client, const struct rpc_id *id, int number,
		  const struct err *err);
/* Of `result` a copy is written. */
void client_result(struct client *client, const struct rpc_id *id,
		   const struct json_value *result);

#endif
