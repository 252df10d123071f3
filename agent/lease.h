/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What each host has put down of a job, durably, in a file or a block device that all of them
 * reach beside the network ([arbiter] lease). docs/ARBITERS.md says why it can carry a decision and
 * cannot make one.
 *
 * Both functions block for as long as the storage does: call them in a child that can be left
 * behind, never in the blackout. -errno with a sentence in `err`.
 */
#ifndef XENFERRY_LEASE_H
#define XENFERRY_LEASE_H

#include "arbiter.h"

struct lease_entry {
	uint32_t host_id; /* from 1; 0: there is none */
	enum outcome outcome;
};

/* What another host, on the other side of this job, has put down. */
int lease_find(const struct arbiter_setup *setup, struct lease_entry *entry, struct err *err);

/*
 * Puts this host's down, over what it had of this job. -EBUSY when another worker of this host has
 * been putting its own down for three seconds.
 */
int lease_put(const struct arbiter_setup *setup, enum outcome outcome, struct err *err);

#endif
