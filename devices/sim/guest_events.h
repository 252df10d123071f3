/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's interrupts: its event channels through one descriptor, each remembered until somebody
 * asks for it, so that waiting for one loses none of the others.
 */
#ifndef XENFERRY_SIM_GUEST_EVENTS_H
#define XENFERRY_SIM_GUEST_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "clock.h"
#include "hypervisor.h"

struct guest_events {
	struct sim_host *host;
	struct sim_events *events;
	uint32_t domid;
	const struct clock *clock;
	uint64_t pending[SIM_PORTS_MAX / 64];
};

/* As sim_events_open() for the guest's domain. */
int guest_events_init(struct guest_events *guest, struct sim_host *host, uint32_t domid,
		      const struct clock *clock);
void guest_events_fini(struct guest_events *guest); /* idempotent; accepts all zeroes */

/*
 * Waits until something happened, or the deadline; notes what it was. Returns 0 in either case,
 * -ECANCELED when the process is asked to end, -ESRCH when the domain is gone. Blocks.
 */
int guest_events_wait(struct guest_events *guest, uint64_t deadline_us);
/* Whether something happened on `port` (0: to the domain itself) since it was last asked. */
bool guest_events_take(struct guest_events *guest, uint32_t port);

#endif
