/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be told of a plan from its rows alone. */
#include "plan.h"

#include <assert.h>

const char *phase_name(enum phase phase)
{
	static const char *const names[] = {
		[PHASE_PREPARE] = "PREPARE",   [PHASE_COPY] = "COPY", [PHASE_BLACKOUT] = "BLACKOUT",
		[PHASE_COMMIT] = "COMMIT",     [PHASE_RUN] = "RUN",   [PHASE_CLEAN] = "CLEAN",
	};

	assert(phase <= PHASE_CLEAN);
	return names[phase];
}

size_t plan_count(const struct plan *plan)
{
	size_t count = 0;

	while (plan->rows[count].step)
		count++;
	return count;
}

size_t plan_row_with(const struct plan *plan, unsigned traits)
{
	size_t row = 0;

	while (plan->rows[row].step && !(plan->rows[row].step->traits & traits))
		row++;
	return row;
}

size_t plan_row_at(const struct plan *plan, enum sync_point point)
{
	size_t row = 0;

	while (plan->rows[row].step && plan->rows[row].sync != point)
		row++;
	return row;
}

enum phase plan_phase(const struct plan *plan, size_t row)
{
	if (row < plan_row_with(plan, STEP_COPIES))
		return PHASE_PREPARE;
	if (row < plan_row_with(plan, STEP_SUSPENDS))
		return PHASE_COPY;
	if (row < plan_row_at(plan, SYNC_SP3))
		return PHASE_BLACKOUT;
	if (row == plan_row_at(plan, SYNC_SP3))
		return PHASE_COMMIT;
	if (row <= plan_row_at(plan, SYNC_SP4))
		return PHASE_RUN;
	return PHASE_CLEAN;
}

bool plan_attaches_late(const struct plan *plan)
{
	return plan->rows[plan_row_with(plan, STEP_PLUGS_LATE)].step &&
	       plan->rows[plan_row_with(plan, STEP_CLOSES_DISKS)].step;
}

/* ---- for people ---- */

bool plan_in_blackout(const struct plan *plan, size_t row)
{
	return row >= plan_row_with(plan, STEP_SUSPENDS) &&
	       row <= plan_row_with(plan, STEP_UNPAUSES);
}

/* What a source has to do before its guest can go on, once row `row` was begun. */
static const char *way_back(const struct plan *plan, size_t row)
{
	bool disks = row >= plan_row_with(plan, STEP_CLOSES_DISKS);
	bool vifs = row >= plan_row_with(plan, STEP_CLOSES_VIFS);

	if (disks && vifs)
		return "the source plugs disks and VIFs again, then the guest resumes";
	if (disks)
		return "the source plugs the disks again, then the guest resumes";
	if (vifs)
		return "the source plugs the VIFs again, then the guest resumes";
	return "the guest resumes at once";
}

const char *plan_cost(const struct plan *plan, size_t row)
{
	size_t commit = plan_row_at(plan, SYNC_SP3);

	if (row < plan_row_with(plan, STEP_SUSPENDS))
		return "nothing: the guest never stopped";
	return row > commit ? "nothing is undone: it goes forward from there"
			    : way_back(plan, row);
}

const char *plan_cost_at(const struct plan *plan, enum sync_point point)
{
	if (point == SYNC_SP3)
		return "doubt: the guest stays suspended until the target says whether it took it";
	if (point == SYNC_SP4)
		return "doubt: the source keeps its copy until the target says that the guest runs";
	return plan_cost(plan, plan_row_at(plan, point));
}

const char *plan_needs(const struct plan *plan)
{
	if (plan_row_with(plan, STEP_CLOSES) == plan_count(plan))
		return NULL;
	return "any guest can be plugged again, for it takes no part; the source's blkback and "
	       "netback have to, which Linux's can from 5.6 on: under an older one it stays "
	       "suspended";
}

const char *plan_after_failure(const struct plan *plan)
{
	return way_back(plan, plan_row_at(plan, SYNC_SP3));
}
