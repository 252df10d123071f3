/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In the order of a connection's life: on_connection, on_bytes (until the hello is whole), answer,
 * close_peer.
 */
#include "daemon_peers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "link.h"
#include "log.h"

#define PENDING_MAX 64 /* connections that have not said their hello yet */
#define HELLO_DEADLINE_MS 5000
#define REFUSE_DEADLINE_MS 100 /* never reached: one small frame fits a fresh socket's buffer */
#define LOG_INTERVAL_US 1000000

struct peer_connection {
	uv_tcp_t socket;
	uv_timer_t deadline;
	struct peers *peers;
	struct peer_connection *next;
	uint8_t hello[WIRE_HELLO_BYTES];
	size_t size; /* of the hello, so far */
	char from[INET6_ADDRSTRLEN];
	int handles; /* not closed yet */
};

struct peers {
	uv_tcp_t listener;
	const struct clock *clock;
	peer_taken_fn *taken;
	void *context;
	struct peer_connection *pending;
	size_t pending_count;
	uint64_t logged_us; /* the last refusal that was logged; 0: none yet */
	unsigned unlogged;
};

/* ---- who may listen ---- */

static bool is_loopback(const char *address)
{
	struct in6_addr v6;
	struct in_addr v4;

	if (inet_pton(AF_INET, address, &v4) == 1)
		return ntohl(v4.s_addr) >> 24 == 127;
	return inet_pton(AF_INET6, address, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

int peers_check(const char *address, bool tls, struct err *err)
{
	if (!tls || is_loopback(address))
		return 0;
	return err_set(
		err, ERR_REFUSED, -EPERM,
		"listening on %s wants TLS, which this version does not have: write tls = off "
		"under [peer] if everybody on that network may be trusted, or "
		"listen = 127.0.0.1",
		address);
}

/* ---- refusals ---- */

/* One line a second at most: a stranger at the port must not fill the log. */
static void log_refusal(struct peers *peers, const char *from, const char *why)
{
	uint64_t now_us = clock_now_us(peers->clock);

	if (peers->logged_us != 0 && now_us - peers->logged_us < LOG_INTERVAL_US) {
		peers->unlogged++;
		return;
	}
	if (peers->unlogged > 0)
		log_warning("refused %s: %s (and %u more before)", from, why, peers->unlogged);
	else
		log_warning("refused %s: %s", from, why);
	peers->logged_us = now_us;
	peers->unlogged = 0;
}

static void refuse(struct peer_connection *peer, const struct wire_hello *hello,
		   const struct err *why)
{
	const struct clock *clock = peer->peers->clock;
	uv_os_fd_t fd;

	log_refusal(peer->peers, peer->from, why->message);
	if (uv_fileno((uv_handle_t *)&peer->socket, &fd) == 0)
		(void)link_refuse(clock, fd, hello, why, clock_after_ms(clock, REFUSE_DEADLINE_MS));
}

/* ---- a connection's life, from its end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct peer_connection *peer = handle->data;

	if (--peer->handles == 0)
		free(peer);
}

static void close_peer(struct peer_connection *peer)
{
	struct peer_connection **at = &peer->peers->pending;

	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	peer->peers->pending_count--;
	uv_close((uv_handle_t *)&peer->socket, on_closed);
	uv_close((uv_handle_t *)&peer->deadline, on_closed);
}

/* The hello is whole: judged, handed over or refused, and gone from here. */
static void answer(struct peer_connection *peer)
{
	struct peers *peers = peer->peers;
	struct wire_hello hello = { .kind = 0 };
	struct err err = { .code = ERR_NONE };
	uv_os_fd_t fd;
	int rc = wire_decode_hello(peer->hello, &hello, &err);

	if (rc == 0)
		rc = uv_fileno((uv_handle_t *)&peer->socket, &fd);
	if (rc == 0)
		rc = peers->taken(peers->context, &hello, fd, peer->from, &err);
	if (rc < 0)
		refuse(peer, &hello, &err);
	close_peer(peer);
}

static void on_deadline(uv_timer_t *timer)
{
	struct peer_connection *peer = timer->data;
	const struct wire_hello nobody = { .kind = 0 };
	struct err err;

	(void)err_set(&err, ERR_TIMED_OUT, -ETIMEDOUT, "no hello came within %d s",
		      HELLO_DEADLINE_MS / 1000);
	refuse(peer, &nobody, &err);
	close_peer(peer);
}

/* Room for the rest of the hello and no more: what follows it is the worker's to read. */
static void on_room(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
	struct peer_connection *peer = handle->data;

	(void)suggested;
	buffer->base = (char *)peer->hello + peer->size;
	buffer->len = sizeof(peer->hello) - peer->size;
}

static void on_bytes(uv_stream_t *stream, ssize_t size, const uv_buf_t *buffer)
{
	struct peer_connection *peer = stream->data;

	(void)buffer;
	if (size < 0) {
		close_peer(peer);
		return;
	}
	peer->size += (size_t)size;
	if (peer->size < sizeof(peer->hello))
		return;
	uv_read_stop(stream);
	answer(peer);
}

static void read_name(struct peer_connection *peer)
{
	struct sockaddr_storage address;
	int size = sizeof(address);

	if (uv_tcp_getpeername(&peer->socket, (struct sockaddr *)&address, &size) < 0 ||
	    uv_ip_name((struct sockaddr *)&address, peer->from, sizeof(peer->from)) < 0)
		snprintf(peer->from, sizeof(peer->from), "a host that has gone");
}

/* Accepts a connection that is one too many, only to close it. */
static void turn_away(struct peers *peers)
{
	uv_tcp_t *socket = calloc(1, sizeof(*socket));

	log_refusal(peers, "a connection", "too many have not said a hello yet");
	if (!socket)
		return;
	uv_tcp_init(peers->listener.loop, socket);
	(void)uv_accept((uv_stream_t *)&peers->listener, (uv_stream_t *)socket);
	uv_close((uv_handle_t *)socket, (uv_close_cb)free);
}

static void on_connection(uv_stream_t *listener, int status)
{
	struct peers *peers = listener->data;
	struct peer_connection *peer = NULL;

	if (status < 0)
		return;
	if (peers->pending_count < PENDING_MAX)
		peer = calloc(1, sizeof(*peer));
	if (!peer) {
		turn_away(peers);
		return;
	}
	uv_tcp_init(listener->loop, &peer->socket);
	uv_timer_init(listener->loop, &peer->deadline);
	peer->socket.data = peer->deadline.data = peer;
	peer->handles = 2;
	peer->peers = peers;
	peer->next = peers->pending;
	peers->pending = peer;
	peers->pending_count++;
	if (uv_accept(listener, (uv_stream_t *)&peer->socket) < 0) {
		close_peer(peer);
		return;
	}
	read_name(peer);
	uv_timer_start(&peer->deadline, on_deadline, HELLO_DEADLINE_MS, 0);
	uv_read_start((uv_stream_t *)&peer->socket, on_room, on_bytes);
}

/* ---- listening ---- */

static void on_listener_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void peers_close(struct peers *peers)
{
	if (!peers)
		return;
	while (peers->pending)
		close_peer(peers->pending);
	uv_close((uv_handle_t *)&peers->listener, on_listener_closed);
}

static int listen_at(struct peers *peers, const char *address, uint16_t port)
{
	struct sockaddr_storage at;
	int r = uv_ip4_addr(address, port, (struct sockaddr_in *)&at);

	if (r < 0)
		r = uv_ip6_addr(address, port, (struct sockaddr_in6 *)&at);
	if (r == 0)
		r = uv_tcp_bind(&peers->listener, (struct sockaddr *)&at, 0);
	if (r == 0)
		r = uv_listen((uv_stream_t *)&peers->listener, PENDING_MAX, on_connection);
	return r;
}

int peers_listen(uv_loop_t *loop, const struct clock *clock, const char *address, uint16_t port,
		 peer_taken_fn *taken, void *context, struct peers **made, struct err *err)
{
	struct peers *peers = calloc(1, sizeof(*peers));
	int r;

	if (!peers)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory to listen for other hosts");
	peers->clock = clock;
	peers->taken = taken;
	peers->context = context;
	uv_tcp_init(loop, &peers->listener);
	peers->listener.data = peers;
	r = listen_at(peers, address, port);
	if (r < 0) {
		peers_close(peers);
		return err_set(
			err, ERR_FAILED, r,
			"other hosts cannot be heard on %s, port %u: %s (see listen and port "
			"under [peer])",
			address, port, uv_strerror(r));
	}
	*made = peers;
	return 0;
}

uint16_t peers_port(const struct peers *peers)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	int size = sizeof(address);

	(void)uv_tcp_getsockname(&peers->listener, (struct sockaddr *)&address, &size);
	if (address.ss_family == AF_INET6)
		return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
	return ntohs(((struct sockaddr_in *)&address)->sin_port);
}
