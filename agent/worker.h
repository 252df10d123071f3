/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the modes of xenferry-worker share.
 */
#ifndef XENFERRY_WORKER_H
#define XENFERRY_WORKER_H

#include "channel.h"
#include "config.h"
#include "job.h"
#include "migration.h"

struct worker {
	const struct config *config;
	struct job job;
	struct job_note note;
	struct channel channel;
	struct record record;
	struct migration migration;
};

/* Takes the job over and opens its journal. Zero-initialise `worker` before. */
int worker_open(struct worker *worker, const struct config *config, const char *uuid,
		struct err *err);
int worker_open_host(struct worker *worker, struct err *err);
/* Publishes the end; returns the exit status. */
int worker_finish(struct worker *worker, int rc, const struct err *err);
void worker_close(struct worker *worker);

/* The modes that look and answer (look.c): arguments as in the table in worker.c; exit statuses. */
int run_ask(const struct config *config, char **arguments);
int run_list(const struct config *config, char **arguments);

#endif
