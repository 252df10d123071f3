/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "wire.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "bytes.h"

/* How TLS begins (RFC 8446, 5.1): a record's type, and its version, which stands still. */
#define TLS_HANDSHAKE 0x16
#define TLS_MAJOR 0x03

#define MAGIC_SHOWN 8 /* bytes of a stranger's greeting that a message quotes */

static const uint8_t hello_magic[] = { 'X', 'E', 'N', 'F', 'E', 'R', 'R', 'Y' };
static const uint8_t frame_magic[] = { 'X', 'F', 'R', 'Y' };

/* Where things stand, bytes from the start; PROTOCOL.md has the same two tables. */
enum hello_offset {
	HELLO_VERSION_OLDEST = 8,
	HELLO_VERSION_NEWEST = 10,
	HELLO_KIND = 12,
	HELLO_REQUIRED = 14,
	HELLO_JOB = 16,
	HELLO_NONCE = 32,
	HELLO_SPARE = 48,
};

enum frame_offset {
	FRAME_TYPE = 4,
	FRAME_POINT = 6,
	FRAME_SEQUENCE = 8,
	FRAME_SIZE = 12,
	FRAME_NONCE = 16,
};

_Static_assert(HELLO_NONCE + WIRE_ID_BYTES == HELLO_SPARE, "the hello has no gap");
_Static_assert(FRAME_NONCE + WIRE_ID_BYTES == WIRE_FRAME_BYTES, "the frame's header has no gap");

static const char *const type_names[WIRE_TYPES] = {
	[WIRE_WELCOME] = "WELCOME",
	[WIRE_REFUSED] = "REFUSED",
	[WIRE_CLOCK] = "CLOCK",
	[WIRE_CLOCK_ANSWER] = "CLOCK_ANSWER",
	[WIRE_SYNC] = "SYNC",
	[WIRE_ANSWER] = "ANSWER",
	[WIRE_ABORT] = "ABORT",
	[WIRE_ABORTED] = "ABORTED",
	[WIRE_OUTCOME] = "OUTCOME",
	[WIRE_QUESTION] = "QUESTION",
	[WIRE_REPLY] = "REPLY",
};

/* A stranger's first bytes, fit for a message: "SSH-2.0-" says more than "bad magic". */
static void quote(const uint8_t *bytes, char text[MAGIC_SHOWN + 1])
{
	for (size_t i = 0; i < MAGIC_SHOWN; i++)
		text[i] = bytes[i] >= ' ' && bytes[i] < 0x7f ? (char)bytes[i] : '.';
	text[MAGIC_SHOWN] = '\0';
}

void wire_encode_hello(const struct wire_hello *hello, uint8_t bytes[WIRE_HELLO_BYTES])
{
	assert(hello->version_oldest > 0 && hello->version_oldest <= hello->version_newest);
	assert(hello->kind >= WIRE_CONTROL && hello->kind <= WIRE_INQUIRY);
	memset(bytes, 0, WIRE_HELLO_BYTES);
	memcpy(bytes, hello_magic, sizeof(hello_magic));
	put_be16(bytes + HELLO_VERSION_OLDEST, hello->version_oldest);
	put_be16(bytes + HELLO_VERSION_NEWEST, hello->version_newest);
	put_be16(bytes + HELLO_KIND, (uint16_t)hello->kind);
	memcpy(bytes + HELLO_JOB, hello->job, WIRE_ID_BYTES);
	memcpy(bytes + HELLO_NONCE, hello->nonce, WIRE_ID_BYTES);
}

/* What a hello of ours may ask for and we cannot give. */
static int check_hello(const struct wire_hello *hello, uint16_t kind, uint16_t required,
		       struct err *err)
{
	if (hello->version_newest < WIRE_VERSION_OLDEST || hello->version_oldest > WIRE_VERSION)
		return err_set(err, ERR_INCOMPATIBLE, -EPROTONOSUPPORT,
			       "the connecting host speaks versions %u to %u of the protocol, "
			       "this one %u to %u: upgrade xenferry on the older of the two",
			       hello->version_oldest, hello->version_newest, WIRE_VERSION_OLDEST,
			       WIRE_VERSION);
	if (kind < WIRE_CONTROL || kind > WIRE_INQUIRY)
		return err_set(err, ERR_INCOMPATIBLE, -EPROTONOSUPPORT,
			       "a connection of kind %u is not known here: upgrade xenferry", kind);
	if (required)
		return err_set(err, ERR_INCOMPATIBLE, -EPROTONOSUPPORT,
			       "the connecting host requires what is not known here (0x%04x): "
			       "upgrade xenferry", required);
	return 0;
}

