/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What an operator wants of guests when a host is emptied, in the pool's host list beside "hosts":
 *
 *   "guests": [{"name": "db1", "apart": "db", "together": "shop", "tags": ["ssd"],
 *               "priority": 10, "pinned": "its licence is a dongle on this host"}]
 *
 * No two guests of one group that is kept apart come to the same host, all of one that is kept
 * together come to one; a guest with tags goes only to a host that has them all; the higher
 * priority goes first with order=priority; who is pinned stays, and the reason is shown.
 */
#ifndef XENFERRY_GUEST_RULES_H
#define XENFERRY_GUEST_RULES_H

#include <stddef.h>
#include <stdint.h>

#include "description.h"
#include "err.h"
#include "hosts.h"

#define GUEST_RULES_MAX 4096
#define GUEST_GROUP_SIZE 64   /* of a group's name, terminator included */
#define GUEST_REASON_SIZE 256 /* why it is pinned */

struct guest_rule {
	char name[GUEST_NAME_MAX]; /* of the guest, or its UUID */
	char apart[GUEST_GROUP_SIZE], together[GUEST_GROUP_SIZE]; /* "": in no such group */
	char pinned[GUEST_REASON_SIZE];                           /* "": it may go */
	char tags[HOST_TAGS_SIZE]; /* as a host's */
	uint32_t priority;
};

struct guest_rules {
	struct guest_rule *rules;
	size_t count;
};

/* A file that is not there has none. -EINVAL names the file and the line. */
int guest_rules_load(const char *path, struct guest_rules *rules, struct err *err);
void guest_rules_fini(struct guest_rules *rules); /* idempotent; accepts all zeroes */

/* What is said of a guest, by its name or its UUID; NULL: nothing. */
const struct guest_rule *guest_rules_find(const struct guest_rules *rules, const char *name,
					  const char *uuid);
/* The first tag that a guest wants and the host has not, in `tag`; false: it has all. */
bool guest_rule_misses_tag(const struct guest_rule *rule, const struct host_place *place,
			   char tag[HOST_TAGS_SIZE]);

#endif
