/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * The states of a block backend, as toolstacks and guests see them in xenstore: on a store in
 * memory, whose every change is a watch that fires. The network's are the same but for an
 * interface, which a test without rights cannot make.
 */
#include "backend.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "fake_store.h"
#include "rings.h"
#include "sim_place.h"
#include "watcher.h"

#define BACKEND "/local/domain/0/backend/vbd/1/51712"
#define FRONTEND "/local/domain/1/device/vbd/51712"
#define SYS_NODE "sys/bus/xen-backend/devices/vbd-1-51712"
#define RING_GFN 5

struct fixture {
	struct sim_place place;
	struct store *store;
	struct fake_clock clock;
	struct watcher watcher;
	struct disks *disks;
	struct backends *backends;
	struct pollfd fds[BACKENDS_MAX + 1];
	char disk_path[128];
	struct sim_memory *memory;
	struct sim_events *events;
};

/* ---- fixture ---- */

static int watch_nothing(struct watcher *watcher, const char *path, const char *token)
{
	(void)watcher;
	(void)path;
	(void)token;
	return 0;
}

static void unwatch_nothing(struct watcher *watcher, const char *path, const char *token)
{
	(void)watcher;
	(void)path;
	(void)token;
}

static int nothing_fired(struct watcher *watcher,
			 void (*fired)(void *data, const char *path, const char *token),
			 void *data)
{
	(void)watcher;
	(void)fired;
	(void)data;
	return 0;
}

static int no_fd(const struct watcher *watcher)
{
	(void)watcher;
	return -1;
}

static void close_nothing(struct watcher *watcher)
{
	(void)watcher;
}

static const struct watcher_ops silent_ops = {
	.add = watch_nothing,
	.remove = unwatch_nothing,
	.next = nothing_fired,
	.fd = no_fd,
	.close = close_nothing,
};

static void make_guest(struct fixture *fixture)
{
	const struct sim_domain_config config = { .vcpus_max = 1 };
	uint32_t domid = 1;

	assert_int_equal(sim_domain_create(fixture->place.host, &config, &domid), 0);
	assert_int_equal(sim_domain_set_pages_max(fixture->place.host, domid, 100), 0);
	assert_int_equal(sim_populate_range(fixture->place.host, domid, 0, 100), 0);
	assert_int_equal(sim_memory_open(fixture->place.host, domid, &fixture->memory), 0);
	assert_int_equal(sim_events_open(fixture->place.host, domid, &fixture->events), 0);
}

static void make_disk(struct fixture *fixture)
{
	const struct disk_costs costs = { .latency_us = 1000 };
	uint32_t minor;
	int fd;

	snprintf(fixture->disk_path, sizeof(fixture->disk_path), "%s/disk",
		 fixture->place.folder);
	fd = open(fixture->disk_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1048576), 0);
	close(fd);
	assert_int_equal(sim_disk_add(fixture->place.host, fixture->disk_path, &minor), 0);
	assert_int_equal(minor, 0);
	fixture->disks = disks_new(fixture->place.host, &costs);
	assert_non_null(fixture->disks);
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct err err;

	assert_non_null(fixture);
	sim_place_open(&fixture->place, 1000);
	fixture->store = fake_store_new();
	fake_clock_init(&fixture->clock);
	fixture->watcher.ops = &silent_ops;
	make_guest(fixture);
	make_disk(fixture);
	assert_int_equal(backends_new(fixture->place.host, fixture->store, &fixture->watcher,
				      fixture->disks, &fixture->clock.clock, &fixture->backends,
				      &err), 0);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	backends_free(fixture->backends);
	disks_free(fixture->disks);
	sim_events_close(fixture->events);
	sim_memory_close(fixture->memory);
	fake_store_free(fixture->store);
	sim_place_close(&fixture->place);
	free(fixture);
	return 0;
}

/* ---- what others do ---- */

static void put(struct fixture *fixture, const char *path, const char *value)
{
	assert_int_equal(store_write(fixture->store, value, "%s", path), 0);
}

/* The watches fire, and the backends do what is to be done. */
static void settle(struct fixture *fixture)
{
	backends_notice(fixture->backends, BACKEND "/state", "backend");
	backends_work(fixture->backends, fixture->fds,
		      backends_poll(fixture->backends, fixture->fds));
}

static void write_device(struct fixture *fixture)
{
	put(fixture, FRONTEND "/backend", BACKEND);
	put(fixture, FRONTEND "/state", "1");
	put(fixture, BACKEND "/frontend", FRONTEND);
	put(fixture, BACKEND "/online", "1");
	put(fixture, BACKEND "/params", fixture->disk_path);
	put(fixture, BACKEND "/mode", "w");
	put(fixture, BACKEND "/state", "1");
	settle(fixture);
}

