/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "placement.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"

#define MOVES_DEEP 3       /* guests that make room for one another */
#define LOOKS_MAX 2000000u /* at places, for the repairs of one start */

/* Guests that go as one: a group that stays together, or a single one. */
struct unit {
	uint64_t memory_bytes;
	uint32_t first;   /* of its guests, by solver.next */
	uint32_t choices; /* hosts on which it may be */
	uint32_t host;
};

struct solver {
	const struct placement *problem;
	struct unit *units, *best; /* `best`: as they were placed best so far */
	uint64_t best_bytes;
	size_t count;
	uint32_t *next;     /* by guest: the next of its unit, or PLACEMENT_NONE */
	uint64_t *room_bytes;
	uint32_t *apart;    /* by host and group: how many of it are there */
	size_t groups;      /* apart, and one that is nobody's */
	unsigned looks;     /* left to this start */
};

/* ---- what fits where ---- */

static uint32_t *apart_at(const struct solver *solver, uint32_t guest, uint32_t host)
{
	uint32_t group = solver->problem->guests[guest].apart;

	return &solver->apart[(size_t)host * solver->groups + group];
}

static bool may_be_at(const struct solver *solver, const struct unit *unit, uint32_t host)
{
	const struct placement *problem = solver->problem;

	for (uint32_t guest = unit->first; guest != PLACEMENT_NONE; guest = solver->next[guest]) {
		if (!problem->may(problem->context, guest, host))
			return false;
		if (problem->guests[guest].apart && *apart_at(solver, guest, host) > 0)
			return false;
	}
	return true;
}

static bool fits(const struct solver *solver, const struct unit *unit, uint32_t host)
{
	return unit->memory_bytes <= solver->room_bytes[host] && may_be_at(solver, unit, host);
}

static void count_apart(struct solver *solver, const struct unit *unit, uint32_t host, int by)
{
	for (uint32_t guest = unit->first; guest != PLACEMENT_NONE; guest = solver->next[guest])
		*apart_at(solver, guest, host) += (uint32_t)by;
}

static void put(struct solver *solver, struct unit *unit, uint32_t host)
{
	unit->host = host;
	solver->room_bytes[host] -= unit->memory_bytes;
	count_apart(solver, unit, host, 1);
}

static void take(struct solver *solver, struct unit *unit)
{
	solver->room_bytes[unit->host] += unit->memory_bytes;
	count_apart(solver, unit, unit->host, -1);
	unit->host = PLACEMENT_NONE;
}

/* Two of a unit that must be apart never fit anywhere. */
static bool is_at_odds(const struct solver *solver, const struct unit *unit)
{
	for (uint32_t a = unit->first; a != PLACEMENT_NONE; a = solver->next[a])
		for (uint32_t b = solver->next[a]; b != PLACEMENT_NONE; b = solver->next[b])
			if (solver->problem->guests[a].apart &&
			    solver->problem->guests[a].apart == solver->problem->guests[b].apart)
				return true;
	return false;
}

/* ---- one after another ---- */

/* The host with the most room that it fits on, or, `tight`, with the least. */
static uint32_t choose(const struct solver *solver, const struct unit *unit, bool tight)
{
	uint32_t best = PLACEMENT_NONE;

	for (uint32_t host = 0; host < solver->problem->host_count; host++) {
		if (best != PLACEMENT_NONE &&
		    (solver->room_bytes[host] < solver->room_bytes[best]) != tight)
			continue;
		if (fits(solver, unit, host))
			best = host;
	}
	return best;
}

static void place_all(struct solver *solver, bool tight)
{
	for (size_t i = 0; i < solver->count; i++) {
		struct unit *unit = &solver->units[i];
		uint32_t host = unit->choices ? choose(solver, unit, tight) : PLACEMENT_NONE;

		if (host != PLACEMENT_NONE)
			put(solver, unit, host);
	}
}

static void take_all(struct solver *solver)
{
	for (size_t i = 0; i < solver->count; i++)
		if (solver->units[i].host != PLACEMENT_NONE)
			take(solver, &solver->units[i]);
}

/* ---- repair ---- */

static bool place_by_moving(struct solver *solver, struct unit *unit, unsigned deep);

/* Whether `unit` gets onto the host of `other` when that goes elsewhere; nothing moves if not. */
static bool displace(struct solver *solver, struct unit *unit, struct unit *other, unsigned deep)
{
	uint32_t host = other->host;

	if (solver->room_bytes[host] + other->memory_bytes < unit->memory_bytes)
		return false;
	take(solver, other);
	if (fits(solver, unit, host)) {
		put(solver, unit, host);
		if (place_by_moving(solver, other, deep - 1))
			return true;
		take(solver, unit);
	}
	put(solver, other, host);
	return false;
}

static bool place_by_moving(struct solver *solver, struct unit *unit, unsigned deep)
{
	uint32_t host = choose(solver, unit, true);
	size_t cost = solver->problem->host_count;

	solver->looks -= cost < solver->looks ? (unsigned)cost : solver->looks;
	if (host != PLACEMENT_NONE) {
		put(solver, unit, host);
		return true;
	}
	for (size_t i = 0; deep > 0 && i < solver->count; i++) {
		struct unit *other = &solver->units[i];

		if (solver->looks == 0)
			return false;
		solver->looks--;
		if (other != unit && other->host != PLACEMENT_NONE &&
		    displace(solver, unit, other, deep))
			return true;
	}
	return false;
}

