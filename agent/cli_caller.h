/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The command line's connection to xenferryd: one call at a time, and a Ctrl-C that ends only the
 * waiting.
 */
#ifndef XENFERRY_CLI_CALLER_H
#define XENFERRY_CLI_CALLER_H

#include <stdint.h>

#include "cli_args.h"
#include "err.h"
#include "json.h"

#define CALL_TIMEOUT_MS 20000 /* longer than the daemon takes for anything but a wait */

struct caller;

/* Hears the params of a notification that came while the call was waited for. */
typedef void caller_event_fn(void *context, const struct json_value *params);

/*
 * Connects to --socket, or to the socket of the configuration. ERR_NO_AGENT when nobody answers
 * there.
 */
int caller_open(const struct cli_args *args, struct caller **caller, struct err *err);
void caller_close(struct caller *caller); /* accepts NULL */
static inline void caller_cleanup(struct caller **caller)
{
	caller_close(*caller);
}
#define CLEANUP_CALLER __attribute__((cleanup(caller_cleanup)))

/* From now on SIGINT and SIGTERM end a call with -EINTR, instead of the program. */
int caller_catch_interrupt(struct caller *caller, struct err *err);

/* Begins a call: its parameters are put into the writer that is returned. NULL: out of memory. */
struct json_writer *caller_begin(struct caller *caller, const char *method);
/* Puts each parameter that was said, under the method's name for it. */
void caller_put_params(struct json_writer *params, const struct cli_args *args);
/*
 * Makes the call and waits for its answer: *result is a part of *answer, which is to be freed.
 * `event` may be NULL. The daemon's own error, ERR_NO_AGENT when it goes away or says nothing for
 * `timeout_ms`; -EINTR.
 */
int caller_finish(struct caller *caller, uint64_t timeout_ms, caller_event_fn *event,
		  void *context, struct json_value **answer, const struct json_value **result,
		  struct err *err);

#endif
