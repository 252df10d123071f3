/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * xen-netback, drivers/net/xen-netback/xenbus.c of Linux 6.1: the names of its functions are said
 * where a piece of its behaviour is. The interface vifD.N is one end of a cable, which the script
 * puts on the bridge; the driver has the other, simD.N.
 */
#include "backend.h"

#include <errno.h>
#include <inttypes.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xenbus.h>

#include "cleanup.h"
#include "net_ring.h"
#include "netdev.h"

struct vif {
	struct backend base;
	int inner;           /* the state it is in, which xenstore may be told of later */
	bool awaits_hotplug; /* until the script has connected it nobody is told */
	bool has_cable;
	char name[IFNAMSIZ], far_name[IFNAMSIZ];
	int socket_fd;
	struct net_ring ring;
};

static struct vif *vif_of(struct backend *backend)
{
	return (struct vif *)backend;
}

/* ---- the interface ---- */

/* xenvif_alloc(). One of a backend that was killed may be left. */
static int create_cable(struct vif *vif)
{
	int rc;

	snprintf(vif->name, sizeof(vif->name), "vif%u.%u", vif->base.domid, vif->base.id);
	snprintf(vif->far_name, sizeof(vif->far_name), "sim%u.%u", vif->base.domid, vif->base.id);
	rc = netdev_create_cable(vif->name, vif->far_name);
	if (rc == -EEXIST) {
		(void)netdev_remove(vif->far_name);
		rc = netdev_create_cable(vif->name, vif->far_name);
	}
	vif->has_cable = rc == 0;
	return rc;
}

/* The far end by its own name: the near one's may have been changed by the script. */
static void remove_cable(struct vif *vif)
{
	if (vif->has_cable)
		(void)netdev_remove(vif->far_name);
	vif->has_cable = false;
}

/* ---- connecting ---- */

static int read_offer(struct vif *vif, struct net_offer *offer, struct err *err)
{
	const struct {
		const char *key;
		uint32_t *value;
	} rows[] = {
		{ "tx-ring-ref", &offer->tx_reference },
		{ "rx-ring-ref", &offer->rx_reference },
		{ "event-channel", &offer->port },
	};

	offer->domid = vif->base.domid;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t number = backend_frontend_number(&vif->base, rows[i].key);

		if (number < 0 || number > UINT32_MAX)
			return err_set(err, ERR_FAILED, -EINVAL, "reading %s/%s",
				       vif->base.frontend, rows[i].key);
		*rows[i].value = (uint32_t)number;
	}
	return 0;
}

/* connect(), and the carrier of xenvif_up() */
static int connect_frontend(struct vif *vif, struct err *err)
{
	struct backend *backend = &vif->base;
	struct net_offer offer;
	int rc = read_offer(vif, &offer, err);

	if (rc)
		return rc;
	rc = vif->socket_fd = netdev_open(vif->far_name);
	if (rc >= 0)
		rc = net_ring_open(&vif->ring, backend_host(backend), backend_events(backend),
				   &offer, vif->socket_fd);
	if (rc >= 0)
		rc = netdev_set_up(vif->far_name, true);
	if (rc < 0)
		return err_set(err, ERR_FAILED, rc, "mapping shared-frames %u/%u port %u: %s",
			       offer.tx_reference, offer.rx_reference, offer.port,
			       strerror(-rc));
	backend->port = vif->ring.port;
	vif->awaits_hotplug = true;
	return 0;
}

/* backend_disconnect() */
static void disconnect(struct vif *vif)
{
	if (vif->has_cable)
		(void)netdev_set_up(vif->far_name, false);
	net_ring_close(&vif->ring);
	vif->base.port = 0;
	if (vif->socket_fd >= 0)
		close(vif->socket_fd);
	vif->socket_fd = -1;
}

/* ---- states ---- */

/* backend_switch_state(): not told while the script is waited for. */
static void switch_inner(struct vif *vif, int state)
{
	vif->inner = state;
	if (!vif->awaits_hotplug)
		(void)backend_switch(&vif->base, state);
}

/* hotplug_status_changed() */
static void look_at_hotplug(struct vif *vif)
{
	CLEANUP_FREE char *status = NULL;

	if (!vif->awaits_hotplug)
		return;
	status = store_read(backend_store(&vif->base), "%s/hotplug-status", vif->base.path);
	if (!status || strcmp(status, "connected") != 0)
		return;
	vif->awaits_hotplug = false;
	(void)backend_switch(&vif->base, vif->inner);
}

