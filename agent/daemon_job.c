/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A job begins with job_launch(); on_line() hears how it stands; when its worker has ended,
 * conclude() files it, has it recovered, or says what is known. job_resume() does the same with
 * what an earlier daemon left behind.
 */
#include "daemon_job.h"

#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cleanup.h"
#include "daemon_record.h"
#include "log.h"
#include "precedence.h"

#define WATCH_INTERVAL_MS 1000
/* A recovery that could not settle a job is started again, less and less often. */
#define RECOVER_AGAIN_MIN_MS 10000
#define RECOVER_AGAIN_MAX_MS 600000

enum status job_status(const struct daemon_job *job)
{
	return daemon_record_status(job->record);
}

bool job_is_over(const struct daemon_job *job)
{
	return status_is_final(job_status(job)) && job_status(job) != STATUS_IN_DOUBT;
}

static void stand_by(struct daemon_job *job);

/* ---- records ---- */

/* Takes `record` over. */
static void set_record(struct daemon_job *job, struct json_value *record)
{
	const struct jobs_setup *setup = &job->jobs->setup;

	json_value_free(job->record);
	job->record = record;
	setup->changed(setup->context, record);
}

static void on_line(void *context, const char *line, size_t size)
{
	struct daemon_job *job = context;
	struct json_value *record = json_parse(line, size, NULL);

	if (daemon_record_is_sound(record, job->uuid)) {
		set_record(job, record);
		stand_by(job);
		return;
	}
	json_value_free(record);
	log_warning("job %s: its worker said what is no record of it", job->uuid);
}

static struct json_value *first_record(const struct daemon_job *job, const char *source,
				       const struct steering *steering)
{
	const struct jobs_setup *setup = &job->jobs->setup;
	bool leaving = job->side == SIDE_SOURCE;
	struct record record = { .side = job->side, .dry_run.asked = job->dry_run };

	if (steering) {
		snprintf(record.policy, sizeof(record.policy), "%s", steering->policy.name);
		record.downtime_limit_ms = steering->downtime_limit_ms ?
						   steering->downtime_limit_ms :
						   steering->policy.initial_ms;
	}
	memcpy(record.uuid, job->uuid, sizeof(record.uuid));
	snprintf(record.guest_name, sizeof(record.guest_name), "%s", job->vm);
	snprintf(record.source, sizeof(record.source), "%s", source);
	snprintf(record.target, sizeof(record.target), "%s",
		 leaving ? job->place.name : setup->config->host_name);
	return daemon_record_begin(setup->clock, &record);
}

/* ---- a job comes and goes ---- */

struct daemon_job *job_add(struct jobs *jobs, const char *uuid, enum side side)
{
	struct daemon_job *job = calloc(1, sizeof(*job));

	if (!job)
		return NULL;
	assert(strlen(uuid) == UUID_TEXT - 1);
	memcpy(job->uuid, uuid, UUID_TEXT);
	job->jobs = jobs;
	job->side = side;
	job->next = jobs->first;
	jobs->first = job;
	uv_timer_init(jobs->setup.loop, &job->watch);
	job->watch.data = job;
	return job;
}

static void on_watch_closed(uv_handle_t *handle)
{
	free(handle->data);
}

void job_remove(struct daemon_job *job)
{
	struct daemon_job **at = &job->jobs->first;

	while (*at != job)
		at = &(*at)->next;
	*at = job->next;
	if (job->spare)
		worker_dismiss(steal(job->spare));
	watch_end(steal(job->adopted));
	json_value_free(job->record);
	job->record = NULL;
	uv_close((uv_handle_t *)&job->watch, on_watch_closed);
}

/* The job is over: from here on it is found in the history. */
static void file_job(struct daemon_job *job)
{
	struct err err;

	log_info("job %s: %s", job->uuid, status_word(job_status(job)));
	if (folders_file(job->jobs->setup.folders, job->uuid, &err) < 0)
		log_error("job %s: %s", job->uuid, err.message);
	job_remove(job);
}

/* Gives the job the final word that its worker did not say. */
static void end_job(struct daemon_job *job, enum status status, const struct err *why)
{
	struct json_value *record = daemon_record_end(job->record, status, why);
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	const char *text;
	size_t size;
	struct err err;

	log_error("job %s: %s", job->uuid, why->message);
	if (!record || !writer) {
		json_value_free(record);
		return; /* out of memory: the folder is as it was, for the next daemon */
	}
	json_copy(writer, record);
	text = json_text(writer, &size);
	if (folders_write_record(job->jobs->setup.folders, job->uuid, text, size, &err) < 0)
		log_error("job %s: %s", job->uuid, err.message);
	set_record(job, record);
	if (job_is_over(job))
		file_job(job);
}

/* ---- workers ---- */

static void conclude(struct daemon_job *job, const struct err *why);

