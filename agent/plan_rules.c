/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The rules that every plan has to pass, one function each, with the sentence it prints when
 * broken. They look at what steps do (traits), never at their names.
 */
#include "plan.h"

#include <errno.h>
#include <stddef.h>

typedef bool rule_fn(const struct plan *plan);

static size_t at(const struct plan *plan, unsigned traits)
{
	return plan_row_with(plan, traits);
}

static bool has(const struct plan *plan, unsigned traits)
{
	return at(plan, traits) < plan_count(plan);
}

static size_t count(const struct plan *plan, unsigned traits)
{
	size_t found = 0;

	for (size_t row = 0; plan->rows[row].step; row++)
		found += (plan->rows[row].step->traits & traits) != 0;
	return found;
}

/* Every row with `traits` comes after row `first`. */
static bool all_after(const struct plan *plan, unsigned traits, size_t first)
{
	return at(plan, traits) > first;
}

/* Every row with `traits` comes before row `end`. */
static bool all_before(const struct plan *plan, unsigned traits, size_t end)
{
	for (size_t row = end; row < plan_count(plan); row++)
		if (plan->rows[row].step->traits & traits)
			return false;
	return true;
}

/* ---- a plan at all ---- */

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

static bool ends_with_last_point(const struct plan *plan)
{
	return plan_row_at(plan, SYNC_SP5) + 1 == plan_count(plan);
}

static bool no_step_twice(const struct plan *plan)
{
	for (size_t row = 0; plan->rows[row].step; row++)
		for (size_t earlier = 0; earlier < row; earlier++)
			if (plan->rows[earlier].step == plan->rows[row].step)
				return false;
	return true;
}

static bool no_files(const struct plan *plan)
{
	return !has(plan, STEP_FILES);
}

static bool whole(const struct plan *plan)
{
	return has(plan, STEP_DESCRIBES) && has(plan, STEP_CREATES) && has(plan, STEP_WATCHES) &&
	       has(plan, STEP_COPIES) && has(plan, STEP_SUSPENDS) &&
	       has(plan, STEP_FINISHES_COPY) && has(plan, STEP_DRAINS) &&
	       has(plan, STEP_RELEASES) && has(plan, STEP_INTRODUCES) &&
	       has(plan, STEP_UNPAUSES) && has(plan, STEP_SETTLES) && has(plan, STEP_DESTROYS);
}

static bool each_kind_plugged_once(const struct plan *plan)
{
	return count(plan, STEP_PLUGS_EARLY | STEP_PLUGS_LATE) == 1 &&
	       count(plan, STEP_PLUGS_VIFS) == 1;
}

/* ---- memory ---- */

static bool copy_in_order(const struct plan *plan)
{
	return at(plan, STEP_DESCRIBES) == 0 && plan_row_at(plan, SYNC_SP0) == 0 &&
	       at(plan, STEP_CREATES) <= plan_row_at(plan, SYNC_SP1) &&
	       plan_row_at(plan, SYNC_SP1) < at(plan, STEP_COPIES) &&
	       at(plan, STEP_COPIES) < at(plan, STEP_SUSPENDS) &&
	       at(plan, STEP_SUSPENDS) < at(plan, STEP_FINISHES_COPY) &&
	       at(plan, STEP_FINISHES_COPY) < at(plan, STEP_INTRODUCES) &&
	       at(plan, STEP_INTRODUCES) <= plan_row_at(plan, SYNC_SP2);
}

static bool target_creates_first(const struct plan *plan)
{
	for (size_t row = 0; row < at(plan, STEP_CREATES); row++) {
		const struct step *step = plan->rows[row].step;

		if (step->run[SIDE_TARGET] && !(step->traits & STEP_ASKS_HOOKS))
			return false;
	}
	return true;
}

/* ---- who owns the guest ---- */

static bool release_is_written(const struct plan *plan)
{
	return at(plan, STEP_SUSPENDS) < at(plan, STEP_RELEASES) &&
	       at(plan, STEP_RELEASES) <= plan_row_at(plan, SYNC_SP3);
}

static bool unpause_after_commit(const struct plan *plan)
{
	return at(plan, STEP_UNPAUSES) > plan_row_at(plan, SYNC_SP3);
}

static bool running_when_said(const struct plan *plan)
{
	return at(plan, STEP_UNPAUSES) <= plan_row_at(plan, SYNC_SP4);
}

static bool destroy_after_running(const struct plan *plan)
{
	return at(plan, STEP_DESTROYS) > plan_row_at(plan, SYNC_SP4);
}

/* ---- devices ---- */

static bool disks_after_drain(const struct plan *plan)
{
	size_t released = plan_row_at(plan, SYNC_SP3);

	return at(plan, STEP_WATCHES) < at(plan, STEP_SUSPENDS) &&
	       at(plan, STEP_SUSPENDS) < at(plan, STEP_DRAINS) &&
	       at(plan, STEP_DRAINS) <= released;
}

static bool close_after_drain(const struct plan *plan)
{
	size_t released = plan_row_at(plan, SYNC_SP3);

	return all_after(plan, STEP_CLOSES_DISKS, at(plan, STEP_DRAINS)) &&
	       all_after(plan, STEP_CLOSES_VIFS, at(plan, STEP_SUSPENDS)) &&
	       all_before(plan, STEP_CLOSES, released + 1);
}

