/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program that a simulated guest is: everything it knows lies in its domain's memory, and what
 * every page must hold follows from that. It goes on in another domain from what arrived there,
 * and finds out by itself what did not.
 *
 * From frame 0 on: the state below, the rings and buffers of its disks and network cards, a table
 * with the version of every page, and then the pages that it works on, to the end of its memory.
 * A page of version 0 is zero; the content of any other follows from the seed, its frame and its
 * version.
 *
 * Functions return 0 or a negative errno unless they say otherwise. None blocks.
 */
#ifndef XENFERRY_SIM_PROGRAM_H
#define XENFERRY_SIM_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "err.h"
#include "hypervisor.h"

#define PROGRAM_DISKS_MAX 16
#define PROGRAM_NICS_MAX 16
#define PROGRAM_REQUESTS_MAX 32 /* what a ring of one page holds: xen/io/blkif.h */
#define PROGRAM_BLOCKS_MAX 256  /* of a disk that the program writes */
#define PROGRAM_TX_MAX 32
#define PROGRAM_RX_MAX 64
#define PROGRAM_MAC_BYTES 6
#define PROGRAM_IP_BYTES 4
#define PROGRAM_PAGES_MIN 4096   /* 16 MiB */
#define PROGRAM_PAGES_MAX 786432 /* 3 GiB: below the special pages */

enum program_operation { SLOT_FREE, SLOT_READ, SLOT_WRITE };

/* A request to a disk from when it is made until its answer was read; its index is the buffer's. */
struct program_slot {
	uint8_t operation;
	uint16_t block;
	uint32_t number; /* that a write puts there */
};

#define BLOCK_BUSY 1u     /* a request for it is in flight */
#define BLOCK_VERIFIED 2u /* was read back since it was last written */
#define BLOCK_SEEN 4u     /* was read or written since the program came to this domain */
#define BLOCK_AGAIN 8u    /* was in flight then: to be written anew as soon as possible... */
#define BLOCK_GUARDED 16u /* ... and then, for a while, only read: see guest_disk.h */

struct program_block {
	uint32_t number; /* of the last write that was answered; 0: none was */
	uint32_t flags;
};

struct program_disk {
	uint32_t id;     /* 51712 is xvda */
	uint32_t blocks; /* in use; 0 until the disk's size is known */
	uint32_t number; /* of the last write that was made */
	uint32_t write_next, read_next;
	uint32_t turn;   /* counts requests: which kind comes next */
	uint64_t guarded_until_us; /* of the program's own time */
	uint64_t written, checked, reissued;
	struct program_slot slots[PROGRAM_REQUESTS_MAX];
	struct program_block table[PROGRAM_BLOCKS_MAX];
};

struct program_nic {
	uint32_t id;
	uint8_t mac[PROGRAM_MAC_BYTES];
	uint8_t ip[PROGRAM_IP_BYTES];
	uint64_t pings;
};

struct program_state {
	uint64_t magic;
	uint8_t uuid[16];
	uint64_t seed;
	uint64_t pages;                  /* of RAM, from frame 0 on */
	uint64_t table_first, data_first; /* frames */
	uint32_t disk_count, nic_count;
	uint64_t random;
	uint64_t uptime_us;              /* how long it has run, on whatever host */
	uint64_t sweep_next, sweep_left; /* the page to check next; how many are still to be */
	uint64_t pages_dirtied, pages_checked;
	uint32_t starts, suspends, moves, cancelled;
	struct program_disk disks[PROGRAM_DISKS_MAX];
	struct program_nic nics[PROGRAM_NICS_MAX];
};

/* A process's hold on a program. */
struct program {
	struct sim_memory *memory; /* the caller's */
	uint8_t *ram;              /* all of it, mapped to be written */
	struct program_state *state;
	uint32_t *versions;        /* of each frame */
};

/* What was asked for. */
struct program_plan {
	uint8_t uuid[16];
	uint64_t seed;
	uint64_t pages;
	uint32_t fill_percent; /* of the working pages; the others start as version 0 */
	uint32_t disk_count, nic_count;
	uint32_t disk_ids[PROGRAM_DISKS_MAX];
	struct program_nic nics[PROGRAM_NICS_MAX];
};

/* ---- having one ---- */

/*
 * Writes a new program into the zeroed RAM at `ram`, which has plan->pages frames, of which there
 * must be PROGRAM_PAGES_MIN. Holds it as program_attach() does.
 */
void program_create(struct program *program, struct sim_memory *memory, uint8_t *ram,
		    const struct program_plan *plan);
/*
 * Looks at frame 0 for a program of the domain `uuid`. -ENOEXEC when there is none or its state is
 * not sound, with the reason; *pages is then untouched, else how much RAM program_attach() wants.
 */
int program_recognise(const void *frame, const uint8_t uuid[16], uint64_t *pages, struct err *err);
/* Takes hold of a recognised program; `ram` and `memory` must outlive it. -ENOEXEC. */
int program_attach(struct program *program, struct sim_memory *memory, uint8_t *ram,
		   struct err *err);

/* ---- its memory ---- */

/* After each change of what lies at `object`. */
void program_touch(struct program *program, const void *object, size_t bytes);
static inline void program_touch_frame(struct program *program, uint64_t gfn)
{
	sim_memory_mark_dirty(program->memory, gfn);
}
static inline void *program_frame(const struct program *program, uint64_t gfn)
{
	return program->ram + gfn * SIM_PAGE_BYTES;
}

/* The frames of disk `index`: its ring, and then its buffers. */
uint64_t program_disk_ring(const struct program *program, uint32_t index);
uint64_t program_disk_buffer(const struct program *program, uint32_t index, uint32_t slot);
/* The frames of a network card. */
uint64_t program_nic_tx_ring(const struct program *program, uint32_t index);
uint64_t program_nic_rx_ring(const struct program *program, uint32_t index);
uint64_t program_nic_tx_buffer(const struct program *program, uint32_t index, uint32_t slot);
uint64_t program_nic_rx_buffer(const struct program *program, uint32_t index, uint32_t slot);

/* The next random number. Part of the state: touch it. */
uint64_t program_random(struct program *program);

/* ---- its pages ---- */

/* Writes the next version of one of the first `working_set` working pages, chosen by chance. */
void program_dirty(struct program *program, uint64_t working_set);

/* A page that is not what it must be. */
struct program_page {
	uint64_t gfn;
	uint32_t expected, found; /* versions */
	bool garbage;             /* it is no version of this page at all: `found` is 0 */
};

/* True when the page is right, else `page` is filled. */
bool program_check(const struct program *program, uint64_t gfn, struct program_page *page);
/*
 * Checks the next pages in turn, at most *count of them; leaves in *count how many it did. False
 * at the first wrong one, which is then passed over.
 */
bool program_sweep(struct program *program, uint64_t *count, struct program_page *page);
/* The next sweep begins anew, and program_is_swept() is false until it has seen every page. */
void program_sweep_begin(struct program *program);
bool program_is_swept(const struct program *program);

/* What all of its state comes to: what it knows must arrive as it was. */
uint64_t program_hash(const struct program *program);

/* ---- its blocks ---- */

/* Fills a buffer of a page with block `block` of disk `disk`, written as `number`. */
void program_block_fill(const struct program *program, uint32_t disk, uint32_t block,
			uint32_t number, void *bytes);
/* The number that block `block` was written with; 0 when that is not what `bytes` are. */
uint32_t program_block_number(const struct program *program, uint32_t disk, uint32_t block,
			      const void *bytes);

#endif
