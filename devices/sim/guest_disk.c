/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry points: guest_disk_open(), guest_disk_connect(), then guest_disk_issue() and
 * guest_disk_work() by turns; guest_disk_moved() after a move, before it all begins again.
 */
#include "guest_disk.h"

#include <assert.h>
#include <errno.h>

#define BLOCK_SECTORS (SIM_PAGE_BYTES / 512)
#define GUARD_US 2000000 /* how long a block is only read after a move */

void guest_disk_init(struct guest_disk *disk, struct program *program, uint32_t index,
		     struct sim_events *events, struct verdict *verdict, uint32_t depth)
{
	*disk = (struct guest_disk){
		.program = program,
		.events = events,
		.verdict = verdict,
		.state = &program->state->disks[index],
		.index = index,
		.depth = depth < PROGRAM_REQUESTS_MAX ? depth : PROGRAM_REQUESTS_MAX,
	};
}

static void touch(struct guest_disk *disk)
{
	program_touch(disk->program, disk->state, sizeof(*disk->state));
}

static uint64_t ring_frame(const struct guest_disk *disk)
{
	return program_disk_ring(disk->program, disk->index);
}

static uint64_t buffer_frame(const struct guest_disk *disk, uint32_t slot)
{
	return program_disk_buffer(disk->program, disk->index, slot);
}

static void *buffer(const struct guest_disk *disk, uint32_t slot)
{
	return program_frame(disk->program, buffer_frame(disk, slot));
}

/* ---- opening and closing ---- */

static int grant_buffers(struct guest_disk *disk)
{
	for (uint32_t i = 0; i < PROGRAM_REQUESTS_MAX; i++) {
		disk->references[i] =
			sim_grant(disk->program->memory, buffer_frame(disk, i), true);
		if (disk->references[i] < 0)
			return disk->references[i];
	}
	return 0;
}

int guest_disk_open(struct guest_disk *disk)
{
	int rc;

	assert(!disk->open);
	disk->open = true;
	blkif_front_start(&disk->ring, program_frame(disk->program, ring_frame(disk)));
	program_touch_frame(disk->program, ring_frame(disk));
	disk->ring_reference = sim_grant(disk->program->memory, ring_frame(disk), true);
	disk->port = disk->ring_reference < 0 ? disk->ring_reference
					      : sim_events_allocate(disk->events, 0);
	rc = disk->port < 0 ? disk->port : grant_buffers(disk);
	if (rc)
		guest_disk_close(disk);
	return rc;
}

/* Negative ones were never given. */
static void end_grant(struct guest_disk *disk, int *reference)
{
	if (*reference > 0)
		sim_grant_end(disk->program->memory, (uint32_t)*reference);
	*reference = 0;
}

void guest_disk_close(struct guest_disk *disk)
{
	if (!disk->open)
		return;
	for (uint32_t i = 0; i < PROGRAM_REQUESTS_MAX; i++)
		end_grant(disk, &disk->references[i]);
	end_grant(disk, &disk->ring_reference);
	if (disk->port > 0)
		(void)sim_events_unbind(disk->events, (uint32_t)disk->port);
	disk->port = 0;
	disk->open = disk->connected = false;
}

/* ---- requests ---- */

static void put_request(struct guest_disk *disk, uint32_t index)
{
	const struct program_slot *slot = &disk->state->slots[index];
	struct blkif_request *request = RING_GET_REQUEST(&disk->ring, disk->ring.req_prod_pvt);

	*request = (struct blkif_request){
		.operation = slot->operation == SLOT_READ ? BLKIF_OP_READ : BLKIF_OP_WRITE,
		.nr_segments = 1,
		.handle = (blkif_vdev_t)disk->state->id,
		.id = index,
		.sector_number = (uint64_t)slot->block * BLOCK_SECTORS,
	};
	request->seg[0] = (struct blkif_request_segment){
		.gref = (grant_ref_t)disk->references[index],
		.last_sect = BLOCK_SECTORS - 1,
	};
	disk->ring.req_prod_pvt++;
}

static void push_requests(struct guest_disk *disk)
{
	int notify;

	program_touch_frame(disk->program, ring_frame(disk));
	RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&disk->ring, notify);
	if (notify)
		(void)sim_events_notify(disk->events, (uint32_t)disk->port);
}

/* Everything of a request in flight is repeated from memory: so that must have arrived. */
static void repeat_request(struct guest_disk *disk, uint32_t index)
{
	const struct program_slot *slot = &disk->state->slots[index];

	if (slot->operation == SLOT_WRITE &&
	    program_block_number(disk->program, disk->index, slot->block, buffer(disk, index)) !=
		    slot->number)
		verdict_violation(disk->verdict, VIOLATION_PAGE,
				  "disk %u: the buffer of write %u to block %u, in flight when the "
				  "guest moved, did not arrive as it was", disk->index,
				  slot->number, slot->block);
	put_request(disk, index);
	disk->state->reissued++;
}

