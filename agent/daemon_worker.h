/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A worker process, as the daemon sees it: started with a channel on descriptor 3, over which it
 * tells its record in JSON lines; told to cancel by SIGTERM; never killed.
 */
#ifndef XENFERRY_DAEMON_WORKER_H
#define XENFERRY_DAEMON_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <uv.h>

#include "err.h"

#define WORKER_WORDS_MAX 4 /* after the options: what to do, uuid, nonce */

/* Which program, and the options that every worker gets. */
struct worker_program {
	const char *libexec_dir;
	const char *config_path; /* NULL: the default one */
	bool debug;
};

/*
 * Runs `xenferry-worker [--config FILE] [--debug] words...` in a session of its own, so that a
 * Ctrl-C at the daemon's terminal does not reach it. The handle belongs to the caller, who closes
 * it, after a failure too.
 */
int worker_run(uv_loop_t *loop, const struct worker_program *program, const char *const words[],
	       uv_exit_cb on_exit, uv_stdio_container_t *stdio, int stdio_count,
	       uv_process_t *process, struct err *err);

struct worker;

/* What becomes of a worker; `context` is the one given to worker_start(). */
struct worker_events {
	/* A line from the channel: terminated, without its newline, valid during the call. */
	void (*line)(void *context, const char *line, size_t size);
	/* It has ended, and every line has been told. The worker is freed afterwards. */
	void (*ended)(void *context, int exit_status, int signal_number);
};

/* `peer_fd`: an accepted connection for descriptor 4, which stays the caller's; -1: none. */
int worker_start(uv_loop_t *loop, const struct worker_program *program, const char *const words[],
		 int peer_fd, const struct worker_events *events, void *context,
		 struct worker **worker, struct err *err);
pid_t worker_pid(const struct worker *worker);
/* Hands a connection over: WORKER_MEMORY with the descriptor, which stays the caller's. */
int worker_pass(const struct worker *worker, int fd, struct err *err);
/* Tells a spare worker that the job is its; -errno when it has gone. */
int worker_go(const struct worker *worker);
/* A spare worker is not needed: it ends, and no event comes any more. Holds up no loop. */
void worker_dismiss(struct worker *worker);
/* Lets go of a worker that goes on: no event comes any more. */
void worker_release(struct worker *worker);

#endif
