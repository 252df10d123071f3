/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * connection_tune(), connection_init(), connection_send() and connection_receive(),
 * connection_fini().
 */
#include "connection.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "cleanup.h"

#define PEER_DEAD_MS 30000 /* data that stays unacknowledged this long ends the connection */

/* Keep-alive finds a dead peer in the same 30 s: 10 s of silence, then 4 probes, 5 s apart. */
static const struct tuning {
	int level, name, value;
	const char *label;
} tunings[] = {
	{ IPPROTO_TCP, TCP_NODELAY, 1, "TCP_NODELAY" },
	{ SOL_SOCKET, SO_KEEPALIVE, 1, "SO_KEEPALIVE" },
	{ IPPROTO_TCP, TCP_KEEPIDLE, 10, "TCP_KEEPIDLE" },
	{ IPPROTO_TCP, TCP_KEEPINTVL, 5, "TCP_KEEPINTVL" },
	{ IPPROTO_TCP, TCP_KEEPCNT, 4, "TCP_KEEPCNT" },
	{ IPPROTO_TCP, TCP_USER_TIMEOUT, PEER_DEAD_MS, "TCP_USER_TIMEOUT" },
};

int connection_tune(int fd, struct err *err)
{
	int protocol = 0;
	socklen_t size = sizeof(protocol);

	if (getsockopt(fd, SOL_SOCKET, SO_PROTOCOL, &protocol, &size) < 0)
		return err_errno(err, "look at the socket to the peer");
	if (protocol != IPPROTO_TCP)
		return 0;
	for (size_t i = 0; i < sizeof(tunings) / sizeof(tunings[0]); i++) {
		const struct tuning *tuning = &tunings[i];

		if (setsockopt(fd, tuning->level, tuning->name, &tuning->value,
			       sizeof(tuning->value)) < 0)
			return err_errno(err, "set %s on the socket to the peer", tuning->label);
	}
	return 0;
}

int connection_set_blocking(int fd, bool blocking, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags >= 0)
		flags = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
	if (flags < 0 || fcntl(fd, F_SETFL, flags) < 0)
		return err_errno(err, "make the socket to the peer %s",
				 blocking ? "blocking" : "non-blocking");
	return 0;
}

void connection_init(struct connection *connection, const struct clock *clock, int fd,
		     const uint8_t nonce[WIRE_ID_BYTES], uint32_t sequence, const char *peer)
{
	*connection = (struct connection){
		.clock = clock,
		.fd = fd,
		.sends = sequence,
		.receives = sequence,
	};
	memcpy(connection->nonce, nonce, WIRE_ID_BYTES);
	snprintf(connection->peer, sizeof(connection->peer), "%s", peer);
}

void connection_fini(struct connection *connection)
{
	free(steal(connection->payload));
	if (connection->fd >= 0)
		close(steal_fd(&connection->fd));
}

/*
 * After a socket call that could not go on, with its errno: waits until it can, or says why it
 * never will. TCP_USER_TIMEOUT's own ETIMEDOUT is a lost connection, not a deadline.
 */
static int wait_ready(const struct connection *connection, short events, uint64_t deadline_us,
		      bool cancellable, struct err *err)
{
	bool sending = events == POLLOUT;
	struct pollfd fd = { .fd = connection->fd, .events = events };
	int rc = 0;

	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN)
		return err_set(err, ERR_FAILED, sending ? -EPIPE : -ECONNRESET,
			       "the connection to %s is lost: %s", connection->peer,
			       strerror(errno));
	/* A peer that trickles keeps the socket ready for ever: look at the time here as well. */
	if (clock_now_us(connection->clock) < deadline_us)
		rc = clock_wait(connection->clock, &fd, 1, deadline_us, cancellable);
	if (rc > 0)
		return 0;
	if (rc == 0)
		return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT,
			       sending ? "%s did not take a message in time"
				       : "%s did not answer in time", connection->peer);
	if (rc == -ECANCELED)
		return err_set(err, ERR_CANCELLED, rc, "cancelled while waiting for %s",
			       connection->peer);
	return err_set(err, ERR_FAILED, rc, "wait for %s: %s", connection->peer, strerror(-rc));
}

/* Sends all of `parts`, and uses them up. */
static int send_parts(struct connection *connection, struct iovec *parts, size_t count,
		      uint64_t deadline_us, struct err *err)
{
	while (count > 0) {
		struct msghdr rest = { .msg_iov = parts, .msg_iovlen = count };
		ssize_t sent = sendmsg(connection->fd, &rest, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0) {
			int rc = wait_ready(connection, POLLOUT, deadline_us, false, err);

			if (rc < 0)
				return rc;
			continue;
		}
		for (; count > 0 && (size_t)sent >= parts->iov_len; parts++, count--)
			sent -= (ssize_t)parts->iov_len;
		if (count > 0) {
			parts->iov_base = (uint8_t *)parts->iov_base + sent;
			parts->iov_len -= (size_t)sent;
		}
	}
	return 0;
}

