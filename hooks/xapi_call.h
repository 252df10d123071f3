/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What XAPI says to a plugin and hears from it, by xapi's own ways (xapi_plugins.ml, xMLRPC.ml):
 * the one argument is an XML-RPC methodCall of a session and a struct of texts, the answer on
 * stdout a methodResponse with a Status. Pure: texts in, texts out.
 */
#ifndef XENFERRY_XAPI_CALL_H
#define XENFERRY_XAPI_CALL_H

#include <stddef.h>
#include <stdio.h>

#include "err.h"

#define XAPI_CALL_MAX (128 * 1024) /* bytes; execve(2) takes no longer argument (MAX_ARG_STRLEN) */
#define XAPI_ARGS_MAX 32

struct xapi_call {
	char *function;
	struct {
		char *name, *value;
	} args[XAPI_ARGS_MAX];
	size_t count;
};

/*
 * Reads a call into a zeroed `call`; texts may be typed or not. -EINVAL, ERR_USAGE when it is too
 * long, no methodCall, or of another form than xapi's. What has been read stays until
 * xapi_call_fini(), which is idempotent.
 */
int xapi_call_read(const char *text, size_t size, struct xapi_call *call, struct err *err);
void xapi_call_fini(struct xapi_call *call);
/* NULL: it was not given. */
const char *xapi_call_arg(const struct xapi_call *call, const char *name);

/*
 * Writes the answer of a call that has gone well, or of one that has not: a code and what belongs
 * to it. Always writes one; what is not UTF-8 loses its high bytes.
 */
void xapi_answer_success(FILE *out, const char *value);
void xapi_answer_failure(FILE *out, const char *const *description, size_t count);

#endif
