/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's netfront: a ring each way, frames of one slot. The guest answers ARP and ICMP echo at
 * its address, and says where it is once its backend has connected, as Linux's netfront does.
 */
#ifndef XENFERRY_SIM_GUEST_NIC_H
#define XENFERRY_SIM_GUEST_NIC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hypervisor.h"
#include "program.h"
#include "rings.h"
#include "verdict.h"

#define GUEST_FRAME_MAX 1514 /* bytes of Ethernet, without its checksum */

struct guest_nic {
	struct program *program;
	struct sim_events *events;
	struct verdict *verdict;
	struct program_nic *state; /* in the program */
	uint32_t index;
	/* of this domain alone: */
	bool open, connected, announced;
	struct netif_tx_front_ring tx;
	struct netif_rx_front_ring rx;
	int tx_reference, rx_reference, port;
	int tx_references[PROGRAM_TX_MAX], rx_references[PROGRAM_RX_MAX];
	bool tx_busy[PROGRAM_TX_MAX];
};

void guest_nic_init(struct guest_nic *nic, struct program *program, uint32_t index,
		    struct sim_events *events, struct verdict *verdict);

/*
 * Sets up the rings, with every receive buffer offered, the grants and the event channel: what the
 * frontend then tells in tx_reference, rx_reference and port. -ENOSPC.
 */
int guest_nic_open(struct guest_nic *nic);
void guest_nic_close(struct guest_nic *nic); /* idempotent */
/* The backend is connected. */
void guest_nic_connect(struct guest_nic *nic);
/* Sends a gratuitous ARP, unless it was sent since the backend connected, or that has not yet. */
void guest_nic_announce(struct guest_nic *nic);
/* Whether the rings are what the guest left: after a resume that changed nothing. */
bool guest_nic_is_intact(const struct guest_nic *nic);

/* Takes what was sent and received off the rings; answers. */
void guest_nic_work(struct guest_nic *nic);

/*
 * Makes, at `answer` (GUEST_FRAME_MAX bytes), the answer of a guest with this address to a frame.
 * Returns its size, 0 when there is nothing to answer.
 */
size_t guest_nic_answer(const struct program_nic *address, const uint8_t *frame, size_t size,
			uint8_t *answer);

#endif
