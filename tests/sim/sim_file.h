/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The file that a guest goes into, or comes out of (struct saved_file_ops), and that stands in the
 * peer's place then.
 */
#ifndef XENFERRY_SIM_FILE_H
#define XENFERRY_SIM_FILE_H

#include <stdbool.h>

#include "peer.h"
#include "saved_file.h"

struct world;
struct process;

struct sim_file {
	bool in_use;             /* the plan has a file in the peer's place */
	bool part, whole, named; /* it is there, under its first name; durable; under its own */
	bool name_durable;
};

extern const struct saved_file_ops sim_file_ops;
extern const struct peer_ops sim_file_peer_ops;

/* For the plan that the world is about to run. */
void sim_file_init(struct world *world);
/* What was not durable is as it was before. */
void sim_file_reset(struct world *world);
/* The worker's own, for its migration. */
struct saved_file sim_file_of(struct process *process);

/* The guest is in a file that will be found. */
bool sim_file_has_guest(const struct world *world);
/* The plan is the one of this name. */
bool sim_file_plan_is(const struct world *world, const char *name);

#endif
