/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Hears at once of the end of a process that is not this one's child: of a worker that an earlier
 * daemon has started.
 */
#ifndef XENFERRY_DAEMON_WATCH_H
#define XENFERRY_DAEMON_WATCH_H

#include <sys/types.h>
#include <uv.h>

struct watch;

/*
 * `ended` is called from the loop, once, when the process has ended. End it with watch_end(), then
 * too. NULL when there is no such process, or it cannot be watched.
 */
struct watch *watch_begin(uv_loop_t *loop, pid_t pid, void (*ended)(void *context), void *context);
/* No call comes any more; freed by the loop. NULL is fine. */
void watch_end(struct watch *watch);

#endif
