/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "page_cache.h"

#include <stdlib.h>
#include <sys/mman.h>

#include "libxc_stream.h"

#define LIFETIME_PASSES 2
#define NO_PFN UINT64_MAX

struct slot {
	uint64_t pfn;
	uint32_t pass; /* in which it was put there last */
};

struct page_cache {
	size_t slots;
	uint8_t *pages;
	struct slot slot[];
};

struct page_cache *page_cache_new(size_t slots)
{
	struct page_cache *cache = malloc(sizeof(*cache) + slots * sizeof(cache->slot[0]));

	if (!cache)
		return NULL;
	cache->slots = slots;
	cache->pages = mmap(NULL, slots * PAGE_BYTES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cache->pages == MAP_FAILED) {
		free(cache);
		return NULL;
	}
	for (size_t i = 0; i < slots; i++)
		cache->slot[i] = (struct slot){ NO_PFN, 0 };
	return cache;
}

void page_cache_free(struct page_cache *cache)
{
	if (!cache)
		return;
	munmap(cache->pages, cache->slots * PAGE_BYTES);
	free(cache);
}

uint8_t *page_cache_find(struct page_cache *cache, uint64_t pfn)
{
	size_t at = (size_t)(pfn % cache->slots);

	return cache->slot[at].pfn == pfn ? cache->pages + at * PAGE_BYTES : NULL;
}

uint8_t *page_cache_put(struct page_cache *cache, uint64_t pfn, uint32_t pass)
{
	size_t at = (size_t)(pfn % cache->slots);
	struct slot *slot = &cache->slot[at];

	if (slot->pfn != pfn && slot->pfn != NO_PFN && pass - slot->pass < LIFETIME_PASSES)
		return NULL;
	*slot = (struct slot){ pfn, pass };
	return cache->pages + at * PAGE_BYTES;
}
