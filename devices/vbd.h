/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Closing the source's VBDs before the target opens them: a step that makes the source unable to
 * resume at once. Its undo is here too. No built-in plan has it: on Xen 4.17 a PVH guest with Linux
 * 6.1 crashed when it was to reconnect in the domain that it had been suspended in.
 */
#ifndef XENFERRY_VBD_H
#define XENFERRY_VBD_H

#include <stdint.h>

#include "clock.h"
#include "description.h"
#include "site.h"
#include "store.h"

/*
 * Closes every VBD of the suspended guest the hard way: returns when the backends let go of their
 * disks and nothing is in flight. The nodes are gone then. Idempotent. Blocks until the deadline.
 */
int vbd_close_all(struct store *store, const struct clock *clock, const struct description *guest,
		  uint64_t deadline_us, struct err *err);

/*
 * The undo: makes every device ready for a guest that reconnects as after a migration (a
 * non-cooperative resume). What was unplugged, VIFs included, is written and plugged again; what
 * is still there is taken back to where a frontend can connect. Idempotent. Blocks until the
 * deadline.
 */
int vbd_reopen_all(struct store *store, const struct clock *clock, const struct description *guest,
		   uint64_t deadline_us, struct err *err);

/* The same two on another ground, for tests. */
int site_close_vbds(const struct site *site, const struct description *guest, uint64_t deadline_us,
		    struct err *err);
int site_reopen(const struct site *site, const struct description *guest, uint64_t deadline_us,
		struct err *err);

#endif
