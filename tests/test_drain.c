/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "drain.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "fake_clock.h"
#include "fake_store.h"

#define RINGS_MAX 4
#define FRONTEND "/local/domain/7/device/vbd/51712"
#define BACKEND "/local/domain/0/backend/vbd/7/51712"

/* Rings that the test itself fills; ring N is granted as 100 + N. */
struct fake_mapper {
	struct ring_mapper mapper;
	uint32_t rings[RINGS_MAX][4];
	unsigned mapped, closed;
};

struct fixture {
	struct fake_clock fake;
	struct fake_mapper mapper;
	struct store *store;
	struct description guest;
	struct site site;
	struct drain *drain;
	struct err err;
	char folder[64], block[128];
	uint32_t *ring; /* what the backend works on while somebody waits */
	uint32_t step; /* responses at each wait */
	unsigned inflight_waits; /* waits until the block device has nothing in flight */
	unsigned statistics_waits; /* waits while the backend's counters move */
};

static const uint32_t *fake_map(struct ring_mapper *mapper, uint32_t domid, uint32_t reference)
{
	struct fake_mapper *fake = (struct fake_mapper *)mapper;

	assert_int_equal(domid, 7);
	if (reference < 100 || reference >= 100 + RINGS_MAX) {
		errno = EINVAL;
		return NULL;
	}
	fake->mapped++;
	return fake->rings[reference - 100];
}

static void fake_unmap(struct ring_mapper *mapper, const uint32_t *ring)
{
	(void)ring;
	((struct fake_mapper *)mapper)->mapped--;
}

static void fake_mapper_close(struct ring_mapper *mapper)
{
	((struct fake_mapper *)mapper)->closed++;
}

static const struct ring_mapper_ops fake_mapper_ops = {
	.map = fake_map,
	.unmap = fake_unmap,
	.close = fake_mapper_close,
};

