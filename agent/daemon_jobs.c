/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_jobs.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>

#include "cleanup.h"
#include "daemon_job.h"
#include "log.h"

struct daemon_job *jobs_find(const struct jobs *jobs, const char *uuid)
{
	struct daemon_job *job = jobs->first;

	while (job && strcmp(job->uuid, uuid) != 0)
		job = job->next;
	return job;
}

/* ---- leaving ---- */

static bool text_is(const char *text, const char *other)
{
	return text && strcmp(text, other) == 0;
}

/* The job that this guest is in already, by any of its names. */
static struct daemon_job *find_guest(const struct jobs *jobs, const char *vm)
{
	struct daemon_job *job = jobs->first;

	for (; job; job = job->next) {
		const struct json_value *guest = json_get(job->record, "vm");

		if (job_is_over(job))
			continue;
		if ((job->side == SIDE_SOURCE && strcmp(job->vm, vm) == 0) ||
		    text_is(json_get_string(guest, "uuid"), vm) ||
		    text_is(json_get_string(guest, "name-label"), vm))
			return job;
	}
	return NULL;
}

unsigned jobs_count(const struct jobs *jobs, enum side side)
{
	unsigned count = 0;

	for (const struct daemon_job *job = jobs->first; job; job = job->next)
		count += job->side == side && !job_is_over(job);
	return count;
}

static int make_source_folder(struct jobs *jobs, const struct job_request *request,
			      const char *uuid, struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	const char *text;
	size_t size;

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for another job");
	json_object_begin(writer);
	json_put_string(writer, "side", side_name(SIDE_SOURCE));
	json_put_string(writer, "vm", request->vm);
	json_put_string(writer, "host", request->place.name);
	json_put_string(writer, "address", request->place.address);
	json_put_string(writer, "certificate", request->place.certificate);
	json_put_integer(writer, "port", request->place.port);
	json_put_boolean(writer, "live", true);
	if (request->plan)
		json_put_string(writer, "plan", request->plan);
	json_put_boolean(writer, "dry_run", request->dry_run);
	if (request->probe)
		json_put_string(writer, "probe", request->probe);
	steering_copy(request->params, writer);
	if (request->compress)
		json_put_string(writer, "compress", request->compress);
	if (request->numa_node)
		json_put_string(writer, "numa_node", request->numa_node);
	if (request->channels >= 0)
		json_put_integer(writer, "channels", request->channels);
	json_put_boolean(writer, "verify", request->verify);
	if (request->file)
		json_put_string(writer, "file", request->file);
	json_put_string(writer, "source_name", jobs->setup.config->host_name);
	json_object_end(writer);
	text = json_text(writer, &size);
	return folders_make(jobs->setup.folders, uuid, text, size, err);
}

static int start_source(struct jobs *jobs, const struct job_request *request, const char *uuid,
			struct err *err)
{
	bool loads = request->file && strcmp(request->plan, "resume") == 0;
	const char *const words[] = {
		loads ? "load" : request->file ? "save" : "source", uuid, NULL,
	};
	struct daemon_job *job;
	int rc = make_source_folder(jobs, request, uuid, err);

	if (rc < 0)
		return rc;
	job = job_add(jobs, uuid, SIDE_SOURCE);
	if (!job)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for another job");
	snprintf(job->vm, sizeof(job->vm), "%s", request->vm);
	job->place = request->place;
	job->dry_run = request->dry_run;
	if (request->file)
		log_info("job %s: %s of %s, file %s", uuid, request->plan, job->vm,
			 request->file);
	else
		log_info("job %s: %s %s to %s (%s, port %u)", uuid, job->vm,
			 job->dry_run ? "is only asked whether it can go" : "goes", job->place.name,
			 job->place.address, job->place.port);
	return job_launch(job, jobs->setup.config->host_name, request->steering, words, -1, err);
}

int jobs_migrate(struct jobs *jobs, const struct job_request *request, char uuid[UUID_TEXT],
		 struct err *err)
{
	const struct daemon_job *same = find_guest(jobs, request->vm);
	uint32_t policy_max = request->steering->policy.migrations_max;
	uint8_t bytes[UUID_BYTES];

