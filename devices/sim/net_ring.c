/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "net_ring.h"

#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#define FRAMES_MAX 64 /* in one go: other guests have frames, too */

/* ---- opening and closing ---- */

static int map(struct net_ring *ring, const struct net_offer *offer)
{
	int rc = sim_grants_map(ring->memory, &offer->tx_reference, 1, true, &ring->tx_page);

	if (!rc)
		rc = sim_grants_map(ring->memory, &offer->rx_reference, 1, true, &ring->rx_page);
	if (!rc)
		rc = ring->port = sim_events_bind(ring->events, offer->domid, offer->port);
	return rc < 0 ? rc : 0;
}

int net_ring_open(struct net_ring *ring, struct sim_host *host, struct sim_events *events,
		  const struct net_offer *offer, int socket_fd)
{
	int rc;

	assert(!ring->memory);
	*ring = (struct net_ring){
		.events = events,
		.tx_reference = offer->tx_reference,
		.rx_reference = offer->rx_reference,
		.socket_fd = socket_fd,
	};
	rc = sim_memory_open(host, offer->domid, &ring->memory);
	if (!rc)
		rc = map(ring, offer);
	if (!rc && (!netif_tx_back_start(&ring->tx, ring->tx_page) ||
		    !netif_rx_back_start(&ring->rx, ring->rx_page)))
		rc = -EIO;
	if (rc)
		net_ring_close(ring);
	return rc;
}

void net_ring_close(struct net_ring *ring)
{
	if (ring->port > 0)
		(void)sim_events_unbind(ring->events, (uint32_t)ring->port);
	if (ring->tx_page)
		sim_grants_unmap(ring->memory, &ring->tx_reference, 1, true, ring->tx_page);
	if (ring->rx_page)
		sim_grants_unmap(ring->memory, &ring->rx_reference, 1, true, ring->rx_page);
	sim_memory_close(ring->memory);
	*ring = (struct net_ring){ .socket_fd = -1 };
}

/* ---- from the guest ---- */

static int16_t send_frame(struct net_ring *ring, const struct netif_tx_request *request)
{
	uint8_t frame[SIM_PAGE_BYTES];

	if (request->flags & (NETTXF_more_data | NETTXF_extra_info) ||
	    request->size > sizeof(frame) ||
	    sim_grant_copy(ring->memory, SIM_COPY_FROM_GUEST, request->gref, request->offset,
			   frame, request->size))
		return NETIF_RSP_ERROR;
	/* a network may lose frames, and does when its queue is full */
	(void)send(ring->socket_fd, frame, request->size, MSG_DONTWAIT | MSG_NOSIGNAL);
	return NETIF_RSP_OKAY;
}

static void answer_sent(struct net_ring *ring, uint16_t id, int16_t status)
{
	struct netif_tx_response *response = RING_GET_RESPONSE(&ring->tx, ring->tx.rsp_prod_pvt);
	int notify;

	*response = (struct netif_tx_response){ .id = id, .status = status };
	ring->tx.rsp_prod_pvt++;
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->tx, notify);
	if (notify)
		(void)sim_events_notify(ring->events, (uint32_t)ring->port);
}

void net_ring_send(struct net_ring *ring)
{
	RING_IDX more = ring->memory != NULL;

	while (more) {
		RING_IDX produced = ring->tx.sring->req_prod;

		xen_rmb();
		if (RING_REQUEST_PROD_OVERFLOW(&ring->tx, produced))
			return;
		while (ring->tx.req_cons != produced) {
			struct netif_tx_request request;

			RING_COPY_REQUEST(&ring->tx, ring->tx.req_cons, &request);
			ring->tx.req_cons++;
			answer_sent(ring, request.id, send_frame(ring, &request));
		}
		RING_FINAL_CHECK_FOR_REQUESTS(&ring->tx, more);
	}
}

/* ---- to the guest ---- */

bool net_ring_has_room(struct net_ring *ring)
{
	RING_IDX room = 0;

	if (!ring->memory ||
	    RING_REQUEST_PROD_OVERFLOW(&ring->rx, ring->rx.sring->req_prod))
		return false;
	RING_FINAL_CHECK_FOR_REQUESTS(&ring->rx, room);
	return room != 0;
}

/* In the slot of the request that it answers: netfront relies on that. */
static void deliver(struct net_ring *ring, uint8_t *frame, size_t size)
{
	struct netif_rx_response *response;
	struct netif_rx_request request;
	int notify, rc;

	RING_COPY_REQUEST(&ring->rx, ring->rx.req_cons, &request);
	ring->rx.req_cons++;
	rc = sim_grant_copy(ring->memory, SIM_COPY_TO_GUEST, request.gref, 0, frame, size);
	response = RING_GET_RESPONSE(&ring->rx, ring->rx.rsp_prod_pvt);
	*response = (struct netif_rx_response){
		.id = request.id,
		.status = rc ? NETIF_RSP_ERROR : (int16_t)size,
	};
	ring->rx.rsp_prod_pvt++;
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->rx, notify);
	if (notify)
		(void)sim_events_notify(ring->events, (uint32_t)ring->port);
}

void net_ring_receive(struct net_ring *ring)
{
	uint8_t frame[SIM_PAGE_BYTES];

	for (int i = 0; i < FRAMES_MAX && net_ring_has_room(ring); i++) {
		/* one that is longer than a buffer is for somebody else's stack: it is cut */
		ssize_t size = recv(ring->socket_fd, frame, sizeof(frame), MSG_DONTWAIT);

		if (size <= 0)
			return;
		deliver(ring, frame, (size_t)size);
	}
}
