/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The modes of xenferry-worker that change nothing: `list` prints this host's guests, `ask` answers
 * a source in doubt from a job's journal.
 */
#include "worker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "json.h"
#include "journal.h"
#include "log.h"
#include "peer.h"
#include "recover.h"
#include "uuid.h"

#define WELCOME_MS 5000

struct listing {
	struct json_writer *writer;
	const char *host_name;
};

static const char *type_name(enum guest_type type)
{
	static const char *const names[] = {
		[GUEST_PV] = "pv", [GUEST_HVM] = "hvm", [GUEST_PVH] = "pvh"
	};

	return names[type];
}

static int write_guest(const struct guest_summary *guest, void *data)
{
	struct listing *listing = data;
	struct json_writer *writer = listing->writer;

	json_object_begin(writer);
	json_put_string(writer, "uuid", guest->uuid);
	json_put_string(writer, "name-label", guest->name);
	json_put_integer(writer, "domid", guest->domid);
	json_put_string(writer, "power-state", guest->power_state);
	json_put_string(writer, "type", type_name(guest->type));
	json_put_integer(writer, "memory", (int64_t)guest->memory_bytes);
	json_put_integer(writer, "vcpus", guest->vcpus);
	json_put_string(writer, "host", listing->host_name);
	json_object_end(writer);
	return 0;
}

int run_list(const struct config *config, char **arguments)
{
	CLEANUP_JSON_WRITER struct json_writer *writer = json_writer_new(false);
	struct listing listing = { writer, config->host_name };
	struct host *host = NULL;
	struct err err;
	int rc = writer ? host_xen_open(&clock_system, "", &host, &err) :
			  err_set(&err, ERR_FAILED, -ENOMEM, "out of memory");

	(void)arguments;
	if (rc == 0) {
		json_array_begin(writer);
		rc = host->ops->list(host, write_guest, &listing, &err);
		json_array_end(writer);
		host->ops->close(host);
	}
	if (rc < 0) {
		fprintf(stderr, "%s\n", err.message);
		return err_exit_status(err.code);
	}
	puts(json_text(writer, NULL));
	return 0;
}

/* A job that we do not know may have been pruned after it was taken: never say never of it. */
static enum outcome outcome_of(const struct job *job)
{
	struct journal_state state;

	if (journal_read(job->folder, &state, NULL) < 0)
		return OUTCOME_UNDECIDED;
	return recover_outcome(&state);
}

static int answer(const struct config *config, char **arguments, struct err *err)
{
	struct job_note note = { 0 }, asked = { 0 };
	struct wire_hello hello;
	struct job job;
	int rc = job_find(config, arguments[0], true, &job, err);

	if (rc == 0)
		rc = job_read_note(&job, &note, err);
	if (rc == 0 && (!nonce_from_text(arguments[1], asked.nonce) ||
			memcmp(asked.nonce, note.nonce, sizeof(note.nonce)) != 0))
		rc = err_set(err, ERR_REFUSED, -EPERM, "job %s has another nonce", arguments[0]);
	if (rc < 0) {
		(void)nonce_from_text(arguments[1], note.nonce);
		hello = peer_hello(&job, &note, WIRE_ASK);
		(void)link_refuse(&clock_system, WORKER_PEER_FD, &hello, err,
				  clock_after_ms(&clock_system, WELCOME_MS));
		return rc;
	}
	hello = peer_hello(&job, &note, WIRE_ASK);
	rc = link_welcome(&clock_system, WORKER_PEER_FD, &hello,
			  clock_after_ms(&clock_system, WELCOME_MS), err);
	return rc < 0 ? rc : peer_answer(&clock_system, WORKER_PEER_FD, &note, outcome_of(&job),
					 err);
}

int run_ask(const struct config *config, char **arguments)
{
	struct err err = { ERR_NONE, "" };
	int rc = answer(config, arguments, &err);

	if (rc < 0)
		log_warning("asked for job %s: %s", arguments[0], err.message);
	return rc == 0 ? 0 : err_exit_status(err.code);
}
