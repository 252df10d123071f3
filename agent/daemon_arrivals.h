/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What another host's connection becomes: a job, the memory of one, or an answer.
 */
#ifndef XENFERRY_DAEMON_ARRIVALS_H
#define XENFERRY_DAEMON_ARRIVALS_H

#include "daemon_jobs.h"
#include "daemon_peers.h"

#define ASKS_MAX 16     /* hosts in doubt that are answered at once */
#define INQUIRIES_MAX 8 /* hosts that are told at once what they could send */

struct ask;

struct arrivals {
	struct jobs *jobs;
	struct ask *asks;
};

void arrivals_init(struct arrivals *arrivals, struct jobs *jobs);
/* Lets go of the workers that answer; they go on. */
void arrivals_fini(struct arrivals *arrivals);
/* A peer_taken_fn; `context` is the struct arrivals. */
int arrivals_take(void *context, const struct wire_hello *hello, int fd,
		  const struct caller *caller, struct err *err);

#endif
