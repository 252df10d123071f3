/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_resolution.h"

#include <errno.h>

#include "arbiter.h"
#include "daemon_job.h"
#include "log.h"

/* What the operator must not say, for this host knows better. */
static int check(const struct jobs *jobs, const struct daemon_job *job, enum outcome outcome,
		 struct err *err)
{
	struct journal_state state = { .begun = false };

	if (outcome == OUTCOME_UNDECIDED)
		return err_set(err, ERR_USAGE, -EINVAL, "the outcome is source or target");
	if (!job || job_status(job) != STATUS_IN_DOUBT)
		return err_set(err, ERR_REFUSED, -EALREADY,
			       "there is no doubt to answer: the migration is %s",
			       job ? status_word(job_status(job)) : "over");
	if (jobs->setup.config->arbiter == ARBITER_NONE)
		return err_set(err, ERR_REFUSED, -EPERM,
			       "[arbiter] kind = none: the other host alone can answer a doubt");
	if (job->side == SIDE_SOURCE || outcome == OUTCOME_NEVER)
		return 0;
	if (folders_journal(jobs->setup.folders, job->uuid, &state, err) < 0 || !state.taken)
		return err_set(err, ERR_REFUSED, -EPERM,
			       "this host has not taken the guest and cannot run it: the outcome "
			       "here is source");
	return 0;
}

static int write_down(const struct jobs *jobs, const char *uuid, const char *outcome,
		      struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	const char *text;
	size_t size;

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for the answer");
	json_object_begin(writer);
	json_put_string(writer, "outcome", outcome);
	json_put_double(writer, "time", clock_wall_s(jobs->setup.clock));
	json_object_end(writer);
	text = json_text(writer, &size);
	return folders_write_resolution(jobs->setup.folders, uuid, text, size, err);
}

int resolution_take(struct jobs *jobs, const char *uuid, const char *outcome, struct err *err)
{
	struct daemon_job *job = jobs_find(jobs, uuid);
	int rc = check(jobs, job, outcome_of_side(outcome), err);

	if (rc == 0)
		rc = write_down(jobs, uuid, outcome, err);
	if (rc < 0)
		return rc;
	log_warning("job %s: the operator says that the guest is the %s's", uuid, outcome);
	job_recover_now(job);
	return 0;
}
