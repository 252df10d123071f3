/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Draining: after its suspend a guest adds no request, so a VBD is drained as soon as every
 * request in its rings has its response. Nothing is closed: the guest may resume at once.
 *
 * Where a ring cannot be mapped, the block device below must have nothing in flight, and the
 * backend's counters must stand still, for several looks in a row.
 */
#ifndef XENFERRY_DRAIN_H
#define XENFERRY_DRAIN_H

#include <stdint.h>

#include "clock.h"
#include "description.h"
#include "ring.h"
#include "site.h"
#include "store.h"

struct drain;

/*
 * Gets ready to drain the VBDs of the running `guest`, which must stay valid. -EOPNOTSUPP naming
 * a VBD that can be watched in neither way. Allocates all that the others need.
 */
int drain_open(struct store *store, const struct clock *clock, const struct description *guest,
	       struct drain **drain, struct err *err);

/*
 * Before the suspend: looks again where the rings are, then waits until what is outstanding on
 * each VBD can be expected to be done within `drain_ms`, at the rate seen while waiting.
 * -ETIMEDOUT at the deadline, naming the disk and the number outstanding: a slow disk must cost an
 * attempt, not an outage.
 */
int drain_check(struct drain *drain, uint32_t drain_ms, uint64_t deadline_us, struct err *err);

/*
 * After the suspend: waits until every VBD is drained. -ETIMEDOUT as above: some request is still
 * at work, and the target must not have the disk. [blackout]
 */
int drain_wait(struct drain *drain, uint64_t deadline_us, struct err *err);

/* Unmaps and frees; accepts NULL. */
void drain_close(struct drain *drain);

/* drain_open() on another ground. Takes `mapper` over, also on failure; NULL: out of memory. */
int site_drain_open(const struct site *site, const struct description *guest,
		    struct ring_mapper *mapper, struct drain **drain, struct err *err);

#endif
