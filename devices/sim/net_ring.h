/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The data path of netback: one frontend's two rings, and a packet socket on the host's end of the
 * cable (netdev.h). What the guest takes no buffer for waits in the socket, as in netback's queue.
 */
#ifndef XENFERRY_SIM_NET_RING_H
#define XENFERRY_SIM_NET_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor.h"
#include "rings.h"

struct net_ring {
	struct sim_memory *memory; /* NULL: it is not open */
	struct sim_events *events;
	uint32_t tx_reference, rx_reference;
	void *tx_page, *rx_page;
	int port;
	int socket_fd; /* the caller's */
	struct netif_tx_back_ring tx;
	struct netif_rx_back_ring rx;
};

/* What a frontend offers. */
struct net_offer {
	uint32_t domid, tx_reference, rx_reference, port;
};

int net_ring_open(struct net_ring *ring, struct sim_host *host, struct sim_events *events,
		  const struct net_offer *offer, int socket_fd);
void net_ring_close(struct net_ring *ring); /* idempotent */

/* Sends what the guest has to send. */
void net_ring_send(struct net_ring *ring);
/* Gives the guest what has come for it, as far as it has buffers. */
void net_ring_receive(struct net_ring *ring);
/* Whether the guest has a buffer: without one the socket need not be looked at. */
bool net_ring_has_room(struct net_ring *ring);

#endif
