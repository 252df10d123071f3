/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an operator says to a migration that runs. The daemon writes it into the job's folder, as
 * one file that is replaced whole, and the worker looks there now and then while it copies: so it
 * reaches a worker that an earlier daemon started, too.
 */
#ifndef XENFERRY_ORDERS_H
#define XENFERRY_ORDERS_H

#include <stdbool.h>
#include <stdint.h>

#include "job.h"

#define ORDERS_FILE "orders.json"
#define ORDERS_FILE_MAX 4096 /* bytes */

/* All that was said so far. */
struct order {
	int64_t bandwidth_mibps; /* -1: nothing was said of it */
	bool go_on;              /* after pause-before-switchover */
};

struct orders;

struct orders_ops {
	/* Returns whether there is something new, and then what holds now. Never blocks. */
	bool (*take)(struct orders *orders, struct order *order);
};

struct orders {
	const struct orders_ops *ops;
};

struct orders_folder {
	struct orders orders;
	const struct job *job;
	int64_t seen_ns; /* the file's time when it was read last */
};

void orders_init(struct orders_folder *orders, const struct job *job);

#endif
