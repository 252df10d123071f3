/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What clients may ask for: the methods of the control socket, a table in the source.
 */
#ifndef XENFERRY_DAEMON_METHODS_H
#define XENFERRY_DAEMON_METHODS_H

#include <uv.h>

#include "config.h"
#include "daemon_clients.h"
#include "daemon_events.h"
#include "daemon_folder.h"
#include "daemon_jobs.h"
#include "daemon_worker.h"
#include "json.h"

#define WAITS_MAX 256        /* replies that are owed at once */
#define WAIT_DEFAULT_S 3600
#define WAIT_MAX_S 86400

struct wait;

struct methods {
	uv_loop_t *loop;
	const struct config *config;
	const struct folders *folders;
	const struct worker_program *program;
	struct jobs *jobs;
	struct events *events;
	struct evacuation *evacuation;
	struct evacuation_clients *evacuation_clients;
	struct wait *waits;   /* for a migration's end, or for the list of guests */
	unsigned wait_count;
	bool listing;         /* a worker lists the guests */
};

/* All but the waits is filled by the caller, and outlives `methods`. */
void methods_fini(struct methods *methods);

/* For clients_listen(); the context is the struct methods. */
extern const struct client_events methods_events;
/* For struct jobs_setup; the context is the struct methods. */
void methods_changed(void *context, const struct json_value *record);

#endif
