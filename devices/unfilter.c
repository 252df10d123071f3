/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * unfilter_take() hands a frame to the function of its type, below it in the order of the types.
 */
#include "unfilter.h"

#include <endian.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "packer.h"
#include "page_cache.h"
#include "page_delta.h"

struct unfilter {
	struct unfilter_sink sink;
	uint64_t pfn_limit;
	struct libxc_stream stream;
	struct codecs *codecs;
	struct page_cache *cache;
	uint64_t pages, zero_pages; /* so far */
	bool ended;

	/* the PAGE_DATA record in hand: entries with data, and how many of them have come */
	uint32_t pass;
	uint64_t entries[LIBXC_PAGES_MAX];
	size_t entry_count, taken;

	uint8_t plain[FRAME_PAYLOAD_MAX];
};

static uint8_t zero_page[PAGE_BYTES]; /* never written: an iovec knows no const */

struct unfilter *unfilter_new(uint64_t pfn_limit, const struct unfilter_sink *sink)
{
	CLEANUP_FREE struct unfilter *unfilter = calloc(1, sizeof(*unfilter));

	if (!unfilter)
		return NULL;
	unfilter->sink = *sink;
	unfilter->pfn_limit = pfn_limit;
	unfilter->codecs = codecs_new();
	unfilter->cache = page_cache_new(PACKER_CACHE_PAGES);
	if (unfilter->codecs && unfilter->cache)
		return steal(unfilter);
	codecs_free(unfilter->codecs);
	page_cache_free(unfilter->cache);
	return NULL;
}

void unfilter_free(struct unfilter *unfilter)
{
	if (!unfilter)
		return;
	codecs_free(unfilter->codecs);
	page_cache_free(unfilter->cache);
	free(unfilter);
}

void unfilter_count(const struct unfilter *unfilter, uint64_t *pages, uint64_t *zero_pages)
{
	*pages = unfilter->pages;
	*zero_pages = unfilter->zero_pages;
}

static int damaged(const struct frame *frame, struct err *err)
{
	return err_set(err, ERR_FAILED, -EBADMSG,
		       "frame %" PRIu64 " of the memory stream is damaged", frame->sequence);
}

static int out_of_place(const struct frame *frame, struct err *err)
{
	return err_set(err, ERR_FAILED, -EBADMSG,
		       "frame %" PRIu64 " of the memory stream, of type %d, is out of place",
		       frame->sequence, (int)frame->type);
}

static int write_out(struct unfilter *unfilter, const void *bytes, size_t size, struct err *err)
{
	struct iovec part = { (void *)bytes, size };

	return unfilter->sink.write(unfilter->sink.context, &part, 1, err);
}

/* ---- BYTES ---- */

static int take_bytes(struct unfilter *unfilter, const struct frame *frame, const uint8_t *payload,
		      struct err *err)
{
	int rc;

	if (unfilter->taken < unfilter->entry_count)
		return out_of_place(frame, err);
	if (frame_checksum(frame, payload, frame->plain_size) != frame->checksum)
		return damaged(frame, err);
	rc = libxc_walk(&unfilter->stream, payload, frame->plain_size, err);
	return rc < 0 ? rc : write_out(unfilter, payload, frame->plain_size, err);
}

/* ---- RECORD ---- */

/* Writes the record's beginning, as libxenguest wrote it: all but the pages. */
static int write_entries(struct unfilter *unfilter, const uint64_t *entries, size_t count,
			 size_t with_data, struct err *err)
{
	size_t body = LIBXC_PAGES_HEADER_BYTES + count * sizeof(uint64_t) + with_data * PAGE_BYTES;
	uint32_t header[4] = { htole32(LIBXC_PAGE_DATA), htole32((uint32_t)body),
			       htole32((uint32_t)count), 0 };
	uint64_t entries_le[LIBXC_PAGES_MAX];
	struct iovec parts[2] = { { header, sizeof(header) },
				  { entries_le, count * sizeof(entries_le[0]) } };

	for (size_t i = 0; i < count; i++)
		entries_le[i] = htole64(entries[i]);
	return unfilter->sink.write(unfilter->sink.context, parts, 2, err);
}

