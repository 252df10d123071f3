/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The frames of the filtered stream, and the runs that their payloads begin with, as
 * devices/STREAM.md specifies them. Pure: bytes in, values out; numbers are big-endian.
 */
#ifndef XENFERRY_FRAME_H
#define XENFERRY_FRAME_H

#include <stddef.h>
#include <stdint.h>

#include "codec.h"
#include "err.h"
#include "libxc_stream.h"

#define FRAME_VERSION 1
#define FRAME_HEADER_BYTES 40
#define FRAME_PAGES_MAX 128u /* pages of one frame: 512 KiB */
#define FRAME_RUN_BYTES 3
/* The largest payload: every page a run of its own, and a difference that just pays. */
#define FRAME_PAYLOAD_MAX (2 + FRAME_PAGES_MAX * (FRAME_RUN_BYTES + 2 + PAGE_BYTES))

enum frame_type {
	FRAME_BYTES = 1, /* of libxenguest's stream, as they are */
	FRAME_RECORD,    /* the entries of a PAGE_DATA record, whose pages follow */
	FRAME_PAGES,     /* the next pages of that record */
	FRAME_HASHES,    /* of pages as they must be at the end */
	FRAME_END,       /* the last */
	FRAME_TYPES
};

struct frame {
	enum frame_type type;
	enum codec codec;
	uint64_t sequence;   /* 0, 1, ... over all channels, without a gap */
	uint32_t size;       /* of the payload as it is sent */
	uint32_t plain_size; /* and before it was compressed */
	uint64_t checksum;   /* frame_checksum() of what the frame stands for */
};

void frame_encode(const struct frame *frame, uint8_t bytes[FRAME_HEADER_BYTES]);
/* -EBADMSG with `err` on a bad magic, version, type or codec, or a size out of bounds. */
int frame_decode(const uint8_t bytes[FRAME_HEADER_BYTES], struct frame *frame, struct err *err);

/* XXH3 of `size` bytes, seeded with the frame's type and sequence number. */
uint64_t frame_checksum(const struct frame *frame, const void *bytes, size_t size);

/* How the content of a page travels. */
enum page_kind {
	PAGE_ZERO,  /* no bytes: all zero */
	PAGE_PLAIN, /* 4096 bytes */
	PAGE_SAME,  /* no bytes: as the cache has it */
	PAGE_DELTA, /* 2 bytes of length, and what changed in it since the cache got it */
	PAGE_KINDS
};

/*
 * The payload of a PAGES frame ends with its runs, kind and length of each, and their count: they
 * are known last. frame_put_kinds() returns the bytes that it wrote. frame_take_kinds() returns
 * the bytes that they take of the payload's `size`, with a kind for each page; -EBADMSG unless
 * the runs come to `count` pages.
 */
size_t frame_put_kinds(uint8_t *at, const uint8_t *kinds, size_t count);
int frame_take_kinds(const uint8_t *payload, size_t size, uint8_t *kinds, size_t count);

/*
 * The payload of a RECORD frame: the pass, the count of entries, and runs of entries that follow
 * each other. At most FRAME_RECORD_MAX bytes. frame_take_entries() returns the count, or -EBADMSG.
 */
#define FRAME_RECORD_MAX (8 + LIBXC_PAGES_MAX * 10)
size_t frame_put_entries(uint8_t *payload, uint32_t pass, const uint64_t *entries, size_t count);
int frame_take_entries(const uint8_t *payload, size_t size, uint32_t *pass,
		       uint64_t entries[LIBXC_PAGES_MAX]);

/* A HASHES frame's payload: an entry and a hash for each page, at most FRAME_PAGES_MAX. */
#define FRAME_HASH_BYTES 16
void frame_put_hash(uint8_t *at, uint64_t entry, uint64_t hash);
void frame_take_hash(const uint8_t *at, uint64_t *entry, uint64_t *hash);

/* XXH3 of a page. */
uint64_t page_hash(const uint8_t *page);

#endif