static void size_disk(struct guest_disk *disk, uint64_t sectors)
{
	uint64_t blocks = sectors / BLOCK_SECTORS;

	if (blocks < disk->state->blocks || blocks == 0)
		verdict_violation(disk->verdict, VIOLATION_DISK_ERROR,
				  "disk %u has only %llu sectors", disk->index,
				  (unsigned long long)sectors);
	if (disk->state->blocks == 0)
		disk->state->blocks =
			blocks < PROGRAM_BLOCKS_MAX ? (uint32_t)blocks : PROGRAM_BLOCKS_MAX;
}

void guest_disk_connect(struct guest_disk *disk, uint64_t sectors)
{
	uint32_t repeated = 0;

	assert(disk->open);
	size_disk(disk, sectors);
	disk->connected = true;
	for (uint32_t i = 0; i < PROGRAM_REQUESTS_MAX; i++)
		if (disk->state->slots[i].operation != SLOT_FREE) {
			repeat_request(disk, i);
			repeated++;
		}
	touch(disk);
	if (repeated > 0)
		push_requests(disk);
}

/* ---- after a move ---- */

void guest_disk_moved(struct guest_disk *disk)
{
	struct program_disk *state = disk->state;

	for (uint32_t i = 0; i < state->blocks; i++)
		state->table[i].flags &= ~(BLOCK_SEEN | BLOCK_AGAIN | BLOCK_GUARDED);
	state->guarded_until_us = disk->program->state->uptime_us + GUARD_US;
	for (uint32_t i = 0; i < PROGRAM_REQUESTS_MAX; i++)
		if (state->slots[i].operation == SLOT_WRITE)
			state->table[state->slots[i].block].flags |= BLOCK_AGAIN | BLOCK_GUARDED;
	touch(disk);
}

static uint32_t in_flight(const struct guest_disk *disk)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < PROGRAM_REQUESTS_MAX; i++)
		count += disk->state->slots[i].operation != SLOT_FREE;
	return count;
}

bool guest_disk_is_intact(const struct guest_disk *disk)
{
	const blkif_sring_t *shared = disk->ring.sring;

	return disk->connected && shared->req_prod == disk->ring.req_prod_pvt &&
	       disk->ring.req_prod_pvt - disk->ring.rsp_cons == in_flight(disk) &&
	       !RING_RESPONSE_PROD_OVERFLOW(&disk->ring, shared->rsp_prod);
}

/* ---- answers ---- */

static void judge_read(struct guest_disk *disk, uint32_t index, const struct program_slot *slot)
{
	struct program_block *block = &disk->state->table[slot->block];
	uint32_t found = program_block_number(disk->program, disk->index, slot->block,
					      buffer(disk, index));

	disk->state->checked++;
	block->flags |= BLOCK_SEEN;
	if (found == block->number) {
		block->flags |= BLOCK_VERIFIED;
		return;
	}
	/*
	 * What was there once and is no more was overwritten by something older; and what is older
	 * in a block that was in flight at the move came from the host before.
	 */
	if (found && (found > block->number || block->flags & (BLOCK_VERIFIED | BLOCK_GUARDED)))
		verdict_violation(disk->verdict, VIOLATION_BLOCK_STALE,
				  "disk %u: block %u holds write %u where write %u was answered",
				  disk->index, slot->block, found, block->number);
	else
		verdict_violation(disk->verdict, VIOLATION_BLOCK_LOST,
				  "disk %u: block %u holds %s %u where write %u was answered",
				  disk->index, slot->block, found ? "write" : "no write:", found,
				  block->number);
}

static void settle_write(struct guest_disk *disk, const struct program_slot *slot)
{
	struct program_block *block = &disk->state->table[slot->block];

	block->number = slot->number;
	block->flags = (block->flags & ~BLOCK_VERIFIED) | BLOCK_SEEN;
	disk->state->written++;
}

/* False when the answer belongs to no request of ours. */
static bool take_response(struct guest_disk *disk, const struct blkif_response *response)
{
	uint32_t index = (uint32_t)response->id;
	struct program_slot slot;

	if (response->id >= PROGRAM_REQUESTS_MAX ||
	    disk->state->slots[index].operation == SLOT_FREE)
		return false;
	slot = disk->state->slots[index];
	disk->state->slots[index].operation = SLOT_FREE;
	disk->state->table[slot.block].flags &= ~BLOCK_BUSY;
	if (response->status != BLKIF_RSP_OKAY)
		verdict_violation(disk->verdict, VIOLATION_DISK_ERROR,
				  "disk %u: %s of block %u failed", disk->index,
				  slot.operation == SLOT_READ ? "read" : "write", slot.block);
	else if (slot.operation == SLOT_READ)
		judge_read(disk, index, &slot);
	else
		settle_write(disk, &slot);
	return true;
}

static void refuse_ring(struct guest_disk *disk)
{
	verdict_violation(disk->verdict, VIOLATION_RINGS,
			  "disk %u: the ring holds an answer to no request", disk->index);
	disk->connected = false;
}

