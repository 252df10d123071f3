/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One connection to a peer: bytes and frames over a socket, with a deadline on every wait.
 * Inside handshake/ only; the rest of the tree sees link.h.
 *
 * Nothing is read ahead: after a frame the socket stands at the next byte. The socket may be
 * blocking or not; no call here blocks but in clock_wait().
 */
#ifndef XENFERRY_CONNECTION_H
#define XENFERRY_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"
#include "link.h"
#include "wire.h"

#define CONNECTION_PEER_MAX 160

/* The sequence number of the first frame each way. */
#define CONNECTION_OPENING 0 /* WELCOME or REFUSED, answering a hello */
#define CONNECTION_OPEN 1    /* everything after it */

struct connection {
	const struct clock *clock;
	int fd;                          /* owned; -1: none */
	char peer[CONNECTION_PEER_MAX];  /* "the target": for messages */
	uint8_t nonce[WIRE_ID_BYTES];
	uint32_t sends, receives;        /* sequence number of the next frame each way */
	bool send_broken;                /* the peer may have half a frame */
	bool receive_broken;             /* the peer does not keep to the protocol */
	/* The frame that is coming in, as far as it has come. */
	uint8_t header[WIRE_FRAME_BYTES];
	size_t header_got;
	uint8_t *payload;
	size_t payload_got;
};

/* Takes `fd` over. `sequence`: CONNECTION_OPENING or CONNECTION_OPEN. `peer`: for messages. */
void connection_init(struct connection *connection, const struct clock *clock, int fd,
		     const uint8_t nonce[WIRE_ID_BYTES], uint32_t sequence, const char *peer);
void connection_fini(struct connection *connection); /* idempotent */
#define CLEANUP_CONNECTION __attribute__((cleanup(connection_fini)))

/* As link_ops.send: -ETIMEDOUT, -EPIPE. [blackout] */
int connection_send(struct connection *connection, enum wire_type type, uint16_t point,
		    const void *payload, size_t size, uint64_t deadline_us, struct err *err);
/* The same for bytes that are no frame. */
int connection_send_bytes(struct connection *connection, const void *bytes, size_t size,
			  uint64_t deadline_us, struct err *err);
/* As link_ops.receive, except that an ABORT is a message like others here. [blackout] */
int connection_receive(struct connection *connection, uint64_t deadline_us, bool cancellable,
		       struct message *message, struct err *err);

/*
 * Sends at once, notices a dead peer within 30 s even when nothing is to be sent. Does nothing to
 * a socket that is not TCP.
 */
int connection_tune(int fd, struct err *err);
int connection_set_blocking(int fd, bool blocking, struct err *err);

#endif
