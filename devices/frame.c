/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "frame.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "bytes.h"
#include "xxh3.h"

static const uint8_t magic[4] = { 'X', 'F', 'M', 'S' };

/* ---- the header ---- */

void frame_encode(const struct frame *frame, uint8_t bytes[FRAME_HEADER_BYTES])
{
	assert(frame->size <= FRAME_PAYLOAD_MAX && frame->plain_size <= FRAME_PAYLOAD_MAX);
	memset(bytes, 0, FRAME_HEADER_BYTES);
	memcpy(bytes, magic, sizeof(magic));
	bytes[4] = FRAME_VERSION;
	bytes[5] = (uint8_t)frame->type;
	bytes[6] = (uint8_t)frame->codec;
	put_be64(bytes + 8, frame->sequence);
	put_be32(bytes + 16, frame->size);
	put_be32(bytes + 20, frame->plain_size);
	put_be64(bytes + 24, frame->checksum);
}

int frame_decode(const uint8_t bytes[FRAME_HEADER_BYTES], struct frame *frame, struct err *err)
{
	if (memcmp(bytes, magic, sizeof(magic)) != 0)
		return err_set(err, ERR_FAILED, -EBADMSG, "this is no frame of a filtered stream");
	if (bytes[4] != FRAME_VERSION)
		return err_set(err, ERR_INCOMPATIBLE, -EBADMSG,
			       "the filtered stream is of version %u, and version %u is known",
			       bytes[4], FRAME_VERSION);
	if (bytes[5] < FRAME_BYTES || bytes[5] >= FRAME_TYPES || bytes[6] >= CODECS)
		return err_set(err, ERR_FAILED, -EBADMSG,
			       "a frame of type %u and codec %u is not known", bytes[5], bytes[6]);
	frame->type = (enum frame_type)bytes[5];
	frame->codec = (enum codec)bytes[6];
	frame->sequence = get_be64(bytes + 8);
	frame->size = get_be32(bytes + 16);
	frame->plain_size = get_be32(bytes + 20);
	frame->checksum = get_be64(bytes + 24);
	if (frame->size > FRAME_PAYLOAD_MAX || frame->plain_size > FRAME_PAYLOAD_MAX ||
	    (frame->codec == CODEC_NONE && frame->size != frame->plain_size))
		return err_set(err, ERR_FAILED, -EBADMSG, "a frame of %u bytes for %u",
			       frame->size, frame->plain_size);
	return 0;
}

uint64_t frame_checksum(const struct frame *frame, const void *bytes, size_t size)
{
	uint64_t seed = frame->sequence ^ (uint64_t)frame->type << 56;

	return XXH3_64bits_withSeed(bytes, size, seed);
}

uint64_t page_hash(const uint8_t *page)
{
	return XXH3_64bits(page, PAGE_BYTES);
}

/* ---- the payloads ---- */

size_t frame_put_kinds(uint8_t *at, const uint8_t *kinds, size_t count)
{
	size_t runs = 0, begin = 0;

	assert(count <= FRAME_PAGES_MAX);
	while (begin < count) {
		size_t end = begin + 1;

		while (end < count && kinds[end] == kinds[begin])
			end++;
		at[runs * FRAME_RUN_BYTES] = kinds[begin];
		put_be16(at + runs * FRAME_RUN_BYTES + 1, (uint16_t)(end - begin));
		runs++;
		begin = end;
	}
	put_be16(at + runs * FRAME_RUN_BYTES, (uint16_t)runs);
	return runs * FRAME_RUN_BYTES + 2;
}

int frame_take_kinds(const uint8_t *payload, size_t size, uint8_t *kinds, size_t count)
{
	size_t runs, bytes, filled = 0;
	const uint8_t *run;

	if (size < 2)
		return -EBADMSG;
	runs = get_be16(payload + size - 2);
	bytes = runs * FRAME_RUN_BYTES + 2;
	if (runs > count || size < bytes)
		return -EBADMSG;
	for (run = payload + size - bytes; runs > 0; runs--, run += FRAME_RUN_BYTES) {
		size_t length = get_be16(run + 1);

		if (run[0] >= PAGE_KINDS || length == 0 || length > count - filled)
			return -EBADMSG;
		memset(kinds + filled, run[0], length);
		filled += length;
	}
	return filled == count ? (int)bytes : -EBADMSG;
}

size_t frame_put_entries(uint8_t *payload, uint32_t pass, const uint64_t *entries, size_t count)
{
	size_t size = 8, at = 0;

	assert(count > 0 && count <= LIBXC_PAGES_MAX);
	put_be32(payload, pass);
	put_be32(payload + 4, (uint32_t)count);
	while (at < count) {
		size_t end = at + 1;

		while (end < count && entries[end] == entries[at] + (end - at))
			end++;
		put_be64(payload + size, entries[at]);
		put_be16(payload + size + 8, (uint16_t)(end - at));
		size += 10;
		at = end;
	}
	return size;
}

int frame_take_entries(const uint8_t *payload, size_t size, uint32_t *pass,
		       uint64_t entries[LIBXC_PAGES_MAX])
{
	size_t count, filled = 0;

	if (size < 8 || (size - 8) % 10 != 0)
		return -EBADMSG;
	*pass = get_be32(payload);
	count = get_be32(payload + 4);
	if (count == 0 || count > LIBXC_PAGES_MAX)
		return -EBADMSG;
	for (size_t at = 8; at < size; at += 10) {
		uint64_t entry = get_be64(payload + at);
		size_t length = get_be16(payload + at + 8);

		if (length == 0 || length > count - filled)
			return -EBADMSG;
		for (size_t i = 0; i < length; i++)
			entries[filled++] = entry + i;
	}
	return filled == count ? (int)count : -EBADMSG;
}

void frame_put_hash(uint8_t *at, uint64_t entry, uint64_t hash)
{
	put_be64(at, entry);
	put_be64(at + 8, hash);
}

void frame_take_hash(const uint8_t *at, uint64_t *entry, uint64_t *hash)
{
	*entry = get_be64(at);
	*hash = get_be64(at + 8);
}
