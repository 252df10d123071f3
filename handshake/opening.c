/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * How a connection opens: link_connect() says a hello, link_welcome() or link_refuse() answers it.
 */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "cleanup.h"
#include "connect.h"
#include "connection.h"
#include "reason.h"
#include "tls.h"
#include "tlv.h"

#define WELCOME_BYTES_MAX 64

static int check_version(uint64_t version, const char *peer, struct err *err)
{
	if (version < WIRE_VERSION_OLDEST || version > WIRE_VERSION)
		return err_set(err, ERR_INCOMPATIBLE, -EPROTONOSUPPORT,
			       "%s wants version %llu of the protocol, this host speaks %u to %u: "
			       "upgrade xenferry on the older of the two", peer,
			       (unsigned long long)version, WIRE_VERSION_OLDEST, WIRE_VERSION);
	return 0;
}

static int read_welcome(const struct message *welcome, const char *peer, struct err *err)
{
	uint64_t version = 0;
	struct tlv_reader reader;
	struct tlv_field field;
	int rc;

	tlv_reader_init(&reader, welcome->payload, welcome->size);
	while ((rc = tlv_next(&reader, &field)) > 0) {
		if (field.type == WIRE_FIELD_VERSION)
			rc = tlv_get_u64(&field, &version);
		else if (field.required)
			return err_set(err, ERR_INCOMPATIBLE, -EPROTONOSUPPORT,
				       "%s requires what is not known here (field %u of its "
				       "welcome): upgrade xenferry on this host", peer, field.type);
		if (rc < 0)
			break;
	}
	if (rc < 0)
		return err_set(err, ERR_NO_PEER, -EPROTO, "%s sent a damaged welcome", peer);
	return check_version(version, peer, err);
}

/* Says hello and waits for the answer; whatever is none means that no xenferryd is there. */
static int greet(struct connection *connection, const struct wire_hello *hello,
		 uint64_t deadline_us, bool cancellable, struct err *err)
{
	CLEANUP_MESSAGE struct message answer = { .size = 0 };
	struct err why = { .code = ERR_NONE };
	uint8_t bytes[WIRE_HELLO_BYTES];
	int rc;

	wire_encode_hello(hello, bytes);
	rc = connection_send_bytes(connection, bytes, sizeof(bytes), deadline_us, &why);
	if (rc == 0 || rc == -EPIPE) /* who is gone may have said why before it heard us */
		rc = connection_receive(connection, deadline_us, cancellable, &answer, &why);
	if (rc == -ECANCELED)
		return err_set(err, ERR_CANCELLED, rc, "%s", why.message);
	if (rc < 0)
		return err_set(err, ERR_NO_PEER, rc, "%s: is it a xenferryd?", why.message);
	if (answer.type == WIRE_REFUSED)
		return reason_decode(answer.payload, answer.size, connection->peer, -ECONNABORTED,
				     err);
	return read_welcome(&answer, connection->peer, err);
}

/* Control and ask are waited on with deadlines; libxenguest and xl want theirs blocking. */
static int set_mode(int fd, enum wire_kind kind, struct err *err)
{
	return connection_set_blocking(fd, kind == WIRE_MEMORY || kind == WIRE_TRANSPORT, err);
}

/* What the connected `socket` is to be spoken over: itself, or TLS, which then has a *control. */
static int secure(const struct clock *clock, const struct link_place *place, bool cancellable,
		  uint64_t deadline_us, int *socket, int *control, struct err *err)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	socklen_t size = sizeof(address);
	int plain = -1, rc;

	if (!place->tls)
		return 0;
	if (getpeername(*socket, (struct sockaddr *)&address, &size) < 0)
		return err_errno(err, "ask for the address of host %s", place->address);
	if (tls_is_loopback((const struct sockaddr *)&address))
		return 0;
	rc = tls_connect(clock, place->tls, place->certificate, *socket, deadline_us, cancellable,
			 &plain, control, err);
	if (rc < 0)
		return err_prefix(err, rc, "host %.100s (port %u)", place->address, place->port);
	close(*socket);
	*socket = plain;
	return 0;
}

int link_connect(const struct clock *clock, const struct link_place *place,
		 const struct wire_hello *hello, uint64_t deadline_us, int *fd_out,
		 struct err *err)
{
	CLEANUP_CONNECTION struct connection connection = { .fd = -1 };
	CLEANUP_FD int socket = -1, control = -1;
	bool cancellable = hello->kind != WIRE_ASK;
	char peer[CONNECTION_PEER_MAX];
	int rc = connect_to_host(clock, place->address, place->port, deadline_us, cancellable,
				 &socket, err);

	if (rc == 0)
		rc = connection_tune(socket, err);
	if (rc == 0)
		rc = secure(clock, place, cancellable, deadline_us, &socket, &control, err);
	if (rc < 0)
		return rc;
	snprintf(peer, sizeof(peer), "host %.100s (port %u)", place->address, place->port);
	connection_init(&connection, clock, steal_fd(&socket), hello->nonce, CONNECTION_OPENING,
			peer);
	rc = greet(&connection, hello, deadline_us, cancellable, err);
	if (rc == 0 && control >= 0 && hello->kind == WIRE_MEMORY)
		rc = tls_take_socket(clock, control, deadline_us, &connection.fd, err);
	if (rc == 0)
		rc = set_mode(connection.fd, hello->kind, err);
	if (rc == 0)
		*fd_out = steal_fd(&connection.fd);
	return rc;
}

/* The one frame that answers `hello`; `fd` stays the caller's. */
static int answer_hello(const struct clock *clock, int fd, const struct wire_hello *hello,
			enum wire_type type, const struct tlv_writer *fields,
			uint64_t deadline_us, struct err *err)
{
	struct connection connection;

	if (tlv_writer_status(fields) < 0)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory to answer a connection");
	connection_init(&connection, clock, fd, hello->nonce, CONNECTION_OPENING,
			"the connecting host");
	return connection_send(&connection, type, 0, fields->bytes, fields->size, deadline_us,
			       err);
}

int link_welcome(const struct clock *clock, int fd, const struct wire_hello *hello,
		 uint64_t deadline_us, struct err *err)
{
	struct tlv_writer fields;
	int rc;

	tlv_writer_init(&fields, WELCOME_BYTES_MAX);
	tlv_put_u64(&fields, WIRE_FIELD_VERSION, wire_version_for(hello));
	rc = connection_tune(fd, err);
	if (rc == 0)
		rc = answer_hello(clock, fd, hello, WIRE_WELCOME, &fields, deadline_us, err);
	if (rc == 0)
		rc = set_mode(fd, hello->kind, err);
	tlv_writer_fini(&fields);
	return rc;
}

int link_refuse(const struct clock *clock, int fd, const struct wire_hello *hello,
		const struct err *reason, uint64_t deadline_us)
{
	struct tlv_writer fields;
	int rc;

	tlv_writer_init(&fields, REASON_BYTES_MAX);
	reason_encode(reason, &fields);
	rc = answer_hello(clock, fd, hello, WIRE_REFUSED, &fields, deadline_us, NULL);
	tlv_writer_fini(&fields);
	return rc;
}
