/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Certificates as a test wants them, good and bad ones, in a folder of its own.
 */
#ifndef XENFERRY_TLS_POOL_H
#define XENFERRY_TLS_POOL_H

#include "tls.h"

#define POOL_PATH_MAX 256

struct tls_pool {
	char folder[64];
};

/* How a host's certificate differs from a good one. */
struct tls_flaw {
	const char *issuer;   /* the authority that signs it; NULL: "pool" */
	long begins_s, ends_s; /* from now; both 0: good for an hour */
	const char *usage;    /* of the key; NULL: "serverAuth,clientAuth" */
};

struct tls_identity {
	char certificate[POOL_PATH_MAX], key[POOL_PATH_MAX], ca[POOL_PATH_MAX];
	struct tls_files files; /* of these; the program is that of the build tree */
};

/* With the authorities "pool" and "foreign". */
void tls_pool_begin(struct tls_pool *pool);
void tls_pool_end(struct tls_pool *pool);
/*
 * A certificate for `names` ("DNS:A,IP:192.0.2.1"), in files called after `label`, for a host that
 * trusts "pool". `flaw` NULL: a good one.
 */
void tls_pool_issue(const struct tls_pool *pool, const char *label, const char *names,
		    const struct tls_flaw *flaw, struct tls_identity *identity);

#endif
