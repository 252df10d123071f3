/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job whose worker died: its journal says how far it had come, and the plan's own loop ends it.
 */
#ifndef XENFERRY_RECOVER_H
#define XENFERRY_RECOVER_H

#include "worker.h"

/*
 * Settles `work`'s job: undoes it when it was not committed, goes forward when it was, asks the
 * target when only that one knows. 0: the guest has moved; else as plan_run().
 */
int recover_job(struct work *work, struct err *err);

#endif
