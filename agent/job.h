/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job's folder, <state>/jobs/<uuid>/: request (the daemon's), lock, journal, guest, note and
 * record. A worker holds the lock while it lives, so that nobody else works on its job.
 */
#ifndef XENFERRY_JOB_H
#define XENFERRY_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "description.h"
#include "err.h"
#include "plan.h"
#include "sync.h"
#include "wire.h"

#define JOB_FOLDER_MAX 320
#define JOB_RESOLUTION "resolution" /* the operator's word in doubt; the daemon's to write */

/* What recovery needs beside the journal; kept in <folder>/note. */
struct job_note {
	enum side side;
	uint8_t nonce[WIRE_ID_BYTES];
	char address[256]; /* the other host's agent; "": not known */
	char certificate[256]; /* the name that its certificate must bear */
	uint16_t port;
};

struct job {
	char uuid[GUEST_UUID_SIZE];
	uint8_t id[WIRE_ID_BYTES];
	char folder[JOB_FOLDER_MAX];
	int lock; /* -1: not held */
};

/*
 * The job `uuid`, in jobs/ or, with `finished_too`, in history/. Takes nothing yet. -EINVAL when
 * that is no UUID, -ENOENT when there is no such job.
 */
int job_find(const struct config *config, const char *uuid, bool finished_too, struct job *job,
	     struct err *err);
/* Takes the lock and writes our pid into it; -EBUSY when another worker has it. */
int job_lock(struct job *job, struct err *err);
/* Somebody else holds the lock. */
bool job_is_live(const struct job *job);
void job_fini(struct job *job); /* releases the lock; idempotent after job_find() */

int job_write_note(const struct job *job, const struct job_note *note, struct err *err);
int job_read_note(const struct job *job, struct job_note *note, struct err *err);
/* The plan that the job follows, in <folder>/plan.json: an operator's own may change meanwhile. */
int job_write_plan(const struct job *job, const struct plan *plan, struct err *err);
/* -ENOENT when an earlier version began the job: its journal names a built-in plan. */
int job_read_plan(const struct job *job, struct plan *plan, struct err *err);
/* Replaces <folder>/<name> by `text`, all at once. */
int job_write_file(const struct job *job, const char *name, const char *text, size_t size,
		   struct err *err);

#endif