void guest_disk_work(struct guest_disk *disk)
{
	bool worked = false;
	RING_IDX more = disk->connected;

	while (more) {
		RING_IDX produced = disk->ring.sring->rsp_prod;

		xen_rmb();
		if (RING_RESPONSE_PROD_OVERFLOW(&disk->ring, produced)) {
			refuse_ring(disk);
			break;
		}
		for (; disk->ring.rsp_cons != produced; disk->ring.rsp_cons++) {
			struct blkif_response response;

			RING_COPY_RESPONSE(&disk->ring, disk->ring.rsp_cons, &response);
			worked = true;
			if (!take_response(disk, &response)) {
				refuse_ring(disk);
				return;
			}
		}
		RING_FINAL_CHECK_FOR_RESPONSES(&disk->ring, more);
		program_touch_frame(disk->program, ring_frame(disk));
	}
	if (worked)
		touch(disk);
}

/* ---- what to do next ---- */

static bool has(const struct program_block *block, uint32_t set, uint32_t clear)
{
	return (block->flags & set) == set && !(block->flags & clear);
}

/* The next block from *cursor on with these flags, and written before if `written`; or -1. */
static int find_block(const struct program_disk *state, uint32_t *cursor, uint32_t set,
		      uint32_t clear, bool written)
{
	for (uint32_t i = 0; i < state->blocks; i++) {
		uint32_t block = (*cursor + i) % state->blocks;

		if (!has(&state->table[block], set, clear) ||
		    (written && state->table[block].number == 0))
			continue;
		*cursor = block + 1;
		return (int)block;
	}
	return -1;
}

/* After the guard's time its blocks are blocks like the others. */
static void end_guard(struct guest_disk *disk)
{
	struct program_disk *state = disk->state;

	if (state->guarded_until_us == 0 ||
	    disk->program->state->uptime_us < state->guarded_until_us)
		return;
	state->guarded_until_us = 0;
	for (uint32_t i = 0; i < state->blocks; i++)
		state->table[i].flags &= ~BLOCK_GUARDED;
}

/* Three reads out of four until every block was seen here, one of four afterwards. */
static int choose_read(struct guest_disk *disk)
{
	struct program_disk *state = disk->state;
	uint32_t turn = state->turn++ % 4;
	int block = -1;

	if (turn < 2 && state->guarded_until_us)
		block = find_block(state, &state->read_next, BLOCK_GUARDED,
				   BLOCK_BUSY | BLOCK_AGAIN, true);
	if (block < 0 && turn < 3)
		block = find_block(state, &state->read_next, 0, BLOCK_BUSY | BLOCK_SEEN, true);
	if (block < 0 && turn == 0)
		block = find_block(state, &state->read_next, 0, BLOCK_BUSY, true);
	return block;
}

static int choose(struct guest_disk *disk, enum program_operation *operation)
{
	struct program_disk *state = disk->state;
	uint32_t first = 0;
	int block = find_block(state, &first, BLOCK_AGAIN, BLOCK_BUSY, false);

	*operation = SLOT_WRITE;
	if (block >= 0) {
		state->table[block].flags &= ~BLOCK_AGAIN;
		return block;
	}
	block = choose_read(disk);
	if (block >= 0) {
		*operation = SLOT_READ;
		return block;
	}
	return find_block(state, &state->write_next, 0, BLOCK_BUSY | BLOCK_GUARDED, false);
}

static uint32_t free_slot(const struct guest_disk *disk)
{
	uint32_t index = 0;

	while (index < PROGRAM_REQUESTS_MAX && disk->state->slots[index].operation != SLOT_FREE)
		index++;
	return index;
}

static void make_request(struct guest_disk *disk, uint32_t block, enum program_operation operation)
{
	uint32_t index = free_slot(disk);
	struct program_slot *slot = &disk->state->slots[index];

	assert(index < PROGRAM_REQUESTS_MAX);
	*slot = (struct program_slot){ .operation = (uint8_t)operation, .block = (uint16_t)block };
	disk->state->table[block].flags |= BLOCK_BUSY;
	if (operation == SLOT_WRITE) {
		slot->number = ++disk->state->number;
		program_block_fill(disk->program, disk->index, block, slot->number,
				   buffer(disk, index));
		program_touch_frame(disk->program, buffer_frame(disk, index));
	}
	put_request(disk, index);
}

void guest_disk_issue(struct guest_disk *disk, uint32_t count)
{
	uint32_t busy = in_flight(disk), made = 0;

	if (!disk->connected)
		return;
	end_guard(disk);
	for (; made < count && busy + made < disk->depth; made++) {
		enum program_operation operation;
		int block = choose(disk, &operation);

		if (block < 0)
			break;
		make_request(disk, (uint32_t)block, operation);
	}
	touch(disk);
	if (made > 0)
		push_requests(disk);
}

bool guest_disk_is_swept(const struct guest_disk *disk)
{
	const struct program_disk *state = disk->state;

	for (uint32_t i = 0; i < state->blocks; i++)
		if (state->table[i].number > 0 && !(state->table[i].flags & BLOCK_SEEN))
			return false;
	return state->guarded_until_us == 0;
}
