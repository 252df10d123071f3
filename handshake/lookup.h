/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The addresses of a host. Inside handshake/ only.
 */
#ifndef XENFERRY_LOOKUP_H
#define XENFERRY_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "clock.h"
#include "err.h"

#define ADDRESSES_MAX 8 /* of one name; more are not tried */

struct addresses {
	size_t count;
	struct sockaddr_storage at[ADDRESSES_MAX];
};

/*
 * `host` is a name or a numeric address. Blocks until `deadline_us`: getaddrinfo() knows no
 * deadline, so a child asks for the name and is killed when it takes too long. Only for a process
 * without threads. ERR_NO_PEER with -EHOSTUNREACH when nobody knows the name, -ETIMEDOUT;
 * -ECANCELED when `cancellable`.
 */
int look_up(const struct clock *clock, const char *host, uint16_t port, uint64_t deadline_us,
	    bool cancellable, struct addresses *addresses, struct err *err);

#endif
