/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * This host's certificate and key, and what it demands of a peer: TLS 1.3, and a certificate of the
 * pool. In xenferry-tls only.
 */
#ifndef XENFERRY_TLS_CONTEXT_H
#define XENFERRY_TLS_CONTEXT_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "err.h"

struct tls_paths {
	const char *certificate, *key, *ca;
};

/*
 * Reads the files; afterwards nothing is opened any more. `connecting`: the side. Fails with the
 * file and the remedy in `err`: missing, unreadable, key open to others, key of another
 * certificate.
 */
int tls_context_open(const struct tls_paths *paths, bool connecting, SSL_CTX **context,
		     struct err *err);
/*
 * A session on `socket`. `name`: the DNS name or address that the peer's certificate must bear;
 * NULL: any of the pool.
 */
int tls_session_open(SSL_CTX *context, int socket, const char *name, SSL **session,
		     struct err *err);
/*
 * The names in the peer's certificate, a blank after each; those that are strange or do not fit are
 * left out.
 */
void tls_session_names(SSL *session, char *names, size_t size);
/* The same of the certificate that was refused last; the session has none then. */
const char *tls_refused_names(void);

#endif