static void run_script(struct fixture *fixture)
{
	put(fixture, BACKEND "/physical-device", "f0:0");
	put(fixture, BACKEND "/hotplug-status", "connected");
	settle(fixture);
}

static void offer_ring(struct fixture *fixture)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", sim_grant(fixture->memory, RING_GFN, true));
	put(fixture, FRONTEND "/ring-ref", number);
	snprintf(number, sizeof(number), "%d", sim_events_allocate(fixture->events, 0));
	put(fixture, FRONTEND "/event-channel", number);
	put(fixture, FRONTEND "/state", "3");
	settle(fixture);
}

static void assert_state(struct fixture *fixture, const char *state)
{
	assert_string_equal(fake_store_value(fixture->store, BACKEND "/state"), state);
}

static bool is_on_the_bus(const struct fixture *fixture)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/" SYS_NODE, fixture->place.folder);
	return access(path, F_OK) == 0;
}

/* ---- tests ---- */

static void a_new_device_waits_for_its_frontend(void **state)
{
	struct fixture *fixture = *state;

	write_device(fixture);

	assert_state(fixture, "2");
	assert_true(is_on_the_bus(fixture));
}

static void a_device_that_is_going_is_none_to_begin_with(void **state)
{
	struct fixture *fixture = *state;

	put(fixture, BACKEND "/frontend", FRONTEND);
	put(fixture, BACKEND "/state", "6");
	settle(fixture);

	assert_int_equal(backends_count(fixture->backends), 0);
}

static void connects_when_script_and_frontend_have_spoken(void **state)
{
	struct fixture *fixture = *state;

	write_device(fixture);
	run_script(fixture);
	assert_state(fixture, "2");
	offer_ring(fixture);

	assert_state(fixture, "4");
	assert_string_equal(fake_store_value(fixture->store, BACKEND "/sectors"), "2048");
}

static void a_script_may_come_after_the_frontend(void **state)
{
	struct fixture *fixture = *state;

	write_device(fixture);
	offer_ring(fixture);
	assert_state(fixture, "2");
	run_script(fixture);

	assert_state(fixture, "4");
}

static void a_closed_frontend_may_come_again_while_it_is_online(void **state)
{
	struct fixture *fixture = *state;

	write_device(fixture);
	run_script(fixture);
	offer_ring(fixture);
	put(fixture, FRONTEND "/state", "6");
	settle(fixture);
	assert_state(fixture, "6");
	put(fixture, FRONTEND "/state", "1");
	settle(fixture);
	assert_state(fixture, "2");
	offer_ring(fixture);

	assert_state(fixture, "4");
}

static void lets_go_when_it_is_closed_and_offline(void **state)
{
	struct fixture *fixture = *state;

	write_device(fixture);
	run_script(fixture);
	offer_ring(fixture);
	put(fixture, BACKEND "/online", "0");
	put(fixture, FRONTEND "/state", "6");
	settle(fixture);

	assert_state(fixture, "6");
	assert_false(is_on_the_bus(fixture));
}

/* What Linux does, and what a toolstack must not wait in vain for: the state stays 4. */
static void lets_go_when_its_frontend_is_gone(void **state)
{
	struct fixture *fixture = *state;

	write_device(fixture);
	run_script(fixture);
	offer_ring(fixture);
	assert_int_equal(store_remove(fixture->store, FRONTEND), 0);
	settle(fixture);

	assert_state(fixture, "4");
	assert_false(is_on_the_bus(fixture));
	assert_int_equal(backends_count(fixture->backends), 0);
}

static void lets_go_when_its_nodes_are_gone(void **state)
{
	struct fixture *fixture = *state;

	write_device(fixture);
	run_script(fixture);
	offer_ring(fixture);
	assert_int_equal(store_remove(fixture->store, BACKEND), 0);
	settle(fixture);

	assert_false(is_on_the_bus(fixture));
	assert_false(fake_store_has(fixture->store, BACKEND));
}

static void takes_the_time_that_closing_costs(void **state)
{
	struct fixture *fixture = *state;
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/costs", fixture->place.folder);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs("vbd_close_ms=2000\n", file);
	fclose(file);
	write_device(fixture);
	run_script(fixture);
	offer_ring(fixture);
	put(fixture, FRONTEND "/state", "6");
	settle(fixture);
	assert_state(fixture, "4");
	fixture->clock.now_us += 1999000;
	settle(fixture);
	assert_state(fixture, "4");
	fixture->clock.now_us += 1000;
	settle(fixture);

	assert_state(fixture, "6");
}

