/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The emptying of this host: starts and steers the daemon's own jobs as a schedule says, sees
 * guests that appear meanwhile, and goes on where an earlier daemon stopped. One at a time.
 *
 * All that is known of it is one JSON object, evacuation_write(): the answer to who asks, and, in
 * <state>/evacuation.json, replaced at each change, what a restarted daemon goes on from.
 */
#ifndef XENFERRY_EVACUATION_H
#define XENFERRY_EVACUATION_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "daemon_jobs.h"
#include "err.h"
#include "evacuation_plan.h"
#include "json.h"
#include "schedule.h"
#include "uuid.h"

#define EVACUATION_TARGETS_MAX 4096 /* of targets=, terminator included */

/* What an operator asks for. */
struct evacuation_request {
	char targets[EVACUATION_TARGETS_MAX]; /* with commas; "": all of the host list */
	enum schedule_order order;
	uint32_t copying_max; /* batch-size= */
};

/* One row a status: its word. The last three are final. */
#define EVACUATION_STATUSES(X) \
	X(NONE, "none")             /* there was none yet */ \
	X(RUNNING, "running") \
	X(STOPPING, "stopping")     /* those under way end */ \
	X(COMPLETED, "completed")   /* the host is empty */ \
	X(INCOMPLETE, "incomplete") /* somebody is left, and the reasons are there */ \
	X(STOPPED, "stopped")

enum evacuation_status {
#define X(status, word) EVACUATION_##status,
	EVACUATION_STATUSES(X)
#undef X
};

/* What is known of a guest's move beside the schedule. */
struct mover {
	char job[UUID_TEXT]; /* of the last attempt; "": none */
	char last_target[HOST_NAME_SIZE];
	double downtime_ms;
	char *error;         /* of the last attempt; NULL: none; owned */
	enum err_code error_code;
};

struct evacuation {
	struct jobs *jobs;
	void (*changed)(void *context); /* it is not as it was */
	void *context;

	enum evacuation_status status;
	char uuid[UUID_TEXT];
	struct evacuation_request request;
	struct evacuation_plan plan;
	struct schedule schedule;
	struct schedule_guest *guests; /* of the schedule: EVACUEES_MAX, as the plan's */
	struct mover *movers;          /* likewise */
	uint64_t target_bytes_per_s[HOSTS_MAX];
	double started_wall_s;
	uint64_t started_us, ended_us; /* 0: not */
	bool surveying;
	bool stale; /* what is kept and was told of it is not as it is */
	uv_timer_t timer;
};

/* Goes on with what an earlier daemon left, if anything. `jobs` has been initialised. */
void evacuation_init(struct evacuation *evacuation, struct jobs *jobs,
		     void (*changed)(void *context), void *context);
void evacuation_fini(struct evacuation *evacuation);

/* Reads targets, batch_size and order; the rest as configured. -EINVAL says what is wanted. */
int evacuation_read_request(const struct json_value *params, const struct config *config,
			    struct evacuation_request *request, struct err *err);
/*
 * Makes a plan from a survey: the hosts and the rules are read anew. Initialised; to be ended, also
 * after a failure. Everybody who can has a target.
 */
int evacuation_make_plan(const struct config *config, const struct json_value *survey,
			 struct evacuation_plan *plan, struct err *err);
/* -EBUSY while one runs. */
int evacuation_check_idle(const struct evacuation *evacuation, struct err *err);
/* Has the hook of this host run that tells of the end, also of one that did not begin after all. */
void evacuation_run_post_hook(const struct evacuation *evacuation);
/* Begins by `plan`, which is taken over; -EBUSY while another one runs. */
int evacuation_begin(struct evacuation *evacuation, const struct evacuation_request *request,
		     struct evacuation_plan *plan, struct err *err);
/* Nothing begins any more; -ESRCH when none runs. */
int evacuation_stop(struct evacuation *evacuation, struct err *err);
/* A job has this record. */
void evacuation_note(struct evacuation *evacuation, const struct json_value *record);

/* Writes it as one object. */
void evacuation_write(const struct evacuation *evacuation, struct json_writer *writer);
/* Writes a plan that was only made, likewise. */
void evacuation_write_plan(const struct evacuation_plan *plan, const struct config *config,
			   const struct evacuation_request *request, struct json_writer *writer);
/* Takes over what was written of an earlier one; -ENOENT when it had ended, or there was none. */
int evacuation_read(struct evacuation *evacuation, const struct json_value *saved);

#endif
