/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "program.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "sim_box.h"

/* ---- pages ---- */

static bool sweep_all(struct program *program, struct program_page *page)
{
	uint64_t count = BOX_PAGES;

	program_sweep_begin(program);
	return program_sweep(program, &count, page);
}

static void a_new_program_finds_every_page_right(void **state)
{
	struct fixture *fixture = *state;
	struct program_page page;

	assert_true(sweep_all(&fixture->here.program, &page));

	assert_true(program_is_swept(&fixture->here.program));
}

static void a_flipped_bit_is_found(void **state)
{
	struct fixture *fixture = *state;
	struct program *program = &fixture->here.program;
	uint64_t gfn = BOX_PAGES - 3;
	struct program_page page;

	*((uint8_t *)program_frame(program, gfn) + 4000) ^= 1;

	assert_false(sweep_all(program, &page));
	assert_int_equal(page.gfn, gfn);
	assert_true(page.garbage);
}

static void a_page_left_behind_is_named_by_its_version(void **state)
{
	struct fixture *fixture = *state;
	struct program *program = &fixture->here.program;
	uint64_t gfn = program->state->data_first;
	uint8_t old[SIM_PAGE_BYTES];
	struct program_page page;

	program_dirty(program, 1);
	memcpy(old, program_frame(program, gfn), sizeof(old));
	program_dirty(program, 1);
	memcpy(program_frame(program, gfn), old, sizeof(old));

	assert_false(sweep_all(program, &page));
	assert_int_equal(page.gfn, gfn);
	assert_false(page.garbage);
	assert_int_equal(page.found + 1, page.expected);
}

static void a_program_goes_on_from_a_copy_of_its_memory(void **state)
{
	struct fixture *fixture = *state;
	struct program_page page;
	uint64_t hash;

	for (int i = 0; i < 1000; i++)
		program_dirty(&fixture->here.program, 300);
	hash = program_hash(&fixture->here.program);
	memcpy(fixture->there.ram, fixture->here.ram, BOX_PAGES * SIM_PAGE_BYTES);
	assert_int_equal(program_attach(&fixture->there.program, fixture->there.memory,
					fixture->there.ram, NULL), 0);

	assert_int_equal(program_hash(&fixture->there.program), hash);
	assert_true(sweep_all(&fixture->there.program, &page));
}

static void a_lost_page_of_its_state_changes_the_hash(void **state)
{
	struct fixture *fixture = *state;
	struct program *program = &fixture->here.program;
	uint64_t hash = program_hash(program);

	program->versions[BOX_PAGES - 1]++;

	assert_int_not_equal(program_hash(program), hash);
}

static void another_guests_program_is_not_run(void **state)
{
	static const uint8_t other[16] = { 8 };
	struct fixture *fixture = *state;
	uint64_t pages;

	assert_int_equal(program_recognise(fixture->here.ram, other, &pages, NULL), -ENOEXEC);
	assert_int_equal(program_recognise(fixture->there.ram, box_uuid, &pages, NULL), -ENOEXEC);
}

static void an_unsound_program_is_not_run(void **state)
{
	struct fixture *fixture = *state;
	struct program *program = &fixture->here.program;
	uint64_t pages;

	program->state->disks[0].slots[3] =
		(struct program_slot){ .operation = SLOT_READ, .block = 60000 };
	assert_int_equal(program_attach(program, fixture->here.memory, fixture->here.ram, NULL),
			 -ENOEXEC);
	program->state->pages = UINT64_C(1) << 40;
	assert_int_equal(program_recognise(fixture->here.ram, box_uuid, &pages, NULL), -ENOEXEC);
}

/* Marks are what a migration goes by: each frame that changed must have one. */
static void whatever_it_does_it_marks_every_page_it_changes(void **state)
{
	struct fixture *fixture = *state;
	struct box *here = &fixture->here;
	uint8_t *before = malloc(BOX_PAGES * SIM_PAGE_BYTES), marks[BOX_PAGES / 8] = { 0 };
	struct program_page page;
	uint64_t count = 100;
	uint32_t dirty;

	assert_non_null(before);
	box_connect_disk(fixture, here);
	assert_int_equal(guest_nic_open(&here->nic), 0);
	memcpy(before, here->ram, BOX_PAGES * SIM_PAGE_BYTES);
	assert_int_equal(sim_logdirty_enable(fixture->host, here->domid), 0);

	for (int i = 0; i < 50; i++)
		program_dirty(&here->program, 100);
	assert_true(program_sweep(&here->program, &count, &page));
	guest_nic_connect(&here->nic);
	guest_nic_announce(&here->nic);
	for (int i = 0; i < 20; i++) {
		guest_disk_issue(&here->disk, 8);
		box_pass(fixture, here, BOX_LATENCY_US);
	}
	blk_ring_close(&fixture->blk_ring); /* unmaps, which marks what the backend wrote */
	assert_int_equal(sim_logdirty_read(fixture->host, here->domid, false, marks, BOX_PAGES,
					   &dirty), 0);

	for (uint64_t gfn = 0; gfn < BOX_PAGES; gfn++)
		if (memcmp(before + gfn * SIM_PAGE_BYTES, here->ram + gfn * SIM_PAGE_BYTES,
			   SIM_PAGE_BYTES) != 0 && !(marks[gfn / 8] >> gfn % 8 & 1))
			fail_msg("frame %llu changed without a mark", (unsigned long long)gfn);
	free(before);
}

/* ---- the verdict ---- */

static void a_violation_is_never_taken_back(void **state)
{
	struct fixture *fixture = *state;
	const struct verdict_facts facts = { .status = "running", .memory_verified = true };
	char path[256], text[4096] = "";
	struct verdict later;
	struct err err;
	int fd;

	verdict_violation(&fixture->verdict, VIOLATION_SECOND_COPY, "it runs %s", "twice");
	assert_int_equal(verdict_init(&later, fixture->place.folder, "there", BOX_UUID_TEXT, &err),
			 0);
	assert_int_equal(verdict_write(&later, &facts), 0);

	snprintf(path, sizeof(path), "%s/" BOX_UUID_TEXT ".json", fixture->place.folder);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(read(fd, text, sizeof(text) - 1) > 0);
	close(fd);
	assert_non_null(strstr(text, "\"ok\": false"));
	assert_non_null(strstr(text, "\"second_copy\": true"));
	assert_non_null(strstr(text, "it runs twice"));
	assert_non_null(strstr(text, "\"memory_verified\": true"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOX_TEST(a_new_program_finds_every_page_right),
		BOX_TEST(a_flipped_bit_is_found),
		BOX_TEST(a_page_left_behind_is_named_by_its_version),
		BOX_TEST(a_program_goes_on_from_a_copy_of_its_memory),
		BOX_TEST(a_lost_page_of_its_state_changes_the_hash),
		BOX_TEST(another_guests_program_is_not_run),
		BOX_TEST(an_unsound_program_is_not_run),
		BOX_TEST(whatever_it_does_it_marks_every_page_it_changes),
		BOX_TEST(a_violation_is_never_taken_back),
	};

	return cmocka_run_group_tests_name("sim_program", tests, NULL, NULL);
}
