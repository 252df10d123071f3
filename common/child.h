/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A program of the site's that is started, waited for and, at the deadline, killed with all that it
 * has started: a hotplug script, a hook. What it says is read, so that it never waits for us, and
 * the end of it kept.
 */
#ifndef XENFERRY_CHILD_H
#define XENFERRY_CHILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "clock.h"

#define CHILD_TAIL_MAX 256 /* of what it says, the end is kept */
#define CHILDREN_MAX 64    /* waited for at once */

struct child {
	pid_t pid;     /* 0: not running, and leading its own process group while it does */
	int output_fd; /* -1: none, or at its end */
	int status;    /* as waitpid() says, once it has ended */
	int rc;        /* why it was not started, or why it was killed */
	char tail[CHILD_TAIL_MAX];
	size_t tail_size;
};

/* One that was not started. */
#define CHILD_NONE { .output_fd = -1 }

/*
 * Starts `arguments[0]`, a path, with `environment`: nothing to read, no signal blocked or ignored,
 * its output in a pipe. It is killed when this thread dies, what it has started is not. Blocks
 * until the program has begun. 0 or -errno, which `child->rc` has as well.
 */
int child_start(struct child *child, char *const arguments[], char *const environment[]);

/*
 * Waits until all `count` (at most CHILDREN_MAX) have ended; those that were not started have.
 * Otherwise those that still run are killed, and their `rc` says why: -ETIMEDOUT at `deadline_us`,
 * -ECANCELED when a cancel request comes and `cancellable`. Returns 0 or that. Blocks until then,
 * and at most a second longer.
 */
int child_wait_all(const struct clock *clock, struct child *children, size_t count,
		   uint64_t deadline_us, bool cancellable);

/* Whether it was started and ended of itself with this exit status. */
bool child_exited(const struct child *child, int status);

/* The last line of its output that is not empty, printable. */
const char *child_last_line(const struct child *child, char line[CHILD_TAIL_MAX + 1]);

/* Closes the pipe; idempotent. */
void child_fini(struct child *child);

#endif
