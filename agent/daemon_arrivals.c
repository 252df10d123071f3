/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon_arrivals.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon_job.h"
#include "log.h"

/* A worker that is of no job: it answers a host in doubt, or is a transport's other end. */
struct ask {
	struct arrivals *arrivals;
	struct ask *next;
	struct worker *worker;
	enum wire_kind kind;
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
	job = jobs_find(jobs, uuid);
	if (job && job->side == SIDE_SOURCE)
		return err_set(err, ERR_REFUSED, -EEXIST,
			       "source and target are the same host: name another one");
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
	free(ask);
}

static void on_ask_ended(void *context, int exit_status, int signal_number)
{
	const struct ask *ask = context;

	if (exit_status != 0 || signal_number != 0)
		log_warning("%s: status %d, signal %d",
			    ask->kind == WIRE_TRANSPORT ? "a transport's xl has failed" :
							  "a host that asked got no answer",
			    exit_status, signal_number);
	remove_ask(context);
}

static unsigned count_asks(const struct arrivals *arrivals, enum wire_kind kind)
{
	unsigned count = 0;

	for (const struct ask *ask = arrivals->asks; ask; ask = ask->next)
		count += ask->kind == kind;
	return count;
}

/* Starts a worker that is of no job, by these words. */
static int start_ask(struct arrivals *arrivals, enum wire_kind kind, const char *const *words,
		     int fd, struct err *err)
{
	static const struct worker_events events = { .line = on_ask_line, .ended = on_ask_ended };
	const struct jobs_setup *setup = &arrivals->jobs->setup;
	struct ask *ask = calloc(1, sizeof(*ask));
	int rc;

	if (!ask)
		return err_set(err, ERR_FAILED, -ENOMEM, "no memory for another worker");
	*ask = (struct ask){ .arrivals = arrivals, .next = arrivals->asks, .kind = kind };
	arrivals->asks = ask;
	rc = worker_start(setup->loop, setup->program, words, fd, &events, ask, &ask->worker, err);
	if (rc < 0)
		remove_ask(ask);
	return rc;
}

static int check_asks(const struct arrivals *arrivals, enum wire_kind kind, unsigned max,
		      struct err *err)
{
	if (count_asks(arrivals, kind) < max)
		return 0;
	return err_set(err, ERR_REFUSED, -EUSERS, "too many ask here at once, ask again");
}

static int take_ask(struct arrivals *arrivals, const struct wire_hello *hello, int fd,
		    const struct caller *caller, struct err *err)
{
	char uuid[UUID_TEXT], nonce[NONCE_TEXT];
	const char *const words[] = { "ask", uuid, nonce, NULL };

	if (check_asks(arrivals, WIRE_ASK, ASKS_MAX, err) < 0)
		return -EUSERS;
	uuid_to_text(hello->job, uuid);
	nonce_to_text(hello->nonce, nonce);
	log_info("job %s: %s asks who owns the guest", uuid, caller_name(caller));
	return start_ask(arrivals, WIRE_ASK, words, fd, err);
}

static int take_transport(struct arrivals *arrivals, const struct wire_hello *hello, int fd,
			  const struct caller *caller, struct err *err)
{
	const struct config *config = arrivals->jobs->setup.config;
	char nonce[NONCE_TEXT];
	const char *const words[] = { "transport", nonce, NULL };

	if (!config->transport[0])
		return err_set(err, ERR_REFUSED, -EPERM,
			       "xl migrate is not taken here: name xl under [peer] transport in "
			       "xenferry.conf to allow it");
	if (count_asks(arrivals, WIRE_TRANSPORT) >= config->incoming_max)
		return err_set(err, ERR_REFUSED, -EUSERS,
			       "%u transports end here already, which is incoming-max",
			       config->incoming_max);
	nonce_to_text(hello->nonce, nonce);
	log_info("%s is given a transport to xl", caller_name(caller));
	return start_ask(arrivals, WIRE_TRANSPORT, words, fd, err);
}

static int take_inquiry(struct arrivals *arrivals, const struct wire_hello *hello, int fd,
			const struct caller *caller, struct err *err)
{
	char nonce[NONCE_TEXT];
	const char *const words[] = { "inquiry", nonce, NULL };

	if (check_asks(arrivals, WIRE_INQUIRY, INQUIRIES_MAX, err) < 0)
		return -EUSERS;
	nonce_to_text(hello->nonce, nonce);
	log_info("%s asks what it could send here", caller_name(caller));
	return start_ask(arrivals, WIRE_INQUIRY, words, fd, err);
}

int arrivals_take(void *context, const struct wire_hello *hello, int fd,
		  const struct caller *caller, struct err *err)
{
	static int (*const takers[])(struct arrivals *, const struct wire_hello *, int,
				     const struct caller *, struct err *) = {
		[WIRE_CONTROL] = take_control,
		[WIRE_MEMORY] = take_memory,
		[WIRE_ASK] = take_ask,
		[WIRE_TRANSPORT] = take_transport,
		[WIRE_INQUIRY] = take_inquiry,
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
