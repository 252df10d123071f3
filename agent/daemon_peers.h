/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The port on which other hosts' agents call. A connection says its hello here, and then belongs to
 * a worker or is refused; nothing else of it is read by the daemon.
 */
#ifndef XENFERRY_DAEMON_PEERS_H
#define XENFERRY_DAEMON_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "clock.h"
#include "err.h"
#include "wire.h"

/*
 * Takes a connection that said a good hello. `fd` stays ours and is closed after the call: what
 * keeps it has a copy. `from` is the peer's numeric address. On -errno the peer is refused, with
 * the sentence in `err`.
 */
typedef int peer_taken_fn(void *context, const struct wire_hello *hello, int fd, const char *from,
			  struct err *err);

struct peers;

/*
 * Whether it is allowed to listen there: in plain text only on loopback, or where an operator
 * wrote it down. -EPERM with what to write.
 */
int peers_check(const char *address, bool tls, struct err *err);

/* Listens on the numeric `address`; port 0 takes a free one. */
int peers_listen(uv_loop_t *loop, const struct clock *clock, const char *address, uint16_t port,
		 peer_taken_fn *taken, void *context, struct peers **peers, struct err *err);
uint16_t peers_port(const struct peers *peers);
/* Stops listening and drops who has not said a hello yet. Freed by the loop. NULL is fine. */
void peers_close(struct peers *peers);

#endif
