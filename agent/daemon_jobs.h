/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The jobs of this host: which run, who works on them, how they stand. The daemon starts and
 * watches workers, and never decides about a guest.
 */
#ifndef XENFERRY_DAEMON_JOBS_H
#define XENFERRY_DAEMON_JOBS_H

#include <stdint.h>
#include <uv.h>

#include "clock.h"
#include "config.h"
#include "daemon_folder.h"
#include "daemon_worker.h"
#include "err.h"
#include "hosts.h"
#include "json.h"
#include "orders.h"
#include "steering.h"
#include "sync.h"
#include "uuid.h"

/* What an operator asks for with vm.migrate; texts are the caller's. */
struct job_request {
	const char *uuid;        /* the job's; NULL: it gets a new one */
	const char *vm;
	struct host_place place; /* the target */
	const char *plan;        /* NULL: the default */
	bool dry_run;            /* only ask */
	const char *probe;       /* the guest's address, to be pinged meanwhile; NULL: not */
	const struct steering *steering;
	const struct json_value *params; /* with steering's keys, as the operator said them */
	const char *compress;    /* NULL: as configured */
	const char *numa_node;   /* the same */
	int64_t channels;        /* -1: as configured */
	bool verify;
	bool scheduled;          /* by an evacuation, which has limits of its own */
	const char *file;        /* NULL: it goes to a host, else `plan` is one of files */
};

/* What the jobs stand on; all of it outlives them. */
struct jobs_setup {
	uv_loop_t *loop;
	const struct clock *clock;
	const struct config *config;
	const struct folders *folders;
	const struct worker_program *program;
	/* A job has another record; with a final status, this is the last word. */
	void (*changed)(void *context, const struct json_value *record);
	void *context;
};

struct daemon_job;

struct jobs {
	struct jobs_setup setup;
	struct daemon_job *first;
};

/* Starts with what an earlier daemon left: workers that go on, and jobs that need recovery. */
void jobs_init(struct jobs *jobs, const struct jobs_setup *setup);
/* Lets go of all; the workers go on. */
void jobs_fini(struct jobs *jobs);

/*
 * Starts the migration of a guest, or finds the one that runs already to the same host. -EBUSY when
 * the guest is on its way elsewhere, -EUSERS when too many are.
 */
int jobs_migrate(struct jobs *jobs, const struct job_request *request, char uuid[UUID_TEXT],
		 struct err *err);
/* Asks the job's worker to undo everything. -ESRCH when nobody works on it. */
int jobs_cancel(struct jobs *jobs, const char *uuid, struct err *err);

/*
 * Tells a migration that runs, through its folder: `change` holds what is new (bandwidth_mibps -1,
 * go_on false: not that). ERR_REFUSED with the reason when nobody is there to hear it, or it is
 * too late.
 */
int jobs_order(struct jobs *jobs, const char *uuid, const struct order *change, struct err *err);

struct daemon_job *jobs_find(const struct jobs *jobs, const char *uuid); /* or NULL */
/* How many run with this host on that side. */
unsigned jobs_count(const struct jobs *jobs, enum side side);

/* The newest record of a job that is not in the history, or NULL; valid until the loop goes on. */
const struct json_value *jobs_record(const struct jobs *jobs, const char *uuid);
/* The same by number, from 0, the newest first; NULL past the last. */
const struct json_value *jobs_record_at(const struct jobs *jobs, size_t index);

#endif
