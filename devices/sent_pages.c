/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sent_pages.h"

#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#include "libxc_stream.h"
#include "xxh3.h"

#define KEY_BYTES 192 /* XXH3's own secret is as long */

/* All zero: nothing is remembered here. */
struct place {
	uint64_t low, high;
};

struct sent_pages {
	uint8_t key[KEY_BYTES];
	XXH128_hash_t zero_hash;
	struct place places[SENT_PAGES_PLACES];
};

static XXH128_hash_t keyed_hash(const struct sent_pages *sent, const uint8_t *page)
{
	return XXH3_128bits_withSecret(page, PAGE_BYTES, sent->key, KEY_BYTES);
}

struct sent_pages *sent_pages_new(void)
{
	static const uint8_t zero_page[PAGE_BYTES];
	struct sent_pages *sent = mmap(NULL, sizeof(*sent), PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (sent == MAP_FAILED)
		return NULL;
	if (getrandom(sent->key, KEY_BYTES, 0) != KEY_BYTES) {
		sent_pages_free(sent);
		return NULL;
	}
	sent->zero_hash = keyed_hash(sent, zero_page);
	return sent;
}

void sent_pages_free(struct sent_pages *sent)
{
	if (sent)
		munmap(sent, sizeof(*sent));
}

static size_t place_of(uint64_t entry)
{
	return libxc_pfn(entry) % SENT_PAGES_PLACES;
}

bool sent_pages_note(struct sent_pages *sent, uint64_t entry, const uint8_t *page)
{
	XXH128_hash_t hash = page ? keyed_hash(sent, page) : sent->zero_hash;
	/* with the entry in it, as pages that share a place may have the same content */
	const struct place now = { hash.low64 ^ entry, hash.high64 };
	struct place *place = &sent->places[place_of(entry)];
	bool differs = place->low != now.low || place->high != now.high;

	*place = now;
	return differs;
}

void sent_pages_forget(struct sent_pages *sent, uint64_t entry)
{
	sent->places[place_of(entry)] = (struct place){ 0, 0 };
}
