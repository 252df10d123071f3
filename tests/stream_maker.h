/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Makes streams as libxenguest writes them, in memory. Its functions assert.
 */
#ifndef XENFERRY_TESTS_STREAM_MAKER_H
#define XENFERRY_TESTS_STREAM_MAKER_H

#include <stddef.h>
#include <stdint.h>

struct stream_maker {
	uint8_t *bytes;
	size_t size, room;
};

void stream_maker_free(struct stream_maker *maker);

void make_headers(struct stream_maker *maker);
/* Any record; `body` NULL: zeros. */
void make_record(struct stream_maker *maker, uint32_t type, const void *body, uint32_t size);
/* The records that stand before memory, and those after it. */
void make_static_data(struct stream_maker *maker);
void make_state(struct stream_maker *maker);
/* A PAGE_DATA record of `count` entries; `pages` has the bytes of those that have data. */
void make_pages(struct stream_maker *maker, const uint64_t *entries, size_t count,
		const uint8_t *pages);

/*
 * A whole stream: memory of `pages` pages in `passes` passes, of which some are zero, some text,
 * some noise, and some written a little between two passes.
 */
void make_stream(struct stream_maker *maker, size_t pages, size_t passes);

/*
 * What a target gets of `stream`, whose pages must be below `limit`: without those that are sent
 * again and have not changed, and without records in which no entry is left.
 */
void make_weeded(struct stream_maker *maker, const struct stream_maker *stream, uint64_t limit);

#endif
