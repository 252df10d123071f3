/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The pool's host list, and what an operator's host=<name|address[:port]> means:
 *
 *   {"hosts": [{"name": "B", "address": "192.168.50.12", "port": 8002,
 *               "certificate": "b.example.org", "tags": ["ssd"], "link-mibps": 1100}]}
 *
 * What it may say of guests beside that is in guest_rules.h.
 */
#ifndef XENFERRY_HOSTS_H
#define XENFERRY_HOSTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "json.h"

#define HOSTS_MAX 256          /* four times a XAPI pool */
#define HOST_NAME_SIZE 64      /* terminator included */
#define HOST_ADDRESS_SIZE 256  /* a DNS name or a numeric address, terminator included */

#define HOST_TAGS_SIZE 128     /* a host's tags with their commas, terminator included */

#define HOST_PORT_DEFAULT 8002 /* unless the list or the operator says another */

/* Where a peer is. `address` is not looked up yet. */
struct host_place {
	char name[HOST_NAME_SIZE];
	char address[HOST_ADDRESS_SIZE];
	uint16_t port;
	char certificate[HOST_ADDRESS_SIZE]; /* the name in its certificate; its own unless said */
	char tags[HOST_TAGS_SIZE]; /* ",ssd,rack-1,": what it has, in the operator's words */
	uint32_t link_mibps;       /* what migrations may take of its network; 0: no limit */
};

struct hosts {
	struct host_place places[HOSTS_MAX];
	size_t count;
};

/*
 * Reads the list; a file that does not exist is an empty list. A row without a port gets
 * `default_port`. -EINVAL names the file and the line: a row of another form, an address that is
 * none, a host that is there twice, by its name or by where it is.
 */
int hosts_load(const char *path, uint16_t default_port, struct hosts *hosts, struct err *err);

/* Whether the host has that tag. */
bool host_has_tag(const struct host_place *place, const char *tag);
/*
 * Puts an array of tags into `tags` as host_place has them, each with a comma before and after.
 * -EINVAL when one is no word, or there are too many.
 */
int host_read_tags(const struct json_value *list, char tags[HOST_TAGS_SIZE]);

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
