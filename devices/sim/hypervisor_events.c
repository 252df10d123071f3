/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Event channels. Who is told has a pipe in events/, into which port numbers are written; a pipe
 * without a reader is the kernel's word that its owner is gone. A port is masked from when it was
 * told until it is unmasked, as in Linux's drivers/xen/evtchn.c, so that a pipe cannot fill up.
 */
#include "hypervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cleanup.h"
#include "hypervisor_state.h"

struct sim_events {
	struct sim_host *host;
	uint32_t domid;
	uint16_t endpoint; /* index plus 1 */
	int fd;
};

/* ---- telling ---- */

static const char *pipe_name(uint16_t endpoint, char name[32])
{
	snprintf(name, 32, "events/%u", endpoint);
	return name;
}

static int open_pipe(struct sim_host *host, uint16_t endpoint, int mode)
{
	char name[32];

	return openat(host->folder_fd, pipe_name(endpoint, name), mode | O_NONBLOCK | O_CLOEXEC);
}

void sim_tell(struct sim_host *host, uint16_t endpoint, uint32_t port)
{
	/* also for reading: a reader that dies just now is then no SIGPIPE for us */
	CLEANUP_FD int fd = open_pipe(host, endpoint, O_RDWR);

	/* full of changes that nobody read yet: then it is readable, and one more adds nothing */
	if (fd >= 0 && write(fd, &port, sizeof(port)) < 0)
		return;
}

/* Told before masked: a death in between costs an event too many, never one too few. */
static void raise_port(struct sim_host *host, struct domain *domain, uint32_t number)
{
	struct port *port = &domain->ports[number];
	uint16_t endpoint = port->endpoint ? port->endpoint : domain->endpoint;

	port->pending = port->masked || !endpoint;
	if (port->pending)
		return;
	sim_tell(host, endpoint, number);
	port->masked = true;
}

void sim_raise_virq(struct sim_host *host, uint32_t virq)
{
	struct domain *zero = &host->state->domains[0];

	for (uint32_t i = 1; i < SIM_PORTS_MAX; i++)
		if (zero->ports[i].state == PORT_VIRQ && zero->ports[i].virq == virq)
			raise_port(host, zero, i);
}

/* ---- ports ---- */

/* A free port, taken as `state`; or -ENOSPC. */
static int take_port(struct domain *domain, enum port_state state, uint16_t endpoint)
{
	for (uint32_t i = 1; i < SIM_PORTS_MAX; i++) {
		if (domain->ports[i].state != PORT_FREE)
			continue;
		domain->ports[i] = (struct port){ .state = (uint8_t)state, .endpoint = endpoint };
		return (int)i;
	}
	return -ENOSPC;
}

static void close_port(struct sim_host *host, struct domain *domain, uint32_t number)
{
	struct port *port = &domain->ports[number];

	if (port->state == PORT_INTERDOMAIN) {
		struct domain *remote = sim_find(host, port->remote);
		struct port *far = remote ? &remote->ports[port->remote_port] : NULL;

		/* not so when somebody died while closing it */
		if (far && far->state == PORT_INTERDOMAIN && far->remote == domain->seen.domid &&
		    far->remote_port == number)
			far->state = PORT_UNBOUND;
	}
	*port = (struct port){ .state = PORT_FREE };
}

void sim_close_ports(struct sim_host *host, struct domain *domain)
{
	for (uint32_t i = 1; i < SIM_PORTS_MAX; i++)
		close_port(host, domain, i);
}

int sim_allocate(struct sim_host *host, struct domain *domain, uint32_t remote)
{
	int port = sim_find(host, remote) ? take_port(domain, PORT_UNBOUND, 0) : -ESRCH;

	if (port >= 0)
		domain->ports[port].remote = remote;
	return port;
}

int sim_port_allocate(struct sim_host *host, uint32_t domid, uint32_t remote)
{
	struct domain *domain = sim_lock_domain(host, domid);
	int port;

	if (!domain)
		return -ESRCH;
	port = sim_allocate(host, domain, remote);
	sim_unlock(host);
	return port;
}

/* ---- endpoints ---- */

