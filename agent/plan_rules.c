/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules that every plan has to pass, one function each, with the sentence it prints when
 * broken. They look at what steps do (traits), never at their names.
 */
#include "plan.h"

#include <errno.h>
#include <stddef.h>

typedef bool rule_fn(const struct plan *plan);

static bool before(const struct plan *plan, unsigned first, unsigned second)
{
	return plan_row_with(plan, first) < plan_row_with(plan, second);
}

static bool has(const struct plan *plan, unsigned traits)
{
	return plan_row_with(plan, traits) < plan_count(plan);
}

static bool points_in_order(const struct plan *plan)
{
	enum sync_point due = SYNC_SP0;

	for (size_t row = 0; plan->rows[row].step; row++) {
		if (plan->rows[row].sync == SYNC_NONE)
			continue;
		if (plan->rows[row].sync != due)
			return false;
		due++;
	}
	return due == SYNC_POINTS;
}

static bool no_step_twice(const struct plan *plan)
{
	for (size_t row = 0; plan->rows[row].step; row++)
		for (size_t earlier = 0; earlier < row; earlier++)
			if (plan->rows[earlier].step == plan->rows[row].step)
				return false;
	return true;
}

static bool whole(const struct plan *plan)
{
	return has(plan, STEP_DESCRIBES) && has(plan, STEP_CREATES) && has(plan, STEP_COPIES) &&
	       has(plan, STEP_SUSPENDS) && has(plan, STEP_FINISHES_COPY) &&
	       has(plan, STEP_INTRODUCES) && has(plan, STEP_UNPAUSES) && has(plan, STEP_DESTROYS) &&
	       has(plan, STEP_PLUGS_VIFS) && has(plan, STEP_PLUGS_EARLY | STEP_PLUGS_LATE);
}

static bool copy_in_order(const struct plan *plan)
{
	return plan_row_with(plan, STEP_DESCRIBES) == plan_row_at(plan, SYNC_SP0) &&
	       plan_row_at(plan, SYNC_SP0) < plan_row_with(plan, STEP_CREATES) &&
	       plan_row_with(plan, STEP_CREATES) <= plan_row_at(plan, SYNC_SP1) &&
	       plan_row_at(plan, SYNC_SP1) < plan_row_with(plan, STEP_COPIES) &&
	       before(plan, STEP_COPIES, STEP_SUSPENDS) &&
	       before(plan, STEP_SUSPENDS, STEP_FINISHES_COPY) &&
	       before(plan, STEP_FINISHES_COPY, STEP_INTRODUCES) &&
	       plan_row_with(plan, STEP_INTRODUCES) <= plan_row_at(plan, SYNC_SP2);
}

static bool unpause_after_commit(const struct plan *plan)
{
	return plan_row_with(plan, STEP_UNPAUSES) > plan_row_at(plan, SYNC_SP3);
}

static bool disks_after_drain(const struct plan *plan)
{
	size_t drained = plan_row_with(plan, STEP_DRAINS);

	return plan_row_with(plan, STEP_SUSPENDS) < drained &&
	       drained < plan_row_at(plan, SYNC_SP3);
}

static bool late_disks_after_release(const struct plan *plan)
{
	return !has(plan, STEP_PLUGS_LATE) ||
	       plan_row_with(plan, STEP_PLUGS_LATE) > plan_row_at(plan, SYNC_SP3);
}

static bool destroy_after_running(const struct plan *plan)
{
	return plan_row_with(plan, STEP_DESTROYS) > plan_row_at(plan, SYNC_SP4);
}

static bool closing_has_undo(const struct plan *plan)
{
	const struct step *closes = plan->rows[plan_row_with(plan, STEP_CLOSES_DISKS)].step;

	return !closes || (closes->undo[SIDE_SOURCE] && plan->after_failure);
}

static bool blackout_is_bare(const struct plan *plan)
{
	size_t unpause = plan_row_with(plan, STEP_UNPAUSES);

	for (size_t row = plan_row_with(plan, STEP_SUSPENDS); row <= unpause; row++) {
		unsigned traits = plan->rows[row].step->traits;
		bool late_device = traits & (STEP_PLUGS_LATE | STEP_PLUGS_VIFS);

		if (traits & STEP_RUNS_SCRIPTS && !(late_device && has(plan, STEP_PLUGS_LATE)))
			return false;
	}
	return true;
}

static const struct {
	rule_fn *holds;
	const char *sentence;
} rules[] = {
	{ points_in_order, "the sides meet at SP0, SP1, SP2, SP3, SP4 and SP5, each once and in this order" },
	{ no_step_twice, "a step stands in a plan once" },
	{ whole, "a plan describes, creates, plugs disks and VIFs, copies, suspends, finishes the copy, introduces, unpauses and tears down" },
	{ copy_in_order, "the guest is described for SP0, created by SP1, then copied, suspended, finished and introduced, in this order, by SP2" },
	{ unpause_after_commit, "the target never unpauses before the commit record is durable (SP3)" },
	{ disks_after_drain, "the source's disks are drained or closed between suspend and SP3" },
	{ late_disks_after_release, "disks that are plugged late are plugged after SP3" },
	{ destroy_after_running, "the source destroys nothing before SP4" },
	{ closing_has_undo, "a step that keeps the source from resuming at once comes with its undo, and the plan says what that costs" },
	{ blackout_is_bare, "between suspend and unpause no script runs, unless the plan attaches that device late" },
};

int plan_check(const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!rules[i].holds(plan))
			return err_set(err, ERR_USAGE, -EINVAL, "plan %s breaks a rule: %s",
				       plan->name, rules[i].sentence);
	return 0;
}
