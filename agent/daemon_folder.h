/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The folders of jobs: <state>/jobs/<uuid> while one runs, <state>/history/<uuid> afterwards. Here
 * and in the worker is all that survives a daemon.
 *
 * Functions may wait for the disk, for a moment; none waits for a worker.
 */
#ifndef XENFERRY_DAEMON_FOLDER_H
#define XENFERRY_DAEMON_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "config.h"
#include "err.h"
#include "journal.h"
#include "json.h"
#include "uuid.h"

#define FOLDER_PATH_MAX (CONFIG_PATH_MAX + 96)
#define EVACUATION_FILE_MAX (8 * 1024 * 1024) /* bytes */
#define FOLDER_FILE_MAX (256 * 1024) /* of a record or a request, bytes */

/* mkdir -p; folders above `path` are made 0755. Fine when it is there already. */
int folder_create(const char *path, mode_t mode, struct err *err);

struct folders {
	char state[CONFIG_PATH_MAX];
	uint32_t history_max;
	int lock_fd; /* <state>/lock: one daemon at a time */
};

/*
 * Makes what is missing, and takes the lock: -EBUSY when another daemon uses `state`. End with
 * folders_close(), which is idempotent.
 */
int folders_open(const char *state, uint32_t history_max, struct folders *folders,
		 struct err *err);
void folders_close(struct folders *folders);

/* Makes jobs/<uuid> with its request.json, durably. -EEXIST when the job is or was known. */
int folders_make(const struct folders *folders, const char *uuid, const char *request,
		 size_t size, struct err *err);
/* Replaces the job's record.json. */
int folders_write_record(const struct folders *folders, const char *uuid, const char *record,
			 size_t size, struct err *err);
/* Replaces the job's orders.json (orders.h), and reads it; NULL when nothing was ordered yet. */
int folders_write_orders(const struct folders *folders, const char *uuid, const char *orders,
			 size_t size, struct err *err);
struct json_value *folders_orders(const struct folders *folders, const char *uuid);
/* Puts the operator's word in a doubt into a running job's folder, for its worker; durably. */
int folders_write_resolution(const struct folders *folders, const char *uuid, const char *text,
			     size_t size, struct err *err);
/* Replaces <state>/evacuation.json, durably, and reads it; NULL when there was none yet. */
int folders_write_evacuation(const struct folders *folders, const char *text, size_t size,
			     struct err *err);
struct json_value *folders_evacuation(const struct folders *folders);
/* What a running job's journal amounts to. */
int folders_journal(const struct folders *folders, const char *uuid, struct journal_state *state,
		    struct err *err);
/* Moves a job that has ended to the history, and prunes that to its newest. */
int folders_file(const struct folders *folders, const char *uuid, struct err *err);

/* request.json of a running job; NULL when there is none that can be read. */
struct json_value *folders_request(const struct folders *folders, const char *uuid);
/* record.json of a job, running or past; NULL when there is none that can be read. */
struct json_value *folders_record(const struct folders *folders, const char *uuid);
/* The worker of a running job has begun: there is something to recover. */
bool folders_has_journal(const struct folders *folders, const char *uuid);
/* The process that works on the job, by the lock it holds; 0 when there is none. */
pid_t folders_worker(const struct folders *folders, const char *uuid);

/*
 * Takes a running job's lock in the place of a worker, so that none begins any more: a descriptor,
 * which keeps it while open; -EBUSY when a worker has it, even one that has not said which; -errno.
 */
int folders_claim(const struct folders *folders, const char *uuid);

/* A job's folder in a listing. */
struct folder_entry {
	char uuid[UUID_TEXT];
	int64_t changed_ns; /* mtime */
};

/*
 * The folders under "jobs" or "history", the newest first; what is no job's is left out. Returns
 * their number with *entries to free(), or -errno.
 */
ssize_t folders_list(const struct folders *folders, const char *which,
		     struct folder_entry **entries);

#endif
