/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Where a worker's records go: as JSON lines to the daemon that started it, and into its job's
 * folder. A daemon that is slow or gone never holds the worker up.
 */
#ifndef XENFERRY_CHANNEL_H
#define XENFERRY_CHANNEL_H

#include "job.h"
#include "record.h"
#include "rpc.h"

/* The descriptors that the daemon gives a worker. */
#define WORKER_CHANNEL_FD 3 /* to the daemon: records go out, its words come in */
#define WORKER_PEER_FD 4    /* target, ask: the accepted connection, its hello already read */

/* What the daemon says, a byte each. */
#define WORKER_MEMORY 'M' /* target: the memory connection comes with it */
#define WORKER_GO 'G'     /* spare: the job is yours */

#define CHANNEL_LINE_MAX RPC_LINE_MAX /* bytes; a whole record has some 10,000 */

struct channel {
	struct record_sink sink;
	const struct clock *clock;
	const struct job *job;
	int fd;          /* -1: no daemon */
	char *rest;      /* of a line that did not fit into the socket yet */
	size_t rest_size;
};

void channel_init(struct channel *channel, const struct clock *clock, const struct job *job,
		  int fd);
/* Sends what is left, within a second; idempotent. */
void channel_fini(struct channel *channel);

#endif
