/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames of the filtered memory stream, as a peer sends them: the header's decoder, and the way
 * back to libxenguest's stream. Each is a byte (type and codec), two of size, two of plain size,
 * the payload; numbers and checksums are put right where they can be, else little would be reached.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>

#include "fuzz.h"
#include "unfilter.h"

#define FRAME_BYTES_HERE 5
#define PFN_LIMIT 0x100000

static int take_bytes(void *context, struct iovec *parts, int count, struct err *err)
{
	volatile uint8_t sum = 0;

	(void)context;
	(void)err;
	for (int i = 0; i < count; i++)
		for (size_t at = 0; at < parts[i].iov_len; at += 64)
			sum = (uint8_t)(sum + ((const uint8_t *)parts[i].iov_base)[at]);
	return 0;
}

static int take_hash(void *context, uint64_t pfn, uint64_t hash, struct err *err)
{
	(void)context;
	(void)hash;
	(void)err;
	assert(pfn < PFN_LIMIT);
	return 0;
}

static void try_header(const uint8_t *data)
{
	uint8_t again[FRAME_HEADER_BYTES];
	struct frame frame;
	struct err err = { .code = ERR_NONE };

	if (frame_decode(data, &frame, &err) < 0) {
		assert(err.message[0]);
		return;
	}
	assert(frame.size <= FRAME_PAYLOAD_MAX && frame.type < FRAME_TYPES);
	frame_encode(&frame, again);
	assert(frame_decode(again, &frame, &err) == 0);
}

/* The next frame in `data`; false at the end. As frame_decode() would let it pass. */
static bool next_frame(const uint8_t **data, size_t *size, struct frame *frame)
{
	uint8_t header[FRAME_HEADER_BYTES];
	const uint8_t *at = *data;

	if (*size < FRAME_BYTES_HERE)
		return false;
	frame->type = 1 + at[0] % (FRAME_TYPES - 1);
	frame->codec = at[0] / 16 % CODECS;
	frame->size = (uint32_t)at[1] << 8 | at[2];
	frame->plain_size = frame->codec == CODEC_NONE ? frame->size
						       : (uint32_t)at[3] << 8 | at[4];
	*data += FRAME_BYTES_HERE;
	*size -= FRAME_BYTES_HERE;
	if (frame->size > *size)
		return false;
	frame->checksum = frame_checksum(frame, *data, frame->size);
	frame_encode(frame, header);
	return frame_decode(header, frame, NULL) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct unfilter_sink sink = { .write = take_bytes, .expect = take_hash };
	struct unfilter *unfilter = unfilter_new(PFN_LIMIT, &sink);
	struct frame frame = { .sequence = 0 };
	struct err err = { .code = ERR_NONE };
	int rc = 0;

	assert(unfilter);
	if (size >= FRAME_HEADER_BYTES)
		try_header(data);
	for (; rc == 0 && next_frame(&data, &size, &frame); frame.sequence++) {
		rc = unfilter_take(unfilter, &frame, data, &err);
		assert(rc >= 0 || (rc == -EBADMSG && err.message[0]));
		data += frame.size;
		size -= frame.size;
	}
	unfilter_free(unfilter);
	return 0;
}
