/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's blkfront: a ring of one page, one block a request. What is in flight is remembered in
 * the program, and made anew in a new domain, as Linux's blkfront does; so is what each block of
 * the disk must hold, and every answer to a read is held against it.
 *
 * The hazard of a migration is a write that the old host performs after a newer one of the new
 * host. So a block that was in flight at the move is written with its next number as soon as the
 * repeated request is answered, and then for a while only read, so that a late write stands out.
 */
#ifndef XENFERRY_SIM_GUEST_DISK_H
#define XENFERRY_SIM_GUEST_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "hypervisor.h"
#include "program.h"
#include "rings.h"
#include "verdict.h"

struct guest_disk {
	struct program *program;
	struct sim_events *events;
	struct verdict *verdict;
	struct program_disk *state; /* in the program */
	uint32_t index;
	uint32_t depth;             /* requests in flight at most */
	/* of this domain alone: */
	bool open, connected;
	struct blkif_front_ring ring;
	int ring_reference, port;
	int references[PROGRAM_REQUESTS_MAX];
};

void guest_disk_init(struct guest_disk *disk, struct program *program, uint32_t index,
		     struct sim_events *events, struct verdict *verdict, uint32_t depth);

/*
 * Sets up an empty ring, its grants and its event channel: what the frontend then tells in
 * ring_reference and port. -ENOSPC.
 */
int guest_disk_open(struct guest_disk *disk);
/* Gives them back; idempotent. What is in flight stays so. */
void guest_disk_close(struct guest_disk *disk);
/* The backend is connected to a disk of `sectors`; makes what was in flight anew. */
void guest_disk_connect(struct guest_disk *disk, uint64_t sectors);

/*
 * The program has come to a new domain: nothing of a disk is taken for granted until it was seen
 * there. Call before guest_disk_open().
 */
void guest_disk_moved(struct guest_disk *disk);
/* Whether ring and requests are what the program left: after a resume that changed nothing. */
bool guest_disk_is_intact(const struct guest_disk *disk);

/* Reads the answers that have come, and judges them. */
void guest_disk_work(struct guest_disk *disk);
/* Makes at most `count` requests, as far as the queue's depth allows. */
void guest_disk_issue(struct guest_disk *disk, uint32_t count);

/* Whether every block that was ever written was seen in this domain. */
bool guest_disk_is_swept(const struct guest_disk *disk);

#endif
