/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * In the order of a connection's life: on_connection, on_report (over TLS), on_bytes (until the
 * hello is whole), answer, close_peer.
 */
#include "daemon_peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cleanup.h"
#include "link.h"
#include "log.h"

#define PENDING_MAX 64   /* connections that have not said their hello yet */
#define HANDSHAKES_MAX 16 /* of those, from one address over TLS: each costs a process */
#define HELLO_DEADLINE_MS 5000
#define HANDSHAKE_DEADLINE_MS (TLS_HANDSHAKE_MS + 1000) /* xenferry-tls knows more, and is first */
#define REFUSE_DEADLINE_MS 100 /* never reached: one small frame fits a fresh socket's buffer */
#define LOG_INTERVAL_US 1000000
#define LOG_BURST 8

struct peer_connection {
	uv_tcp_t socket;     /* as it was accepted; over TLS it is xenferry-tls's business */
	uv_poll_t handshake; /* over TLS: on `control`, where the report comes */
	uv_pipe_t plain;     /* over TLS: what the report brings */
	uv_timer_t deadline;
	struct peers *peers;
	struct peer_connection *next;
	struct caller caller;
	uint8_t hello[WIRE_HELLO_BYTES];
	size_t size;         /* of the hello, so far */
	int control;         /* of xenferry-tls; -1: none */
	int handles;         /* not closed yet */
	bool open;           /* the hello may come; else hands are shaken still */
};

struct peers {
	uv_tcp_t listener;
	struct peers_setup setup;
	struct peer_connection *pending;
	size_t pending_count;
	uint64_t log_again_us; /* each refusal that is logged puts this off by LOG_INTERVAL_US */
	unsigned unlogged;
};

/* ---- refusals ---- */

/* A stranger at the port must not fill the log: after a few lines there is one a second at most. */
static void log_refusal(struct peers *peers, const char *from, const char *why)
{
	uint64_t now_us = clock_now_us(peers->setup.clock);

	if (peers->log_again_us > now_us + LOG_BURST * LOG_INTERVAL_US) {
		peers->unlogged++;
		return;
	}
	if (peers->unlogged > 0)
		log_warning("refused %s: %s (and %u more before)", from, why, peers->unlogged);
	else
		log_warning("refused %s: %s", from, why);
	peers->log_again_us = (peers->log_again_us > now_us ? peers->log_again_us : now_us) +
			      LOG_INTERVAL_US;
	peers->unlogged = 0;
}

/* What the hello comes through. */
static uv_handle_t *stream_of(struct peer_connection *peer)
{
	return peer->control < 0 ? (uv_handle_t *)&peer->socket : (uv_handle_t *)&peer->plain;
}

static void refuse(struct peer_connection *peer, const struct wire_hello *hello,
		   const struct err *why)
{
	const struct clock *clock = peer->peers->setup.clock;
	uv_os_fd_t fd;

	log_refusal(peer->peers, caller_name(&peer->caller), why->message);
	if (peer->open && uv_fileno(stream_of(peer), &fd) == 0)
		(void)link_refuse(clock, fd, hello, why, clock_after_ms(clock, REFUSE_DEADLINE_MS));
}

/* ---- a connection's life, from its end ---- */

static void on_closed(uv_handle_t *handle)
{
	struct peer_connection *peer = handle->data;

	if (--peer->handles > 0)
		return;
	if (peer->control >= 0)
		close(peer->control);
	free(peer);
}

static void close_handle(uv_handle_t *handle)
{
	if (!uv_is_closing(handle))
		uv_close(handle, on_closed);
}

static void close_peer(struct peer_connection *peer)
{
	struct peer_connection **at = &peer->peers->pending;

	while (*at != peer)
		at = &(*at)->next;
	*at = peer->next;
	peer->peers->pending_count--;
	close_handle((uv_handle_t *)&peer->socket);
	close_handle((uv_handle_t *)&peer->deadline);
	if (peer->control >= 0) {
		close_handle((uv_handle_t *)&peer->handshake);
		close_handle((uv_handle_t *)&peer->plain);
	}
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
		rc = uv_fileno(stream_of(peer), &fd);
	if (rc == 0)
		rc = peers->setup.taken(peers->setup.context, &hello, fd, &peer->caller, &err);
	if (rc < 0)
		refuse(peer, &hello, &err);
	close_peer(peer);
}

