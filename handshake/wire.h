/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The wire codec, pure: bytes in, values out. handshake/PROTOCOL.md specifies it for others.
 *
 * A connection opens with one hello (64 bytes) from the side that connects, answered by one frame,
 * WELCOME or REFUSED. After that a control connection carries frames both ways; a memory connection
 * carries libxenguest's stream as it is.
 *
 * Nothing here blocks or allocates, and all of it may run in the blackout.
 */
#ifndef XENFERRY_WIRE_H
#define XENFERRY_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define WIRE_VERSION 1          /* the newest that we speak */
#define WIRE_VERSION_OLDEST 1   /* the oldest that we still understand */
#define WIRE_ID_BYTES 16        /* a job's uuid, a nonce */
#define WIRE_HELLO_BYTES 64
#define WIRE_FRAME_BYTES 32     /* a frame's header */
#define WIRE_PAYLOAD_MAX 524288 /* 512 KiB */
#define WIRE_POINT_MAX 6        /* enum sync_point: SP0 is 1, SP5 is 6 */

/* What a connection is for. */
enum wire_kind {
	WIRE_CONTROL = 1,   /* the synchronisation points of a job; starts it at the target */
	WIRE_MEMORY = 2,    /* the memory stream of a job that runs */
	WIRE_ASK = 3,       /* who owns the guest? from a source in doubt */
	WIRE_TRANSPORT = 4, /* a byte pipe to `xl migrate-receive`; of no job */
	WIRE_INQUIRY = 5,   /* what has the host, and which guests could it take? of no job */
};

struct wire_hello {
	uint16_t version_oldest, version_newest;
	enum wire_kind kind;
	uint8_t job[WIRE_ID_BYTES];
	uint8_t nonce[WIRE_ID_BYTES];
};

/* Our own mistakes (no version, no kind) stop at an assertion. */
void wire_encode_hello(const struct wire_hello *hello, uint8_t bytes[WIRE_HELLO_BYTES]);
/*
 * -EBADMSG: not our protocol (garbage on the port). -EPROTONOSUPPORT: no version in common, a kind
 * or a requirement that we do not know; `hello` is filled for the log and for the refusal, with
 * kind 0 when it is unknown. `err` (ERR_INCOMPATIBLE) says what was met and what we speak.
 */
int wire_decode_hello(const uint8_t bytes[WIRE_HELLO_BYTES], struct wire_hello *hello,
		      struct err *err);
/* The newest version that both speak; `hello` has passed wire_decode_hello(). */
uint16_t wire_version_for(const struct wire_hello *hello);

enum wire_type {
	WIRE_WELCOME = 1, /* fields: version */
	WIRE_REFUSED,     /* fields: error code's text, message */
	WIRE_CLOCK,       /* probe of the peer's clock; empty */
	WIRE_CLOCK_ANSWER, /* fields: the peer's monotonic microseconds */
	WIRE_SYNC,        /* a synchronisation point is said */
	WIRE_ANSWER,      /* a synchronisation point is answered */
	WIRE_ABORT,       /* this side gives up and undoes; fields: as REFUSED */
	WIRE_ABORTED,     /* this side has undone everything */
	WIRE_OUTCOME,     /* answer on an ASK connection */
	WIRE_QUESTION,    /* on an INQUIRY connection: of the host, or of a guest */
	WIRE_REPLY,       /* its answer */
	WIRE_TYPES
};

/* The fields of the messages that handshake/ itself makes. */
enum wire_field {
	WIRE_FIELD_VERSION = 1, /* WELCOME: the version that is spoken from here on; u64 */
	WIRE_FIELD_CODE = 2,    /* REFUSED, ABORT: an error code's text, "not-enough-memory" */
	WIRE_FIELD_MESSAGE = 3, /* REFUSED, ABORT: the sentence for the person */
	WIRE_FIELD_TIME = 4,    /* CLOCK_ANSWER: monotonic microseconds; u64 */
};

/* "WELCOME"; "?" for what is no type. */
const char *wire_type_name(enum wire_type type);

struct wire_frame {
	enum wire_type type;
	uint16_t point;   /* enum sync_point, for SYNC and ANSWER; else 0 */
	uint32_t sequence; /* 0: WELCOME or REFUSED; then 1, 2, ... in each direction */
	uint32_t size;    /* of the payload, bytes, at most WIRE_PAYLOAD_MAX */
	uint8_t nonce[WIRE_ID_BYTES];
};

void wire_encode_frame(const struct wire_frame *frame, uint8_t bytes[WIRE_FRAME_BYTES]);
/* -EBADMSG with `err` on a bad magic, an unknown type, a point, sequence or size out of range. */
int wire_decode_frame(const uint8_t bytes[WIRE_FRAME_BYTES], struct wire_frame *frame,
		      struct err *err);

#endif