/* send_parts(), once: what failed in the middle cannot be taken up again. */
static int send_once(struct connection *connection, struct iovec *parts, size_t count,
		     uint64_t deadline_us, struct err *err)
{
	int rc;

	if (connection->send_broken)
		return err_set(err, ERR_FAILED, -EPIPE,
			       "the connection to %s is of no use since an earlier failure",
			       connection->peer);
	rc = send_parts(connection, parts, count, deadline_us, err);
	connection->send_broken = rc < 0;
	return rc;
}

int connection_send_bytes(struct connection *connection, const void *bytes, size_t size,
			  uint64_t deadline_us, struct err *err)
{
	struct iovec part = { .iov_base = (void *)bytes, .iov_len = size };

	return send_once(connection, &part, 1, deadline_us, err);
}

int connection_send(struct connection *connection, enum wire_type type, uint16_t point,
		    const void *payload, size_t size, uint64_t deadline_us, struct err *err)
{
	struct wire_frame frame = { .type = type, .point = point, .size = (uint32_t)size };
	uint8_t header[WIRE_FRAME_BYTES];
	struct iovec parts[] = {
		{ .iov_base = header, .iov_len = sizeof(header) },
		{ .iov_base = (void *)payload, .iov_len = size },
	};

	assert(size <= WIRE_PAYLOAD_MAX);
	frame.sequence = connection->sends++;
	memcpy(frame.nonce, connection->nonce, WIRE_ID_BYTES);
	wire_encode_frame(&frame, header);
	return send_once(connection, parts, size > 0 ? 2 : 1, deadline_us, err);
}

/* Receives until *got is `size`; called again, it goes on from there. */
static int receive_bytes(struct connection *connection, uint8_t *bytes, size_t size, size_t *got,
			 uint64_t deadline_us, bool cancellable, struct err *err)
{
	while (*got < size) {
		ssize_t r = recv(connection->fd, bytes + *got, size - *got, MSG_DONTWAIT);
		int rc = 0;

		if (r > 0)
			*got += (size_t)r;
		else if (r == 0)
			rc = err_set(err, ERR_FAILED, -ECONNRESET, "%s closed the connection",
				     connection->peer);
		else
			rc = wait_ready(connection, POLLIN, deadline_us, cancellable, err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* Is this whole header of this job, and the one that is due? */
static int check_header(const struct connection *connection, struct wire_frame *frame,
			struct err *err)
{
	int rc = wire_decode_frame(connection->header, frame, err);

	if (rc < 0)
		return err_prefix(err, -EPROTO, "%s sent what is not understood",
				  connection->peer);
	if (frame->sequence != connection->receives)
		return err_set(err, ERR_FAILED, -EPROTO,
			       "%s sent %s as message %u, and message %u was due",
			       connection->peer, wire_type_name(frame->type), frame->sequence,
			       connection->receives);
	/* A hello that the peer could not read gave it no nonce to refuse with. */
	if (frame->type != WIRE_REFUSED &&
	    memcmp(frame->nonce, connection->nonce, WIRE_ID_BYTES) != 0)
		return err_set(err, ERR_FAILED, -EPROTO, "%s sent %s of another job",
			       connection->peer, wire_type_name(frame->type));
	return 0;
}

static int receive_header(struct connection *connection, struct wire_frame *frame,
			  uint64_t deadline_us, bool cancellable, struct err *err)
{
	int rc;

	if (connection->receive_broken)
		return err_set(err, ERR_FAILED, -ECONNRESET,
			       "the connection to %s is of no use since an earlier failure",
			       connection->peer);
	rc = receive_bytes(connection, connection->header, sizeof(connection->header),
			   &connection->header_got, deadline_us, cancellable, err);
	if (rc < 0)
		return rc;
	rc = check_header(connection, frame, err);
	connection->receive_broken = rc < 0;
	return rc;
}

static int receive_payload(struct connection *connection, size_t size, uint64_t deadline_us,
			   bool cancellable, struct err *err)
{
	if (size > 0 && !connection->payload) {
		connection->payload = malloc(size);
		if (!connection->payload)
			return err_set(err, ERR_FAILED, -ENOMEM,
				       "no memory for a message of %zu bytes from %s", size,
				       connection->peer);
	}
	return receive_bytes(connection, connection->payload, size, &connection->payload_got,
			     deadline_us, cancellable, err);
}

int connection_receive(struct connection *connection, uint64_t deadline_us, bool cancellable,
		       struct message *message, struct err *err)
{
	struct wire_frame frame = { .size = 0 };
	int rc;

	rc = receive_header(connection, &frame, deadline_us, cancellable, err);
	if (rc == 0)
		rc = receive_payload(connection, frame.size, deadline_us, cancellable, err);
	if (rc < 0)
		return rc;
	*message = (struct message){ .type = frame.type, .point = frame.point, .size = frame.size };
	message->payload = steal(connection->payload);
	connection->payload_got = 0;
	connection->header_got = 0;
	connection->receives++;
	return 0;
}