static void put_file(const char *folder, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	for (char *slash = path + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(path, 0700);
		*slash = '/';
	}
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

/* The backend and the disk, at work while somebody waits. */
static void work(struct fake_clock *fake, void *argument)
{
	struct fixture *fixture = argument;
	uint32_t left =
		fixture->ring ? fixture->ring[RING_REQ_PROD] - fixture->ring[RING_RSP_PROD] : 0;
	char number[16];

	if (fixture->ring)
		fixture->ring[RING_RSP_PROD] += left < fixture->step ? left : fixture->step;
	if (fixture->inflight_waits > 0 && --fixture->inflight_waits == 0)
		put_file(fixture->block, "inflight", "       0        0\n");
	if (fixture->statistics_waits > 0) {
		snprintf(number, sizeof(number), "%u\n", 1000 - --fixture->statistics_waits);
		put_file(fixture->folder, "bus/xen-backend/devices/vbd-7-51712/statistics/wr_req",
			 number);
	}
	(void)fake;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fake_clock_init(&fixture->fake);
	fixture->fake.on_wait = work;
	fixture->fake.argument = fixture;
	fixture->mapper.mapper.ops = &fake_mapper_ops;
	fixture->store = fake_store_new();
	description_init(&fixture->guest);
	fixture->guest.domid = 7;
	fixture->guest.device_count = 1;
	fixture->guest.devices[0] = (struct device){ .kind = DEVICE_VBD, .id = 51712 };
	assert_int_equal(device_add_backend_node(&fixture->guest.devices[0], "dev", "xvda"), 0);
	snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/test-drain-XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->block, sizeof(fixture->block), "%s/dev/block/253:3", fixture->folder);
	fixture->site = (struct site){ .store = fixture->store,
				       .clock = &fixture->fake.clock,
				       .scripts_dir = "/nowhere",
				       .sys_dir = fixture->folder };
	*state = fixture;
	return 0;
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *where)
{
	(void)status;
	(void)type;
	(void)where;
	return remove(path);
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	drain_close(fixture->drain);
	assert_int_equal(fixture->mapper.mapped, 0);
	assert_int_equal(fixture->mapper.closed, 1);
	fake_store_free(fixture->store);
	description_fini(&fixture->guest);
	nftw(fixture->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(fixture);
	return 0;
}

static int open_drain(struct fixture *fixture)
{
	return site_drain_open(&fixture->site, &fixture->guest, &fixture->mapper.mapper,
			       &fixture->drain, &fixture->err);
}

/* One ring of one page, as blkfront makes it by default, with `left` requests to answer. */
static void connect_ring(struct fixture *fixture, uint32_t requests, uint32_t left)
{
	store_write(fixture->store, "100", FRONTEND "/ring-ref");
	fixture->ring = fixture->mapper.rings[0];
	fixture->ring[RING_REQ_PROD] = requests;
	fixture->ring[RING_RSP_PROD] = requests - left;
}

static void connect_block_device(struct fixture *fixture)
{
	store_write(fixture->store, "fd:3", BACKEND "/physical-device");
	put_file(fixture->block, "inflight", "       1        2\n");
	put_file(fixture->block, "stat", "5 0 40 1 7 0 56 1 0 1 1\n");
}

static uint64_t in_ms(struct fixture *fixture, uint64_t ms)
{
	return clock_after_ms(&fixture->fake.clock, ms);
}

static void an_empty_ring_is_drained_at_once(void **state)
{
	struct fixture *fixture = *state;

	connect_ring(fixture, 4711, 0);
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(drain_wait(fixture->drain, in_ms(fixture, 100), &fixture->err), 0);
	assert_int_equal(fixture->fake.waits, 0);
}

static void a_ring_is_drained_when_every_request_has_its_response(void **state)
{
	struct fixture *fixture = *state;

	connect_ring(fixture, 5, 32); /* the indices wrap around zero */
	fixture->step = 8;
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(drain_wait(fixture->drain, in_ms(fixture, 100), &fixture->err), 0);
	assert_int_equal(fixture->fake.waits, 4);
	assert_int_equal(fixture->ring[RING_RSP_PROD], 5);
}

static void a_slow_disk_is_named_with_what_is_outstanding(void **state)
{
	struct fixture *fixture = *state;

	connect_ring(fixture, 40, 14);
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(drain_wait(fixture->drain, in_ms(fixture, 100), &fixture->err),
			 -ETIMEDOUT);
	assert_int_equal(fixture->err.code, ERR_TIMED_OUT);
	assert_non_null(strstr(fixture->err.message, "vbd xvda: 14 requests outstanding"));
}

static void every_queue_of_several_pages_is_looked_at(void **state)
{
	struct fixture *fixture = *state;

	store_write(fixture->store, "3", FRONTEND "/multi-queue-num-queues");
	store_write(fixture->store, "2", FRONTEND "/ring-page-order");
	for (unsigned i = 0; i < 3; i++) {
		char number[16];

		snprintf(number, sizeof(number), "%u", 100 + i);
		store_write(fixture->store, number, FRONTEND "/queue-%u/ring-ref0", i);
	}
	fixture->mapper.rings[2][RING_REQ_PROD] = 9;
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(fixture->mapper.mapped, 3);
	assert_int_equal(drain_wait(fixture->drain, in_ms(fixture, 100), &fixture->err),
			 -ETIMEDOUT);
	assert_non_null(strstr(fixture->err.message, "9 requests outstanding"));
}

static void without_a_ring_the_block_device_must_be_quiet(void **state)
{
	struct fixture *fixture = *state;

	connect_block_device(fixture);
	fixture->inflight_waits = 5;
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(drain_wait(fixture->drain, in_ms(fixture, 100), &fixture->err), 0);
	assert_true(fixture->fake.waits >= 5 + 2); /* three looks in a row */
}

static void while_the_backend_takes_requests_the_disk_is_not_drained(void **state)
{
	struct fixture *fixture = *state;

	connect_block_device(fixture);
	fixture->inflight_waits = 1;
	fixture->statistics_waits = 20;
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(drain_wait(fixture->drain, in_ms(fixture, 100), &fixture->err), 0);
	assert_true(fixture->fake.waits >= 20 + 2);
}

static void nonsense_of_the_guest_leads_to_the_block_device(void **state)
{
	static const struct {
		const char *key, *value;
	} nonsense[] = {
		{ "ring-ref", "-1" },        { "ring-ref", "4294967296" },
		{ "ring-ref", "7" },         { "multi-queue-num-queues", "65" },
		{ "ring-page-order", "31" }, { "multi-queue-num-queues", "2" },
	};
	struct fixture *fixture = *state;

	connect_block_device(fixture);
	for (size_t i = 0; i < sizeof(nonsense) / sizeof(nonsense[0]); i++) {
		store_write(fixture->store, "100", FRONTEND "/ring-ref");
		store_write(fixture->store, nonsense[i].value, FRONTEND "/%s", nonsense[i].key);
		drain_close(fixture->drain);
		fixture->mapper.closed = 0;
		assert_int_equal(open_drain(fixture), 0);
		assert_int_equal(fixture->mapper.mapped, 0);
		store_remove(fixture->store, FRONTEND);
	}
}

static void a_disk_that_cannot_be_watched_is_refused(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(open_drain(fixture), -EOPNOTSUPP);
	assert_int_equal(fixture->err.code, ERR_REFUSED);
	assert_non_null(strstr(fixture->err.message, "vbd xvda"));
}

static void an_idle_disk_may_be_suspended_at_once(void **state)
{
	struct fixture *fixture = *state;

	connect_ring(fixture, 100, 0);
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(drain_check(fixture->drain, 50, in_ms(fixture, 0), &fixture->err), 0);
}

static void a_fast_disk_may_be_busy(void **state)
{
	struct fixture *fixture = *state;

	connect_ring(fixture, 1000000, 100000);
	fixture->step = 900; /* in 20 ms: some 2.2 s to go, and less at every look */
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(drain_check(fixture->drain, 3000, in_ms(fixture, 100), &fixture->err), 0);
	assert_true(fixture->ring[RING_REQ_PROD] != fixture->ring[RING_RSP_PROD]);
}

static void a_disk_too_slow_to_drain_in_time_is_waited_for(void **state)
{
	struct fixture *fixture = *state;

	connect_ring(fixture, 1000, 32);
	fixture->step = 1; /* 50 a second: 640 ms to go at first */
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(drain_check(fixture->drain, 100, in_ms(fixture, 2000), &fixture->err), 0);
	assert_int_equal(fixture->ring[RING_REQ_PROD] - fixture->ring[RING_RSP_PROD], 5);
}

static void a_disk_that_stands_still_is_not_waited_for_forever(void **state)
{
	struct fixture *fixture = *state;

	connect_ring(fixture, 1000, 32);
	assert_int_equal(open_drain(fixture), 0);
	assert_int_equal(drain_check(fixture->drain, 100, in_ms(fixture, 2000), &fixture->err),
			 -ETIMEDOUT);
	assert_non_null(strstr(fixture->err.message, "vbd xvda: 32 requests outstanding"));
}

static void a_guest_that_connected_anew_is_looked_at_where_it_is(void **state)
{
	struct fixture *fixture = *state;

	connect_ring(fixture, 1000, 0);
	assert_int_equal(open_drain(fixture), 0);
	store_write(fixture->store, "101", FRONTEND "/ring-ref");
	fixture->mapper.rings[1][RING_REQ_PROD] = 3;
	assert_int_equal(drain_check(fixture->drain, 100, in_ms(fixture, 100), &fixture->err),
			 -ETIMEDOUT);
	assert_int_equal(fixture->mapper.mapped, 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(an_empty_ring_is_drained_at_once),
		TEST(a_ring_is_drained_when_every_request_has_its_response),
		TEST(a_slow_disk_is_named_with_what_is_outstanding),
		TEST(every_queue_of_several_pages_is_looked_at),
		TEST(without_a_ring_the_block_device_must_be_quiet),
		TEST(while_the_backend_takes_requests_the_disk_is_not_drained),
		TEST(nonsense_of_the_guest_leads_to_the_block_device),
		TEST(a_disk_that_cannot_be_watched_is_refused),
		TEST(an_idle_disk_may_be_suspended_at_once),
		TEST(a_fast_disk_may_be_busy),
		TEST(a_disk_too_slow_to_drain_in_time_is_waited_for),
		TEST(a_disk_that_stands_still_is_not_waited_for_forever),
		TEST(a_guest_that_connected_anew_is_looked_at_where_it_is),
	};

	return cmocka_run_group_tests_name("drain", tests, NULL, NULL);
}
