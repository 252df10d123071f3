/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mutants.h"

#include <stdio.h>

#include "journal.h"

static void copy_plan(struct mutant *mutant, const struct plan *plan)
{
	*mutant = (struct mutant){ .plan = *plan, .faults = 1 };
	for (size_t row = 0; plan->rows[row].step; row++) {
		mutant->steps[row] = *plan->rows[row].step;
		mutant->plan.rows[row].step = &mutant->steps[row];
	}
}

/* Each undo in turn. */
static bool drop_undo(struct mutant *mutant, size_t *index)
{
	for (size_t row = 0; mutant->plan.rows[row].step; row++)
		for (enum side side = SIDE_SOURCE; side <= SIDE_TARGET; side++) {
			struct step *step = &mutant->steps[row];

			if (!step->undo[side] || (*index)-- > 0)
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
	} lines[] = {
		{ JOURNAL_BEGIN, "no-begin" },       { JOURNAL_STEP, "no-step" },
		{ JOURNAL_RELEASED, "no-released" }, { JOURNAL_TAKEN_BACK, "no-taken-back" },
		{ JOURNAL_TAKEN, "no-taken" },       { JOURNAL_NEVER, "no-never" },
		{ JOURNAL_UNDONE, "no-undone" },     { JOURNAL_DONE, "no-done" },
		{ JOURNAL_RESOLVED_SOURCE, "no-resolved-source" },
	};

	if (*index >= sizeof(lines) / sizeof(lines[0])) {
		*index -= sizeof(lines) / sizeof(lines[0]);
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

static bool misplan(struct mutant *mutant, size_t index)
{
	static const char *const names[] = { "unpause-before-commit", "destroy-before-running",
					     "no-drain", "hasty-never" };
	const struct plan *plan = &mutant->plan;

	if (index >= sizeof(names) / sizeof(names[0]))
		return false;
	snprintf(mutant->name, sizeof(mutant->name), "%s", names[index]);
	switch (index) {
	case 0:
		move_step(mutant, STEP_UNPAUSES, plan_row_at(plan, SYNC_SP3));
		break;
	case 1:
		move_step(mutant, STEP_DESTROYS, plan_row_at(plan, SYNC_SP3));
		break;
	case 2:
		empty_step(mutant, STEP_DRAINS);
		break;
	default:
		mutant->hasty = true;
	}
	return true;
}

bool mutant_make(struct mutant *mutant, const struct plan *plan, size_t index)
{
	copy_plan(mutant, plan);
	return drop_undo(mutant, &index) || drop_line(mutant, &index) || misplan(mutant, index);
}
