/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Planted mistakes, which the simulator has to find: of a plan without one of its undos, with its
 * steps in another order, of a journal without one of its lines.
 */
#ifndef XENFERRY_SIM_MUTANTS_H
#define XENFERRY_SIM_MUTANTS_H

#include "plan.h"

#define MUTANT_NAME_MAX 80

/* A plan of one's own, to be changed. */
struct mutant {
	char name[MUTANT_NAME_MAX];
	struct plan plan;
	struct step steps[PLAN_ROWS_MAX];
	unsigned journal_gaps; /* bits of events that are not written */
	bool hasty;            /* a target that has not decided says never */
	unsigned faults;       /* so many have to come together for it to be found */
};

/* The `index`th mutant of `plan`; false when there are no more. */
bool mutant_make(struct mutant *mutant, const struct plan *plan, size_t index);

#endif
