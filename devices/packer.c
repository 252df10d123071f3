/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "packer.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "page_cache.h"
#include "page_delta.h"
#include "sent_pages.h"

/* A frame that would not shrink by a sixteenth is sent as it is. */
#define WORTH_SHIFT 4
/* Of a frame's bytes, what is tried to see whether they can be compressed at all. */
#define SAMPLE_BYTES 4096u
#define SAMPLES 4u
/* Of a frame, what every compressor is measured on: a quarter, but at least so much. */
#define PROBE_BYTES 32768u

struct packer {
	const struct clock *clock;
	struct codec_choice choice;
	struct codecs *codecs;
	struct page_cache *cache;
	struct sent_pages *sent;
	struct packer_totals totals;
	uint64_t zero_hash;
	uint64_t packing_us; /* of the frame in hand */
	/* when the last frame was sent, and as it was then */
	uint64_t sent_us, waited_us, taken_bytes;
	uint8_t plain[FRAME_PAYLOAD_MAX]; /* where they do not lie in the payload: packer_room() */
	uint8_t sample[SAMPLE_BYTES];
};

static const uint8_t zero_page[PAGE_BYTES];

struct packer *packer_new(const struct clock *clock, unsigned compress, struct sent_pages *sent)
{
	CLEANUP_FREE struct packer *packer = calloc(1, sizeof(*packer));

	if (!packer)
		return NULL;
	packer->clock = clock;
	packer->sent = sent;
	codec_choice_init(&packer->choice, compress);
	packer->zero_hash = page_hash(zero_page);
	packer->sent_us = clock_now_us(clock);
	packer->codecs = codecs_new();
	packer->cache = page_cache_new(PACKER_CACHE_PAGES);
	if (packer->codecs && packer->cache)
		return steal(packer);
	codecs_free(packer->codecs);
	page_cache_free(packer->cache);
	return NULL;
}

void packer_free(struct packer *packer)
{
	if (!packer)
		return;
	codecs_free(packer->codecs);
	page_cache_free(packer->cache);
	free(packer);
}

const struct packer_totals *packer_totals(const struct packer *packer)
{
	return &packer->totals;
}

/* ---- one page ---- */

static bool is_zero(const uint8_t *page)
{
	uint64_t first;

	memcpy(&first, page, sizeof(first));
	return first == 0 && memcmp(page, page + sizeof(first), PAGE_BYTES - sizeof(first)) == 0;
}

/* Writes a difference of `size` bytes, its length before it. Returns the bytes written. */
static size_t put_delta(uint8_t *at, const uint8_t *delta, size_t size)
{
	at[0] = (uint8_t)(size >> 8);
	at[1] = (uint8_t)size;
	memcpy(at + 2, delta, size);
	return 2 + size;
}

/*
 * Puts the page's content to `at`, before it or where it lies, if it has to be told. Returns its
 * kind.
 */
static enum page_kind pack_page(struct packer *packer, uint64_t pfn, const uint8_t *page,
				uint32_t pass, uint8_t *at, size_t *size)
{
	uint8_t delta[PAGE_DELTA_MAX];
	uint8_t *cached;
	int changed;

	*size = 0;
	cached = pass > 0 ? page_cache_find(packer->cache, pfn) : NULL;
	changed = cached ? page_delta_make(cached, page, delta) : -1;
	if (pass > 0)
		cached = page_cache_put(packer->cache, pfn, pass);
	if (changed == 0)
		return PAGE_SAME;
	if (cached)
		memcpy(cached, page, PAGE_BYTES);
	if (changed > 0) {
		*size = put_delta(at, delta, (size_t)changed);
		return PAGE_DELTA;
	}
	if (at != page)
		memmove(at, page, PAGE_BYTES);
	*size = PAGE_BYTES;
	return PAGE_PLAIN;
}

/* ---- one frame ---- */

/*
 * Makes of the pages at `plain` their contents, which are never longer, and the runs of their
 * kinds. Returns the size.
 */
static size_t pack_plain(struct packer *packer, const uint64_t *entries, size_t count,
			 uint32_t pass, uint8_t *plain, uint64_t *hashes)
{
	uint8_t kinds[FRAME_PAGES_MAX];
	size_t at = 0;

	for (size_t i = 0; i < count; i++) {
		const uint8_t *page = plain + i * PAGE_BYTES;
		bool zero = is_zero(page);
		size_t size = 0;

		if (pass == 0) /* later ones were compared before, and so noted */
			(void)sent_pages_note(packer->sent, entries[i], zero ? NULL : page);
		hashes[i] = zero ? packer->zero_hash : page_hash(page);
		kinds[i] = PAGE_ZERO;
		if (!zero)
			kinds[i] = (uint8_t)pack_page(packer, libxc_pfn(entries[i]), page, pass,
						      plain + at, &size);
		packer->totals.kinds[kinds[i]]++;
		at += size;
	}
	return at + frame_put_kinds(plain + at, kinds, count);
}

