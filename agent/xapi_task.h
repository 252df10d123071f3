/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A XAPI task for each migration that leaves this host, so that who uses xe, XenCenter or Xen
 * Orchestra sees how far it has come, and can cancel it.
 */
#ifndef XENFERRY_XAPI_TASK_H
#define XENFERRY_XAPI_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"
#include "json.h"
#include "uuid.h"

#define XAPI_TASKS_MAX 64
#define XAPI_REF_MAX 128
#define XAPI_CALL_MS 10000 /* what XAPI may take for one answer */

struct xapi_task {
	char job[UUID_TEXT]; /* "": free */
	char ref[XAPI_REF_MAX];
	double progress; /* as XAPI was told */
	bool cancelled;  /* it has been passed on that XAPI wants so */
};

struct xapi_tasks {
	const struct clock *clock;
	const char *socket;
	char session[XAPI_REF_MAX]; /* "": none */
	struct xapi_task tasks[XAPI_TASKS_MAX];
};

/*
 * Shows a record's state: creates its task, moves it on, or ends it. A record of a migration that
 * comes here is skipped, as the other host shows it. Returns 0, or XAPI's error, after which what
 * was known of tasks is forgotten: show all records again, which find theirs. Blocks for some calls
 * of XAPI_CALL_MS at most.
 */
int xapi_tasks_show(struct xapi_tasks *tasks, const struct json_value *record, struct err *err);
/* The next job, from *at on, that XAPI wants cancelled and that was not told so; NULL: none. */
const char *xapi_tasks_cancelled(struct xapi_tasks *tasks, size_t *at);

#endif
