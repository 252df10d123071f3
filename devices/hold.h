/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Disks that let the network go first.
 *
 * A guest that arrives connects its devices one after another, and so do the backends. A disk that
 * is ready at once comes before the VIFs and makes the guest's peers wait for it. So a disk that is
 * plugged is held back: its backend is made anew and is not told which disk it is until the guest
 * is on the network. What its script answered is kept meanwhile.
 */
#ifndef XENFERRY_HOLD_H
#define XENFERRY_HOLD_H

#include <stdint.h>

#include "clock.h"
#include "description.h"
#include "site.h"
#include "store.h"

/*
 * Holds every VBD that is plugged, unless the guest has no VIF to wait for. Blocks until the
 * deadline. Idempotent; its undo is to unplug.
 */
int hold_disks(struct store *store, const struct clock *clock, const struct description *guest,
	       uint64_t deadline_us, struct err *err);
/* Tells the backends which disks they are. Harmless when none is held; repeatable. */
int hold_release(struct store *store, const struct description *guest, struct err *err);

/* The first on another ground, for tests. */
int site_hold(const struct site *site, const struct description *guest, uint64_t deadline_us,
	      struct err *err);

#endif
