/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The guests of this host. The daemon makes no hypercall: a worker lists them. And the hooks of
 * this host, which a worker runs, as the daemon waits for nobody's program.
 */
#ifndef XENFERRY_DAEMON_GUESTS_H
#define XENFERRY_DAEMON_GUESTS_H

#include <uv.h>

#include "daemon_worker.h"
#include "err.h"
#include "json.h"

/*
 * What was asked for, JSON that is freed after the call; or NULL and the reason. Of a hook neither
 * when nothing is against it.
 */
typedef void guests_listed_fn(void *context, const struct json_value *guests,
			      const struct err *err);

/*
 * Starts a listing; `listed` is called once, from the loop, within some ten seconds. A failure to
 * start is returned, and then it is not called.
 */
int guests_list(uv_loop_t *loop, const struct worker_program *program, guests_listed_fn *listed,
		void *context, struct err *err);
/*
 * The same for a survey (survey.c) of the guests here and of the hosts `targets` ("": all of the
 * host list), which is an object; with the guests' dirty rates when it `measures`. Within two
 * minutes.
 */
int guests_survey(uv_loop_t *loop, const struct worker_program *program, const char *targets,
		  bool measures, guests_listed_fn *surveyed, void *context, struct err *err);
/* Likewise runs a hook of this host, "host-…": a literal. Within 75 seconds. */
int guests_run_hook(uv_loop_t *loop, const struct worker_program *program, const char *hook,
		    guests_listed_fn *ran, void *context, struct err *err);

#endif
