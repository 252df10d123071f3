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
#define PROBE_BYTES 65536u

struct packer {
	const struct clock *clock;
	struct codec_choice choice;
	struct codecs *codecs;
	struct page_cache *cache;
	struct sent_pages *sent;
	struct packer_totals totals;
	uint64_t zero_hash;
	uint64_t packing_us; /* of the frame in hand */
	uint64_t last_sent_us;
	uint8_t plain[FRAME_PAYLOAD_MAX];
	uint8_t scratch[PROBE_BYTES];
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
	packer->last_sent_us = clock_now_us(clock);
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

		sent_pages_note(packer->sent, entries[i], page);
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
					    packer->scratch, SAMPLE_BYTES);

		left += got > 0 ? got : SAMPLE_BYTES;
		tried += SAMPLE_BYTES;
	}
	return left < tried - (tried >> WORTH_SHIFT);
}

/* Measures every compressor on a part of the frame. */
static void probe(struct packer *packer, const uint8_t *plain, size_t size)
{
	size_t part = size < PROBE_BYTES ? size : PROBE_BYTES;

	for (enum codec codec = CODEC_LZ4; codec < CODECS; codec++) {
		uint64_t begun_us = clock_now_us(packer->clock);
		size_t got = codec_compress(packer->codecs, codec, plain + (size - part) / 2, part,
					    packer->scratch, part);
		uint64_t us = clock_now_us(packer->clock) - begun_us;

		codec_choice_note(&packer->choice, codec, part, got > 0 ? got : part, (double)us);
	}
}

/* Returns what `plain` came to in `payload`, or 0 when it is better sent as it is. */
static size_t compress(struct packer *packer, const uint8_t *plain, size_t size, uint8_t *payload,
		       enum codec *codec)
{
	if (size < SAMPLE_BYTES) /* hardly anything to be told */
		return 0;
	if (codec_choice_probes(&packer->choice))
		probe(packer, plain, size);
	*codec = packer->choice.chosen;
	if (*codec == CODEC_NONE || !looks_compressible(packer, plain, size))
		return 0;
	return codec_compress(packer->codecs, *codec, plain, size, payload,
			      size - (size >> WORTH_SHIFT));
}

uint8_t *packer_room(struct packer *packer, uint8_t *payload)
{
	bool may_compress = packer->choice.automatic || packer->choice.chosen != CODEC_NONE;

	return may_compress ? packer->plain : payload;
}

void packer_pages(struct packer *packer, const uint64_t *entries, size_t count, uint32_t pass,
		  struct frame *frame, uint8_t *payload, uint64_t *hashes)
{
	uint8_t *plain = packer_room(packer, payload);
	size_t size, packed;
	uint64_t begun_us;

	assert(count > 0 && count <= FRAME_PAGES_MAX);
	size = pack_plain(packer, entries, count, pass, plain, hashes);
	frame->type = FRAME_PAGES;
	frame->codec = CODEC_NONE;
	frame->size = frame->plain_size = (uint32_t)size;
	frame->checksum = frame_checksum(frame, hashes, count * sizeof(hashes[0]));
	packer->packing_us = 0;
	if (plain == payload)
		return;
	begun_us = clock_now_us(packer->clock);
	packed = compress(packer, plain, size, payload, &frame->codec);
	packer->packing_us = clock_now_us(packer->clock) - begun_us;
	if (packed > 0)
		codec_choice_note(&packer->choice, frame->codec, size, packed,
				  (double)packer->packing_us);
	if (packed > 0) {
		frame->size = (uint32_t)packed;
		return;
	}
	frame->codec = CODEC_NONE;
	memcpy(payload, plain, size);
}

void packer_sent(struct packer *packer, const struct frame *frame, uint64_t waited_us)
{
	uint64_t now_us = clock_now_us(packer->clock);

	codec_choice_sent(&packer->choice, frame->plain_size, frame->size,
			  now_us - packer->last_sent_us, waited_us, packer->packing_us);
	packer->last_sent_us = now_us;
}
