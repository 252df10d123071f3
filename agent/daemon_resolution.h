/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The operator's word in a doubt: what may be said, and where the job's worker finds it.
 */
#ifndef XENFERRY_DAEMON_RESOLUTION_H
#define XENFERRY_DAEMON_RESOLUTION_H

#include "daemon_jobs.h"

/*
 * Answers a doubt, for an operator who has fenced the other host: the guest is the "source"'s or
 * the "target"'s. ERR_REFUSED where there is no doubt, or where this host knows better.
 */
int resolution_take(struct jobs *jobs, const char *uuid, const char *outcome, struct err *err);

#endif
