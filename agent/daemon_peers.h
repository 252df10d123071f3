/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The port on which other hosts' agents call. xenferry-tls shakes hands with a caller and says
 * whose certificate it has; a host of the pool's list then says its hello, and the connection
 * belongs to a worker or is refused; nothing else of it is read by the daemon.
 */
#ifndef XENFERRY_DAEMON_PEERS_H
#define XENFERRY_DAEMON_PEERS_H

#include <stdbool.h>
#include <stdint.h>
#include <uv.h>

#include "clock.h"
#include "err.h"
#include "hosts.h"
#include "tls.h"
#include "wire.h"

#define PEERS_ADDRESS_SIZE 64

/* Who calls: where from, and the name in the pool's list of the host whose certificate it has. */
struct caller {
	char address[PEERS_ADDRESS_SIZE]; /* numeric */
	char host[HOST_NAME_SIZE];        /* "": it has shown none, as in plain text */
	char certificate[HOST_ADDRESS_SIZE]; /* the name in that host's certificate */
};

/* For people: the host, or where it calls from. */
static inline const char *caller_name(const struct caller *caller)
{
	return caller->host[0] ? caller->host : caller->address;
}

/*
 * Takes a connection that said a good hello. `fd` stays ours and is closed after the call: what
 * keeps it has a copy. On -errno the peer is refused, with the sentence in `err`.
 */
typedef int peer_taken_fn(void *context, const struct wire_hello *hello, int fd,
			  const struct caller *caller, struct err *err);

struct peers;

struct peers_setup {
	uv_loop_t *loop;
	const struct clock *clock;
	const char *address;         /* numeric */
	uint16_t port;               /* 0: takes a free one */
	const struct tls_files *tls; /* NULL, or a loopback address: in plain text */
	const char *hosts_file;      /* who may call over TLS; read anew for each call */
	peer_taken_fn *taken;
	void *context;
};

/*
 * Listens. What the setup points to stays the caller's, and lives as long. -errno with what to
 * write into the configuration, also when TLS is wanted and its files are not there.
 */
int peers_listen(const struct peers_setup *setup, struct peers **peers, struct err *err);
uint16_t peers_port(const struct peers *peers);
/* Stops listening and drops who has not said a hello yet. Freed by the loop. NULL is fine. */
void peers_close(struct peers *peers);

#endif