static void on_deadline(uv_timer_t *timer)
{
	struct peer_connection *peer = timer->data;
	const struct wire_hello nobody = { .kind = 0 };
	struct err err;

	(void)err_set(&err, ERR_TIMED_OUT, -ETIMEDOUT, "no %s came within %d s",
		      peer->open ? "hello" : "TLS handshake",
		      (peer->open ? HELLO_DEADLINE_MS : HANDSHAKE_DEADLINE_MS) / 1000);
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

static void await_hello(struct peer_connection *peer)
{
	peer->open = true;
	uv_timer_start(&peer->deadline, on_deadline, HELLO_DEADLINE_MS, 0);
	uv_read_start((uv_stream_t *)stream_of(peer), on_room, on_bytes);
}

/* ---- over TLS ---- */

/* A certificate of the pool is not enough: the list says who is in it today. */
static int find_caller(struct peer_connection *peer, const char *names, struct err *err)
{
	const char *file = peer->peers->setup.hosts_file;
	CLEANUP_FREE struct hosts *hosts = malloc(sizeof(*hosts));
	const struct host_place *place;
	int rc;

	if (!hosts)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the list of hosts");
	rc = hosts_load(file, HOST_PORT_DEFAULT, hosts, err);
	if (rc < 0)
		return rc;
	place = hosts_find_certified(hosts, names);
	if (!place)
		return err_set(err, ERR_REFUSED, -EACCES,
			       "the certificate of %sis of no host in the list there (%s)",
			       names[0] ? names : "nobody ", file);
	memcpy(peer->caller.host, place->name, sizeof(peer->caller.host));
	memcpy(peer->caller.certificate, place->certificate, sizeof(peer->caller.certificate));
	log_debug("%s is host %s by its certificate", peer->caller.address, place->name);
	return 0;
}

/* Takes the descriptor over. */
static int open_plain(struct peer_connection *peer, int fd, struct err *err)
{
	int r = fd < 0 ? UV_EBADF : uv_pipe_open(&peer->plain, fd);

	if (r == 0)
		return 0;
	if (fd >= 0)
		close(fd);
	return err_set(err, ERR_FAILED, r, "take a connection over from xenferry-tls: %s",
		       uv_strerror(r));
}

static void on_report(uv_poll_t *poll, int status, int events)
{
	const struct wire_hello nobody = { .kind = 0 };
	struct peer_connection *peer = poll->data;
	struct tls_report report;
	int fd = -1, rc = status < 0 ? status : tls_receive_report(peer->control, &report, &fd);
	struct err err;

	(void)events;
	if (rc == -EAGAIN)
		return;
	uv_poll_stop(poll);
	if (rc != 1)
		rc = err_set(&err, ERR_FAILED, -EIO, "xenferry-tls ended without a word");
	else if (report.rc < 0)
		rc = err_set(&err, report.err.code, report.rc, "%s", report.err.message);
	else
		rc = open_plain(peer, fd, &err);
	if (rc == 0) {
		await_hello(peer);
		rc = find_caller(peer, report.names, &err);
	}
	if (rc < 0) {
		refuse(peer, &nobody, &err);
		close_peer(peer);
	}
}

static int shake_hands(struct peer_connection *peer, struct err *err)
{
	struct peers *peers = peer->peers;
	uv_os_fd_t fd;
	int r = uv_fileno((uv_handle_t *)&peer->socket, &fd);

	if (r < 0)
		return err_set(err, ERR_FAILED, r, "%s", uv_strerror(r));
	r = tls_start(peers->setup.tls, NULL, fd, &peer->control, err);
	if (r < 0)
		return r;
	uv_poll_init(peers->setup.loop, &peer->handshake, peer->control);
	uv_pipe_init(peers->setup.loop, &peer->plain, 0);
	peer->handshake.data = peer->plain.data = peer;
	peer->handles += 2;
	uv_timer_start(&peer->deadline, on_deadline, HANDSHAKE_DEADLINE_MS, 0);
	r = uv_poll_start(&peer->handshake, UV_READABLE, on_report);
	return r < 0 ? err_set(err, ERR_FAILED, r, "%s", uv_strerror(r)) : 0;
}

/* ---- accepting ---- */

static void read_address(struct peer_connection *peer)
{
	char *address = peer->caller.address;
	struct sockaddr_storage at;
	int size = sizeof(at);

	if (uv_tcp_getpeername(&peer->socket, (struct sockaddr *)&at, &size) < 0 ||
	    uv_ip_name((struct sockaddr *)&at, address, sizeof(peer->caller.address)) < 0)
		snprintf(address, sizeof(peer->caller.address), "a host that has gone");
}

/* One address must not have all the processes that may shake hands. */
static bool has_too_many(const struct peer_connection *peer)
{
	size_t count = 0;

	for (const struct peer_connection *at = peer->peers->pending; at; at = at->next)
		count += strcmp(at->caller.address, peer->caller.address) == 0;
	return count > HANDSHAKES_MAX;
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

static void begin(struct peer_connection *peer)
{
	struct err err;
	int rc;

	read_address(peer);
	if (!peer->peers->setup.tls) {
		await_hello(peer);
		return;
	}
	rc = has_too_many(peer) ?
		     err_set(&err, ERR_REFUSED, -EUSERS, "too many shake hands from there") :
		     shake_hands(peer, &err);
	if (rc < 0) {
		log_refusal(peer->peers, peer->caller.address, err.message);
		close_peer(peer);
	}
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
	peer->control = -1;
	peer->peers = peers;
	peer->next = peers->pending;
	peers->pending = peer;
	peers->pending_count++;
	if (uv_accept(listener, (uv_stream_t *)&peer->socket) < 0)
		close_peer(peer);
	else
		begin(peer);
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

/* Without its files nobody could call: better said now than to each caller. */
static int check_files(const struct peers_setup *setup, struct err *err)
{
	const char *const files[] = { setup->tls->certificate, setup->tls->key, setup->tls->ca };

	for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++)
		if (access(files[i], R_OK) < 0)
			return err_set(
				err, ERR_REFUSED, -errno,
				"listening on %s wants TLS, and %s cannot be read: %s; make "
				"the pool's certificates ('xenferry help pool-certificates'), "
				"or write under [peer] tls = off if everybody on that network "
				"may be trusted, or listen = 127.0.0.1",
				setup->address, files[i], strerror(errno));
	return 0;
}

static int listen_at(struct peers *peers, const struct sockaddr *at)
{
	int r = uv_tcp_bind(&peers->listener, at, 0);

	return r < 0 ? r : uv_listen((uv_stream_t *)&peers->listener, PENDING_MAX, on_connection);
}

int peers_listen(const struct peers_setup *setup, struct peers **made, struct err *err)
{
	struct peers *peers = calloc(1, sizeof(*peers));
	struct sockaddr_storage at;
	int r = uv_ip4_addr(setup->address, setup->port, (struct sockaddr_in *)&at), rc = 0;

	if (!peers)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory to listen for other hosts");
	if (r < 0)
		r = uv_ip6_addr(setup->address, setup->port, (struct sockaddr_in6 *)&at);
	peers->setup = *setup;
	if (r == 0 && tls_is_loopback((const struct sockaddr *)&at))
		peers->setup.tls = NULL;
	uv_tcp_init(setup->loop, &peers->listener);
	peers->listener.data = peers;
	if (peers->setup.tls)
		rc = check_files(setup, err);
	if (r == 0 && rc == 0)
		r = listen_at(peers, (const struct sockaddr *)&at);
	if (r < 0)
		rc = err_set(err, ERR_FAILED, r,
			     "other hosts cannot be heard on %s, port %u: %s (see listen and port "
			     "under [peer])", setup->address, setup->port, uv_strerror(r));
	if (rc < 0)
		peers_close(peers);
	else
		*made = peers;
	return rc;
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
