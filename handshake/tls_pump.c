/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * tls_pump_run(): take_out() and take_in() as long as there is something to do, then wait. The
 * library may want to write for the sake of a read and the other way round, so what a session waits
 * for is kept apart from which flow it is for.
 */
#include "tls_pump.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "tls_reason.h"
#include "tls_report.h"

#define LINGER_MS 1000
#define FOREVER_MS (24ull * 3600 * 1000) /* then the pump looks around and waits again */
/*
 * One key may encrypt some 2^24 records of AES-GCM (RFC 8446, 5.5), 256 GiB; a new one comes long
 * before.
 */
#define KEY_BYTES_MAX (64ull << 30)

/*
 * After an SSL_ function that did not go on. 0: it waits. -ENODATA: the peer has closed its half.
 * Otherwise as tls_reason().
 */
static int look_at(struct tls_pump *pump, int result, struct err *err)
{
	switch (SSL_get_error(pump->session, result)) {
	case SSL_ERROR_WANT_READ:
		pump->session_waits |= POLLIN;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		pump->session_waits |= POLLOUT;
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return -ENODATA;
	default:
		return tls_reason(pump->session, result, NULL, err);
	}
}

/* The kernel cannot change its key; the peer's library does as it is told. */
static void change_key(struct tls_pump *pump)
{
	BIO *bio = SSL_get_wbio(pump->session);
	uint64_t sent = BIO_number_written(bio);

	if (BIO_get_ktls_send(bio) || sent / KEY_BYTES_MAX == pump->keys_used)
		return;
	pump->keys_used = sent / KEY_BYTES_MAX;
	(void)SSL_key_update(pump->session, SSL_KEY_UPDATE_NOT_REQUESTED);
}

/* From the local socket to the peer. Returns 1 when something moved, 0 when not, or -errno. */
static int take_out(struct tls_pump *pump, struct err *err)
{
	struct tls_flow *out = &pump->out;
	bool moved = false;
	ssize_t got;
	int r;

	if (out->size == 0 && !out->ended) {
		got = recv(pump->plain, out->bytes, sizeof(out->bytes), MSG_DONTWAIT);
		out->start = 0;
		out->size = got > 0 ? (size_t)got : 0;
		out->ended = got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR);
		moved = out->size > 0 || out->ended;
	}
	if (out->size > 0) {
		change_key(pump);
		errno = 0;
		r = SSL_write(pump->session, out->bytes + out->start, (int)out->size);
		if (r <= 0)
			return look_at(pump, r, err);
		out->start += (size_t)r;
		out->size -= (size_t)r;
		moved = true;
	}
	if (out->ended && out->size == 0 && !out->closed) {
		errno = 0;
		r = SSL_shutdown(pump->session);
		if (r < 0)
			return look_at(pump, r, err);
		shutdown(pump->socket, SHUT_WR);
		out->closed = true;
		moved = true;
	}
	return moved;
}

/* Hands `in` to the local socket. Returns whether something moved. */
static bool give_in(struct tls_pump *pump)
{
	struct tls_flow *in = &pump->in;
	ssize_t sent = send(pump->plain, in->bytes + in->start, in->size,
			    MSG_DONTWAIT | MSG_NOSIGNAL);

	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (sent < 0) {
		pump->deserted = true;
		sent = (ssize_t)in->size;
	}
	in->start += (size_t)sent;
	in->size -= (size_t)sent;
	return true;
}

/* Reads records until the buffer is full or none is there; 0 or as look_at(). */
static int read_records(struct tls_pump *pump, struct err *err)
{
	struct tls_flow *in = &pump->in;
	int r, rc;

	in->start = 0;
	do {
		errno = 0;
		r = SSL_read(pump->session, in->bytes + in->size,
			     (int)(sizeof(in->bytes) - in->size));
		if (r > 0)
			in->size += (size_t)r;
	} while (r > 0 && in->size < sizeof(in->bytes));
	pump->heard |= in->size > 0;
	if (in->size > 0)
		return 0; /* that comes first; what stopped us is met again */
	rc = look_at(pump, r, err);
	in->ended = rc == -ENODATA;
	return in->ended ? 0 : rc;
}

