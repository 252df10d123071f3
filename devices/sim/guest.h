/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest on one host: the processor that runs the program in a domain's memory, for as long as
 * the domain is there. It starts or goes on with what it finds in memory and in the processor's
 * state (sim_context_get()), and keeps nothing else from one domain to the next.
 */
#ifndef XENFERRY_SIM_GUEST_H
#define XENFERRY_SIM_GUEST_H

#include <stdint.h>

#include "clock.h"
#include "err.h"

struct sim_host;

struct guest_options {
	uint64_t dirty_pages_per_s;
	uint64_t working_set_pages; /* that are dirtied */
	uint64_t queue_depth;       /* requests in flight to a disk */
	uint64_t blocks_per_s;      /* requests to a disk */
	uint64_t suspend_cost_us;   /* from the request's acknowledgement until it stops */
	uint64_t resume_cost_us;    /* before each device's frontend connects anew */
	const char *lease_folder;   /* of all hosts: a lock for each guest that runs */
	const char *verdict_folder; /* of all hosts: verdict.h */
};

/*
 * Runs domain `domid` of the host in `folder` until it is gone: returns 0, or 1 when the guest
 * found a violation here. -ECANCELED when the process was asked to end; another negative errno when
 * it cannot be run at all. Blocks; to be called in a process of its own.
 */
int guest_run(const char *folder, uint32_t domid, const struct guest_options *options,
	      const struct clock *clock, struct err *err);

/* The process in guest_run() died of something: writes that down, and stops the domain. */
void guest_note_death(struct sim_host *host, uint32_t domid, const struct guest_options *options);

#endif
