/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A TCP connection to a host by its name or address. Inside handshake/ only.
 */
#ifndef XENFERRY_CONNECT_H
#define XENFERRY_CONNECT_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "err.h"

/*
 * Tries each address of `host` in turn until one accepts; each has its share of the time that is
 * left. *fd_out is the socket, non-blocking and close-on-exec. Blocks until `deadline_us`. Only
 * for a process without threads, see lookup.h. ERR_NO_PEER, naming every address and what came of
 * it, with the last one's errno; -ECANCELED when `cancellable`.
 */
int connect_to_host(const struct clock *clock, const char *host, uint16_t port,
		    uint64_t deadline_us, bool cancellable, int *fd_out, struct err *err);

#endif