/* From the peer to the local socket. */
static int take_in(struct tls_pump *pump, struct err *err)
{
	struct tls_flow *in = &pump->in;
	bool moved = false;
	int rc;

	if (in->size == 0 && !in->ended) {
		rc = read_records(pump, err);
		if (rc < 0)
			return rc;
		moved = in->size > 0 || in->ended;
	}
	if (in->size > 0 && !pump->deserted)
		moved |= give_in(pump);
	if (pump->deserted)
		in->size = 0; /* read on, for the peer's sake, and let it fall */
	if (in->ended && in->size == 0 && !in->closed) {
		shutdown(pump->plain, SHUT_WR);
		in->closed = true;
		moved = true;
	}
	return moved;
}

/* The starter wants the socket, or has closed. Returns whether it has the socket now. */
static bool hear_starter(struct tls_pump *pump)
{
	const struct tls_report report = { .rc = 0 };
	bool given = false;
	int rc = tls_hear_starter(pump->control);

	if (rc == -EAGAIN)
		return false;
	if (rc == 1) {
		given = BIO_get_ktls_send(SSL_get_wbio(pump->session)) && pump->out.size == 0 &&
			pump->in.size == 0 && !pump->out.ended && !pump->in.ended;
		given = tls_send_report(pump->control, &report, given ? pump->socket : -1) == 0 &&
			given;
	}
	close(pump->control);
	pump->control = -1;
	return given;
}

/* Returns 1 when there is nothing left to pump for, else 0 or -errno. */
static int await(struct tls_pump *pump, uint64_t linger_until_us, struct err *err)
{
	short plain = 0;
	struct pollfd fds[3];
	uint64_t deadline_us = linger_until_us;
	int rc;

	if (pump->out.size == 0 && !pump->out.ended)
		plain |= POLLIN;
	if (pump->in.size > 0)
		plain |= POLLOUT;
	fds[0] = (struct pollfd){ .fd = pump->socket, .events = pump->session_waits };
	/* a hang-up is told again and again: who knows of it does not look any more */
	fds[1] = (struct pollfd){ .fd = pump->deserted ? -1 : pump->plain, .events = plain };
	fds[2] = (struct pollfd){ .fd = pump->control, .events = POLLIN };
	if (!deadline_us)
		deadline_us = clock_after_ms(pump->clock, FOREVER_MS);
	rc = clock_wait(pump->clock, fds, 3, deadline_us, false);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "wait for the peer");
	if (rc == 0 && linger_until_us)
		return 1;
	if (fds[1].revents & (POLLHUP | POLLERR))
		pump->deserted = true;
	if (fds[2].revents && hear_starter(pump))
		return 1;
	return pump->in.ended && (fds[0].revents & (POLLERR | POLLHUP)) ? 1 : 0;
}

int tls_pump_run(struct tls_pump *pump, struct err *err)
{
	uint64_t linger_until_us = 0;
	int rc = 0;

	while (!(pump->out.closed && pump->in.closed)) {
		int out, in;

		pump->session_waits = 0;
		ERR_clear_error();
		out = take_out(pump, err);
		in = out < 0 ? out : take_in(pump, err);
		if (in < 0)
			return in;
		if (out > 0 || in > 0)
			continue;
		if (pump->deserted && pump->out.closed && !linger_until_us)
			linger_until_us = clock_after_ms(pump->clock, LINGER_MS);
		rc = await(pump, linger_until_us, err);
		if (rc != 0)
			break;
	}
	return rc < 0 ? rc : 0;
}

void tls_pump_linger(const struct clock *clock, int socket)
{
	uint64_t deadline_us = clock_after_ms(clock, LINGER_MS);
	struct pollfd readable = { .fd = socket, .events = POLLIN };
	char bytes[4096];

	shutdown(socket, SHUT_WR);
	while (clock_now_us(clock) < deadline_us &&
	       clock_wait(clock, &readable, 1, deadline_us, false) > 0) {
		ssize_t got = recv(socket, bytes, sizeof(bytes), MSG_DONTWAIT);

		if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
			return;
	}
}
