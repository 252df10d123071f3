/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Plans that nobody thought of: a random walk from a built-in plan, by steps and points that move,
 * come, go and change places, through those that pass the rules. If one of them does harm under
 * some fault, the rules do not suffice.
 */
#ifndef XENFERRY_SIM_PLAN_MAKER_H
#define XENFERRY_SIM_PLAN_MAKER_H

#include <stdint.h>

#include "plan.h"

/* The plan of that seed, called "any-SEED"; the same each time. */
void plan_make(uint64_t seed, struct plan *plan);

#endif
