/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Passes bytes between a TLS session and a local socket. In xenferry-tls only.
 */
#ifndef XENFERRY_TLS_PUMP_H
#define XENFERRY_TLS_PUMP_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "clock.h"
#include "err.h"

#define TLS_PUMP_BYTES 131072 /* buffered each way, beside what the sockets hold */

struct tls_flow {
	uint8_t bytes[TLS_PUMP_BYTES];
	size_t start, size; /* what has come and not gone yet */
	bool ended;         /* nothing more comes */
	bool closed;        /* and the other side was told */
};

struct tls_pump {
	const struct clock *clock;
	SSL *session;
	int socket, plain, control; /* non-blocking; control -1: nobody asks any more */
	struct tls_flow out, in;    /* to the peer, from the peer */
	bool heard;                 /* the peer has sent something */
	bool deserted;              /* nobody has the local socket's other end */
	short session_waits;        /* for what of the socket the session waits */
	uint64_t keys_used;         /* changes of key so far */
};

/*
 * Runs until both sides have closed, each half in its time; until the connection is lost; or until
 * the starter got the socket itself. TCP's own keep-alive finds a dead peer: there is no deadline
 * but for the last words. 0, or as tls_reason().
 */
int tls_pump_run(struct tls_pump *pump, struct err *err);
/* After a failure: closes our half, and lets the peer read why, for a second at most. */
void tls_pump_linger(const struct clock *clock, int socket);

#endif
