/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a process of xenferry-worker does in the simulated world: agent/worker.c and
 * agent/recover_job.c with the world's tables in place of sockets and files.
 */
#ifndef XENFERRY_SIM_WORKER_H
#define XENFERRY_SIM_WORKER_H

#include "world.h"

/* A worker that is going to be started when the run begins. */
void worker_init(struct process *process, struct world *world, enum side side);
/* Its main: a migration, or, after the first has gone, a recovery. */
void worker_run(void *process);

#endif
