/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Who of the pool is dead for certain: a lockspace on shared storage, in which every host renews a
 * lease of its own and is reset by its watchdog when it cannot. Both calls block for as long as
 * what keeps the lockspace does: in a child that can be left behind, never in the blackout.
 */
#ifndef XENFERRY_LOCKSPACE_H
#define XENFERRY_LOCKSPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"

struct lockspace_ops {
	/*
	 * 0 when this host is in the lockspace by this id; from now on it stays there, and is reset
	 * should it lose it. -errno with `err`, also when it has lost it already.
	 */
	int (*join)(const char *name, uint32_t host_id, struct err *err);
	/*
	 * Whether another host's watchdog has reset it, as a host says that is well itself: join()
	 * comes before. One that has left, or was never seen, is not known to be dead.
	 */
	int (*is_dead)(const char *name, uint32_t host_id, bool *dead, struct err *err);
};

#ifdef HAVE_SANLOCK
extern const struct lockspace_ops lockspace_sanlock;
#define LOCKSPACE (&lockspace_sanlock)
#else
#define LOCKSPACE NULL /* the configuration refuses the kind */
#endif

#endif
