/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mutants.h"

#include <stdio.h>
#include <string.h>

#include "journal.h"

static void copy_plan(struct mutant *mutant, const struct plan *plan)
{
	*mutant = (struct mutant){ .plan = *plan, .faults = 1 };
	for (size_t row = 0; plan->rows[row].step; row++) {
		mutant->steps[row] = *plan->rows[row].step;
		mutant->plan.rows[row].step = &mutant->steps[row];
	}
}

static bool has_file(const struct plan *plan)
{
	return plan_row_with(plan, STEP_FILES) < plan_count(plan);
}

/* With a file in the peer's place the one side that there is has the step that begins with it. */
static bool works(const struct plan *plan, enum side side)
{
	return !has_file(plan) || plan->rows[0].step->run[side];
}

/* Each undo in turn. */
static bool drop_undo(struct mutant *mutant, size_t *index)
{
	for (size_t row = 0; mutant->plan.rows[row].step; row++)
		for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
			struct step *step = &mutant->steps[row];

			if (!step->undo[side] || !works(&mutant->plan, side) || (*index)-- > 0)
				continue;
			step->undo[side] = NULL;
			snprintf(mutant->name, sizeof(mutant->name), "no-undo-of-%s-at-%s",
				 step->name, side_name(side));
			return true;
		}
	return false;
}

/* Lines that recovery or the peer rely on; a row's own line is one when it is durable. */
static bool drop_line(struct mutant *mutant, size_t *index)
{
	static const struct {
		enum journal_event event;
		const char *name;
		bool for_peer; /* it says something to the other side */
	} lines[] = {
		{ JOURNAL_BEGIN, "no-begin", false },
		{ JOURNAL_STEP, "no-step", false },
		{ JOURNAL_TAKEN, "no-taken", false },
		{ JOURNAL_UNDONE, "no-undone", false },
		{ JOURNAL_DONE, "no-done", false },
		{ JOURNAL_RELEASED, "no-released", true },
		{ JOURNAL_TAKEN_BACK, "no-taken-back", true },
		{ JOURNAL_NEVER, "no-never", true },
		{ JOURNAL_RESOLVED_SOURCE, "no-resolved-source", true },
	};
	size_t count = sizeof(lines) / sizeof(lines[0]);

	while (has_file(&mutant->plan) && lines[count - 1].for_peer)
		count--;
	if (*index >= count) {
		*index -= count;
		return false;
	}
	mutant->journal_gaps = 1u << lines[*index].event;
	if (lines[*index].event == JOURNAL_RESOLVED_SOURCE)
		mutant->faults = 2; /* its answer is lost, and then it does not run the guest */
	snprintf(mutant->name, sizeof(mutant->name), "%s", lines[*index].name);
	return true;
}

/* The step with `trait` goes to row `to`; the points stay where they are. */
static void move_step(struct mutant *mutant, unsigned trait, size_t to)
{
	struct plan_row *rows = mutant->plan.rows;
	size_t row = plan_row_with(&mutant->plan, trait);

	for (; row > to; row--) {
		const struct step *step = rows[row].step;

		rows[row].step = rows[row - 1].step;
		rows[row - 1].step = step;
	}
}

/* A step that does nothing on either side. */
static void empty_step(struct mutant *mutant, unsigned trait)
{
	struct step *step = &mutant->steps[plan_row_with(&mutant->plan, trait)];

	step->run[SIDE_SOURCE] = step->run[SIDE_TARGET] = NULL;
}

static void unpause_early(struct mutant *mutant)
{
	move_step(mutant, STEP_UNPAUSES, plan_row_at(&mutant->plan, SYNC_SP3));
}

static void destroy_early(struct mutant *mutant)
{
	move_step(mutant, STEP_DESTROYS, plan_row_at(&mutant->plan, SYNC_SP3));
}

static void do_not_drain(struct mutant *mutant)
{
	empty_step(mutant, STEP_DRAINS);
}

static void do_not_finish(struct mutant *mutant)
{
	size_t row = plan_row_with(&mutant->plan, STEP_PUBLISHES);

	while (strcmp(mutant->steps[row].name, "finish-file") != 0)
		row--;
	mutant->steps[row].run[SIDE_SOURCE] = NULL;
}

static void be_hasty(struct mutant *mutant)
{
	mutant->hasty = true;
}

/* Those of plans with these traits, and of these with a file or without. */
static bool misplan(struct mutant *mutant, size_t index)
{
	static const struct {
		const char *name;
		unsigned traits[2];
		bool peer, file;
		void (*make)(struct mutant *mutant);
	} mistakes[] = {
		{ "unpause-before-commit", { STEP_UNPAUSES, STEP_UNPAUSES }, true, true,
		  unpause_early },
		{ "destroy-before-running", { STEP_DESTROYS, STEP_DESTROYS }, true, true,
		  destroy_early },
		/* a guest that goes on at once has its own requests done */
		{ "no-drain", { STEP_DRAINS, STEP_DESTROYS }, true, true, do_not_drain },
		{ "unfinished-file", { STEP_PUBLISHES, STEP_PUBLISHES }, false, true,
		  do_not_finish },
		{ "hasty-never", { STEP_UNPAUSES, STEP_UNPAUSES }, true, false, be_hasty },
	};
	const struct plan *plan = &mutant->plan;

	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		bool known = has_file(plan) ? mistakes[i].file : mistakes[i].peer;

		for (size_t t = 0; t < 2; t++)
			known &= plan_row_with(plan, mistakes[i].traits[t]) < plan_count(plan);
		if (!known || index-- > 0)
			continue;
		snprintf(mutant->name, sizeof(mutant->name), "%s", mistakes[i].name);
		mistakes[i].make(mutant);
		return true;
	}
	return false;
}

bool mutant_make(struct mutant *mutant, const struct plan *plan, size_t index)
{
	copy_plan(mutant, plan);
	return drop_undo(mutant, &index) || drop_line(mutant, &index) || misplan(mutant, index);
}
