/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plan_maker.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TRIES 3000     /* changes that are tried; few pass the rules */
#define AT_ONCE_MAX 4  /* changes between two looks at the rules */

/* xorshift64*: what matters is that it is the same each time. */
static uint64_t roll(uint64_t *dice, uint64_t sides)
{
	*dice ^= *dice >> 12;
	*dice ^= *dice << 25;
	*dice ^= *dice >> 27;
	return (*dice * UINT64_C(2685821657736338717) >> 32) % sides;
}

/* A step goes elsewhere; the points stay with their rows. */
static void move_step(struct plan *plan, uint64_t *dice)
{
	size_t from = roll(dice, plan_count(plan)), to = roll(dice, plan_count(plan));
	const struct step *step = plan->rows[from].step;

	for (; from < to; from++)
		plan->rows[from].step = plan->rows[from + 1].step;
	for (; from > to; from--)
		plan->rows[from].step = plan->rows[from - 1].step;
	plan->rows[to].step = step;
}

/* A point goes one row up or down. */
static void move_point(struct plan *plan, uint64_t *dice)
{
	size_t row = roll(dice, plan_count(plan)), up = roll(dice, 2);
	size_t to = up ? row + 1 : row - 1;
	enum sync_point point = plan->rows[row].sync;

	if (to >= plan_count(plan) || plan->rows[to].sync != SYNC_NONE)
		return;
	plan->rows[row].sync = SYNC_NONE;
	plan->rows[to].sync = point;
}

static const struct step *any_step(uint64_t *dice)
{
	size_t count = 0;

	while (plan_step_at(count))
		count++;
	return plan_step_at(roll(dice, count));
}

static void add_step(struct plan *plan, uint64_t *dice)
{
	size_t count = plan_count(plan), row = roll(dice, count);

	if (count == PLAN_ROWS_MAX)
		return;
	memmove(&plan->rows[row + 1], &plan->rows[row], (count - row) * sizeof(plan->rows[0]));
	plan->rows[row] = (struct plan_row){ any_step(dice), SYNC_NONE };
	plan->rows[count + 1] = (struct plan_row){ NULL, SYNC_NONE };
}

static void drop_step(struct plan *plan, uint64_t *dice)
{
	size_t count = plan_count(plan), row = roll(dice, count);

	if (plan->rows[row].sync == SYNC_NONE)
		memmove(&plan->rows[row], &plan->rows[row + 1],
			(count - row) * sizeof(plan->rows[0]));
}

static void change_step(struct plan *plan, uint64_t *dice)
{
	plan->rows[roll(dice, plan_count(plan))].step = any_step(dice);
}

void plan_make(uint64_t seed, struct plan *plan)
{
	static void (*const changes[])(struct plan *plan, uint64_t *dice) = {
		move_step, move_step, move_point, add_step, drop_step, change_step,
	};
	uint64_t dice = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
	size_t plans = 0;

	while (plan_at(plans))
		plans++;
	*plan = *plan_at(roll(&dice, plans));
	for (int i = 0; i < TRIES; i++) {
		struct plan next = *plan;

		for (uint64_t left = 1 + roll(&dice, AT_ONCE_MAX); left > 0; left--)
			changes[roll(&dice, sizeof(changes) / sizeof(changes[0]))](&next, &dice);
		if (plan_check(&next, NULL) == 0)
			*plan = next;
	}
	snprintf(plan->name, sizeof(plan->name), "any-%" PRIu64, seed);
	snprintf(plan->summary, sizeof(plan->summary), "made at random");
}
