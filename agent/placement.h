/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which host takes which guest of one that is being emptied. Pure.
 *
 * Guests that belong together are placed as one. First they are spread, the largest first, each
 * onto the host with the most room, and whoever is over gets a place by moving others, a few deep.
 * Where that leaves one over still, they are packed, each onto the host with the least room that
 * is enough; then those first that have the fewest hosts to choose from. The start that places
 * the most memory counts.
 *
 * How far that is from the best is measured by tests/test_placement.c against all possibilities
 * (4000 pools of 3 hosts and 8 guests, with groups and forbidden hosts, full to within a few per
 * cent): of the pools that can take all of their guests 98.7 % do; of the memory that can be
 * placed at best, 99.5 % is.
 */
#ifndef XENFERRY_PLACEMENT_H
#define XENFERRY_PLACEMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PLACEMENT_NONE UINT32_MAX

struct placement_guest {
	uint64_t memory_bytes;
	uint32_t apart;    /* group of which no two may be on one host, from 1; 0: none */
	uint32_t together; /* group of which all must be on one host, from 1; 0: none */
};

struct placement {
	const uint64_t *room_bytes; /* what each host has for guests that come */
	size_t host_count;
	const struct placement_guest *guests;
	size_t guest_count;
	/* Whether, memory apart, the guest may be there: asked many times, so it is quick. */
	bool (*may)(const void *context, size_t guest, size_t host);
	const void *context;
};

/*
 * Fills places[guest_count] with a host each, or PLACEMENT_NONE. Returns how many guests have
 * none, or -ENOMEM.
 */
int placement_solve(const struct placement *problem, uint32_t *places);

#endif
