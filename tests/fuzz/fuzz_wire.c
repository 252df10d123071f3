/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a stranger on the peers' port can make the decoders read: a hello, a frame's header, the
 * fields of a refusal, and fields within fields. What decodes must encode to the same bytes.
 */
#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "fuzz.h"
#include "reason.h"
#include "tlv.h"
#include "wire.h"

#define HELLO_SPARE 48 /* from here on a reader looks at nothing */
#define DEPTH_MAX 4

static void try_hello(const uint8_t *data)
{
	uint8_t again[WIRE_HELLO_BYTES];
	struct wire_hello hello;
	struct err err;

	if (wire_decode_hello(data, &hello, &err) < 0) {
		assert(strlen(err.message) > 0);
		return;
	}
	assert(wire_version_for(&hello) >= WIRE_VERSION_OLDEST);
	wire_encode_hello(&hello, again);
	assert(memcmp(again, data, HELLO_SPARE) == 0);
}

static void try_frame(const uint8_t *data)
{
	uint8_t again[WIRE_FRAME_BYTES];
	struct wire_frame frame;
	struct err err;

	if (wire_decode_frame(data, &frame, &err) < 0) {
		assert(strlen(err.message) > 0);
		return;
	}
	assert(frame.size <= WIRE_PAYLOAD_MAX && frame.point <= WIRE_POINT_MAX);
	wire_encode_frame(&frame, again);
	assert(memcmp(again, data, sizeof(again)) == 0);
}

static void try_reason(const uint8_t *data, size_t size)
{
	struct err err;

	assert(reason_decode(data, size, "the target", -ECONNABORTED, &err) == -ECONNABORTED);
	assert(err.code > ERR_NONE && err.code < ERR_CODES);
	for (const char *at = err.message; *at; at++)
		assert((unsigned char)*at >= ' ' && *at != 0x7f);
}

static void try_fields(const uint8_t *data, size_t size, unsigned depth)
{
	struct tlv_reader reader;
	struct tlv_field field;
	char string[32];
	uint64_t value;

	tlv_reader_init(&reader, data, size);
	while (tlv_next(&reader, &field) > 0) {
		assert(field.value >= data && field.value + field.size <= data + size);
		if (tlv_get_string(&field, string, sizeof(string)) == 0)
			assert(strlen(string) == field.size);
		if (tlv_get_u64(&field, &value) == 0)
			assert(field.size == sizeof(value));
		if (depth < DEPTH_MAX)
			try_fields(field.value, field.size, depth + 1);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size >= WIRE_HELLO_BYTES)
		try_hello(data);
	if (size >= WIRE_FRAME_BYTES)
		try_frame(data);
	try_reason(data, size);
	try_fields(data, size, 0);
	return 0;
}
