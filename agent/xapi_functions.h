/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What XAPI's plugin can be asked for: a table of functions, each of which asks the daemon and
 * gives one JSON value. Their parameters are those of the command line's verbs.
 */
#ifndef XENFERRY_XAPI_FUNCTIONS_H
#define XENFERRY_XAPI_FUNCTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "cli_args.h"
#include "err.h"
#include "json.h"
#include "xapi_call.h"

#define XAPI_PLUGIN_LIMIT_MS 58000 /* of all that is done: xapi itself would wait without an end */
#define XAPI_WAIT_MAX_S 60         /* asked for; what is given ends before the limit */
#define XAPI_SUBJECT_MAX 256

/* What a failure is about, for codes that name it; "" where it is not known. */
struct xapi_subject {
	char guest[XAPI_SUBJECT_MAX], source[XAPI_SUBJECT_MAX], target[XAPI_SUBJECT_MAX];
	bool ended; /* a migration has, and not well */
};

struct xapi_question {
	struct cli_args args;     /* .config may be set before; the rest from the call */
	uint64_t deadline_us;     /* monotonic */
	struct xapi_subject subject;
};

/* False: there is no such function. */
bool xapi_function_exists(const char *name);
/*
 * Does what `call` asks for, and writes one value. ERR_USAGE for an argument that is unknown,
 * missing or malformed, ERR_NO_AGENT, the daemon's own error, or how a migration has failed.
 * Blocks until the question's deadline at most.
 */
int xapi_function_run(const struct xapi_call *call, struct xapi_question *question,
		      struct json_writer *value, struct err *err);

#endif
