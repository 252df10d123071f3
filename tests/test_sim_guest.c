/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "guest_disk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim_box.h"

static void write_block(struct fixture *fixture, uint32_t block, const void *bytes)
{
	assert_int_equal(pwrite(fixture->disk_fd, bytes, SIM_PAGE_BYTES, block * SIM_PAGE_BYTES),
			 SIM_PAGE_BYTES);
}

/* ---- blocks ---- */

static void writes_blocks_and_finds_them_again(void **state)
{
	struct fixture *fixture = *state;
	struct box *here = &fixture->here;

	box_connect_disk(fixture, here);
	box_work(fixture, here, 200);

	assert_true(here->disk.state->written > 500);
	assert_true(here->disk.state->checked > 100);
	assert_true(guest_disk_is_swept(&here->disk));
	assert_int_equal(box_all_violations(fixture), 0);
}

static void keeps_no_more_requests_in_flight_than_its_depth(void **state)
{
	struct fixture *fixture = *state;
	struct box *here = &fixture->here;

	box_connect_disk(fixture, here);
	guest_disk_issue(&here->disk, 100);
	guest_disk_issue(&here->disk, 100);

	assert_int_equal(here->disk.ring.req_prod_pvt, 8);
}

/* The first block that was written and read back, so that something older there stands out. */
static uint32_t verified_block(const struct fixture *fixture)
{
	uint32_t block = 0;

	while (!(fixture->here.disk.state->table[block].flags & BLOCK_VERIFIED))
		assert_true(++block < PROGRAM_BLOCKS_MAX);
	return block;
}

static void a_stale_block_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct box *here = &fixture->here;
	uint8_t bytes[SIM_PAGE_BYTES] __attribute__((aligned(8)));
	uint32_t block;

	box_connect_disk(fixture, here);
	box_work(fixture, here, 200);
	block = verified_block(fixture);
	program_block_fill(&here->program, 0, block,
			   here->disk.state->table[block].number - 1, bytes);
	write_block(fixture, block, bytes);
	here->disk.state->write_next = block + 1; /* not over it too soon */
	here->disk.state->read_next = block;
	here->disk.state->turn = 0;
	box_work(fixture, here, 10);

	assert_true(box_violations(fixture, VIOLATION_BLOCK_STALE) > 0);
}

static void a_lost_write_is_found(void **state)
{
	static const uint8_t nothing[SIM_PAGE_BYTES];
	struct fixture *fixture = *state;
	struct box *here = &fixture->here;

	box_connect_disk(fixture, here);
	box_work(fixture, here, 4);
	for (uint32_t block = 0; block < PROGRAM_BLOCKS_MAX; block++)
		write_block(fixture, block, nothing);
	box_work(fixture, here, 40);

	assert_true(box_violations(fixture, VIOLATION_BLOCK_LOST) > 0);
}

static void a_failing_disk_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct box *here = &fixture->here;

	box_connect_disk(fixture, here);
	fixture->blk_ring.read_only = true;
	box_work(fixture, here, 2);

	assert_true(box_violations(fixture, VIOLATION_DISK_ERROR) > 0);
}

static void an_answer_to_no_request_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct box *here = &fixture->here;

	box_connect_disk(fixture, here);
	guest_disk_issue(&here->disk, 1);
	assert_true(guest_disk_is_intact(&here->disk));
	RING_GET_RESPONSE(&here->disk.ring, 0)->id = 17;
	here->disk.ring.sring->rsp_prod = 1;
	guest_disk_work(&here->disk);

	assert_int_equal(box_violations(fixture, VIOLATION_RINGS), 1);
	assert_false(guest_disk_is_intact(&here->disk));
}

/* ---- a move ---- */

static void what_was_in_flight_is_made_anew_after_a_move(void **state)
{
	struct fixture *fixture = *state;
	struct box *there = &fixture->there;

	box_connect_disk(fixture, &fixture->here);
	box_work(fixture, &fixture->here, 20);
	guest_disk_issue(&fixture->here.disk, 8);
	blk_ring_close(&fixture->blk_ring);
	box_move(fixture);
	box_connect_disk(fixture, there);
	box_work(fixture, there, 400);

	assert_int_equal(there->disk.state->reissued, 8);
	assert_int_equal(box_all_violations(fixture), 0);
}

