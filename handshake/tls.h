/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * TLS on a connection between two agents, done by a process of its own: xenferry-tls, the only
 * program that has a private key and a TLS library. It shakes hands on a connected socket, reports
 * who is there, and passes bytes between the socket and a local one until both sides have closed;
 * nobody waits for its end. So daemon, worker and stream know plain descriptors alone, and a
 * failure in the library stops at a process boundary.
 */
#ifndef XENFERRY_TLS_H
#define XENFERRY_TLS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "clock.h"
#include "err.h"
#include "tls_report.h"

#define TLS_HANDSHAKE_MS 5000 /* the longest that a handshake may take */

/* Absolute paths. */
struct tls_files {
	const char *program;     /* xenferry-tls */
	const char *certificate; /* this host's, PEM, and what leads from it to the pool's */
	const char *key;         /* its private key, readable for root alone */
	const char *ca;          /* the pool's authority */
};

/*
 * Starts xenferry-tls on the connected `socket`, which stays the caller's. `name`: connecting, the
 * name (or address) that the peer's certificate must bear; NULL: accepting, where the caller judges
 * the names in the report. *control is non-blocking and readable when the report is there, within
 * TLS_HANDSHAKE_MS; to close it before that ends the handshake. Forks, but does not wait for the
 * program. -errno with `err`.
 */
int tls_start(const struct tls_files *files, const char *name, int socket, int *control,
	      struct err *err);

/*
 * The connecting side as one call: waits for the report. *plain carries the bytes, *control is for
 * tls_take_socket(). ERR_REFUSED (-EKEYREJECTED) for a certificate, whoever did not like it;
 * ERR_NO_PEER for what is no TLS or was lost; -ECANCELED when `cancellable`.
 */
int tls_connect(const struct clock *clock, const struct tls_files *files, const char *name,
		int socket, uint64_t deadline_us, bool cancellable, int *plain, int *control,
		struct err *err);
/*
 * For a connection on which from now on we only send: where the kernel encrypts, *plain is
 * replaced by the very socket, and xenferry-tls ends. Otherwise all stays as it is. Nothing may be
 * on its way in either direction. Blocks until `deadline_us`.
 */
int tls_take_socket(const struct clock *clock, int control, uint64_t deadline_us, int *plain,
		    struct err *err);

/* Whether a name that a certificate may bear stands in a report's list; case does not count. */
bool tls_has_name(const char *names, const char *name);
/* Connections to and from loopback addresses need no TLS: nobody else hears them. */
bool tls_is_loopback(const struct sockaddr *address);

#endif
