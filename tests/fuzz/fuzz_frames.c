/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Frames of a filtered memory stream at the target. Bit 0 of the first byte: a connection's bytes
 * as they come. Else frames in a short form: type, codec, two bytes each of size and plain size
 * before each payload. Their checksums are made to fit, so that what lies behind them is reached.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "channels.h"
#include "fuzz.h"
#include "unfilter.h"

#define PFN_LIMIT 0x100000
#define SHORT_HEADER 6

/* What libxenguest would read: all of it must be there. */
static int write_out(void *context, struct iovec *parts, int count, struct err *err)
{
	uint8_t *sum = context;

	(void)err;
	for (int i = 0; i < count; i++)
		for (size_t at = 0; at < parts[i].iov_len; at++)
			*sum ^= ((const uint8_t *)parts[i].iov_base)[at];
	return 0;
}

static int expect(void *context, uint64_t pfn, uint64_t hash, struct err *err)
{
	(void)context, (void)hash, (void)err;
	assert(pfn < PFN_LIMIT);
	return 0;
}

static void try_connection(struct unfilter *unfilter, const uint8_t *data, size_t size)
{
	int fd = fuzz_socket(SOCK_STREAM, data, size), rc = 0;
	struct channels channels;
	struct err err = { ERR_NONE, "" };

	fcntl(fd, F_SETFL, O_NONBLOCK);
	assert(channels_init(&channels, &clock_system, &fd, 1, &err) == 0);
	while (rc == 0) {
		const uint8_t *payload;
		struct frame frame;

		rc = channels_next(&channels, &frame, &payload, &err);
		if (rc == 0)
			rc = unfilter_take(unfilter, &frame, payload, &err);
	}
	assert(rc == 1 || err.message[0]);
	channels_fini(&channels);
	close(fd);
}

static void try_frames(struct unfilter *unfilter, const uint8_t *data, size_t size)
{
	struct frame frame = { .sequence = 0 };
	struct err err = { ERR_NONE, "" };
	int rc = 0;

	for (; rc == 0 && size >= SHORT_HEADER; frame.sequence++) {
		frame.type = (enum frame_type)(FRAME_BYTES + data[0] % (FRAME_TYPES - FRAME_BYTES));
		frame.codec = (enum codec)(data[1] % CODECS);
		frame.size = (uint32_t)data[2] << 8 | data[3];
		frame.plain_size = (uint32_t)data[4] << 8 | data[5];
		data += SHORT_HEADER;
		size -= SHORT_HEADER;
		if (frame.size > size)
			frame.size = (uint32_t)size;
		if (frame.codec == CODEC_NONE)
			frame.plain_size = frame.size;
		frame.checksum = frame_checksum(&frame, data, frame.size);
		rc = unfilter_take(unfilter, &frame, data, &err);
		data += frame.size;
		size -= frame.size;
	}
	assert(rc >= 0 || err.message[0]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t sum = 0;
	const struct unfilter_sink sink = { write_out, expect, &sum };
	struct unfilter *unfilter = unfilter_new(PFN_LIMIT, &sink);

	assert(unfilter);
	if (size > 0 && data[0] & 1)
		try_connection(unfilter, data + 1, size - 1);
	else if (size > 0)
		try_frames(unfilter, data + 1, size - 1);
	unfilter_free(unfilter);
	return 0;
}