static int take_record(struct unfilter *unfilter, const struct frame *frame,
		       const uint8_t *payload, struct err *err)
{
	uint64_t entries[LIBXC_PAGES_MAX];
	int count, with_data;

	if (unfilter->taken < unfilter->entry_count || !libxc_takes_pages(&unfilter->stream))
		return out_of_place(frame, err);
	if (frame_checksum(frame, payload, frame->plain_size) != frame->checksum)
		return damaged(frame, err);
	count = frame_take_entries(payload, frame->plain_size, &unfilter->pass, entries);
	if (count < 0)
		return damaged(frame, err);
	with_data = libxc_check_entries(entries, (size_t)count, unfilter->pfn_limit, err);
	if (with_data < 0)
		return with_data;
	unfilter->entry_count = unfilter->taken = 0;
	for (int i = 0; i < count; i++)
		if (libxc_has_data(entries[i]))
			unfilter->entries[unfilter->entry_count++] = entries[i];
	return write_entries(unfilter, entries, (size_t)count, (size_t)with_data, err);
}

/* ---- PAGES ---- */

/* What is left of a frame's payload. */
struct rest {
	const uint8_t *at, *end;
};

/* `size` bytes of it, or NULL. */
static const uint8_t *take(struct rest *rest, size_t size)
{
	const uint8_t *at = rest->at;

	if ((size_t)(rest->end - at) < size)
		return NULL;
	rest->at += size;
	return at;
}

static const uint8_t *take_plain(struct unfilter *unfilter, uint64_t pfn, struct rest *rest)
{
	const uint8_t *page = take(rest, PAGE_BYTES);
	uint8_t *cached = NULL;

	if (page && unfilter->pass > 0)
		cached = page_cache_put(unfilter->cache, pfn, unfilter->pass);
	if (cached)
		memcpy(cached, page, PAGE_BYTES);
	return page;
}

static const uint8_t *take_delta(uint8_t *cached, struct rest *rest)
{
	const uint8_t *length = take(rest, 2);
	size_t size = length ? (size_t)length[0] << 8 | length[1] : 0;
	const uint8_t *delta = length ? take(rest, size) : NULL;

	return delta && page_delta_apply(cached, delta, size) == 0 ? cached : NULL;
}

/* The page's content; NULL: there is none. */
static const uint8_t *take_page(struct unfilter *unfilter, uint64_t pfn, enum page_kind kind,
				struct rest *rest)
{
	uint8_t *cached;

	if (kind == PAGE_ZERO)
		return zero_page;
	if (kind == PAGE_PLAIN)
		return take_plain(unfilter, pfn, rest);
	if (unfilter->pass == 0 || !page_cache_find(unfilter->cache, pfn))
		return NULL;
	cached = page_cache_put(unfilter->cache, pfn, unfilter->pass);
	return kind == PAGE_SAME ? cached : take_delta(cached, rest);
}

/* The payload as it was before it was compressed; NULL when it is damaged. */
static const uint8_t *expand(struct unfilter *unfilter, const struct frame *frame,
			     const uint8_t *payload)
{
	if (frame->codec == CODEC_NONE)
		return payload;
	if (codec_decompress(unfilter->codecs, frame->codec, payload, frame->size, unfilter->plain,
			     frame->plain_size) < 0)
		return NULL;
	return unfilter->plain;
}

