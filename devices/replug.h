/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Taking devices from a suspended guest, and giving them back without its knowledge: for plans that
 * close the source's devices before the target opens its own, and for their undo.
 *
 * The frontends rest. Their nodes, rings and event channels stay as the guest left them; only the
 * backends go. A backend that is plugged again under a frontend in state 4 connects to the same
 * ring at once, and goes on behind the last response (blkback's and netback's BACK_RING_ATTACH,
 * Linux 6.1); Xen made the guest's port free to be bound again when the old backend let go of it.
 * Then the guest is resumed as if nothing had happened. Requests that a backend has taken and not
 * answered would be served twice: the disks are drained first.
 */
#ifndef XENFERRY_REPLUG_H
#define XENFERRY_REPLUG_H

#include <stdint.h>

#include "clock.h"
#include "description.h"
#include "site.h"
#include "store.h"

/*
 * Closes every device of the kinds in `kinds` (1u << DEVICE_VBD, ...) of a suspended guest: returns
 * when the backends let go of disks and interfaces, nothing is in flight and the scripts have run.
 * Idempotent. Starts processes; in the blackout only for plans that attach these devices there.
 * Blocks until the deadline.
 */
int devices_close(struct store *store, const struct clock *clock, const struct description *guest,
		  unsigned kinds, uint64_t deadline_us, struct err *err);

/*
 * The undo: plugs again what was closed, or half closed, or half plugged again, and returns when
 * each backend serves its frontend as it did before. What was never closed is left alone. -ENODEV
 * when a frontend itself is gone, with its guest. Idempotent. Starts processes. Blocks until the
 * deadline.
 */
int devices_replug(struct store *store, const struct clock *clock, const struct description *guest,
		   unsigned kinds, uint64_t deadline_us, struct err *err);

/* The same two on another ground, for tests. */
int site_close(const struct site *site, const struct description *guest, unsigned kinds,
	       uint64_t deadline_us, struct err *err);
int site_replug(const struct site *site, const struct description *guest, unsigned kinds,
		uint64_t deadline_us, struct err *err);

#endif
