/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Works a plan off, row by row, and takes it back when a row fails before commit.
 */
#ifndef XENFERRY_RUNNER_H
#define XENFERRY_RUNNER_H

#include "migration.h"

/*
 * Runs this side of the plan from row `first`. Returns
 *   0        done
 *   -errno   failed and undone: the guest runs at the source (err->code says which kind)
 * and, after commit, ERR_IN_DOUBT (source: the target cannot be asked before the deadline of the
 * doubt) or ERR_LOST (target: the guest cannot be unpaused).
 */
int plan_run(struct migration *migration, size_t first, struct err *err);

/*
 * Undoes this side from row `last` back to the first, the failed row included. Tries an undo that
 * fails again, then goes on, and returns the first such failure.
 */
int plan_undo(struct migration *migration, size_t last, struct err *err);

/* Target: makes durable that it never will run the guest; tries more than once. */
int plan_note_never(struct migration *migration, struct err *err);

#endif
