/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libxenevtchn: domain 0's event channels. */
#include "preload.h"

#include <errno.h>
#include <stdlib.h>
#include <xenevtchn.h>

struct xenevtchn_handle {
	struct sim_events *events;
};

PRELOADED xenevtchn_handle *xenevtchn_open(struct xentoollog_logger *logger, unsigned int flags)
{
	struct sim_host *host = preload_host();
	xenevtchn_handle *xce = host ? malloc(sizeof(*xce)) : NULL;

	(void)logger;
	(void)flags;
	if (!xce)
		return NULL;
	if (preload_result(sim_events_open(host, 0, &xce->events)) < 0) {
		free(xce);
		return NULL;
	}
	return xce;
}

/* A descriptor that was handed over by a program's former self: this host keeps none of those. */
PRELOADED xenevtchn_handle *xenevtchn_fdopen(struct xentoollog_logger *logger, int fd,
					     unsigned int flags)
{
	(void)logger;
	(void)fd;
	(void)flags;
	errno = EOPNOTSUPP;
	return NULL;
}

PRELOADED int xenevtchn_close(xenevtchn_handle *xce)
{
	if (!xce)
		return 0;
	sim_events_close(xce->events);
	free(xce);
	return 0;
}

PRELOADED int xenevtchn_fd(xenevtchn_handle *xce)
{
	return sim_events_fd(xce->events);
}

PRELOADED int xenevtchn_notify(xenevtchn_handle *xce, evtchn_port_t port)
{
	return preload_result(sim_events_notify(xce->events, port));
}

PRELOADED xenevtchn_port_or_error_t xenevtchn_bind_unbound_port(xenevtchn_handle *xce,
								uint32_t domid)
{
	return preload_result(sim_events_allocate(xce->events, domid));
}

PRELOADED xenevtchn_port_or_error_t xenevtchn_bind_interdomain(xenevtchn_handle *xce,
							       uint32_t domid,
							       evtchn_port_t remote_port)
{
	return preload_result(sim_events_bind(xce->events, domid, remote_port));
}

PRELOADED xenevtchn_port_or_error_t xenevtchn_bind_virq(xenevtchn_handle *xce, unsigned int virq)
{
	return preload_result(sim_events_bind_virq(xce->events, virq));
}

PRELOADED int xenevtchn_unbind(xenevtchn_handle *xce, evtchn_port_t port)
{
	return preload_result(sim_events_unbind(xce->events, port));
}

PRELOADED xenevtchn_port_or_error_t xenevtchn_pending(xenevtchn_handle *xce)
{
	return preload_result(sim_events_next(xce->events));
}

PRELOADED int xenevtchn_unmask(xenevtchn_handle *xce, evtchn_port_t port)
{
	return preload_result(sim_events_unmask(xce->events, port));
}
