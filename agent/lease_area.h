/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a host has put down in its area of the lease: a few entries, one a sector, each of one job;
 * the oldest is written over. Any host of the pool may have written an area, and a crash may have
 * torn a sector: an entry that is not whole is not there. Pure.
 */
#ifndef XENFERRY_LEASE_AREA_H
#define XENFERRY_LEASE_AREA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "arbiter.h"

#define LEASE_SECTOR_BYTES 4096 /* what any disk writes at once; an entry is in its first 512 */
#define LEASE_AREA_ENTRIES 16
#define LEASE_AREA_BYTES ((size_t)LEASE_SECTOR_BYTES * LEASE_AREA_ENTRIES)

struct lease_fact {
	uint8_t job[WIRE_ID_BYTES];
	enum side side; /* of the host, in that job */
	enum outcome outcome;
	uint64_t number; /* grows with every entry of the host; from 1 */
};

/* Reads entry `index` of LEASE_AREA_BYTES; false, and *fact untouched, when it is not whole. */
bool lease_area_read(const uint8_t *area, size_t index, struct lease_fact *fact);

/*
 * Puts `fact` into the area, over its job's entry or the oldest; its number is the next one.
 * Returns the index of the one sector that has changed.
 */
size_t lease_area_put(uint8_t *area, const struct lease_fact *fact);

#endif