/* The next state on the way from one to another: the diagram over set_backend_state(). */
static int next_state(int from, int to)
{
	switch (from) {
	case XenbusStateInitialising:
		return to == XenbusStateClosed ? to : XenbusStateInitWait;
	case XenbusStateInitWait:
		return to == XenbusStateConnected ? to : XenbusStateClosing;
	case XenbusStateConnected:
		return XenbusStateClosing;
	case XenbusStateClosing:
		return XenbusStateClosed;
	default: /* closed */
		return to == XenbusStateClosing ? to : XenbusStateInitWait;
	}
}

/* set_backend_state() */
static int go_to(struct vif *vif, int state, struct err *err)
{
	while (vif->inner != state) {
		int next = next_state(vif->inner, state), rc;

		if (next == XenbusStateConnected) {
			rc = connect_frontend(vif, err);
			if (rc) {
				disconnect(vif);
				return rc;
			}
		}
		if (vif->inner == XenbusStateConnected)
			disconnect(vif);
		switch_inner(vif, next);
	}
	look_at_hotplug(vif);
	return 0;
}

/* ---- the driver ---- */

/* netback_probe() */
static int probe(struct backend *backend, struct err *err)
{
	static const struct {
		const char *key;
		uint64_t value;
	} features[] = {
		{ "feature-sg", 0 },
		{ "feature-rx-copy", 1 },
		{ "feature-rx-flip", 0 },
		{ "feature-split-event-channels", 0 },
		{ "multi-queue-max-queues", 1 },
	};
	struct vif *vif = vif_of(backend);
	int rc = 0;

	vif->inner = XenbusStateInitialising;
	vif->socket_fd = -1;
	for (size_t i = 0; !rc && i < sizeof(features) / sizeof(features[0]); i++)
		rc = backend_write_number(backend, features[i].key, features[i].value);
	if (rc)
		return err_set(err, ERR_FAILED, rc, "writing %s", backend->path);
	rc = create_cable(vif);
	return rc ? err_set(err, ERR_FAILED, rc, "creating interface %s: %s", vif->name,
			    strerror(-rc))
		  : 0;
}

/* frontend_changed() */
static int look(struct backend *backend, int frontend_state, struct err *err)
{
	static const int targets[] = {
		[XenbusStateUnknown] = XenbusStateClosed,
		[XenbusStateInitialising] = XenbusStateInitWait,
		[XenbusStateInitWait] = -1,
		[XenbusStateInitialised] = 0,
		[XenbusStateConnected] = XenbusStateConnected,
		[XenbusStateClosing] = XenbusStateClosing,
		[XenbusStateClosed] = XenbusStateClosed,
		[XenbusStateReconfiguring] = -1,
		[XenbusStateReconfigured] = -1,
	};
	struct vif *vif = vif_of(backend);
	int target = targets[frontend_state], rc;

	look_at_hotplug(vif);
	if (target < 0)
		return err_set(err, ERR_FAILED, -EINVAL, "saw state %d at frontend",
			       frontend_state);
	if (target == 0)
		return 0;
	rc = go_to(vif, target, err);
	if (rc)
		return rc;
	return frontend_state == XenbusStateUnknown ||
	       (frontend_state == XenbusStateClosed && !backend_is_online(backend));
}

static void interrupt(struct backend *backend)
{
	net_ring_send(&vif_of(backend)->ring);
	net_ring_receive(&vif_of(backend)->ring);
}

static int input_fd(struct backend *backend)
{
	struct vif *vif = vif_of(backend);

	return net_ring_has_room(&vif->ring) ? vif->socket_fd : -1;
}

static void input(struct backend *backend)
{
	net_ring_receive(&vif_of(backend)->ring);
}

/* netback_remove() */
static void remove_vif(struct backend *backend)
{
	struct vif *vif = vif_of(backend);

	disconnect(vif);
	vif->awaits_hotplug = false;
	(void)backend_switch(backend, XenbusStateClosed);
	remove_cable(vif);
	(void)store_remove(backend_store(backend), "%s/hotplug-status", backend->path);
}

const struct backend_kind backend_vif = {
	.name = "vif",
	.size = sizeof(struct vif),
	.probe = probe,
	.look = look,
	.interrupt = interrupt,
	.input_fd = input_fd,
	.input = input,
	.remove = remove_vif,
};
