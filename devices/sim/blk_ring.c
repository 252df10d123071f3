/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "blk_ring.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#define SECTOR_BYTES 512u
#define PAGE_SECTORS (SIM_PAGE_BYTES / SECTOR_BYTES)

/* A request of the guest's at the disk, with what its answer needs. */
struct blk_request {
	struct disk_request request; /* the first, so that it is freed as a whole */
	struct blkif_request asked;
};

/* ---- opening and closing ---- */

int blk_ring_open(struct blk_ring *ring, struct sim_host *host, struct sim_events *events,
		  uint32_t domid, uint32_t reference, uint32_t remote_port, struct disk *disk)
{
	struct sim_memory *memory;
	void *page = NULL;
	int rc = sim_memory_open(host, domid, &memory), port;

	assert(!ring->memory);
	if (rc)
		return rc;
	rc = sim_grants_map(memory, &reference, 1, true, &page);
	port = rc ? rc : sim_events_bind(events, domid, remote_port);
	if (port < 0) {
		if (page)
			sim_grants_unmap(memory, &reference, 1, true, page);
		sim_memory_close(memory);
		return port;
	}
	ring->memory = memory;
	ring->events = events;
	ring->reference = reference;
	ring->page = page;
	ring->port = port;
	ring->disk = disk;
	if (!blkif_back_start(&ring->ring, page)) {
		blk_ring_close(ring);
		return -EIO;
	}
	return 0;
}

void blk_ring_close(struct blk_ring *ring)
{
	if (!ring->memory)
		return;
	(void)sim_events_unbind(ring->events, (uint32_t)ring->port);
	sim_grants_unmap(ring->memory, &ring->reference, 1, true, ring->page);
	sim_memory_close(ring->memory);
	ring->memory = NULL;
	ring->port = 0;
	disk_silence(ring->disk, ring);
}

/* ---- answering ---- */

static void answer(struct blk_ring *ring, const struct blkif_request *asked, int16_t status)
{
	struct blkif_response *response =
		RING_GET_RESPONSE(&ring->ring, ring->ring.rsp_prod_pvt);
	int notify;

	*response = (struct blkif_response){
		.id = asked->id,
		.operation = asked->operation,
		.status = status,
	};
	ring->ring.rsp_prod_pvt++;
	RING_PUSH_RESPONSES_AND_CHECK_NOTIFY(&ring->ring, notify);
	if (notify)
		(void)sim_events_notify(ring->events, (uint32_t)ring->port);
}

/* Copies between the request's data and the guest's buffers. */
static int copy(struct blk_ring *ring, struct blk_request *own, enum sim_copy direction)
{
	uint8_t *next = own->request.data;
	int rc = 0;

	for (uint8_t i = 0; !rc && i < own->asked.nr_segments; i++) {
		const struct blkif_request_segment *segment = &own->asked.seg[i];
		size_t bytes = (size_t)(segment->last_sect - segment->first_sect + 1) *
			       SECTOR_BYTES;

		rc = sim_grant_copy(ring->memory, direction, segment->gref,
				    segment->first_sect * SECTOR_BYTES, next, bytes);
		next += bytes;
	}
	return rc;
}

static void done(struct disk_request *request, int rc)
{
	struct blk_request *own = (struct blk_request *)request;
	struct blk_ring *ring = request->owner;

	if (!rc && request->operation == DISK_READ)
		rc = copy(ring, own, SIM_COPY_TO_GUEST);
	answer(ring, &own->asked, rc ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY);
}

/* ---- asking ---- */

/* The bytes that the segments name; -EINVAL when one is none. */
static int measure(const struct blkif_request *asked, size_t *bytes)
{
	if (asked->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return -EINVAL;
	*bytes = 0;
	for (uint8_t i = 0; i < asked->nr_segments; i++) {
		const struct blkif_request_segment *segment = &asked->seg[i];

		if (segment->last_sect >= PAGE_SECTORS || segment->first_sect > segment->last_sect)
			return -EINVAL;
		*bytes += (size_t)(segment->last_sect - segment->first_sect + 1) * SECTOR_BYTES;
	}
	return 0;
}

static void count(struct blk_ring *ring, const struct disk_request *request)
{
	struct blk_counters *counters = &ring->counters;

	counters->rd_req += request->operation == DISK_READ;
	counters->wr_req += request->operation == DISK_WRITE;
	counters->f_req += request->operation == DISK_FLUSH;
	if (request->operation == DISK_READ)
		counters->rd_sect += request->bytes / SECTOR_BYTES;
	else
		counters->wr_sect += request->bytes / SECTOR_BYTES;
}

/* What a guest writes leaves its memory now, as with a disk that fetches it itself. */
static int prepare(struct blk_ring *ring, struct blk_request *own)
{
	struct disk_request *request = &own->request;

	request->owner = ring;
	request->done = done;
	request->next = NULL;
	request->bytes = 0;
	request->offset = 0;
	if (request->operation == DISK_FLUSH)
		return 0;
	if (own->asked.sector_number > UINT64_MAX / SECTOR_BYTES)
		return -EINVAL;
	request->offset = own->asked.sector_number * SECTOR_BYTES;
	if (measure(&own->asked, &request->bytes))
		return -EINVAL;
	if (request->operation == DISK_WRITE)
		return ring->read_only ? -EROFS : copy(ring, own, SIM_COPY_FROM_GUEST);
	return 0;
}

static int put(struct blk_ring *ring, const struct blkif_request *asked,
	       enum disk_operation operation, uint64_t now_us)
{
	struct blk_request *own = malloc(sizeof(*own));
	int rc;

	if (!own)
		return -ENOMEM;
	own->asked = *asked;
	own->request.operation = operation;
	rc = prepare(ring, own);
	if (!rc)
		rc = disk_submit(ring->disk, &own->request, now_us);
	if (rc) {
		free(own);
		return rc;
	}
	count(ring, &own->request);
	return 0;
}

static void take(struct blk_ring *ring, const struct blkif_request *asked, uint64_t now_us)
{
	static const int operations[] = {
		[BLKIF_OP_READ] = DISK_READ,
		[BLKIF_OP_WRITE] = DISK_WRITE,
		[BLKIF_OP_WRITE_BARRIER] = -1,
		[BLKIF_OP_FLUSH_DISKCACHE] = DISK_FLUSH,
	};
	bool known = asked->operation < sizeof(operations) / sizeof(operations[0]) &&
		     operations[asked->operation] >= 0;

	if (!known)
		answer(ring, asked, BLKIF_RSP_EOPNOTSUPP);
	else if (put(ring, asked, (enum disk_operation)operations[asked->operation], now_us))
		answer(ring, asked, BLKIF_RSP_ERROR);
}

void blk_ring_work(struct blk_ring *ring, uint64_t now_us)
{
	RING_IDX more = ring->memory != NULL;

	while (more) {
		RING_IDX produced = ring->ring.sring->req_prod;

		xen_rmb();
		if (RING_REQUEST_PROD_OVERFLOW(&ring->ring, produced)) {
			ring->counters.oo_req++; /* a frontend out of its mind gets nothing more */
			return;
		}
		while (ring->ring.req_cons != produced) {
			struct blkif_request asked;

			RING_COPY_REQUEST(&ring->ring, ring->ring.req_cons, &asked);
			ring->ring.req_cons++;
			take(ring, &asked, now_us);
		}
		RING_FINAL_CHECK_FOR_REQUESTS(&ring->ring, more);
	}
}