static struct blkif_sring *map_ring(struct fixture *fixture)
{
	const uint64_t gfn = RING_GFN;
	void *page = NULL;

	assert_int_equal(sim_memory_map(fixture->memory, &gfn, 1, PROT_READ | PROT_WRITE, NULL,
					&page), 0);
	return page;
}

static void take_backend_away(struct fixture *fixture)
{
	put(fixture, BACKEND "/online", "0");
	put(fixture, FRONTEND "/state", "6");
	settle(fixture);
	assert_false(is_on_the_bus(fixture));
	assert_int_equal(store_remove(fixture->store, BACKEND), 0);
}

/* Plugs another backend; the guest's end and its ring are what they were. */
static void plug_again(struct fixture *fixture)
{
	put(fixture, FRONTEND "/state", "4");
	put(fixture, BACKEND "/frontend", FRONTEND);
	put(fixture, BACKEND "/online", "1");
	put(fixture, BACKEND "/params", fixture->disk_path);
	put(fixture, BACKEND "/mode", "w");
	put(fixture, BACKEND "/state", "1");
	settle(fixture);
	run_script(fixture);
}

static void another_backend_goes_on_behind_the_last_response(void **state)
{
	struct fixture *fixture = *state;
	struct blkif_sring *ring = map_ring(fixture);
	union blkif_sring_entry *entries = ring->ring, *sixth = entries + 5, answered;

	memset(&answered, 0x5a, sizeof(answered));
	write_device(fixture);
	run_script(fixture);
	offer_ring(fixture);
	take_backend_away(fixture);
	for (size_t i = 0; i < 5; i++)
		entries[i] = answered;
	ring->req_prod = ring->rsp_prod = 5;
	plug_again(fixture);
	assert_state(fixture, "4");
	assert_int_equal(ring->rsp_prod, 5);
	take_backend_away(fixture);
	sixth->req = (struct blkif_request){ .operation = BLKIF_OP_FLUSH_DISKCACHE, .id = 77 };
	ring->req_prod = 6;
	plug_again(fixture); /* it finds the request that nobody told it of */
	fixture->clock.now_us += 10000;
	settle(fixture);

	assert_int_equal(ring->rsp_prod, 6);
	assert_int_equal(sixth->rsp.id, 77);
	for (size_t i = 0; i < 5; i++)
		assert_memory_equal(&entries[i], &answered, sizeof(answered));
	assert_int_equal(sixth->rsp.status, BLKIF_RSP_OKAY);
	sim_memory_unmap(ring, 1);
}

static void a_ring_that_cannot_be_true_is_not_served(void **state)
{
	struct fixture *fixture = *state;
	struct blkif_sring *ring = map_ring(fixture);

	write_device(fixture);
	run_script(fixture);
	offer_ring(fixture);
	take_backend_away(fixture);
	ring->req_prod = 4096;
	plug_again(fixture);

	assert_state(fixture, "5");
	sim_memory_unmap(ring, 1);
}

static void says_why_a_device_cannot_be_had(void **state)
{
	struct fixture *fixture = *state;
	const char *words;

	write_device(fixture);
	put(fixture, BACKEND "/physical-device", "f0:9");
	settle(fixture);

	assert_state(fixture, "5");
	words = fake_store_value(fixture->store, "/local/domain/0/error/backend/vbd/1/51712/error");
	assert_non_null(words);
	assert_non_null(strstr(words, "f0:9"));
}

static void says_why_a_ring_cannot_be_had(void **state)
{
	struct fixture *fixture = *state;

	write_device(fixture);
	run_script(fixture);
	put(fixture, FRONTEND "/ring-ref", "999");
	put(fixture, FRONTEND "/event-channel", "7");
	put(fixture, FRONTEND "/state", "3");
	settle(fixture);

	assert_state(fixture, "5");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_new_device_waits_for_its_frontend),
		TEST(a_device_that_is_going_is_none_to_begin_with),
		TEST(connects_when_script_and_frontend_have_spoken),
		TEST(a_script_may_come_after_the_frontend),
		TEST(a_closed_frontend_may_come_again_while_it_is_online),
		TEST(lets_go_when_it_is_closed_and_offline),
		TEST(lets_go_when_its_frontend_is_gone),
		TEST(lets_go_when_its_nodes_are_gone),
		TEST(takes_the_time_that_closing_costs),
		TEST(another_backend_goes_on_behind_the_last_response),
		TEST(a_ring_that_cannot_be_true_is_not_served),
		TEST(says_why_a_device_cannot_be_had),
		TEST(says_why_a_ring_cannot_be_had),
	};

	return cmocka_run_group_tests_name("sim_backend", tests, NULL, NULL);
}
