/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job whose worker died: its journal says how far it had come, and the plan's own loop ends it.
 */
#ifndef XENFERRY_RECOVER_H
#define XENFERRY_RECOVER_H

#include "migration.h"

/*
 * Settles the job that `state` tells of: undoes it when it was not committed, goes forward when it
 * was, asks the target when only that one knows. `guest_bytes` is the description that the journal
 * kept (NULL: none). Of `m` the side, the plan and the tables are set, and there is no link.
 *
 * 0: the guest has moved; else as plan_run(), and ERR_IN_DOUBT also when something could not be
 * done that has to be done: recover it again.
 */
int recover_run(struct migration *m, const struct journal_state *state, const void *guest_bytes,
		size_t guest_size, struct err *err);

/* What a target's journal says to a source that asks who owns the guest. */
enum outcome recover_outcome(const struct journal_state *state);

#endif