/* Fills `parts`, a page each, and compares them with the checksum as they will be written. */
static int take_contents(struct unfilter *unfilter, const struct frame *frame,
			 const uint8_t *plain, struct iovec *parts, size_t count, struct err *err)
{
	const uint64_t *entries = unfilter->entries + unfilter->taken;
	uint64_t hashes[FRAME_PAGES_MAX], zero_hash = page_hash(zero_page);
	uint8_t kinds[FRAME_PAGES_MAX];
	int runs = frame_take_kinds(plain, frame->plain_size, kinds, count);
	struct rest rest = { plain, plain + frame->plain_size };

	if (runs < 0)
		return damaged(frame, err);
	rest.end -= runs;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *page = take_page(unfilter, libxc_pfn(entries[i]),
						(enum page_kind)kinds[i], &rest);

		if (!page)
			return damaged(frame, err);
		parts[i] = (struct iovec){ (void *)page, PAGE_BYTES };
	}
	for (size_t i = 0; i < count; i++) {
		unfilter->zero_pages += kinds[i] == PAGE_ZERO;
		hashes[i] = kinds[i] == PAGE_ZERO ? zero_hash : page_hash(parts[i].iov_base);
	}
	if (rest.at != rest.end ||
	    frame_checksum(frame, hashes, count * sizeof(hashes[0])) != frame->checksum)
		return damaged(frame, err);
	return 0;
}

static int take_pages(struct unfilter *unfilter, const struct frame *frame, const uint8_t *payload,
		      struct err *err)
{
	struct iovec parts[FRAME_PAGES_MAX];
	size_t count = unfilter->entry_count - unfilter->taken;
	const uint8_t *plain;
	int rc;

	if (count == 0)
		return out_of_place(frame, err);
	if (count > FRAME_PAGES_MAX)
		count = FRAME_PAGES_MAX;
	plain = expand(unfilter, frame, payload);
	if (!plain)
		return damaged(frame, err);
	rc = take_contents(unfilter, frame, plain, parts, count, err);
	if (rc < 0)
		return rc;
	unfilter->taken += count;
	unfilter->pages += count;
	return unfilter->sink.write(unfilter->sink.context, parts, (int)count, err);
}

/* ---- HASHES ---- */

static int take_hashes(struct unfilter *unfilter, const struct frame *frame,
		       const uint8_t *payload, struct err *err)
{
	if (unfilter->taken < unfilter->entry_count || !libxc_takes_pages(&unfilter->stream))
		return out_of_place(frame, err);
	if (frame_checksum(frame, payload, frame->plain_size) != frame->checksum ||
	    frame->plain_size % FRAME_HASH_BYTES != 0)
		return damaged(frame, err);
	for (size_t at = 0; at < frame->plain_size; at += FRAME_HASH_BYTES) {
		uint64_t entry, hash;
		int rc;

		frame_take_hash(payload + at, &entry, &hash);
		rc = libxc_check_entries(&entry, 1, unfilter->pfn_limit, err);
		if (rc == 0)
			rc = damaged(frame, err); /* a page without data has no hash */
		if (rc > 0)
			rc = unfilter->sink.expect(unfilter->sink.context, libxc_pfn(entry), hash,
						   err);
		if (rc < 0)
			return rc;
	}
	return 0;
}

/* ---- END ---- */

static int take_end(struct unfilter *unfilter, const struct frame *frame, const uint8_t *payload,
		    struct err *err)
{
	if (!unfilter->stream.ended || unfilter->stream.body_left > 0 || frame->size > 0)
		return out_of_place(frame, err);
	if (frame_checksum(frame, payload, 0) != frame->checksum)
		return damaged(frame, err);
	unfilter->ended = true;
	return 1;
}

static const struct {
	int (*take)(struct unfilter *unfilter, const struct frame *frame, const uint8_t *payload,
		    struct err *err);
	bool compressible;
} types[FRAME_TYPES] = {
	[FRAME_BYTES] = { take_bytes, false },
	[FRAME_RECORD] = { take_record, false },
	[FRAME_PAGES] = { take_pages, true },
	[FRAME_HASHES] = { take_hashes, false },
	[FRAME_END] = { take_end, false },
};

int unfilter_take(struct unfilter *unfilter, const struct frame *frame, const uint8_t *payload,
		  struct err *err)
{
	if (unfilter->ended)
		return out_of_place(frame, err);
	if (frame->codec != CODEC_NONE && !types[frame->type].compressible)
		return damaged(frame, err);
	return types[frame->type].take(unfilter, frame, payload, err);
}
