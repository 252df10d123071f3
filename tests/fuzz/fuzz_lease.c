/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A host's area of the lease. Each sector begins with as many bytes of the input as an entry has,
 * with its magic word; a bit of the first byte makes its checksum fit, so that what lies behind it
 * is reached. What is put there is found again, and nobody else's is lost but the oldest.
 */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "fuzz.h"
#include "lease_area.h"

#define MAGIC "XFLEASE1"
#define MAGIC_BYTES 8
#define SUMMED_BYTES (MAGIC_BYTES + WIRE_ID_BYTES + 3 * sizeof(uint64_t))
#define ENTRY_BYTES (SUMMED_BYTES + sizeof(uint64_t))

static uint8_t area[LEASE_AREA_BYTES];

static void make_fit(uint8_t *entry)
{
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < SUMMED_BYTES; i++)
		sum = (sum ^ entry[i]) * UINT64_C(0x100000001b3);
	sum = htobe64(sum);
	memcpy(entry + SUMMED_BYTES, &sum, sizeof(sum));
}

static void fill(const uint8_t *data, size_t size)
{
	memset(area, 0, sizeof(area));
	for (size_t i = 0; i < LEASE_AREA_ENTRIES && size > 1; i++) {
		uint8_t *entry = area + i * LEASE_SECTOR_BYTES;
		bool fits = data[0] & 1;
		size_t length = size - 1 < ENTRY_BYTES - MAGIC_BYTES ? size - 1 :
								       ENTRY_BYTES - MAGIC_BYTES;

		memcpy(entry, MAGIC, MAGIC_BYTES);
		memcpy(entry + MAGIC_BYTES, data + 1, length);
		if (fits)
			make_fit(entry);
		data += length + 1;
		size -= length + 1;
	}
}

static void check(const struct lease_fact *fact)
{
	assert(fact->side == SIDE_SOURCE || fact->side == SIDE_TARGET);
	assert(fact->outcome <= OUTCOME_NEVER);
	assert(fact->number > 0 && fact->number < UINT64_MAX);
}

static void put_and_find(const struct lease_fact *said)
{
	static uint8_t before[LEASE_AREA_BYTES];
	struct lease_fact found, over;
	size_t index;

	memcpy(before, area, sizeof(area));
	index = lease_area_put(area, said);
	assert(index < LEASE_AREA_ENTRIES);
	for (size_t i = 0; i < LEASE_AREA_ENTRIES; i++)
		assert(i == index || memcmp(area + i * LEASE_SECTOR_BYTES,
					    before + i * LEASE_SECTOR_BYTES,
					    LEASE_SECTOR_BYTES) == 0);
	if (!lease_area_read(area, index, &found))
		return; /* only after the last of all numbers */
	check(&found);
	assert(memcmp(found.job, said->job, sizeof(found.job)) == 0);
	assert(found.side == said->side && found.outcome == said->outcome);
	if (lease_area_read(before, index, &over))
		assert(found.number > over.number);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct lease_fact fact = { .side = SIDE_TARGET, .outcome = OUTCOME_TAKEN };

	fill(data, size);
	for (size_t i = 0; i < LEASE_AREA_ENTRIES; i++)
		if (lease_area_read(area, i, &fact))
			check(&fact);
	put_and_find(&fact);
	put_and_find(&fact);
	fact.job[0] ^= 1;
	put_and_find(&fact);
	return 0;
}
