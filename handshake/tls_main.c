/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenferry-tls: TLS on one connection between two agents.
 *
 *   xenferry-tls connect CERTIFICATE KEY CA NAME
 *   xenferry-tls accept CERTIFICATE KEY CA
 *
 * Started through tls_start() with two descriptors more than usual: 3 is the starter's (see
 * tls_report.h), 4 the connected socket. The order of things: main, serve, shake_hands, hand_over,
 * tls_pump_run. It reads all its files first, then gives up every right, and only then looks at
 * what the peer sends.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "cleanup.h"
#include "clock.h"
#include "connection.h"
#include "link.h"
#include "tls.h"
#include "tls_confine.h"
#include "tls_context.h"
#include "tls_pump.h"
#include "tls_reason.h"
#include "tls_report.h"

#define REFUSE_MS 1000
#define LOCAL_BUFFER_BYTES 1048576 /* the kernel gives what it allows */

struct service {
	const struct clock *clock;
	const char *name; /* connecting: whose certificate the peer's must be; NULL: accepting */
	SSL_CTX *context;
	SSL *session;
	uint64_t deadline_us;
};

/* Waits for the peer. -ECANCELED when the starter has lost interest. */
static int await_peer(const struct service *service, short events, struct err *err)
{
	struct pollfd fds[] = {
		{ .fd = TLS_SOCKET_FD, .events = events },
		{ .fd = TLS_CONTROL_FD, .events = POLLIN },
	};
	int rc = clock_wait(service->clock, fds, 2, service->deadline_us, false);

	if (rc == 0)
		return err_set(err, ERR_NO_PEER, -ETIMEDOUT,
			       "the peer did not finish the TLS handshake within %d s",
			       TLS_HANDSHAKE_MS / 1000);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "wait for the peer: %s", strerror(-rc));
	return fds[1].revents ? -ECANCELED : 0;
}

/*
 * Accepting: a peer that begins with a hello in plain text is told so, as it can read that.
 * -EPROTO then.
 */
static int look_for_plain_text(const struct service *service, struct err *err)
{
	const struct wire_hello nobody = { .kind = 0 };
	uint8_t hello[WIRE_HELLO_BYTES];
	ssize_t got;
	int rc = await_peer(service, POLLIN, err);

	if (rc < 0)
		return rc;
	got = recv(TLS_SOCKET_FD, hello, 1, MSG_PEEK | MSG_DONTWAIT);
	if (got != 1 || hello[0] != 'X')
		return 0;
	(void)recv(TLS_SOCKET_FD, hello, sizeof(hello), MSG_DONTWAIT);
	rc = err_set(err, ERR_REFUSED, -EPROTO,
		     "the connecting host speaks plain text, and this one only TLS: write tls = on "
		     "under [peer] there");
	(void)link_refuse(service->clock, TLS_SOCKET_FD, &nobody, err,
			  clock_after_ms(service->clock, REFUSE_MS));
	return rc;
}

static int shake_hands(struct service *service, struct err *err)
{
	for (;;) {
		short events = POLLIN;
		int r, rc;

		ERR_clear_error();
		errno = 0;
		r = SSL_do_handshake(service->session);
		if (r == 1)
			return 0;
		switch (SSL_get_error(service->session, r)) {
		case SSL_ERROR_WANT_READ:
			break;
		case SSL_ERROR_WANT_WRITE:
			events = POLLOUT;
			break;
		default:
			return tls_reason(service->session, r, service->name, err);
		}
		rc = await_peer(service, events, err);
		if (rc < 0)
			return rc;
	}
}

/* Everything up to the peer being known. */
static int begin(struct service *service, const struct tls_paths *paths, struct err *err)
{
	int rc = tls_context_open(paths, service->name != NULL, &service->context, err);

	if (rc == 0)
		rc = tls_session_open(service->context, TLS_SOCKET_FD, service->name,
				      &service->session, err);
	if (rc == 0)
		rc = tls_confine_process(err);
	if (rc == 0)
		rc = connection_set_blocking(TLS_SOCKET_FD, false, err);
	if (rc == 0)
		rc = connection_tune(TLS_SOCKET_FD, err);
	if (rc == 0 && !service->name)
		rc = look_for_plain_text(service, err);
	return rc < 0 ? rc : shake_hands(service, err);
}

/* Gives the starter its end of a new pair; *ours is the other one. */
static int hand_over(const struct service *service, int *ours, struct err *err)
{
	struct tls_report report = { .rc = 0 };
	CLEANUP_FD int theirs = -1;
	const int buffer_bytes = LOCAL_BUFFER_BYTES;
	int pair[2], rc;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return err_errno(err, "make a local connection");
	*ours = pair[0];
	theirs = pair[1];
	for (int i = 0; i < 2; i++)
		(void)setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &buffer_bytes,
				 sizeof(buffer_bytes));
	tls_session_names(service->session, report.names, sizeof(report.names));
	rc = tls_send_report(TLS_CONTROL_FD, &report, theirs);
	return rc < 0 ? err_set(err, ERR_FAILED, rc, "the starter is gone") : 0;
}

/*
 * In TLS 1.3 the connecting side learns only after its handshake that its certificate was refused:
 * its starter is told as by the peer, which had no other way to say it.
 */
static void say_refused(const struct tls_pump *pump, const struct err *why)
{
	const struct wire_hello nobody = { .kind = 0 };

	(void)link_refuse(pump->clock, pump->plain, &nobody, why,
			  clock_after_ms(pump->clock, REFUSE_MS));
}

static int pump(const struct service *service, int plain)
{
	static struct tls_pump pump; /* large, and all zero */
	struct err err;
	int rc;

	pump.clock = service->clock;
	pump.session = service->session;
	pump.socket = TLS_SOCKET_FD;
	pump.control = TLS_CONTROL_FD;
	pump.plain = plain;
	rc = tls_pump_run(&pump, &err);
	if (rc == 0)
		return 0;
	if (service->name && !pump.heard)
		say_refused(&pump, &err);
	return 1;
}

static int serve(struct service *service, const struct tls_paths *paths)
{
	struct tls_report report = { .rc = 0 };
	int plain = -1;

	service->deadline_us = clock_after_ms(service->clock, TLS_HANDSHAKE_MS);
	report.rc = begin(service, paths, &report.err);
	if (report.rc == 0)
		report.rc = hand_over(service, &plain, &report.err);
	if (report.rc == 0)
		return pump(service, plain);
	if (report.rc != -ECANCELED)
		(void)tls_send_report(TLS_CONTROL_FD, &report, -1);
	tls_pump_linger(service->clock, TLS_SOCKET_FD);
	return 1;
}

int main(int argc, char **argv)
{
	bool connecting = argc == 6 && strcmp(argv[1], "connect") == 0;
	struct service service = { .clock = &clock_system, .name = connecting ? argv[5] : NULL };
	struct tls_paths paths;

	if (!connecting && (argc != 5 || strcmp(argv[1], "accept") != 0)) {
		fprintf(stderr, "xenferry-tls is started by xenferryd and xenferry-worker\n");
		return err_exit_status(ERR_USAGE);
	}
	tls_confine_memory();
	(void)signal(SIGPIPE, SIG_IGN);
	paths = (struct tls_paths){ .certificate = argv[2], .key = argv[3], .ca = argv[4] };
	_exit(serve(&service, &paths)); /* what a longer end may want was given up */
}
