/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What must be so of a guest that goes into a file, or comes out of one; and what it shares with
 * invariants.c.
 */
#ifndef XENFERRY_SIM_FILE_INVARIANTS_H
#define XENFERRY_SIM_FILE_INVARIANTS_H

#include <stdbool.h>

#include "sync.h"

struct world;

void file_invariants_hold(struct world *world);
void file_invariants_hold_at_end(struct world *world);

/* invariants.c, at the end of all: */
void nothing_is_left(struct world *world, enum side side);
void guest_has_all(struct world *world, enum side side);
void journal_is_closed(struct world *world, enum side side);
bool nothing_failed(const struct world *world);

#endif
