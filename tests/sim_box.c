/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim_box.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define DISK_BYTES (PROGRAM_BLOCKS_MAX * SIM_PAGE_BYTES)

const uint8_t box_uuid[16] = { 7 };

/* ---- fixture ---- */

static void make_box(struct fixture *fixture, struct box *box)
{
	struct sim_domain_config config = { .vcpus_max = 1 };
	void *ram;

	memcpy(config.uuid, box_uuid, sizeof(box_uuid));
	assert_int_equal(sim_domain_create(fixture->host, &config, &box->domid), 0);
	assert_int_equal(sim_domain_set_pages_max(fixture->host, box->domid, BOX_PAGES), 0);
	assert_int_equal(sim_populate_range(fixture->host, box->domid, 0, BOX_PAGES), 0);
	assert_int_equal(sim_memory_open(fixture->host, box->domid, &box->memory), 0);
	assert_int_equal(sim_events_open(fixture->host, box->domid, &box->events), 0);
	assert_int_equal(sim_memory_map_range(box->memory, 0, BOX_PAGES, PROT_READ | PROT_WRITE,
					      &ram), 0);
	box->ram = ram;
}

static void drop_box(struct box *box)
{
	sim_memory_unmap(box->ram, BOX_PAGES);
	sim_events_close(box->events);
	sim_memory_close(box->memory);
}

static void make_devices(struct fixture *fixture, struct box *box)
{
	guest_disk_init(&box->disk, &box->program, 0, box->events, &fixture->verdict, 8);
	guest_nic_init(&box->nic, &box->program, 0, box->events, &fixture->verdict);
}

static void make_program(struct fixture *fixture)
{
	struct program_plan plan = {
		.seed = 42,
		.pages = BOX_PAGES,
		.fill_percent = 50,
		.disk_count = 1,
		.nic_count = 1,
		.disk_ids = { 51712 },
		.nics = { { .mac = { 0, 22, 62, 1, 2, 3 }, .ip = { 10, 0, 0, 7 } } },
	};

	memcpy(plan.uuid, box_uuid, sizeof(box_uuid));
	program_create(&fixture->here.program, fixture->here.memory, fixture->here.ram, &plan);
	make_devices(fixture, &fixture->here);
}

static void make_disk(struct fixture *fixture)
{
	const struct disk_costs costs = { .latency_us = BOX_LATENCY_US };
	uint32_t minor;
	struct err err;

	snprintf(fixture->disk_path, sizeof(fixture->disk_path), "%s/disk",
		 fixture->place.folder);
	fixture->disk_fd = open(fixture->disk_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fixture->disk_fd >= 0);
	assert_int_equal(ftruncate(fixture->disk_fd, DISK_BYTES), 0);
	assert_int_equal(sim_disk_add(fixture->host, fixture->disk_path, &minor), 0);
	fixture->disks = disks_new(fixture->host, &costs);
	assert_non_null(fixture->disks);
	assert_int_equal(disk_get(fixture->disks, fixture->disk_path, &fixture->disk, &err), 0);
}

int box_set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	assert_non_null(fixture);
	sim_place_open(&fixture->place, 3 * BOX_PAGES);
	fixture->host = fixture->place.host;
	assert_int_equal(sim_events_open(fixture->host, 0, &fixture->zero), 0);
	assert_int_equal(verdict_init(&fixture->verdict, fixture->place.folder, "here",
				      BOX_UUID_TEXT, &err), 0);
	make_box(fixture, &fixture->here);
	make_box(fixture, &fixture->there);
	make_disk(fixture);
	make_program(fixture);
	*state = fixture;
	return 0;
}

int box_tear_down(void **state)
{
	struct fixture *fixture = *state;

	blk_ring_close(&fixture->blk_ring);
	disk_disown(fixture->disk, &fixture->blk_ring);
	disk_put(fixture->disk);
	disks_free(fixture->disks);
	close(fixture->disk_fd);
	drop_box(&fixture->here);
	drop_box(&fixture->there);
	sim_events_close(fixture->zero);
	sim_place_close(&fixture->place);
	free(fixture);
	return 0;
}

/* ---- what happens around a guest ---- */

uint32_t box_violations(struct fixture *fixture, enum violation kind)
{
	uint32_t counts[VIOLATIONS];

	(void)verdict_count(&fixture->verdict, counts);
	return counts[kind];
}

uint32_t box_all_violations(struct fixture *fixture)
{
	uint32_t counts[VIOLATIONS];

	return verdict_count(&fixture->verdict, counts);
}

void box_move(struct fixture *fixture)
{
	struct box *there = &fixture->there;
	uint64_t pages;
	struct err err;

	memcpy(there->ram, fixture->here.ram, BOX_PAGES * SIM_PAGE_BYTES);
	assert_int_equal(program_recognise(there->ram, box_uuid, &pages, &err), 0);
	assert_int_equal(pages, BOX_PAGES);
	assert_int_equal(program_attach(&there->program, there->memory, there->ram, &err), 0);
	make_devices(fixture, there);
	guest_disk_moved(&there->disk);
}

void box_connect_disk(struct fixture *fixture, struct box *box)
{
	assert_int_equal(guest_disk_open(&box->disk), 0);
	assert_int_equal(blk_ring_open(&fixture->blk_ring, fixture->host, fixture->zero,
				       box->domid, (uint32_t)box->disk.ring_reference,
				       (uint32_t)box->disk.port, fixture->disk), 0);
	guest_disk_connect(&box->disk, disk_sectors(fixture->disk));
}

void box_pass(struct fixture *fixture, struct box *box, uint64_t us)
{
	blk_ring_work(&fixture->blk_ring, fixture->now_us);
	fixture->now_us += us;
	box->program.state->uptime_us += us;
	disks_work(fixture->disks, fixture->now_us);
	guest_disk_work(&box->disk);
}

void box_work(struct fixture *fixture, struct box *box, unsigned rounds)
{
	for (unsigned i = 0; i < rounds; i++) {
		guest_disk_issue(&box->disk, 8);
		box_pass(fixture, box, BOX_LATENCY_US);
	}
}
