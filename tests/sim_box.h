/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The program in a simulated guest's memory, and both ends of its rings, in one process: a guest
 * with one disk and one network card on a host, and room for the domain that it moves to. Time is
 * a number that the tests say. Functions assert, as cmocka does.
 */
#ifndef XENFERRY_TESTS_SIM_BOX_H
#define XENFERRY_TESTS_SIM_BOX_H

#include <stdint.h>

#include "blk_ring.h"
#include "disk_queue.h"
#include "guest_disk.h"
#include "guest_nic.h"
#include "program.h"
#include "sim_place.h"
#include "verdict.h"

#define BOX_PAGES PROGRAM_PAGES_MIN
#define BOX_UUID_TEXT "07000000-0000-0000-0000-000000000000"
#define BOX_LATENCY_US 100 /* of the disk */

extern const uint8_t box_uuid[16];

/* A domain, and the program in it if there is one. */
struct box {
	uint32_t domid;
	struct sim_memory *memory;
	struct sim_events *events;
	uint8_t *ram;
	struct program program;
	struct guest_disk disk;
	struct guest_nic nic;
};

struct fixture {
	struct sim_place place;
	struct sim_host *host;
	struct sim_events *zero; /* domain 0's */
	char disk_path[128];
	int disk_fd;
	struct disks *disks;
	struct disk *disk;
	struct blk_ring blk_ring;
	struct verdict verdict;
	struct box here, there; /* the program is here */
	uint64_t now_us;
};

/* cmocka's: *state is the fixture. */
int box_set_up(void **state);
int box_tear_down(void **state);
#define BOX_TEST(name) cmocka_unit_test_setup_teardown(name, box_set_up, box_tear_down)

/* All pages, as a stream brings them, to the other domain; and the program found there. */
void box_move(struct fixture *fixture);

/* What was written down, of one kind or in all. */
uint32_t box_violations(struct fixture *fixture, enum violation kind);
uint32_t box_all_violations(struct fixture *fixture);

/* The disk's frontend and backend, up to the requests that the guest repeats. */
void box_connect_disk(struct fixture *fixture, struct box *box);
/* The backend fetches requests; after `us` the disk has done what is due, and the guest hears. */
void box_pass(struct fixture *fixture, struct box *box, uint64_t us);
/* The guest makes requests, and the disk performs them, as often. */
void box_work(struct fixture *fixture, struct box *box, unsigned rounds);

#endif