/* All that changes devices before the commit can be taken back. */
static bool devices_have_undo(const struct plan *plan)
{
	const unsigned plugs = STEP_PLUGS_EARLY | STEP_PLUGS_LATE | STEP_PLUGS_VIFS;

	for (size_t row = 0; row <= plan_row_at(plan, SYNC_SP3); row++) {
		const struct step *step = plan->rows[row].step;

		if ((step->traits & STEP_CLOSES && !step->undo[SIDE_SOURCE]) ||
		    (step->traits & plugs && !step->undo[SIDE_TARGET]))
			return false;
	}
	return true;
}

static bool late_disks_after_release(const struct plan *plan)
{
	return all_after(plan, STEP_PLUGS_LATE, plan_row_at(plan, SYNC_SP3));
}

static bool plugged_before_unpause(const struct plan *plan)
{
	return all_before(plan, STEP_PLUGS_EARLY | STEP_PLUGS_LATE | STEP_PLUGS_VIFS,
			  at(plan, STEP_UNPAUSES));
}

static bool holds_what_it_lets_go(const struct plan *plan)
{
	if (!has(plan, STEP_HOLDS | STEP_LETS_CONNECT))
		return true;
	return has(plan, STEP_HOLDS) && has(plan, STEP_LETS_CONNECT) &&
	       at(plan, STEP_PLUGS_EARLY) < at(plan, STEP_HOLDS) &&
	       at(plan, STEP_HOLDS) < at(plan, STEP_COPIES);
}

/* ---- the blackout ---- */

static bool after_unpause(const struct plan *plan)
{
	return all_after(plan, STEP_NEEDS_RUNNING, at(plan, STEP_UNPAUSES));
}

/* A device's script may run there when it is attached there, or closed to be attached there. */
static bool is_late_device(const struct plan *plan, unsigned traits)
{
	bool vifs_late = at(plan, STEP_PLUGS_VIFS) > at(plan, STEP_SUSPENDS);

	return traits & STEP_PLUGS_LATE ||
	       (traits & STEP_CLOSES_DISKS && has(plan, STEP_PLUGS_LATE)) ||
	       (traits & STEP_PLUGS_VIFS && !(traits & STEP_PLUGS_EARLY) &&
		has(plan, STEP_PLUGS_LATE)) ||
	       (traits & STEP_CLOSES_VIFS && vifs_late);
}

/* From the copy on: a target goes on from there only when the last page has come. */
static bool blackout_is_bare(const struct plan *plan)
{
	for (size_t row = at(plan, STEP_COPIES) + 1; row <= at(plan, STEP_UNPAUSES); row++) {
		unsigned traits = plan->rows[row].step->traits;

		if (traits & STEP_RUNS_SCRIPTS && !is_late_device(plan, traits))
			return false;
	}
	return true;
}

/* ---- hooks ---- */

/* A target that is asked after SP1 may be asked while the guest stands still already. */
static bool asked_before_the_copy(const struct plan *plan)
{
	return all_before(plan, STEP_ASKS_HOOKS, plan_row_at(plan, SYNC_SP1) + 1);
}

static bool told_when_it_is_so(const struct plan *plan)
{
	return all_after(plan, STEP_TELLS_MOVED, plan_row_at(plan, SYNC_SP4)) &&
	       all_before(plan, STEP_TELLS_MOVED, at(plan, STEP_DESTROYS)) &&
	       all_after(plan, STEP_TELLS_GONE, at(plan, STEP_DESTROYS));
}

static const struct {
	rule_fn *holds;
	const char *sentence;
} rules[] = {
	{ points_in_order, "the sides meet at SP0, SP1, SP2, SP3, SP4 and SP5, each once and in this order" },
	{ ends_with_last_point, "SP5 is met after the last step: nobody knows the job any more after it" },
	{ no_step_twice, "a step stands in a plan once" },
	{ no_files, "steps of files are for vm-suspend, vm-resume and vm-checkpoint alone" },
	{ whole, "a plan describes, creates, watches, copies, suspends, finishes the copy, drains, writes its release, introduces, unpauses, settles and tears down" },
	{ each_kind_plugged_once, "the target plugs the disks by one step, and the VIFs by one" },
	{ copy_in_order, "the guest is described for SP0, created by SP1, then copied, suspended, finished and introduced, in this order, by SP2" },
	{ target_creates_first, "the target does nothing for a guest before its domain is created, but ask hooks" },
	{ release_is_written, "the source writes its release down between suspend and SP3" },
	{ unpause_after_commit, "the target never unpauses before the commit record is durable (SP3)" },
	{ running_when_said, "the guest is unpaused by SP4, which says that it runs" },
	{ destroy_after_running, "the source destroys nothing before SP4" },
	{ disks_after_drain, "the source's disks are watched before the suspend, and drained between suspend and SP3" },
	{ close_after_drain, "the source closes disks that are drained, and VIFs of a suspended guest, by SP3" },
	{ late_disks_after_release, "disks that are plugged late are plugged after SP3" },
	{ plugged_before_unpause, "the guest has its disks and VIFs before it is unpaused" },
	{ devices_have_undo, "a step that plugs or closes devices before SP3 is one that can be taken back" },
	{ blackout_is_bare, "between the copy and the unpause no script runs, unless the plan attaches that device late" },
	{ holds_what_it_lets_go, "disks are held back where they were plugged before the copy, and let go again" },
	{ asked_before_the_copy, "hooks that may say no are asked by SP1, never in the blackout" },
	{ told_when_it_is_so, "hooks are told of the guest's move after SP4, of the source's end when it is torn down" },
	{ after_unpause, "what needs the running guest comes after its unpause" },
};

int plan_check(const struct plan *plan, struct err *err)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if (!rules[i].holds(plan))
			return err_set(err, ERR_USAGE, -EINVAL, "plan %s breaks a rule: %s",
				       plan->name, rules[i].sentence);
	return 0;
}
