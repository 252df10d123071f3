/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hypervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "hypervisor_state.h"
#include "sim_place.h"

#define MACHINE_PAGES 1000

struct fixture {
	struct sim_place place;
	struct sim_host *host, *other; /* as two processes have it */
	uint32_t domid;
	struct sim_memory *memory;
};

/* ---- fixture ---- */

/* A host with one domain: RAM of 100 frames from 0 on, and the special pages. */
static int set_up(void **state)
{
	const struct sim_domain_config config = { .uuid = { 7 }, .vcpus_max = 2 };
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	assert_non_null(fixture);
	sim_place_open(&fixture->place, MACHINE_PAGES);
	fixture->host = fixture->place.host;
	assert_int_equal(sim_host_open(fixture->place.folder, &fixture->other, &err), 0);
	assert_int_equal(sim_domain_create(fixture->host, &config, &fixture->domid), 0);
	assert_int_equal(sim_domain_set_pages_max(fixture->host, fixture->domid, 200), 0);
	assert_int_equal(sim_populate_range(fixture->host, fixture->domid, 0, 100), 0);
	assert_int_equal(sim_populate_range(fixture->host, fixture->domid, SIM_SPECIAL_GFN, 8), 0);
	assert_int_equal(sim_memory_open(fixture->other, fixture->domid, &fixture->memory), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	sim_memory_close(fixture->memory);
	sim_host_close(fixture->other);
	sim_place_close(&fixture->place);
	free(fixture);
	return 0;
}

/* ---- the host ---- */

static void refuses_a_second_host_in_the_same_folder(void **state)
{
	struct fixture *fixture = *state;
	const struct sim_host_config config = { .memory_pages = MACHINE_PAGES };
	struct err err;

	assert_int_equal(sim_host_create(fixture->place.folder, &config, &err), -EEXIST);
	assert_non_null(strstr(err.message, fixture->place.folder));
}

static void says_that_a_folder_holds_no_host(void **state)
{
	struct sim_host *host;
	struct err err;

	(void)state;
	assert_int_equal(sim_host_open("/proc", &host, &err), -ENOENT);
	assert_non_null(strstr(err.message, "/proc"));
}

static void shows_one_state_to_every_process(void **state)
{
	struct fixture *fixture = *state;
	struct sim_domain domain;

	assert_int_equal(sim_domain_get(fixture->other, fixture->domid, &domain), 0);
	assert_int_equal(domain.config.uuid[0], 7);
	assert_int_equal(domain.pages_now, 108);
	assert_int_equal(sim_domain_unpause(fixture->other, fixture->domid), 0);
	assert_int_equal(sim_domain_get(fixture->host, fixture->domid, &domain), 0);
	assert_true(sim_domain_runs(&domain));
}

static void populate_by_half(struct sim_host *host, uint32_t domid)
{
	struct sim_memory *memory;

	sim_memory_open(host, domid, &memory);
	sim_lock(host);
	sim_set_bit(memory->pages->populated, 150);
}

static void goes_on_when_the_holder_of_the_lock_is_killed(void **state)
{
	struct fixture *fixture = *state;
	struct sim_domain domain;

	sim_place_die_in(&fixture->place, populate_by_half, fixture->domid);
	assert_int_equal(sim_domain_get(fixture->host, fixture->domid, &domain), 0);
	assert_int_equal(domain.pages_now, 109);
	assert_int_equal(sim_domain_pause(fixture->host, fixture->domid), 0);
}

static void a_change_is_not_missed_by_who_counts(void **state)
{
	struct fixture *fixture = *state;
	uint32_t seen = sim_host_changes(fixture->host);

	assert_int_equal(sim_host_wait(fixture->host, seen, &clock_system, 0), -ETIMEDOUT);
	assert_int_equal(sim_domain_pause(fixture->other, fixture->domid), 0);
	assert_int_equal(sim_host_wait(fixture->host, seen, &clock_system, 0), 0);
}

/* ---- domains ---- */

static void a_domain_runs_when_neither_paused_nor_shut_down(void **state)
{
	struct fixture *fixture = *state;
	struct sim_domain domain;

	assert_int_equal(sim_domain_unpause(fixture->host, fixture->domid), 0);
	assert_int_equal(sim_domain_unpause(fixture->host, fixture->domid), -EINVAL);
	assert_int_equal(sim_domain_shutdown(fixture->host, fixture->domid, SIM_SUSPEND), 0);
	assert_int_equal(sim_domain_get(fixture->host, fixture->domid, &domain), 0);
	assert_false(sim_domain_runs(&domain));
	assert_int_equal(domain.reason, SIM_SUSPEND);
	assert_int_equal(sim_domain_resume(fixture->host, fixture->domid), 0);
	assert_int_equal(sim_domain_get(fixture->host, fixture->domid, &domain), 0);
	assert_true(sim_domain_runs(&domain));
}

static void a_suspend_that_nobody_cancelled_ends_in_a_new_domain(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(sim_domain_set_resumed(fixture->host, fixture->domid, true), 0);
	assert_int_equal(sim_domain_resumed(fixture->host, fixture->domid), 1);
	assert_int_equal(sim_domain_shutdown(fixture->host, fixture->domid, SIM_SUSPEND), 0);
	assert_int_equal(sim_domain_resumed(fixture->host, fixture->domid), 0);
}

static void a_destroyed_domain_is_gone_and_its_number_with_it(void **state)
{
	struct fixture *fixture = *state;
	const struct sim_domain_config config = { .vcpus_max = 1 };
	struct sim_memory *memory;
	struct sim_domain domain;
	uint32_t next = 0;

	assert_int_equal(sim_domain_destroy(fixture->host, fixture->domid), 0);
	assert_int_equal(sim_domain_get(fixture->host, fixture->domid, &domain), -ESRCH);
	assert_int_equal(sim_domain_next(fixture->host, 1, &domain), -ESRCH);
	assert_int_equal(sim_memory_open(fixture->host, fixture->domid, &memory), -ESRCH);
	assert_int_equal(sim_domain_create(fixture->host, &config, &next), 0);
	assert_int_not_equal(next, fixture->domid);
}

static void gives_no_more_memory_than_the_domain_may_have(void **state)
{
	struct fixture *fixture = *state;
	uint64_t gfns[100];

	for (size_t i = 0; i < 100; i++)
		gfns[i] = 1000 + i;
	assert_int_equal(sim_populate(fixture->host, fixture->domid, gfns, 100), 92);
	assert_int_equal(sim_memory_end(fixture->memory), SIM_CONSOLE_GFN + 1);
}

static void gives_no_memory_that_another_has_claimed(void **state)
{
	struct fixture *fixture = *state;
	const struct sim_domain_config config = { .vcpus_max = 1 };
	struct sim_machine machine;
	uint32_t other = 0;

	assert_int_equal(sim_domain_create(fixture->host, &config, &other), 0);
	assert_int_equal(sim_domain_set_pages_max(fixture->host, other, MACHINE_PAGES), 0);
	assert_int_equal(sim_domain_claim(fixture->host, other, 893), -ENOMEM);
	assert_int_equal(sim_domain_claim(fixture->host, other, 890), 0);
	assert_int_equal(sim_populate_range(fixture->host, fixture->domid, 200, 3), -ENOMEM);
	assert_int_equal(sim_populate_range(fixture->host, other, 0, 890), 0);
	sim_host_machine(fixture->host, &machine);
	assert_int_equal(machine.pages_claimed, 0);
	assert_int_equal(machine.pages_free, 0);
}

/* ---- memory ---- */

static void what_one_process_writes_another_reads(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t gfns[] = { 5, 6, SIM_STORE_GFN, 2 };
	void *ram, *window;

	assert_int_equal(sim_memory_map_range(fixture->memory, 0, 100, PROT_READ | PROT_WRITE,
					      &ram), 0);
	memset((uint8_t *)ram + 2 * SIM_PAGE_BYTES, 0x22, SIM_PAGE_BYTES);
	assert_int_equal(sim_memory_map(fixture->memory, gfns, 4, PROT_READ, NULL, &window), 0);
	assert_int_equal(((uint8_t *)window)[3 * SIM_PAGE_BYTES + 9], 0x22);
	assert_int_equal(((uint8_t *)window)[2 * SIM_PAGE_BYTES + 9], 0);
	sim_memory_unmap(window, 4);
	sim_memory_unmap(ram, 100);
}

static void a_hole_is_an_error_of_its_frame_alone(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t gfns[] = { 99, 100, 0 };
	int errors[] = { 1, 1, 1 };
	void *window;

	assert_int_equal(sim_memory_map(fixture->memory, gfns, 3, PROT_READ, NULL, &window),
			 -EINVAL);
	assert_int_equal(sim_memory_map(fixture->memory, gfns, 3, PROT_READ, errors, &window), 0);
	assert_int_equal(errors[0], 0);
	assert_int_equal(errors[1], -EINVAL);
	assert_int_equal(errors[2], 0);
	sim_memory_unmap(window, 3);
}

static uint32_t read_dirty(struct fixture *fixture, bool clean, uint8_t bitmap[16])
{
	uint32_t dirty = 0;

	assert_int_equal(sim_logdirty_read(fixture->host, fixture->domid, clean, bitmap, 100,
					   &dirty), 0);
	return dirty;
}

static void a_dirty_page_is_told_of_until_it_is_cleaned(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bitmap[16];

	assert_int_equal(sim_logdirty_enable(fixture->host, fixture->domid), 0);
	sim_memory_mark_dirty(fixture->memory, 17);
	sim_memory_mark_dirty(fixture->memory, 99);
	assert_int_equal(read_dirty(fixture, false, bitmap), 2);
	assert_int_equal(read_dirty(fixture, true, bitmap), 2);
	assert_int_equal(bitmap[17 / 8], 1 << 17 % 8);
	assert_int_equal(bitmap[99 / 8], 1 << 99 % 8);
	assert_int_equal(read_dirty(fixture, true, bitmap), 0);
}

static void log_dirty_starts_anew_when_enabled(void **state)
{
	struct fixture *fixture = *state;
	uint8_t bitmap[16];
	uint32_t dirty;

	sim_memory_mark_dirty(fixture->memory, 17);
	assert_int_equal(sim_logdirty_read(fixture->host, fixture->domid, true, bitmap, 100,
					   &dirty), -EINVAL);
	assert_int_equal(sim_logdirty_enable(fixture->host, fixture->domid), 0);
	assert_int_equal(sim_logdirty_enable(fixture->host, fixture->domid), -EINVAL);
	assert_int_equal(read_dirty(fixture, false, bitmap), 0);
	assert_int_equal(sim_logdirty_disable(fixture->host, fixture->domid), 0);
}

/* ---- grants ---- */

static void a_granted_page_is_mapped_and_dirty_afterwards(void **state)
{
	struct fixture *fixture = *state;
	uint32_t reference = (uint32_t)sim_grant(fixture->memory, 42, true);
	uint8_t bitmap[16];
	void *page;

	assert_int_equal(reference, SIM_GRANT_FIRST);
	assert_int_equal(sim_logdirty_enable(fixture->host, fixture->domid), 0);
	assert_int_equal(sim_grants_map(fixture->memory, &reference, 1, true, &page), 0);
	memset(page, 1, SIM_PAGE_BYTES);
	sim_grants_unmap(fixture->memory, &reference, 1, true, page);
	assert_int_equal(read_dirty(fixture, true, bitmap), 1);
	assert_int_equal(bitmap[42 / 8], 1 << 42 % 8);
}

static void a_grant_is_no_more_than_it_says(void **state)
{
	struct fixture *fixture = *state;
	uint32_t reference = (uint32_t)sim_grant(fixture->memory, 42, false);
	uint8_t byte = 0;
	uint64_t gfn;

	assert_int_equal(sim_grant_frame(fixture->memory, reference, true, &gfn), -EACCES);
	assert_int_equal(sim_grant_copy(fixture->memory, SIM_COPY_TO_GUEST, reference, 0, &byte, 1),
			 -EACCES);
	assert_int_equal(sim_grant_frame(fixture->memory, reference, false, &gfn), 0);
	sim_grant_end(fixture->memory, reference);
	assert_int_equal(sim_grant_frame(fixture->memory, reference, false, &gfn), -EINVAL);
	assert_int_equal(sim_grant_frame(fixture->memory, SIM_GRANT_STORE, false, &gfn), -EINVAL);
}

static void a_copy_stays_within_its_page(void **state)
{
	struct fixture *fixture = *state;
	uint32_t reference = (uint32_t)sim_grant(fixture->memory, 42, true);
	char bytes[] = "ring", back[5];

	assert_int_equal(sim_grant_copy(fixture->memory, SIM_COPY_TO_GUEST, reference, 4091, bytes,
					5), 0);
	assert_int_equal(sim_grant_copy(fixture->memory, SIM_COPY_FROM_GUEST, reference, 4091, back,
					5), 0);
	assert_string_equal(back, "ring");
	assert_int_equal(sim_grant_copy(fixture->memory, SIM_COPY_FROM_GUEST, reference, 4092, back,
					5), -EINVAL);
}

static void a_toolstack_seeds_the_table_where_it_lies(void **state)
{
	struct fixture *fixture = *state;
	uint64_t gfn = 0;
	void *table;

	assert_int_equal(sim_grant_at(fixture->memory, SIM_GRANT_STORE, SIM_STORE_GFN, true), 0);
	assert_int_equal(sim_grant_table_map(fixture->host, fixture->domid, 0, 1, PROT_READ,
					     &table), 0);
	assert_int_equal(((const uint32_t *)table)[2 * SIM_GRANT_STORE + 1], SIM_STORE_GFN);
	assert_int_equal(sim_grant_frame(fixture->memory, SIM_GRANT_STORE, true, &gfn), 0);
	assert_int_equal(gfn, SIM_STORE_GFN);
	sim_memory_unmap(table, 1);
}

/* ---- the simulated sysfs ---- */

static void assert_node(const struct fixture *fixture, const char *node, const char *expected)
{
	char path[256], text[64] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/sys/%s", fixture->place.folder, node);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_true(read(fd, text, sizeof(text) - 1) >= 0);
	close(fd);
	assert_string_equal(text, expected);
}

static void a_disk_keeps_its_number_and_says_its_size(void **state)
{
	struct fixture *fixture = *state;
	char path[128];
	uint32_t first, again;

	snprintf(path, sizeof(path), "%s/ram.%u", fixture->place.folder, fixture->domid);
	assert_int_equal(truncate(path, 1 << 20), 0);
	assert_int_equal(sim_disk_add(fixture->host, path, &first), 0);
	assert_int_equal(sim_disk_add(fixture->other, path, &again), 0);
	assert_int_equal(first, again);
	assert_int_equal(sim_disk_add(fixture->host, "/dev/null", &again), -EINVAL);
	assert_node(fixture, "dev/block/240:0/size", "2048\n");
	assert_int_equal(sim_disk_report(fixture->host, first, 3, 4, 10, 20), 0);
	assert_node(fixture, "dev/block/240:0/inflight", "3 4\n");
	assert_node(fixture, "dev/block/240:0/stat", "10 0 0 0 20 0 0 0 7 0 0\n");
}

static void a_node_is_written_replaced_and_removed_with_its_folder(void **state)
{
	static const char node[] = "bus/xen-backend/devices/vbd-1-51712/statistics/rd_req";
	struct fixture *fixture = *state;
	char path[256];

	assert_int_equal(sim_sys_write(fixture->host, node, "1\n"), 0);
	assert_int_equal(sim_sys_write(fixture->host, node, "2\n"), 0);
	assert_node(fixture, node, "2\n");
	assert_int_equal(sim_sys_remove(fixture->host, "bus/xen-backend/devices/vbd-1-51712"), 0);
	assert_int_equal(sim_sys_remove(fixture->host, "bus/xen-backend/devices/vbd-1-51712"), 0);
	snprintf(path, sizeof(path), "%s/sys/bus/xen-backend/devices/vbd-1-51712",
		 fixture->place.folder);
	assert_int_equal(access(path, F_OK), -1);
	assert_int_equal(sim_sys_write(fixture->host, "../hypervisor", ""), -EINVAL);
}

/* The cleaner has the pipe, too: it is at its end when that has ended. */
static void a_killed_test_leaves_no_folder(void **state)
{
	struct sim_place place = { 0 };
	int pipe[2];
	pid_t test;

	(void)state;
	assert_int_equal(pipe2(pipe, O_CLOEXEC), 0);
	test = fork();
	if (test == 0) {
		sim_place_open(&place, MACHINE_PAGES);
		assert_int_equal(write(pipe[1], &place, sizeof(place)), sizeof(place));
		raise(SIGKILL);
	}
	close(pipe[1]);
	assert_int_equal(read(pipe[0], &place, sizeof(place)), sizeof(place));
	assert_int_equal(waitpid(test, NULL, 0), test);
	assert_int_equal(read(pipe[0], &place, sizeof(place)), 0);
	assert_int_equal(access(place.folder, F_OK), -1);
	close(pipe[0]);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_killed_test_leaves_no_folder),
		TEST(refuses_a_second_host_in_the_same_folder),
		TEST(says_that_a_folder_holds_no_host),
		TEST(shows_one_state_to_every_process),
		TEST(goes_on_when_the_holder_of_the_lock_is_killed),
		TEST(a_change_is_not_missed_by_who_counts),
		TEST(a_domain_runs_when_neither_paused_nor_shut_down),
		TEST(a_suspend_that_nobody_cancelled_ends_in_a_new_domain),
		TEST(a_destroyed_domain_is_gone_and_its_number_with_it),
		TEST(gives_no_more_memory_than_the_domain_may_have),
		TEST(gives_no_memory_that_another_has_claimed),
		TEST(what_one_process_writes_another_reads),
		TEST(a_hole_is_an_error_of_its_frame_alone),
		TEST(a_dirty_page_is_told_of_until_it_is_cleaned),
		TEST(log_dirty_starts_anew_when_enabled),
		TEST(a_granted_page_is_mapped_and_dirty_afterwards),
		TEST(a_grant_is_no_more_than_it_says),
		TEST(a_copy_stays_within_its_page),
		TEST(a_toolstack_seeds_the_table_where_it_lies),
		TEST(a_disk_keeps_its_number_and_says_its_size),
		TEST(a_node_is_written_replaced_and_removed_with_its_folder),
	};

	return cmocka_run_group_tests_name("sim_hypervisor", tests, NULL, NULL);
}
