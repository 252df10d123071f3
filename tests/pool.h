/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A pool whose hosts are emptied one after another, in virtual time, by the production's placement
 * and schedule. A guest copies its memory in passes over its source's link, which all that copy
 * share; what it writes meanwhile has to be sent again, and what is left when it is suspended, in
 * its blackout.
 */
#ifndef XENFERRY_TESTS_POOL_H
#define XENFERRY_TESTS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "schedule.h"

#define POOL_LINK_BYTES_PER_S 1175000000u /* 10 Gbit/s, less what its frames take */

struct pool_guest {
	uint64_t memory_bytes;
	double dirty_bytes_per_s, working_bytes; /* writes that fast, into so much */
	uint32_t host;
	bool fails;          /* in the middle of each copy */
	double alone_s;      /* its downtime with nobody beside it */
	double downtime_s;   /* of its last move; 0: none */
	double stretch_most; /* of all its moves, against alone_s */
};

struct pool {
	size_t host_count, guest_count;
	uint64_t host_bytes;
	struct pool_guest *guests; /* free() it */
};

struct pool_result {
	double makespan_s, bound_s;  /* the bytes of all that was to move, over the link */
	double median_s, worst_s;    /* downtimes */
	double stretch_most;         /* 0.1: a downtime was 10 % longer than alone */
	size_t moves, left;          /* left behind on a host that was to be empty */
};

/* The same guests each time. */
void pool_make(struct pool *pool, size_t hosts, size_t guests, bool one_fails);
/* Empties `hosts` hosts in turn; `gives_up`: leaves the rest of a host at its first failure. */
void pool_roll(struct pool *pool, const struct schedule_limits *limits, size_t hosts,
	       bool gives_up, struct pool_result *result);

#endif