static void on_ended(void *context, int exit_status, int signal_number)
{
	struct daemon_job *job = context;
	const char *who = job->recovering ? "the recovery" : "the worker";
	int before = precedence_take(); /* the job's guest may stand still */
	struct err why;

	job->worker = NULL;
	if (signal_number == SIGTERM && job->cancelled)
		(void)err_set(&why, ERR_CANCELLED, -ECANCELED,
			      "the migration was cancelled before it had begun");
	else if (signal_number != 0)
		(void)err_set(&why, ERR_FAILED, -EIO, "%s was killed by signal %d (%s)", who,
			      signal_number, strsignal(signal_number));
	else
		(void)err_set(&why, ERR_FAILED, -EIO,
			      "%s ended with status %d and did not say how the job stands", who,
			      exit_status);
	conclude(job, &why);
	precedence_return(before);
}

static const struct worker_events job_events = { .line = on_line, .ended = on_ended };

static int start(struct daemon_job *job, const char *const words[], int peer_fd, struct err *err)
{
	const struct jobs_setup *setup = &job->jobs->setup;

	return worker_start(setup->loop, setup->program, words, peer_fd, &job_events, job,
			    &job->worker, err);
}

/* One that waited is only missed; one at work dies as a worker does. */
static void on_spare_ended(void *context, int exit_status, int signal_number)
{
	struct daemon_job *job = context;

	if (job->spare) {
		job->spare = NULL;
		log_warning("job %s: its spare worker has ended", job->uuid);
		return;
	}
	if (signal_number != 0) /* what struck the worker may have struck both */
		job->recovering = false;
	on_ended(context, exit_status, signal_number);
}

static const struct worker_events spare_events = { .line = on_line, .ended = on_spare_ended };

/*
 * From the copy on a guest may stand still when its worker dies: another one is ready by then, so
 * that the guest need not wait until a program is loaded. Without it that takes longer.
 */
static void stand_by(struct daemon_job *job)
{
	const struct jobs_setup *setup = &job->jobs->setup;
	const char *const words[] = { "spare", job->uuid, NULL };
	struct err err;

	if (job_status(job) != STATUS_COPYING || job->had_spare || job->recovering)
		return;
	job->had_spare = true;
	if (worker_start(setup->loop, setup->program, words, -1, &spare_events, job, &job->spare,
			 &err) < 0)
		log_warning("job %s: no spare worker: %s", job->uuid, err.message);
}

static bool spare_goes(struct daemon_job *job)
{
	struct worker *spare = steal(job->spare);

	if (!spare)
		return false;
	if (worker_go(spare) < 0) {
		worker_dismiss(spare);
		return false;
	}
	job->worker = spare;
	return true;
}

static void recover(struct daemon_job *job)
{
	const char *const words[] = { "recover", job->uuid, NULL };
	struct err err;

	job->recovering = true;
	if (!spare_goes(job) && start(job, words, -1, &err) < 0)
		conclude(job, &err);
	else
		log_info("job %s: its worker has gone, recovering", job->uuid);
}

/* A worker of an earlier daemon: its folder tells how it goes on. */
static void on_watch(uv_timer_t *timer)
{
	struct daemon_job *job = timer->data;
	const struct folders *folders = job->jobs->setup.folders;
	bool goes_on = folders_worker(folders, job->uuid) != 0;
	struct json_value *record = folders_record(folders, job->uuid);
	struct err why;

	if (daemon_record_is_sound(record, job->uuid))
		set_record(job, record);
	else
		json_value_free(record);
	if (goes_on) {
		stand_by(job);
		return;
	}
	uv_timer_stop(timer);
	watch_end(steal(job->adopted));
	(void)err_set(&why, ERR_FAILED, -EIO,
		      "the worker ended and did not say how the job stands");
	conclude(job, &why);
}

static void on_adopted_ended(void *context)
{
	struct daemon_job *job = context;

	on_watch(&job->watch);
}

/* What it writes is looked at now and then; that it has gone is heard at once. */
static bool adopt(struct daemon_job *job)
{
	pid_t pid = folders_worker(job->jobs->setup.folders, job->uuid);

	if (pid == 0)
		return false;
	watch_end(job->adopted);
	job->adopted = watch_begin(job->jobs->setup.loop, pid, on_adopted_ended, job);
	uv_timer_start(&job->watch, on_watch, WATCH_INTERVAL_MS, WATCH_INTERVAL_MS);
	return true;
}

static void on_again(uv_timer_t *timer)
{
	struct daemon_job *job = timer->data;

	uv_timer_stop(timer);
	if (!job->worker && !adopt(job))
		recover(job);
}

