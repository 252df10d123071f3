/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes PAGES frames: says of each page how its content travels, and compresses what is left. The
 * way back is unfilter.h's.
 */
#ifndef XENFERRY_PACKER_H
#define XENFERRY_PACKER_H

#include "clock.h"
#include "codec_choice.h"
#include "frame.h"

/* How many pages the caches of both ends hold: 40 MiB, the larger part of the filter's memory. */
#define PACKER_CACHE_PAGES 10240

struct packer;
struct sent_pages;

struct packer_totals {
	uint64_t kinds[PAGE_KINDS]; /* pages of each kind */
};

/*
 * `compress`: a codec's number or COMPRESS_AUTO. What is packed in pass 0 is noted in `sent`, the
 * caller's, who notes what comes in the others. NULL: no memory.
 */
struct packer *packer_new(const struct clock *clock, unsigned compress, struct sent_pages *sent);
void packer_free(struct packer *packer);

/*
 * Where the next frame's pages are to be read to, FRAME_PAYLOAD_MAX bytes: `payload` itself while
 * nothing is compressed, so that they are not copied once more. Good until packer_sent().
 */
uint8_t *packer_room(struct packer *packer, uint8_t *payload);
/*
 * Packs `count` (1 to FRAME_PAGES_MAX) pages, whose bytes lie at packer_room(), sent in the
 * `pass`-th pass over memory; from pass 1 on they go into the cache. Fills `frame`, whose sequence
 * is set, and `payload`. `hashes`: of each page, for the caller.
 */
void packer_pages(struct packer *packer, const uint64_t *entries, size_t count, uint32_t pass,
		  struct frame *frame, uint8_t *payload, uint64_t *hashes);
/*
 * The frame was given to the connections: they have taken `taken_bytes` so far, in all, and kept us
 * waiting for `waited_us`. What `auto` learns from.
 */
void packer_sent(struct packer *packer, const struct frame *frame, uint64_t waited_us,
		 uint64_t taken_bytes);

const struct packer_totals *packer_totals(const struct packer *packer);

#endif
