/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_arrivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_job.h"
#include "log.h"

struct ask {
	struct arrivals *arrivals;
	struct ask *next;
	struct worker *worker;
};

static int make_target_folder(struct jobs *jobs, const char *uuid, const struct caller *caller,
			      struct err *err)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	const char *text;
	size_t size;

	if (!writer)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for another job");
	json_object_begin(writer);
	json_put_string(writer, "side", side_name(SIDE_TARGET));
	json_put_string(writer, "from", caller_name(caller));
	json_put_string(writer, "address", caller->address);
	if (caller->host[0]) {
		json_put_string(writer, "host", caller->host);
		json_put_string(writer, "certificate", caller->certificate);
	}
	json_object_end(writer);
	text = json_text(writer, &size);
	return folders_make(jobs->setup.folders, uuid, text, size, err);
}

static int take_control(struct arrivals *arrivals, const struct wire_hello *hello, int fd,
			const struct caller *caller, struct err *err)
{
	char uuid[UUID_TEXT], nonce[NONCE_TEXT];
	const char *const words[] = { "target", uuid, nonce, NULL };
	struct jobs *jobs = arrivals->jobs;
	struct daemon_job *job;
	int rc;

	uuid_to_text(hello->job, uuid);
	nonce_to_text(hello->nonce, nonce);
	if (jobs_count(jobs, SIDE_TARGET) >= jobs->setup.config->incoming_max)
		return err_set(err, ERR_REFUSED, -EUSERS,
			       "%u guests arrive here already, which is incoming-max; try again "
			       "when one has come",
			       jobs->setup.config->incoming_max);
	rc = make_target_folder(jobs, uuid, caller, err);
	if (rc < 0)
		return rc;
	job = job_add(jobs, uuid, SIDE_TARGET);
	if (!job)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for another job");
	memcpy(job->nonce, hello->nonce, sizeof(job->nonce));
	log_info("job %s: a guest comes from %s", uuid, caller_name(caller));
	return job_launch(job, caller_name(caller), NULL, words, fd, err);
}

static int take_memory(struct arrivals *arrivals, const struct wire_hello *hello, int fd,
		       const struct caller *caller, struct err *err)
{
	char uuid[UUID_TEXT];
	const struct daemon_job *job;

	(void)caller;
	uuid_to_text(hello->job, uuid);
	job = jobs_find(arrivals->jobs, uuid);
	if (!job || job->side != SIDE_TARGET || !job->worker || job->recovering ||
	    memcmp(job->nonce, hello->nonce, sizeof(job->nonce)) != 0)
		return err_set(err, ERR_REFUSED, -ENOENT, "no job here waits for the memory of %s",
			       uuid);
	return worker_pass(job->worker, fd, err);
}

static void on_ask_line(void *context, const char *line, size_t size)
{
	(void)context;
	(void)line; /* its answer goes to the peer */
	(void)size;
}

static void remove_ask(struct ask *ask)
{
	struct ask **at = &ask->arrivals->asks;

	while (*at != ask)
		at = &(*at)->next;
	*at = ask->next;
	ask->arrivals->ask_count--;
	free(ask);
}

static void on_ask_ended(void *context, int exit_status, int signal_number)
{
	if (exit_status != 0 || signal_number != 0)
		log_warning("a host in doubt got no answer: status %d, signal %d", exit_status,
			    signal_number);
	remove_ask(context);
}

static int take_ask(struct arrivals *arrivals, const struct wire_hello *hello, int fd,
		    const struct caller *caller, struct err *err)
{
	static const struct worker_events events = { .line = on_ask_line, .ended = on_ask_ended };
	char uuid[UUID_TEXT], nonce[NONCE_TEXT];
	const char *const words[] = { "ask", uuid, nonce, NULL };
	const struct jobs_setup *setup = &arrivals->jobs->setup;
	struct ask *ask = arrivals->ask_count < ASKS_MAX ? calloc(1, sizeof(*ask)) : NULL;
	int rc;

	if (!ask)
		return err_set(err, ERR_REFUSED, -EUSERS, "too many ask here at once, ask again");
	uuid_to_text(hello->job, uuid);
	nonce_to_text(hello->nonce, nonce);
	log_info("job %s: %s asks who owns the guest", uuid, caller_name(caller));
	ask->arrivals = arrivals;
	ask->next = arrivals->asks;
	arrivals->asks = ask;
	arrivals->ask_count++;
	rc = worker_start(setup->loop, setup->program, words, fd, &events, ask, &ask->worker, err);
	if (rc < 0)
		remove_ask(ask);
	return rc;
}

int arrivals_take(void *context, const struct wire_hello *hello, int fd,
		  const struct caller *caller, struct err *err)
{
	static int (*const takers[])(struct arrivals *, const struct wire_hello *, int,
				     const struct caller *, struct err *) = {
		[WIRE_CONTROL] = take_control,
		[WIRE_MEMORY] = take_memory,
		[WIRE_ASK] = take_ask,
	};

	return takers[hello->kind](context, hello, fd, caller, err);
}

void arrivals_init(struct arrivals *arrivals, struct jobs *jobs)
{
	*arrivals = (struct arrivals){ .jobs = jobs };
}

void arrivals_fini(struct arrivals *arrivals)
{
	while (arrivals->asks) {
		worker_release(arrivals->asks->worker);
		remove_ask(arrivals->asks);
	}
}