/* A few samples tell, at a hundredth of the cost of trying all of it. */
static bool looks_compressible(struct packer *packer, const uint8_t *plain, size_t size)
{
	size_t left = 0, tried = 0;

	if (size <= SAMPLES * SAMPLE_BYTES)
		return true;
	for (size_t i = 0; i < SAMPLES; i++) {
		const uint8_t *sample = plain + i * (size - SAMPLE_BYTES) / (SAMPLES - 1);
		size_t got = codec_compress(packer->codecs, CODEC_LZ4, sample, SAMPLE_BYTES,
					    packer->sample, SAMPLE_BYTES);

		left += got > 0 ? got : SAMPLE_BYTES;
		tried += SAMPLE_BYTES;
	}
	return left < tried - (tried >> WORTH_SHIFT);
}

/* Measures every compressor, for `auto`. `room`: for a frame. */
static void probe(struct packer *packer, const uint8_t *plain, size_t size, uint8_t *room)
{
	size_t least = size < PROBE_BYTES ? size : PROBE_BYTES;
	size_t part = size / 4 < least ? least : size / 4;

	for (enum codec codec = CODEC_LZ4; codec < CODECS; codec++) {
		uint64_t begun_us = clock_now_us(packer->clock);
		size_t got = codec_compress(packer->codecs, codec, plain + (size - part) / 2, part,
					    room, part);
		uint64_t us = clock_now_us(packer->clock) - begun_us;

		codec_choice_note(&packer->choice, codec, part, got > 0 ? got : part, (double)us);
	}
}

/* Puts the `size` bytes at `plain` into `payload`, compressed where that pays. */
static void compress(struct packer *packer, const uint8_t *plain, size_t size, uint8_t *payload,
		     struct frame *frame)
{
	enum codec codec = packer->choice.chosen;
	size_t packed = 0;

	if (plain == payload)
		return;
	if (size >= SAMPLE_BYTES && looks_compressible(packer, plain, size))
		packed = codec_compress(packer->codecs, codec, plain, size, payload,
					size - (size >> WORTH_SHIFT));
	if (packed == 0) {
		memcpy(payload, plain, size);
		return;
	}
	frame->codec = codec;
	frame->size = (uint32_t)packed;
}

uint8_t *packer_room(struct packer *packer, uint8_t *payload)
{
	return packer->choice.chosen == CODEC_NONE ? payload : packer->plain;
}

void packer_pages(struct packer *packer, const uint64_t *entries, size_t count, uint32_t pass,
		  struct frame *frame, uint8_t *payload, uint64_t *hashes)
{
	uint8_t *plain = packer_room(packer, payload);
	uint64_t begun_us;
	size_t size;

	assert(count > 0 && count <= FRAME_PAGES_MAX);
	size = pack_plain(packer, entries, count, pass, plain, hashes);
	frame->type = FRAME_PAGES;
	frame->codec = CODEC_NONE;
	frame->size = frame->plain_size = (uint32_t)size;
	frame->checksum = frame_checksum(frame, hashes, count * sizeof(hashes[0]));
	if (size >= SAMPLE_BYTES && codec_choice_probes(&packer->choice))
		probe(packer, plain, size, plain == payload ? packer->plain : payload);
	begun_us = clock_now_us(packer->clock);
	compress(packer, plain, size, payload, frame);
	packer->packing_us = clock_now_us(packer->clock) - begun_us;
}

void packer_sent(struct packer *packer, const struct frame *frame, uint64_t waited_us,
		 uint64_t taken_bytes)
{
	uint64_t now_us = clock_now_us(packer->clock);
	const struct codec_frame sent = {
		.plain_bytes = frame->plain_size,
		.taken_bytes = taken_bytes - packer->taken_bytes,
		.us = now_us - packer->sent_us,
		.waited_us = waited_us - packer->waited_us,
		.packing_us = packer->packing_us,
	};

	codec_choice_sent(&packer->choice, &sent);
	packer->sent_us = now_us;
	packer->waited_us = waited_us;
	packer->taken_bytes = taken_bytes;
}
