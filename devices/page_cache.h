/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Pages that were sent lately, so that their next version can be told as a difference. Source and
 * target have one each, of the same size, and put the same pages into it in the same order: so
 * what the one finds there, the other finds too. Its size does not depend on the guest's.
 */
#ifndef XENFERRY_PAGE_CACHE_H
#define XENFERRY_PAGE_CACHE_H

#include <stddef.h>
#include <stdint.h>

struct page_cache;

/*
 * NULL: no memory. `slots`: how many pages it holds, from 1; memory is taken as it is used.
 */
struct page_cache *page_cache_new(size_t slots);
void page_cache_free(struct page_cache *cache); /* NULL is harmless */

/* The page's 4096 bytes as they were put there last, for the caller to change; NULL: not there. */
uint8_t *page_cache_find(struct page_cache *cache, uint64_t pfn);
/*
 * Where the page goes that is sent in `pass`, for the caller to fill; NULL when its place is held
 * by another that was sent in this pass or the one before. So a working set that is larger than
 * the cache does not throw out all of it again and again.
 */
uint8_t *page_cache_put(struct page_cache *cache, uint64_t pfn, uint32_t pass);

#endif
