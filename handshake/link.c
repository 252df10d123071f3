/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "link.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "cleanup.h"
#include "connection.h"
#include "reason.h"
#include "tlv.h"

#define ABORT_MS 2000 /* the longest that saying ABORT may hold up undoing */

/* The link over a socket, for real. */
struct socket_link {
	struct link link;
	struct connection connection;
};

void message_fini(struct message *message)
{
	free(message->payload);
	*message = (struct message){ .size = 0 };
}

static int socket_link_send(struct link *link, enum wire_type type, uint16_t point,
			    const void *payload, size_t size, uint64_t deadline_us,
			    struct err *err)
{
	struct connection *connection = &((struct socket_link *)link)->connection;

	return connection_send(connection, type, point, payload, size, deadline_us, err);
}

static int socket_link_receive(struct link *link, uint64_t deadline_us, bool cancellable,
			       struct message *message, struct err *err)
{
	struct connection *connection = &((struct socket_link *)link)->connection;
	CLEANUP_MESSAGE struct message got = { .size = 0 };
	int rc;

	rc = connection_receive(connection, deadline_us, cancellable, &got, err);
	if (rc < 0)
		return rc;
	if (got.type == WIRE_ABORT)
		return reason_decode(got.payload, got.size, connection->peer, -ECONNABORTED, err);
	*message = got;
	got = (struct message){ .size = 0 };
	return 0;
}

static int socket_link_fd(const struct link *link)
{
	return ((const struct socket_link *)link)->connection.fd;
}

static void socket_link_close(struct link *link)
{
	connection_fini(&((struct socket_link *)link)->connection);
	free(link);
}

static const struct link_ops socket_link_ops = {
	.send = socket_link_send,
	.receive = socket_link_receive,
	.fd = socket_link_fd,
	.close = socket_link_close,
};

int link_open(const struct clock *clock, int fd, const uint8_t nonce[WIRE_ID_BYTES],
	      const char *peer, struct link **link, struct err *err)
{
	CLEANUP_FD int owned = fd;
	struct socket_link *opened = calloc(1, sizeof(*opened));
	char name[CONNECTION_PEER_MAX];

	if (!opened)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the link to the %s", peer);
	snprintf(name, sizeof(name), "the %s", peer);
	opened->link.ops = &socket_link_ops;
	connection_init(&opened->connection, clock, steal_fd(&owned), nonce, CONNECTION_OPEN,
			name);
	*link = &opened->link;
	return 0;
}

void link_send_abort(struct link *link, const struct clock *clock, const struct err *reason)
{
	struct tlv_writer fields;

	tlv_writer_init(&fields, REASON_BYTES_MAX);
	reason_encode(reason, &fields);
	/* Without memory for the reason the peer is still told that this side gives up. */
	(void)link->ops->send(link, WIRE_ABORT, 0, fields.bytes,
			      tlv_writer_status(&fields) < 0 ? 0 : fields.size,
			      clock_after_ms(clock, ABORT_MS), NULL);
	tlv_writer_fini(&fields);
}
