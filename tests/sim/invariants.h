/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must hold: after every event, when a worker ends, and when all is over. What does not is a
 * violation of the run.
 */
#ifndef XENFERRY_SIM_INVARIANTS_H
#define XENFERRY_SIM_INVARIANTS_H

struct process;
struct world;

void invariants_hold(struct world *world);
/* A worker ends of itself and has said how the job stands. */
void invariants_hold_at_exit(struct process *process);
void invariants_hold_at_end(struct world *world);

#endif
