/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "placement.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define GIB (UINT64_C(1) << 30)
#define MANY_GUESTS 10000
#define MANY_HOSTS 200
#define SMALL_GUESTS 8
#define SMALL_HOSTS 3
#define SMALL_ROUNDS 4000

/* Which guest may be where: a bit each host. */
static bool by_bits(const void *context, size_t guest, size_t host)
{
	const uint32_t *bits = context;

	return bits[guest] >> host & 1;
}

static bool anywhere(const void *context, size_t guest, size_t host)
{
	(void)context;
	(void)guest;
	(void)host;
	return true;
}

static int solve(const uint64_t *room, size_t hosts, const struct placement_guest *guests,
		 size_t count, const uint32_t *bits, uint32_t *places)
{
	const struct placement problem = { room, hosts, guests, count, bits ? by_bits : anywhere,
					   bits };

	return placement_solve(&problem, places);
}

static void guests_are_spread_where_there_is_room(void **state)
{
	const uint64_t room[] = { 8 * GIB, 8 * GIB };
	const struct placement_guest guests[] = { { 2 * GIB, 0, 0 }, { 2 * GIB, 0, 0 } };
	uint32_t places[2];

	(void)state;
	assert_int_equal(solve(room, 2, guests, 2, NULL, places), 0);
	assert_int_not_equal(places[0], places[1]);
}

static void what_is_full_by_spreading_is_packed(void **state)
{
	const uint64_t room[] = { 5 * GIB, 4 * GIB };
	const struct placement_guest guests[] = { { 2 * GIB, 0, 0 }, { 2 * GIB, 0, 0 },
						  { 5 * GIB, 0, 0 } };
	uint32_t places[3];

	(void)state;
	assert_int_equal(solve(room, 2, guests, 3, NULL, places), 0);
	assert_int_equal(places[2], 0);
}

static void one_without_room_is_left_and_the_others_go(void **state)
{
	const uint64_t room[] = { 3 * GIB };
	const struct placement_guest guests[] = { { 9 * GIB, 0, 0 }, { 2 * GIB, 0, 0 } };
	uint32_t places[2];

	(void)state;
	assert_int_equal(solve(room, 1, guests, 2, NULL, places), 1);
	assert_int_equal(places[0], PLACEMENT_NONE);
	assert_int_equal(places[1], 0);
}

/* The 4 and the 3 fill one host, 3 and 2 and 2 the other: best fit alone leaves a 2 over. */
static void others_make_room(void **state)
{
	const uint64_t room[] = { 7 * GIB, 7 * GIB };
	const struct placement_guest guests[] = { { 3 * GIB, 0, 0 }, { 3 * GIB, 0, 0 },
						  { 2 * GIB, 0, 0 }, { 2 * GIB, 0, 0 },
						  { 2 * GIB, 0, 0 }, { 2 * GIB, 0, 0 } };
	uint32_t places[6];

	(void)state;
	assert_int_equal(solve(room, 2, guests, 6, NULL, places), 0);
}

static void groups_are_kept_apart_and_together(void **state)
{
	const uint64_t room[] = { 9 * GIB, 8 * GIB, 7 * GIB };
	const struct placement_guest guests[] = { { GIB, 1, 0 }, { GIB, 1, 0 }, { GIB, 0, 1 },
						  { GIB, 0, 1 }, { GIB, 1, 0 }, { GIB, 0, 1 } };
	uint32_t places[6];

	(void)state;
	assert_int_equal(solve(room, 3, guests, 6, NULL, places), 0);
	assert_int_not_equal(places[0], places[1]);
	assert_int_not_equal(places[0], places[4]);
	assert_int_not_equal(places[1], places[4]);
	assert_int_equal(places[2], places[3]);
	assert_int_equal(places[2], places[5]);
}

static void a_group_that_is_to_be_both_has_no_place(void **state)
{
	const uint64_t room[] = { 9 * GIB, 9 * GIB };
	const struct placement_guest guests[] = { { GIB, 1, 1 }, { GIB, 1, 1 }, { GIB, 0, 0 } };
	uint32_t places[3];

	(void)state;
	assert_int_equal(solve(room, 2, guests, 3, NULL, places), 2);
	assert_int_not_equal(places[2], PLACEMENT_NONE);
}

static void a_host_that_a_guest_may_not_be_on_is_left_alone(void **state)
{
	const uint64_t room[] = { 2 * GIB, 2 * GIB };
	const struct placement_guest guests[] = { { 2 * GIB, 0, 0 }, { 2 * GIB, 0, 0 } };
	const uint32_t bits[] = { 3, 1 };
	uint32_t places[2];

	(void)state;
	assert_int_equal(solve(room, 2, guests, 2, bits, places), 0);
	assert_int_equal(places[0], 1);
	assert_int_equal(places[1], 0);
}

static void nobody_and_nowhere_are_no_mistakes(void **state)
{
	const struct placement_guest guest = { GIB, 0, 0 };
	uint32_t place = 7;

	(void)state;
	assert_int_equal(solve(NULL, 0, &guest, 1, NULL, &place), 1);
	assert_int_equal(place, PLACEMENT_NONE);
	assert_int_equal(solve(NULL, 0, NULL, 0, NULL, NULL), 0);
}

