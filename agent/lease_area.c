/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "lease_area.h"

#include <endian.h>
#include <string.h>

/* Numbers are big-endian. */
struct entry {
	char magic[8];
	uint8_t job[WIRE_ID_BYTES];
	uint64_t number;
	uint64_t side;
	uint64_t outcome;
	uint64_t checksum; /* of all above */
};

static const char entry_magic[8] = { 'X', 'F', 'L', 'E', 'A', 'S', 'E', '1' };

/* FNV-1a: against a torn sector, not against an enemy, who could write the guest's disk as well. */
static uint64_t checksum(const struct entry *entry)
{
	const uint8_t *bytes = (const uint8_t *)entry;
	uint64_t sum = UINT64_C(0xcbf29ce484222325);

	for (size_t i = 0; i < offsetof(struct entry, checksum); i++)
		sum = (sum ^ bytes[i]) * UINT64_C(0x100000001b3);
	return sum;
}

/* No entry has the last number: there would be no next one. */
static bool is_whole(const struct entry *entry)
{
	return memcmp(entry->magic, entry_magic, sizeof(entry_magic)) == 0 &&
	       be64toh(entry->checksum) == checksum(entry) && be64toh(entry->side) <= SIDE_TARGET &&
	       be64toh(entry->outcome) <= OUTCOME_NEVER && be64toh(entry->number) != 0 &&
	       be64toh(entry->number) != UINT64_MAX;
}

bool lease_area_read(const uint8_t *area, size_t index, struct lease_fact *fact)
{
	struct entry entry;

	memcpy(&entry, area + index * LEASE_SECTOR_BYTES, sizeof(entry));
	if (!is_whole(&entry))
		return false;
	memcpy(fact->job, entry.job, sizeof(fact->job));
	fact->side = (enum side)be64toh(entry.side);
	fact->outcome = (enum outcome)be64toh(entry.outcome);
	fact->number = be64toh(entry.number);
	return true;
}

/* The job's entry, or the oldest; *number is the next. */
static size_t choose(const uint8_t *area, const uint8_t *job, uint64_t *number)
{
	uint64_t oldest = UINT64_MAX;
	size_t chosen = 0;
	bool own = false;

	*number = 1;
	for (size_t i = 0; i < LEASE_AREA_ENTRIES; i++) {
		struct lease_fact fact = { .number = 0 };
		bool same = lease_area_read(area, i, &fact) &&
			    memcmp(fact.job, job, sizeof(fact.job)) == 0;

		if (fact.number >= *number)
			*number = fact.number + 1;
		if (same || (!own && fact.number < oldest))
			chosen = i;
		oldest = fact.number < oldest ? fact.number : oldest;
		own |= same;
	}
	return chosen;
}

size_t lease_area_put(uint8_t *area, const struct lease_fact *fact)
{
	struct entry entry = { .side = htobe64(fact->side), .outcome = htobe64(fact->outcome) };
	uint64_t number;
	size_t index = choose(area, fact->job, &number);
	uint8_t *sector = area + index * LEASE_SECTOR_BYTES;

	memcpy(entry.magic, entry_magic, sizeof(entry.magic));
	memcpy(entry.job, fact->job, sizeof(entry.job));
	entry.number = htobe64(number);
	entry.checksum = htobe64(checksum(&entry));
	memset(sector, 0, LEASE_SECTOR_BYTES);
	memcpy(sector, &entry, sizeof(entry));
	return index;
}
