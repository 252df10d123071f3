/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xenferryd: the event loop that hears clients and other hosts, and starts and watches workers. It
 * makes no hypercall, touches no guest and may die at any line: workers go on without it.
 */
#ifndef XENFERRY_DAEMON_H
#define XENFERRY_DAEMON_H

#include <stdbool.h>

#include "config.h"
#include "err.h"

/*
 * Runs until SIGTERM or SIGINT. `config_path` and `debug` are handed on to the workers. Returns 0,
 * or -errno with `err` when it cannot start.
 */
int daemon_run(const struct config *config, const char *config_path, bool debug, struct err *err);

#endif