static void repair(struct solver *solver)
{
	for (size_t i = 0; i < solver->count; i++) {
		struct unit *unit = &solver->units[i];

		for (unsigned deep = 1; deep <= MOVES_DEEP; deep++)
			if (unit->host == PLACEMENT_NONE && unit->choices > 0)
				(void)place_by_moving(solver, unit, deep);
	}
}

/* ---- from guests to units and back ---- */

static int larger_first(const void *a, const void *b)
{
	const struct unit *left = a, *right = b;

	if (left->memory_bytes != right->memory_bytes)
		return left->memory_bytes < right->memory_bytes ? 1 : -1;
	return left->first < right->first ? -1 : 1; /* the same each time */
}

static int choosier_first(const void *a, const void *b)
{
	const struct unit *left = a, *right = b;

	if (left->choices != right->choices)
		return left->choices < right->choices ? -1 : 1;
	return larger_first(a, b);
}

/* Those that fit nowhere even on an empty host have no choice. */
static void count_choices(struct solver *solver)
{
	for (size_t i = 0; i < solver->count; i++) {
		struct unit *unit = &solver->units[i];

		for (uint32_t host = 0; host < solver->problem->host_count; host++)
			unit->choices += fits(solver, unit, host);
		if (is_at_odds(solver, unit))
			unit->choices = 0;
	}
}

/* `of_group`: by group that stays together, its unit; PLACEMENT_NONE at first. */
static void make_units(struct solver *solver, uint32_t *of_group)
{
	for (uint32_t guest = 0; guest < solver->problem->guest_count; guest++) {
		const struct placement_guest *about = &solver->problem->guests[guest];
		uint32_t *known = about->together ? &of_group[about->together] : NULL;
		struct unit *unit;

		if (!known || *known == PLACEMENT_NONE) {
			if (known)
				*known = (uint32_t)solver->count;
			unit = &solver->units[solver->count++];
			*unit = (struct unit){ .first = PLACEMENT_NONE, .host = PLACEMENT_NONE };
		} else {
			unit = &solver->units[*known];
		}
		solver->next[guest] = unit->first;
		unit->first = guest;
		unit->memory_bytes += about->memory_bytes;
	}
	count_choices(solver);
}

static int read_places(const struct solver *solver, uint32_t *places)
{
	int left = 0;

	for (size_t i = 0; i < solver->count; i++) {
		const struct unit *unit = &solver->best[i];

		for (uint32_t guest = unit->first; guest != PLACEMENT_NONE;
		     guest = solver->next[guest]) {
			places[guest] = unit->host;
			left += unit->host == PLACEMENT_NONE;
		}
	}
	return left;
}

/* Where to begin from: what one cannot solve, another may. */
static const struct start {
	int (*order)(const void *a, const void *b);
	bool tight;
} starts[] = {
	{ larger_first, false },
	{ larger_first, true },
	{ choosier_first, true },
	{ choosier_first, false },
};

/* Whether all that have a choice at all have a place now. */
static bool begin(struct solver *solver, const struct start *start)
{
	uint64_t placed_bytes = 0;
	size_t left = 0;

	take_all(solver);
	qsort(solver->units, solver->count, sizeof(*solver->units), start->order);
	solver->looks = LOOKS_MAX;
	place_all(solver, start->tight);
	repair(solver);
	for (size_t i = 0; i < solver->count; i++)
		if (solver->units[i].host != PLACEMENT_NONE)
			placed_bytes += solver->units[i].memory_bytes;
		else
			left += solver->units[i].choices > 0;
	if (start == starts || placed_bytes > solver->best_bytes) {
		memcpy(solver->best, solver->units, solver->count * sizeof(*solver->best));
		solver->best_bytes = placed_bytes;
	}
	return left == 0;
}

static void solve(struct solver *solver)
{
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++)
		if (begin(solver, &starts[i]))
			return;
}

static uint32_t most_group(const struct placement *problem, bool together)
{
	uint32_t most = 0;

	for (size_t i = 0; i < problem->guest_count; i++) {
		const struct placement_guest *guest = &problem->guests[i];
		uint32_t group = together ? guest->together : guest->apart;

		most = group > most ? group : most;
	}
	return most;
}

int placement_solve(const struct placement *problem, uint32_t *places)
{
	size_t guests = problem->guest_count, hosts = problem->host_count;
	size_t together = most_group(problem, true) + 1u, apart = most_group(problem, false) + 1u;
	CLEANUP_FREE struct unit *units = calloc(guests + 1, sizeof(*units));
	CLEANUP_FREE struct unit *best = calloc(guests + 1, sizeof(*best));
	CLEANUP_FREE uint32_t *next = calloc(guests + 1, sizeof(*next));
	CLEANUP_FREE uint64_t *room_bytes = calloc(hosts + 1, sizeof(*room_bytes));
	CLEANUP_FREE uint32_t *counts = calloc((hosts + 1) * apart, sizeof(*counts));
	CLEANUP_FREE uint32_t *of_group = malloc(together * sizeof(*of_group));
	struct solver solver = { .problem = problem, .units = units, .best = best, .next = next,
				 .room_bytes = room_bytes, .apart = counts, .groups = apart };

	if (!units || !best || !next || !room_bytes || !counts || !of_group)
		return -ENOMEM;
	for (size_t host = 0; host < hosts; host++)
		room_bytes[host] = problem->room_bytes[host];
	memset(of_group, 0xff, together * sizeof(*of_group));
	make_units(&solver, of_group);
	solve(&solver);
	return read_places(&solver, places);
}
