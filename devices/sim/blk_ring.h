/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The data path of blkback: one frontend's ring, and the disk behind it. Once closed it answers
 * nothing any more; what it has put to the disk happens all the same.
 */
#ifndef XENFERRY_SIM_BLK_RING_H
#define XENFERRY_SIM_BLK_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "disk_queue.h"
#include "hypervisor.h"
#include "rings.h"

/* As xen-blkback counts them, in sectors and requests. */
struct blk_counters {
	uint64_t rd_req, wr_req, f_req, oo_req, rd_sect, wr_sect;
};

struct blk_ring {
	struct disk *disk;
	bool read_only;
	struct blk_counters counters; /* of all connections */
	/* while it is open: */
	struct sim_memory *memory;    /* NULL: it is not */
	struct sim_events *events;
	uint32_t reference;
	void *page;
	int port;
	struct blkif_back_ring ring;
};

/* Maps the ring and binds the channel that a frontend of `domid` offers. -EINVAL, -ESRCH. */
int blk_ring_open(struct blk_ring *ring, struct sim_host *host, struct sim_events *events,
		  uint32_t domid, uint32_t reference, uint32_t remote_port, struct disk *disk);
/* Idempotent. What is under way stays so, and the guest is not told of it. */
void blk_ring_close(struct blk_ring *ring);
/* Puts the requests that have come to the disk. */
void blk_ring_work(struct blk_ring *ring, uint64_t now_us);

#endif
