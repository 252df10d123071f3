/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who tracks a guest's dirty pages: Xen has one log-dirty mode a domain, so that two who use it
 * break each other. A lock a guest, <state>/tracking/<uuid>, that ends with its last holder: a
 * saving stream, which may live longer than its worker, holds it, too.
 */
#ifndef XENFERRY_TRACKING_H
#define XENFERRY_TRACKING_H

#include "config.h"
#include "err.h"

struct tracking;

struct tracking_ops {
	/*
	 * -EBUSY with ERR_REFUSED when somebody else tracks that guest, for which it blocks up to a
	 * second; -errno when nobody can tell. Harmless when we do.
	 */
	int (*claim)(struct tracking *tracking, const char *guest_uuid, struct err *err);
};

struct tracking {
	const struct tracking_ops *ops;
	int fd; /* the lock, for as long as any copy is open; -1: nothing is claimed */
};

struct tracking_lock {
	struct tracking tracking;
	const struct config *config;
};

void tracking_init(struct tracking_lock *lock, const struct config *config);
void tracking_fini(struct tracking_lock *lock); /* lets go; idempotent */

#endif