static void recover_again(struct daemon_job *job)
{
	job->again_ms = job->again_ms == 0 ? RECOVER_AGAIN_MIN_MS : job->again_ms * 2;
	if (job->again_ms > RECOVER_AGAIN_MAX_MS)
		job->again_ms = RECOVER_AGAIN_MAX_MS;
	log_warning("job %s: in doubt; it is recovered again in %llu s", job->uuid,
		    (unsigned long long)(job->again_ms / 1000));
	uv_timer_start(&job->watch, on_again, job->again_ms, 0);
}

void job_recover_now(struct daemon_job *job)
{
	if (!job->worker && folders_worker(job->jobs->setup.folders, job->uuid) == 0)
		uv_timer_start(&job->watch, on_again, 0, 0);
}

/*
 * A worker of a daemon that was killed may just be beginning: it is waited for. Whoever comes later
 * finds no folder.
 */
static void end_what_never_began(struct daemon_job *job, const struct err *why)
{
	const struct folders *folders = job->jobs->setup.folders;
	CLEANUP_FD int claim = folders_claim(folders, job->uuid);

	if (claim == -EBUSY || folders_has_journal(folders, job->uuid))
		uv_timer_start(&job->watch, on_watch, WATCH_INTERVAL_MS, WATCH_INTERVAL_MS);
	else
		end_job(job, why->code == ERR_CANCELLED ? STATUS_CANCELLED : STATUS_FAILED, why);
}

/*
 * Nobody works on the job any more; `why`, should it have no last word of its own. What never began
 * has failed and touched nothing. What began is recovered; if that says nothing either, the guest's
 * whereabouts are not known, and that is what is said, and it is recovered again.
 */
static void conclude(struct daemon_job *job, const struct err *why)
{
	bool begun = folders_has_journal(job->jobs->setup.folders, job->uuid);
	struct err doubt;

	if (job_is_over(job)) {
		file_job(job);
	} else if (job_status(job) == STATUS_IN_DOUBT && job->recovering) {
		recover_again(job);
	} else if (adopt(job)) {
		log_info("job %s: another worker is at it", job->uuid);
	} else if (begun && !job->recovering) {
		log_warning("job %s: %s", job->uuid, why->message);
		recover(job);
	} else if (!begun) {
		end_what_never_began(job, why);
	} else {
		(void)err_set(
			&doubt, ERR_IN_DOUBT, -EIO,
			"%s; look for the guest at both hosts; the job is recovered again and "
			"again",
			why->message);
		end_job(job, STATUS_IN_DOUBT, &doubt);
		recover_again(job);
	}
}

/* ---- beginnings ---- */

int job_launch(struct daemon_job *job, const char *source, const struct steering *steering,
	       const char *const words[], int peer_fd, struct err *err)
{
	int rc;

	job->record = first_record(job, source, steering);
	if (!job->record) {
		job_remove(job);
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for another job");
	}
	rc = start(job, words, peer_fd, err);
	if (rc < 0)
		end_job(job, STATUS_FAILED, err);
	return rc;
}

/* What the request in the folder says; "" and 0 where it does not. */
static void read_request(struct daemon_job *job, const struct json_value *request)
{
	const char *vm = json_get_string(request, "vm");
	const char *name = json_get_string(request, "host");
	const char *address = json_get_string(request, "address");

	snprintf(job->vm, sizeof(job->vm), "%s", vm ? vm : "");
	snprintf(job->place.name, sizeof(job->place.name), "%s", name ? name : "");
	snprintf(job->place.address, sizeof(job->place.address), "%s", address ? address : "");
	job->place.port = (uint16_t)json_get_integer(request, "port", 0);
	job->dry_run = json_get_boolean(request, "dry_run", false);
}

static bool read_folder(struct daemon_job *job)
{
	const struct jobs_setup *setup = &job->jobs->setup;
	CLEANUP_JSON_VALUE struct json_value *request = folders_request(setup->folders, job->uuid);
	const char *side = json_get_string(request, "side"),
		   *from = json_get_string(request, "from");
	struct steering steering;
	bool known;

	if (side && strcmp(side, side_name(SIDE_TARGET)) == 0)
		job->side = SIDE_TARGET;
	read_request(job, request);
	job->record = folders_record(setup->folders, job->uuid);
	if (daemon_record_is_sound(job->record, job->uuid))
		return true;
	json_value_free(job->record);
	known = job->side == SIDE_SOURCE &&
		steering_read(request, setup->config, &steering, NULL) == 0;
	job->record = first_record(job, from ? from : setup->config->host_name,
				   known ? &steering : NULL);
	return job->record != NULL;
}

void job_resume(struct daemon_job *job)
{
	struct err why;

	if (!read_folder(job)) {
		job_remove(job);
		return;
	}
	if (adopt(job)) {
		log_info("job %s: its worker goes on", job->uuid);
		stand_by(job);
		return;
	}
	(void)err_set(&why, ERR_FAILED, -EIO,
		      "the worker ended while no xenferryd watched, and did not say how the job "
		      "stands");
	conclude(job, &why);
}
