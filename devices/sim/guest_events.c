/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_events.h"

#include <errno.h>
#include <string.h>

int guest_events_init(struct guest_events *guest, struct sim_host *host, uint32_t domid,
		      const struct clock *clock)
{
	memset(guest, 0, sizeof(*guest));
	guest->host = host;
	guest->domid = domid;
	guest->clock = clock;
	return sim_events_open(host, domid, &guest->events);
}

void guest_events_fini(struct guest_events *guest)
{
	sim_events_close(guest->events);
	guest->events = NULL;
}

static void collect(struct guest_events *guest)
{
	int port;

	while ((port = sim_events_next(guest->events)) >= 0) {
		guest->pending[port / 64] |= UINT64_C(1) << port % 64;
		if (port > 0)
			(void)sim_events_unmask(guest->events, (uint32_t)port);
	}
}

int guest_events_wait(struct guest_events *guest, uint64_t deadline_us)
{
	struct pollfd fd = { .fd = sim_events_fd(guest->events), .events = POLLIN };
	int rc = clock_wait(guest->clock, &fd, 1, deadline_us, true);
	struct sim_domain domain;

	if (rc < 0)
		return rc;
	collect(guest);
	/* who waits for an answer need not wait for one that nobody will get */
	return guest->pending[0] & 1 ? sim_domain_get(guest->host, guest->domid, &domain) : 0;
}

bool guest_events_take(struct guest_events *guest, uint32_t port)
{
	uint64_t bit = UINT64_C(1) << port % 64;
	bool happened = guest->pending[port / 64] & bit;

	guest->pending[port / 64] &= ~bit;
	return happened;
}
