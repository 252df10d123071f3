/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * One job and its worker, from its first record to its place in the history.
 */
#ifndef XENFERRY_DAEMON_JOB_H
#define XENFERRY_DAEMON_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon_jobs.h"
#include "daemon_watch.h"
#include "daemon_worker.h"
#include "description.h"
#include "hosts.h"
#include "record.h"
#include "steering.h"
#include "sync.h"
#include "uuid.h"

struct daemon_job {
	struct daemon_job *next;
	struct jobs *jobs;
	char uuid[UUID_TEXT];
	enum side side;
	uint8_t nonce[WIRE_ID_BYTES];    /* target */
	char vm[GUEST_NAME_MAX];         /* source: the guest as the operator named it */
	struct host_place place;         /* source: where it goes */
	struct worker *worker;           /* NULL: it is an earlier daemon's, or there is none */
	struct worker *spare;            /* stands by to recover the job; NULL: none does */
	bool had_spare;                  /* it was started, once */
	bool dry_run;                    /* source: it only asks */
	bool cancelled;                  /* its worker was told to */
	bool recovering;                 /* its worker is the one that cleans up */
	struct watch *adopted;           /* hears of the end of an earlier daemon's worker */
	uv_timer_t watch;                /* looks after a worker of an earlier daemon, or */
	uint64_t again_ms;               /* starts a recovery again, that much after the last */
	struct json_value *record;       /* never NULL */
};

/* A new job in the list; job_launch() or job_resume() comes next. NULL when out of memory. */
struct daemon_job *job_add(struct jobs *jobs, const char *uuid, enum side side);
/* Out of the list and freed; its worker must have been released before. */
void job_remove(struct daemon_job *job);
/*
 * Makes the first record and starts the worker: `words` as for worker_start(). `source` is the name
 * of the host that the guest leaves; `steering` NULL at the target. On failure the job has ended,
 * and is removed.
 */
int job_launch(struct daemon_job *job, const char *source, const struct steering *steering,
	       const char *const words[], int peer_fd, struct err *err);
/*
 * Takes the job up from its folder: watches the worker that goes on, or concludes. On failure the
 * job is removed.
 */
void job_resume(struct daemon_job *job);

/* In doubt and nobody at it: does not wait for its time to be recovered again. */
void job_recover_now(struct daemon_job *job);

enum status job_status(const struct daemon_job *job);
/* Nothing more will happen to its guest: not so in doubt. */
bool job_is_over(const struct daemon_job *job);

#endif