int wire_decode_hello(const uint8_t bytes[WIRE_HELLO_BYTES], struct wire_hello *hello,
		      struct err *err)
{
	uint16_t kind = get_be16(bytes + HELLO_KIND);
	struct wire_hello got = {
		.version_oldest = get_be16(bytes + HELLO_VERSION_OLDEST),
		.version_newest = get_be16(bytes + HELLO_VERSION_NEWEST),
		.kind = kind <= WIRE_INQUIRY ? (enum wire_kind)kind : 0,
	};
	char start[MAGIC_SHOWN + 1];

	if (bytes[0] == TLS_HANDSHAKE && bytes[1] == TLS_MAJOR)
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG,
			       "the connecting host speaks TLS, and this one plain text: write "
			       "tls = on under [peer] here");
	if (memcmp(bytes, hello_magic, sizeof(hello_magic)) != 0) {
		quote(bytes, start);
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG,
			       "not xenferry's protocol: the connection begins with \"%s\"", start);
	}
	if (got.version_oldest == 0 || got.version_oldest > got.version_newest)
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG,
			       "a damaged hello: versions %u to %u are no range",
			       got.version_oldest, got.version_newest);
	memcpy(got.job, bytes + HELLO_JOB, WIRE_ID_BYTES);
	memcpy(got.nonce, bytes + HELLO_NONCE, WIRE_ID_BYTES);
	*hello = got;
	return check_hello(hello, kind, get_be16(bytes + HELLO_REQUIRED), err);
}

uint16_t wire_version_for(const struct wire_hello *hello)
{
	assert(hello->version_newest >= WIRE_VERSION_OLDEST);
	return hello->version_newest < WIRE_VERSION ? hello->version_newest : WIRE_VERSION;
}

const char *wire_type_name(enum wire_type type)
{
	return type >= WIRE_WELCOME && type < WIRE_TYPES ? type_names[type] : "?";
}

void wire_encode_frame(const struct wire_frame *frame, uint8_t bytes[WIRE_FRAME_BYTES])
{
	assert(frame->type >= WIRE_WELCOME && frame->type < WIRE_TYPES);
	assert(frame->size <= WIRE_PAYLOAD_MAX);
	memcpy(bytes, frame_magic, sizeof(frame_magic));
	put_be16(bytes + FRAME_TYPE, (uint16_t)frame->type);
	put_be16(bytes + FRAME_POINT, frame->point);
	put_be32(bytes + FRAME_SEQUENCE, frame->sequence);
	put_be32(bytes + FRAME_SIZE, frame->size);
	memcpy(bytes + FRAME_NONCE, frame->nonce, WIRE_ID_BYTES);
}

/* What each type of frame may have beside it. */
static int check_frame(const struct wire_frame *frame, struct err *err)
{
	bool opening = frame->type == WIRE_WELCOME || frame->type == WIRE_REFUSED;
	bool at_point = frame->type == WIRE_SYNC || frame->type == WIRE_ANSWER;
	const char *name = wire_type_name(frame->type);

	if (frame->point > WIRE_POINT_MAX || at_point != (frame->point > 0))
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "a damaged frame: %s at synchronisation point number %u", name,
			       frame->point);
	if (opening != (frame->sequence == 0))
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "a damaged frame: %s with sequence number %u", name,
			       frame->sequence);
	if (frame->size > WIRE_PAYLOAD_MAX)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "a damaged frame: %s of %u bytes, more than %u", name, frame->size,
			       WIRE_PAYLOAD_MAX);
	return 0;
}

int wire_decode_frame(const uint8_t bytes[WIRE_FRAME_BYTES], struct wire_frame *frame,
		      struct err *err)
{
	uint16_t type = get_be16(bytes + FRAME_TYPE);
	struct wire_frame got = {
		.type = (enum wire_type)type,
		.point = get_be16(bytes + FRAME_POINT),
		.sequence = get_be32(bytes + FRAME_SEQUENCE),
		.size = get_be32(bytes + FRAME_SIZE),
	};
	char start[MAGIC_SHOWN + 1];
	int rc;

	if (memcmp(bytes, frame_magic, sizeof(frame_magic)) != 0) {
		quote(bytes, start);
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "not xenferry's protocol: a frame begins with \"%s\"", start);
	}
	if (type < WIRE_WELCOME || type >= WIRE_TYPES)
		return err_set(err, ERR_FAILED, -EBADMSG, "a frame of unknown type %u", type);
	rc = check_frame(&got, err);
	if (rc < 0)
		return rc;
	memcpy(got.nonce, bytes + FRAME_NONCE, WIRE_ID_BYTES);
	*frame = got;
	return 0;
}