	if (same && !request->file && same->side == SIDE_SOURCE &&
	    same->dry_run == request->dry_run &&
	    same->place.port == request->place.port &&
	    strcmp(same->place.address, request->place.address) == 0) {
		memcpy(uuid, same->uuid, UUID_TEXT);
		return 0;
	}
	if (same)
		return err_set(
			err, ERR_REFUSED, -EBUSY,
			"%s is in migration %s already, from %s to %s; wait for it or cancel "
			"it first",
			request->vm, same->uuid, json_get_string(same->record, "source"),
			json_get_string(same->record, "target"));
	if (!request->scheduled &&
	    jobs_count(jobs, SIDE_SOURCE) >= jobs->setup.config->outgoing_max)
		return err_set(err, ERR_REFUSED, -EUSERS,
			       "%u guests leave this host already, which is outgoing-max; wait "
			       "until one has gone",
			       jobs->setup.config->outgoing_max);
	if (!request->scheduled && policy_max > 0 && jobs_count(jobs, SIDE_SOURCE) >= policy_max)
		return err_set(err, ERR_REFUSED, -EUSERS,
			       "%u guests leave this host already, which is as many as policy %s "
			       "allows (maxMigrations); wait until one has gone",
			       policy_max, request->steering->policy.name);
	if (request->uuid) {
		memcpy(uuid, request->uuid, UUID_TEXT);
	} else {
		uuid_make(jobs->setup.clock, bytes);
		uuid_to_text(bytes, uuid);
	}
	return start_source(jobs, request, uuid, err);
}

/* ---- for operators ---- */

int jobs_cancel(struct jobs *jobs, const char *uuid, struct err *err)
{
	struct daemon_job *job = jobs_find(jobs, uuid);
	pid_t pid = 0;

	if (job && !job->recovering)
		pid = job->worker ? worker_pid(job->worker)
				  : folders_worker(jobs->setup.folders, uuid);
	if (pid == 0)
		return err_set(err, ERR_REFUSED, -ESRCH,
			       "migration %s cannot be cancelled: it is %s", uuid,
			       job && job->recovering ? "being recovered" : "not running");
	if (kill(pid, SIGTERM) < 0)
		return err_errno(err, "the worker of migration %s cannot be told", uuid);
	job->cancelled = true;
	log_info("job %s: told to cancel", uuid);
	return 0;
}

/* Why nothing can be said to this migration any more, or 0. */
static int check_hearing(struct jobs *jobs, const struct daemon_job *job, const char *uuid,
			 struct err *err)
{
	const char *point = job ? json_get_string(job->record, "sync_point") : NULL;
	bool works = job && !job->recovering && !job_is_over(job) &&
		     (job->worker || folders_worker(jobs->setup.folders, uuid));

	if (!works)
		return err_set(err, ERR_REFUSED, -ESRCH, "migration %s is %s: nothing hears it",
			       uuid, job && job->recovering ? "being recovered" : "not running");
	if (job->side == SIDE_TARGET)
		return err_set(err, ERR_REFUSED, -EOPNOTSUPP,
			       "migration %s is steered at its source, host %s", uuid,
			       json_get_string(job->record, "source"));
	if (job_status(job) == STATUS_BLACKOUT)
		return err_set(err, ERR_REFUSED, -EALREADY,
			       "migration %s has ended its copy (%s): it is too late", uuid,
			       point ? point : "");
	return 0;
}

int jobs_order(struct jobs *jobs, const char *uuid, const struct order *change, struct err *err)
{
	struct daemon_job *job = jobs_find(jobs, uuid);
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	CLEANUP_JSON_VALUE struct json_value *said = NULL;
	int64_t mibps;
	const char *text;
	size_t size;
	int rc = writer ? check_hearing(jobs, job, uuid, err) :
			  err_set(err, ERR_FAILED, -ENOMEM, "no memory for an order");

	if (rc < 0)
		return rc;
	said = folders_orders(jobs->setup.folders, uuid);
	mibps = json_get_integer(said, "bandwidth_mibps", -1);
	mibps = change->bandwidth_mibps >= 0 ? change->bandwidth_mibps : mibps;
	json_object_begin(writer);
	if (mibps >= 0)
		json_put_integer(writer, "bandwidth_mibps", mibps);
	json_put_boolean(writer, "continue",
			 change->go_on || json_get_boolean(said, "continue", false));
	json_object_end(writer);
	text = json_text(writer, &size);
	return folders_write_orders(jobs->setup.folders, uuid, text, size, err);
}

const struct json_value *jobs_record(const struct jobs *jobs, const char *uuid)
{
	const struct daemon_job *job = jobs_find(jobs, uuid);

	return job ? job->record : NULL;
}

const struct json_value *jobs_record_at(const struct jobs *jobs, size_t index)
{
	const struct daemon_job *job = jobs->first;

	while (job && index-- > 0)
		job = job->next;
	return job ? job->record : NULL;
}

/* ---- beginning and end ---- */

void jobs_init(struct jobs *jobs, const struct jobs_setup *setup)
{
	CLEANUP_FREE struct folder_entry *entries = NULL;
	ssize_t count = folders_list(setup->folders, "jobs", &entries);

	*jobs = (struct jobs){ .setup = *setup };
	for (ssize_t i = count - 1; i >= 0; i--) {
		struct daemon_job *job = job_add(jobs, entries[i].uuid, SIDE_SOURCE);

		if (job)
			job_resume(job);
	}
}

void jobs_fini(struct jobs *jobs)
{
	while (jobs->first) {
		if (jobs->first->worker)
			worker_release(jobs->first->worker);
		job_remove(jobs->first);
	}
}
