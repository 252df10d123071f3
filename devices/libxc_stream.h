/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The grammar of libxenguest's migration stream, version 3: which record may stand where, and what
 * a PAGE_DATA record must look like (Xen: docs/specs/libxc-migration-stream.pandoc). Both ends of
 * the filter hold a stream to it: the source to understand what it reads, the target so that
 * libxenguest sees nothing that breaks it.
 *
 * Nothing here blocks or allocates. Errors are -EBADMSG with a sentence in `err`.
 */
#ifndef XENFERRY_LIBXC_STREAM_H
#define XENFERRY_LIBXC_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define PAGE_BYTES 4096u

#define LIBXC_IMAGE_BYTES 24  /* the image header, big-endian */
#define LIBXC_DOMAIN_BYTES 16 /* the domain header; from here on little-endian */
#define LIBXC_XEN_AT 8        /* in it: Xen's major and minor version, 32 bits each */
#define LIBXC_RECORD_BYTES 8  /* a record's header: type and length */
#define LIBXC_PAGES_HEADER_BYTES 8 /* of a PAGE_DATA record's body: count, reserved */
#define LIBXC_BODY_MAX 0x08000000u /* 128 MiB, libxenguest's own bound */
#define LIBXC_PAGES_MAX 1024u      /* libxenguest's MAX_BATCH_SIZE */

enum libxc_record {
	LIBXC_END = 0x00,
	LIBXC_PAGE_DATA = 0x01,
	LIBXC_HVM_PARAMS = 0x0a,
	LIBXC_TOOLSTACK = 0x0b,
	LIBXC_VERIFY = 0x0d,
	LIBXC_CHECKPOINT = 0x0e,
	LIBXC_DIRTY_PFN_LIST = 0x0f,
	LIBXC_STATIC_DATA_END = 0x10,
	LIBXC_MSR_POLICY = 0x12, /* the last that version 3 of Xen 4.17 knows */
};

/* One entry of a PAGE_DATA record: the type in the highest four bits, the pfn in the lowest 52. */
static inline uint64_t libxc_pfn(uint64_t entry)
{
	return entry & ((1ull << 52) - 1);
}

/* Whether the page's 4096 bytes are in the record: not for broken, unallocated, allocate-only. */
static inline bool libxc_has_data(uint64_t entry)
{
	return entry >> 60 < 0xd;
}

/* Where a stream stands. All zero: at its beginning. */
struct libxc_stream {
	uint8_t header[LIBXC_IMAGE_BYTES]; /* of what comes next, as far as it is there */
	size_t header_size;
	uint64_t body_left;  /* of the record, with its padding */
	uint32_t record;     /* the type of that record */
	bool image, domain;  /* those headers are past */
	bool static_data_ended, ended;
};

/* At a record's boundary, where a PAGE_DATA record may stand: memory follows the static data. */
bool libxc_takes_pages(const struct libxc_stream *stream);

/*
 * Walks over the next `size` bytes of a stream: its two headers and records other than PAGE_DATA,
 * VERIFY and those of checkpoints, in pieces of any size. -EBADMSG at the first byte of what may
 * not stand there; the stream is of no use then.
 */
int libxc_walk(struct libxc_stream *stream, const uint8_t *bytes, size_t size, struct err *err);

/*
 * Checks the entries of a PAGE_DATA record: 1 to LIBXC_PAGES_MAX, types that there are, nothing in
 * the reserved bits, no pfn from `pfn_limit` on that takes memory. Returns how many have data.
 */
int libxc_check_entries(const uint64_t *entries, size_t count, uint64_t pfn_limit,
			struct err *err);

#endif
