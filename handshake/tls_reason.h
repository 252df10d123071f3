/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Why TLS did not come about, in a sentence. In xenferry-tls only.
 */
#ifndef XENFERRY_TLS_REASON_H
#define XENFERRY_TLS_REASON_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "err.h"

/*
 * After an SSL_ function on `session` returned `result`, and nothing else of the library since:
 * fills `err`. `name`: who was asked for, NULL when accepting. ERR_REFUSED with -EKEYREJECTED for a
 * certificate, ours or the peer's; ERR_NO_PEER with -EPROTO for a peer that speaks no TLS 1.3, with
 * -ECONNRESET for one that is gone.
 */
int tls_reason(SSL *session, int result, const char *name, struct err *err);

#endif