static void every_block_is_seen_again_after_a_move(void **state)
{
	struct fixture *fixture = *state;
	struct box *there = &fixture->there;

	box_connect_disk(fixture, &fixture->here);
	box_work(fixture, &fixture->here, 400);
	box_pass(fixture, &fixture->here, BOX_LATENCY_US);
	blk_ring_close(&fixture->blk_ring);
	box_move(fixture);
	assert_false(guest_disk_is_swept(&there->disk));
	box_connect_disk(fixture, there);
	box_work(fixture, there, 400);
	box_pass(fixture, there, 3000000);
	box_work(fixture, there, 4);

	assert_true(guest_disk_is_swept(&there->disk));
	assert_int_equal(box_all_violations(fixture), 0);
}

/*
 * What draining prevents: a request of the old ring that the old host's disk performs only when the
 * guest has written the block again from the new one.
 */
static void a_write_of_the_old_host_that_comes_late_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct box *there = &fixture->there;
	const struct disk_costs slow = { .latency_us = 50 * BOX_LATENCY_US };
	struct disks *old_host = disks_new(fixture->host, &slow);
	struct blk_ring old_ring = { .memory = NULL };
	struct disk *old_disk;
	struct err err;

	assert_non_null(old_host);
	assert_int_equal(disk_get(old_host, fixture->disk_path, &old_disk, &err), 0);
	assert_int_equal(guest_disk_open(&fixture->here.disk), 0);
	assert_int_equal(blk_ring_open(&old_ring, fixture->host, fixture->zero,
				       fixture->here.domid,
				       (uint32_t)fixture->here.disk.ring_reference,
				       (uint32_t)fixture->here.disk.port, old_disk), 0);
	guest_disk_connect(&fixture->here.disk, disk_sectors(old_disk));
	guest_disk_issue(&fixture->here.disk, 4);
	blk_ring_work(&old_ring, fixture->now_us);
	blk_ring_close(&old_ring);

	box_move(fixture);
	box_connect_disk(fixture, there);
	box_work(fixture, there, 20);
	assert_int_equal(box_all_violations(fixture), 0);
	fixture->now_us += slow.latency_us;
	disks_work(old_host, fixture->now_us);
	box_work(fixture, there, 20);

	assert_true(box_violations(fixture, VIOLATION_BLOCK_STALE) > 0);
	disk_disown(old_disk, &old_ring);
	disk_put(old_disk);
	disks_free(old_host);
}

static void a_buffer_that_did_not_arrive_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct box *there = &fixture->there;

	box_connect_disk(fixture, &fixture->here);
	guest_disk_issue(&fixture->here.disk, 1);
	blk_ring_close(&fixture->blk_ring);
	box_move(fixture);
	memset(program_frame(&there->program, program_disk_buffer(&there->program, 0, 0)), 0, 64);
	box_connect_disk(fixture, there);

	assert_int_equal(box_violations(fixture, VIOLATION_PAGE), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOX_TEST(writes_blocks_and_finds_them_again),
		BOX_TEST(keeps_no_more_requests_in_flight_than_its_depth),
		BOX_TEST(a_stale_block_is_found),
		BOX_TEST(a_lost_write_is_found),
		BOX_TEST(a_failing_disk_is_found),
		BOX_TEST(an_answer_to_no_request_is_found),
		BOX_TEST(what_was_in_flight_is_made_anew_after_a_move),
		BOX_TEST(every_block_is_seen_again_after_a_move),
		BOX_TEST(a_write_of_the_old_host_that_comes_late_is_found),
		BOX_TEST(a_buffer_that_did_not_arrive_is_found),
	};

	return cmocka_run_group_tests_name("sim_guest", tests, NULL, NULL);
}
