/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What the modes of xenferry-worker share.
 */
#ifndef XENFERRY_WORKER_H
#define XENFERRY_WORKER_H

#include "channel.h"
#include "config.h"
#include "hook_folder.h"
#include "job.h"
#include "migration.h"
#include "peer.h"
#include "tracking.h"
#include "probe.h"

struct work {
	const struct config *config;
	struct job job;
	struct job_note note;
	struct config_tls tls;
	struct channel channel;
	struct plan plan; /* what migration.plan points to */
	struct record record;
	struct hook_folder hooks;
	struct orders_folder orders; /* source */
	struct tracking_lock tracking; /* source */
	struct migration migration;
	struct peer_tcp peer;
	bool dry_run; /* source: only ask */
	struct probe probe;
	char probe_address[64]; /* source: what to ping meanwhile; "": nothing */
};

/* Takes the job over and opens its journal. Zero-initialise `work` before. */
int worker_open(struct work *work, const struct config *config, const char *uuid,
		struct err *err);
/* Fine when it is open already, which spares a recovery the time. */
int worker_open_host(struct work *work, struct err *err);
/* Writes down that the job begins, on which side and by which plan. */
int worker_begin(struct work *work, enum side side, struct err *err);
/* The daemon's request, from the job's folder; NULL with `err`. */
struct json_value *worker_request(const struct work *work, struct err *err);
/* Publishes the end; returns the exit status. */
int worker_finish(struct work *work, int rc, const struct err *err);
void worker_close(struct work *work);

typedef int mode_fn(struct work *work, struct err *err);
/*
 * Lets a mode work on the job arguments[0], from taking its lock to its last word; returns the exit
 * status. `host`: one that was opened before, which it takes over, or NULL.
 */
int worker_run_mode(mode_fn *mode, const struct config *config, char **arguments,
		    struct host *host);

/* The mode that settles a job whose worker died (recover_job.c); as recover_run(). */
int recover_job(struct work *work, struct err *err);
/*
 * Reads, and decodes, all that recover_job() would, of the job that `work` has found: so that this
 * takes no time then. Changes nothing; what went wrong goes wrong again when it matters.
 */
int recover_rehearse(struct work *work, struct err *err);
/* spare.c: JOB; as recover_job(), as soon as the daemon says so. */
int run_spare(const struct config *config, char **arguments);

/* The modes for a guest and a file (worker_file.c). */
int worker_save(struct work *work, struct err *err);
int worker_load(struct work *work, struct err *err);
/* Names the file that a request asks for, if it does. */
int worker_name_file(struct work *work, const struct json_value *request, struct err *err);

/* The modes that look and answer (look.c): arguments as in the table in worker.c; exit statuses. */
int run_ask(const struct config *config, char **arguments);
/* transport.c: NONCE; becomes `xl migrate-receive`, with the peer as its stdin and stdout. */
int run_transport(const struct config *config, char **arguments);
/* measure.c: VM SECONDS; likewise. */
#define MEASURE_SECONDS_MAX 60
int run_dirty_rate(const struct config *config, char **arguments);
int run_list(const struct config *config, char **arguments);
/* worker_hook.c: NAME REASON, of a hook of the host; the last line on stderr says what failed. */
int run_hook(const struct config *config, char **arguments);
/* survey.c: TARGETS ("": all of the host list), MEASURE ("measure", or not); and NONCE. */
int run_survey(const struct config *config, char **arguments);
int run_inquiry(const struct config *config, char **arguments);

#endif
