/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The target's way back from frames to libxenguest's stream, record for record. Pure but for its
 * sink: it trusts nothing that a frame says, takes its memory once, and hands on only what was
 * checked.
 */
#ifndef XENFERRY_UNFILTER_H
#define XENFERRY_UNFILTER_H

#include <sys/uio.h>

#include "frame.h"

/* Where the results go. Both return 0 or -errno with `err`. */
struct unfilter_sink {
	/* The next bytes of the stream; `parts` is the sink's to change. */
	int (*write)(void *context, struct iovec *parts, int count, struct err *err);
	/* What a page has to be in the end. */
	int (*expect)(void *context, uint64_t pfn, uint64_t hash, struct err *err);
	void *context;
};

struct unfilter;

/*
 * `pfn_limit`: no page that takes memory may have a higher pfn. NULL: no memory.
 */
struct unfilter *unfilter_new(uint64_t pfn_limit, const struct unfilter_sink *sink);
void unfilter_free(struct unfilter *unfilter);

/*
 * Takes the next frame in order. Returns 0; 1 when it was the last and the stream is whole; or
 * -EBADMSG (and what the sink says) with the reason, after which only unfilter_free() makes sense.
 */
int unfilter_take(struct unfilter *unfilter, const struct frame *frame, const uint8_t *payload,
		  struct err *err);

/* How many pages came so far, and how many of them were zero. */
void unfilter_count(const struct unfilter *unfilter, uint64_t *pages, uint64_t *zero_pages);

#endif
