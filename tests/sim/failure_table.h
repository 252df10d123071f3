/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What comes of each fault in each step, as the docs show it: made from all runs with one fault.
 */
#ifndef XENFERRY_SIM_FAILURE_TABLE_H
#define XENFERRY_SIM_FAILURE_TABLE_H

#include "world.h"

/* Prints it as Markdown. 0, or 1 when a run violated something. */
int failure_table(struct world *world, struct chooser *chooser);

#endif