static void ten_thousand_guests_are_planned_within_a_second(void **state)
{
	static struct placement_guest guests[MANY_GUESTS];
	static uint32_t places[MANY_GUESTS];
	uint64_t room[MANY_HOSTS], total = 0;
	clock_t begun;
	double took_s;

	(void)state;
	srand(1);
	for (size_t i = 0; i < MANY_GUESTS; i++) {
		guests[i] = (struct placement_guest){
			(uint64_t)(1 + rand() % 64) * GIB / 2,
			i % 10 ? 0 : (uint32_t)(1 + i / 1000), 0
		};
		total += guests[i].memory_bytes;
	}
	for (int percent = 101; percent >= 97; percent -= 4) {
		int left;

		for (size_t host = 0; host < MANY_HOSTS; host++)
			room[host] = total / MANY_HOSTS * (uint64_t)percent / 100;
		begun = clock();
		left = solve(room, MANY_HOSTS, guests, MANY_GUESTS, NULL, places);
		took_s = (double)(clock() - begun) / CLOCKS_PER_SEC;
		print_message("%d guests onto %d hosts with room for %d %%: %d left, %.3f s\n",
			      MANY_GUESTS, MANY_HOSTS, percent, left, took_s);
		assert_int_equal(left > 0, percent < 100);
		assert_true(took_s < 1); /* of this process, whatever else the machine does */
	}
}

/* ---- how far from the best ---- */

struct small {
	uint64_t room[SMALL_HOSTS];
	struct placement_guest guests[SMALL_GUESTS];
	uint32_t bits[SMALL_GUESTS];
};

/* Rooms for a little more or less than there is, some groups, some hosts that will not do. */
static void make_small(struct small *small)
{
	uint64_t total = 0;

	for (size_t i = 0; i < SMALL_GUESTS; i++) {
		small->guests[i] = (struct placement_guest){ (uint64_t)(1 + rand() % 16) * GIB,
							     rand() % 4 ? 0 : 1, 0 };
		small->bits[i] = rand() % 4 ? 7 : (uint32_t)(1 + rand() % 7);
		total += small->guests[i].memory_bytes;
	}
	for (size_t host = 0; host < SMALL_HOSTS; host++)
		small->room[host] = total * (uint64_t)(26 + rand() % 18) / 100;
}

static bool apart_there(const struct small *small, const uint32_t *places, size_t guest,
			uint32_t host)
{
	for (size_t i = 0; small->guests[guest].apart && i < guest; i++)
		if (places[i] == host && small->guests[i].apart == small->guests[guest].apart)
			return true;
	return false;
}

/* All possibilities: the most memory that can be placed from `guest` on. */
static uint64_t best_of(struct small *small, uint32_t *places, size_t guest)
{
	uint64_t memory, best;

	if (guest == SMALL_GUESTS)
		return 0;
	memory = small->guests[guest].memory_bytes;
	places[guest] = PLACEMENT_NONE;
	best = best_of(small, places, guest + 1);
	for (uint32_t host = 0; host < SMALL_HOSTS; host++) {
		uint64_t with;

		if (small->room[host] < memory || !(small->bits[guest] >> host & 1) ||
		    apart_there(small, places, guest, host))
			continue;
		places[guest] = host;
		small->room[host] -= memory;
		with = memory + best_of(small, places, guest + 1);
		small->room[host] += memory;
		best = with > best ? with : best;
	}
	return best;
}

static void it_is_near_the_best_on_small_pools(void **state)
{
	unsigned feasible = 0, found = 0;
	double share = 0;

	(void)state;
	srand(7);
	for (int round = 0; round < SMALL_ROUNDS; round++) {
		uint32_t places[SMALL_GUESTS], scratch[SMALL_GUESTS];
		uint64_t best, ours = 0, total = 0;
		struct small small;

		make_small(&small);
		(void)solve(small.room, SMALL_HOSTS, small.guests, SMALL_GUESTS, small.bits,
			    places);
		for (size_t i = 0; i < SMALL_GUESTS; i++) {
			total += small.guests[i].memory_bytes;
			if (places[i] != PLACEMENT_NONE)
				ours += small.guests[i].memory_bytes;
		}
		best = best_of(&small, scratch, 0);
		assert_true(ours <= best);
		feasible += best == total;
		found += ours == total;
		share += best ? (double)ours / (double)best : 1;
	}
	print_message("%u of the %u pools of %d that can take all do; of the memory that can be "
		      "placed at best, %.2f %% is\n", found, feasible, SMALL_ROUNDS,
		      100 * share / SMALL_ROUNDS);
	assert_true(found * 100 >= feasible * 98);
	assert_true(share >= 0.97 * SMALL_ROUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(guests_are_spread_where_there_is_room),
		cmocka_unit_test(what_is_full_by_spreading_is_packed),
		cmocka_unit_test(one_without_room_is_left_and_the_others_go),
		cmocka_unit_test(others_make_room),
		cmocka_unit_test(groups_are_kept_apart_and_together),
		cmocka_unit_test(a_group_that_is_to_be_both_has_no_place),
		cmocka_unit_test(a_host_that_a_guest_may_not_be_on_is_left_alone),
		cmocka_unit_test(nobody_and_nowhere_are_no_mistakes),
		cmocka_unit_test(ten_thousand_guests_are_planned_within_a_second),
		cmocka_unit_test(it_is_near_the_best_on_small_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
