/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What changed in a page since it was sent: runs of equal bytes and runs of new ones in turn, as in
 * QEMU's XBZRLE. devices/STREAM.md has the form.
 */
#ifndef XENFERRY_PAGE_DELTA_H
#define XENFERRY_PAGE_DELTA_H

#include <stddef.h>
#include <stdint.h>

/* A page of which more than this has changed is cheaper sent whole, and then compressed. */
#define PAGE_DELTA_MAX 1536

/*
 * Writes to `delta` (PAGE_DELTA_MAX bytes) how the page `before` becomes `after`. Returns its size,
 * 0 when they are equal; -EMSGSIZE when it would be larger.
 */
int page_delta_make(const uint8_t *before, const uint8_t *after, uint8_t *delta);
/*
 * Turns `page` into what `delta` says. -EBADMSG when that is malformed or would leave the page,
 * which then is partly changed.
 */
int page_delta_apply(uint8_t *page, const uint8_t *delta, size_t size);

#endif