static void release_endpoint(struct sim_host *host, uint16_t endpoint)
{
	struct domain *domain = sim_find(host, host->state->endpoints[endpoint - 1].domid);
	char name[32];

	for (uint32_t i = 1; domain && i < SIM_PORTS_MAX; i++)
		if (domain->ports[i].endpoint == endpoint)
			close_port(host, domain, i);
	if (domain && domain->endpoint == endpoint)
		domain->endpoint = 0;
	host->state->endpoints[endpoint - 1].used = false;
	unlinkat(host->folder_fd, pipe_name(endpoint, name), 0);
}

static void release_dead(struct sim_host *host)
{
	for (uint16_t endpoint = 1; endpoint <= SIM_ENDPOINTS_MAX; endpoint++) {
		CLEANUP_FD int fd = -1;

		if (!host->state->endpoints[endpoint - 1].used)
			continue;
		fd = open_pipe(host, endpoint, O_WRONLY);
		if (fd < 0 && (errno == ENXIO || errno == ENOENT)) /* nobody reads */
			release_endpoint(host, endpoint);
	}
}

static int make_pipe(struct sim_host *host, uint16_t endpoint, int *made)
{
	char name[32];
	int fd;

	pipe_name(endpoint, name);
	if (unlinkat(host->folder_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	if (mkfifoat(host->folder_fd, name, 0600) < 0)
		return -errno;
	/* both ends: it neither waits for a writer nor ends with the last one */
	fd = openat(host->folder_fd, name, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*made = fd;
	return 0;
}

static int take_endpoint(struct sim_host *host, struct sim_events *events)
{
	for (uint16_t endpoint = 1; endpoint <= SIM_ENDPOINTS_MAX; endpoint++) {
		struct endpoint *slot = &host->state->endpoints[endpoint - 1];
		int rc;

		if (slot->used)
			continue;
		rc = make_pipe(host, endpoint, &events->fd);
		if (rc)
			return rc;
		slot->domid = events->domid;
		slot->used = true;
		events->endpoint = endpoint;
		return 0;
	}
	return -ENOSPC;
}

/* A guest hears of all its ports, and of its domain: it cannot know what it missed. */
static void tell_everything(struct sim_host *host, struct domain *domain)
{
	sim_tell(host, domain->endpoint, 0);
	for (uint32_t i = 1; i < SIM_PORTS_MAX; i++) {
		domain->ports[i].masked = false;
		if (domain->ports[i].state != PORT_FREE)
			raise_port(host, domain, i);
	}
}

static int attach(struct sim_host *host, struct domain *domain, struct sim_events *events)
{
	int rc;

	release_dead(host);
	if (domain->endpoint)
		return -EBUSY;
	rc = take_endpoint(host, events);
	if (rc || events->domid == 0)
		return rc;
	domain->endpoint = events->endpoint;
	tell_everything(host, domain);
	return 0;
}

int sim_events_open(struct sim_host *host, uint32_t domid, struct sim_events **events)
{
	struct sim_events *opened = malloc(sizeof(*opened));
	struct domain *domain;
	int rc;

	if (!opened)
		return -ENOMEM;
	*opened = (struct sim_events){ .host = host, .domid = domid, .fd = -1 };
	domain = sim_lock_domain(host, domid);
	if (!domain) {
		free(opened);
		return -ESRCH;
	}
	rc = attach(host, domain, opened);
	sim_unlock(host);
	if (rc) {
		free(opened);
		return rc;
	}
	*events = opened;
	return 0;
}

void sim_events_close(struct sim_events *events)
{
	if (!events)
		return;
	sim_lock(events->host);
	release_endpoint(events->host, events->endpoint);
	sim_unlock(events->host);
	close(events->fd);
	free(events);
}

int sim_events_fd(const struct sim_events *events)
{
	return events->fd;
}

/* ---- binding ---- */

/* Who is told of the ports that `events` makes: a guest's belong to its domain. */
static uint16_t owner(const struct sim_events *events)
{
	return events->domid == 0 ? events->endpoint : 0;
}

int sim_events_allocate(struct sim_events *events, uint32_t remote)
{
	struct domain *domain = sim_lock_domain(events->host, events->domid);
	int port;

	if (!domain)
		return -ESRCH;
	port = sim_allocate(events->host, domain, remote);
	if (port >= 0)
		domain->ports[port].endpoint = owner(events);
	sim_unlock(events->host);
	return port;
}

/* Binds both ends, and tells the near one at once: something may have been missed. */
static int bind_ports(const struct sim_events *events, struct domain *domain,
		      struct domain *remote, uint32_t remote_port)
{
	struct port *far = &remote->ports[remote_port];
	int port;

	if (far->state != PORT_UNBOUND || far->remote != events->domid)
		return -EINVAL;
	port = take_port(domain, PORT_INTERDOMAIN, owner(events));
	if (port < 0)
		return port;
	domain->ports[port].remote = remote->seen.domid;
	domain->ports[port].remote_port = remote_port;
	far->remote_port = (uint32_t)port;
	far->state = PORT_INTERDOMAIN;
	raise_port(events->host, domain, (uint32_t)port);
	return port;
}

int sim_events_bind(struct sim_events *events, uint32_t remote, uint32_t remote_port)
{
	struct domain *domain = sim_lock_domain(events->host, events->domid), *far;
	int port = -EINVAL;

	if (!domain)
		return -ESRCH;
	far = sim_find(events->host, remote);
	if (!far)
		port = -ESRCH;
	else if (remote_port > 0 && remote_port < SIM_PORTS_MAX)
		port = bind_ports(events, domain, far, remote_port);
	sim_unlock(events->host);
	return port;
}

static int bind_virq(const struct sim_events *events, struct domain *zero, uint32_t virq)
{
	int port;

	for (uint32_t i = 1; i < SIM_PORTS_MAX; i++)
		if (zero->ports[i].state == PORT_VIRQ && zero->ports[i].virq == virq)
			return -EEXIST;
	port = take_port(zero, PORT_VIRQ, events->endpoint);
	if (port >= 0)
		zero->ports[port].virq = (uint8_t)virq;
	return port;
}

int sim_events_bind_virq(struct sim_events *events, uint32_t virq)
{
	int port;

	if (events->domid != 0 || virq > UINT8_MAX)
		return -EINVAL;
	sim_lock(events->host);
	port = bind_virq(events, &events->host->state->domains[0], virq);
	sim_unlock(events->host);
	return port;
}

/* ---- using ---- */

/* Locks and finds a port that is ours, with its domain; NULL, unlocked, when it is not. */
static struct port *lock_port(const struct sim_events *events, uint32_t number,
			      struct domain **domain)
{
	struct port *port;

	*domain = sim_lock_domain(events->host, events->domid);
	if (!*domain)
		return NULL;
	port = &(*domain)->ports[number < SIM_PORTS_MAX ? number : 0];
	if (port->state != PORT_FREE && port->endpoint == owner(events))
		return port;
	sim_unlock(events->host);
	return NULL;
}

int sim_events_unbind(struct sim_events *events, uint32_t number)
{
	struct domain *domain;

	if (!lock_port(events, number, &domain))
		return -EINVAL;
	close_port(events->host, domain, number);
	sim_unlock(events->host);
	return 0;
}

int sim_events_notify(struct sim_events *events, uint32_t number)
{
	struct domain *domain;
	const struct port *port = lock_port(events, number, &domain);

	if (!port)
		return -EINVAL;
	if (port->state == PORT_INTERDOMAIN) {
		struct domain *remote = sim_find(events->host, port->remote);

		if (remote)
			raise_port(events->host, remote, port->remote_port);
	}
	sim_unlock(events->host);
	return 0;
}

int sim_events_next(struct sim_events *events)
{
	uint32_t port;
	ssize_t size = read(events->fd, &port, sizeof(port));

	if (size < 0)
		return -errno;
	return size == (ssize_t)sizeof(port) && port < SIM_PORTS_MAX ? (int)port : -EIO;
}

int sim_events_unmask(struct sim_events *events, uint32_t number)
{
	struct domain *domain;
	struct port *port = lock_port(events, number, &domain);

	if (!port)
		return -EINVAL;
	port->masked = false;
	if (port->pending)
		raise_port(events->host, domain, number);
	sim_unlock(events->host);
	return 0;
}
