/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pool's host list, and what an operator's host=<name|address[:port]> means:
 *
 *   {"hosts": [{"name": "B", "address": "192.168.50.12", "port": 8002,
 *               "certificate": "b.example.org"}]}
 */
#ifndef XENFERRY_HOSTS_H
#define XENFERRY_HOSTS_H

#include <stddef.h>
#include <stdint.h>

#include "err.h"

#define HOSTS_MAX 256          /* four times a XAPI pool */
#define HOST_NAME_SIZE 64      /* terminator included */
#define HOST_ADDRESS_SIZE 256  /* a DNS name or a numeric address, terminator included */

#define HOST_PORT_DEFAULT 8002 /* unless the list or the operator says another */

/* Where a peer is. `address` is not looked up yet. */
struct host_place {
	char name[HOST_NAME_SIZE];
	char address[HOST_ADDRESS_SIZE];
	uint16_t port;
	char certificate[HOST_ADDRESS_SIZE]; /* the name in its certificate; its own unless said */
};

struct hosts {
	struct host_place places[HOSTS_MAX];
	size_t count;
};

/*
 * Reads the list; a file that does not exist is an empty list. A row without a port gets
 * `default_port`. -EINVAL names the file and the row.
 */
int hosts_load(const char *path, uint16_t default_port, struct hosts *hosts, struct err *err);

/*
 * `text` is a name or an address in the list, or else a DNS name or an address that its certificate
 * must bear, each with or without ":port"; an IPv6 address with a port stands in brackets. Never
 * blocks: nothing is looked up. -EINVAL with ERR_USAGE when it has none of these forms.
 */
int hosts_resolve(const struct hosts *hosts, const char *text, uint16_t default_port,
		  struct host_place *place, struct err *err);

/*
 * The host of the list whose certificate has one of `names` (tls_report.h); NULL: none. The list is
 * who belongs to the pool.
 */
const struct host_place *hosts_find_certified(const struct hosts *hosts, const char *names);

#endif
