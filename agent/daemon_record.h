/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Records that the daemon makes itself: of a job whose worker has not spoken yet, and of one whose
 * worker will not speak any more. Also what of a worker's record the daemon understands.
 */
#ifndef XENFERRY_DAEMON_RECORD_H
#define XENFERRY_DAEMON_RECORD_H

#include <stdbool.h>

#include "clock.h"
#include "err.h"
#include "json.h"
#include "record.h"

/*
 * The record of a job that has only begun. Of `begun` the job's id, the guest's name, the hosts,
 * the side and the limit are wanted. NULL when out of memory.
 */
struct json_value *daemon_record_begin(const struct clock *clock, struct record *begun);
/* `last` with another status and reason: what a worker that died would have to say. */
struct json_value *daemon_record_end(const struct json_value *last, enum status status,
				     const struct err *why);

/* A record that a worker may tell of job `uuid`: an object with its id and a status we know. */
bool daemon_record_is_sound(const struct json_value *record, const char *uuid);
/* The status in a sound record. */
enum status daemon_record_status(const struct json_value *record);
/* Whether it is of a guest that was only asked about: no migration. */
bool daemon_record_is_dry_run(const struct json_value *record);
/* Writes `record` without its steps, meetings and passes: a line in a list. */
void daemon_record_summarise(const struct json_value *record, struct json_writer *writer);

#endif
