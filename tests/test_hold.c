/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hold.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "fake_site.h"
#include "fake_store.h"
#include "plug.h"

#define LONG_MS 60000 /* a deadline that no test waits for */
#define VBD_BACKEND "/local/domain/0/backend/vbd/7/51712"
#define VIF_BACKEND "/local/domain/0/backend/vif/7/0"
#define KEPT "/libxl/7/held/51712"

struct fixture {
	struct fake_site *fake;
	struct store *store;
	struct description guest;
	size_t device_count;
	struct err err;
};

/* A guest whose devices are all plugged. */
static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct devices all;

	assert_non_null(fixture);
	fixture->fake = fake_site_new();
	fixture->store = fixture->fake->site.store;
	fake_site_guest(fixture->fake, &fixture->guest);
	fixture->device_count = fixture->guest.device_count;
	assert_int_equal(devices_write_nodes(fixture->store, &fixture->guest, &fixture->err), 0);
	all = devices_of(&fixture->guest, DEVICES_ALL);
	assert_int_equal(site_plug(&fixture->fake->site, &all, false,
				   fake_site_deadline(fixture->fake, LONG_MS), &fixture->err), 0);
	store_write(fixture->store, "fd:1", VBD_BACKEND "/physical-device"); /* as `block` does */
	store_write(fixture->store, "/dev/disk", VBD_BACKEND "/physical-device-path");
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	fixture->guest.device_count = fixture->device_count;
	description_fini(&fixture->guest);
	fake_site_free(fixture->fake);
	free(fixture);
	return 0;
}

static int hold(struct fixture *fixture)
{
	return site_hold(&fixture->fake->site, &fixture->guest,
			 fake_site_deadline(fixture->fake, LONG_MS), &fixture->err);
}

static int release(struct fixture *fixture)
{
	return hold_release(fixture->store, &fixture->guest, &fixture->err);
}

static bool knows_its_disk(const struct fixture *fixture)
{
	return fake_store_has(fixture->store, VBD_BACKEND "/physical-device");
}

static void a_disk_that_is_held_waits_for_its_frontend_and_knows_no_disk(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(hold(fixture), 0);

	assert_false(knows_its_disk(fixture));
	assert_string_equal(fake_store_value(fixture->store, VBD_BACKEND "/state"), "2");
	assert_string_equal(fake_store_value(fixture->store, VIF_BACKEND "/hotplug-status"),
			    "connected");
}

static void a_disk_that_is_released_knows_what_its_script_found(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *before = store_read(fixture->store, VBD_BACKEND "/physical-device");
	CLEANUP_FREE char *log = fake_site_read(fixture->fake, "log");
	CLEANUP_FREE char *log_afterwards = NULL;

	assert_int_equal(hold(fixture), 0);
	assert_int_equal(release(fixture), 0);

	assert_string_equal(fake_store_value(fixture->store, VBD_BACKEND "/physical-device"),
			    before);
	assert_string_equal(fake_store_value(fixture->store, VBD_BACKEND "/hotplug-status"),
			    "connected");
	assert_false(fake_store_has(fixture->store, "/libxl/7/held"));
	log_afterwards = fake_site_read(fixture->fake, "log");
	assert_string_equal(log_afterwards, log); /* the scripts did not run again */
}

static void holding_and_releasing_twice_is_as_once(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(hold(fixture), 0);
	assert_int_equal(hold(fixture), 0);
	assert_true(fake_store_has(fixture->store, KEPT));
	assert_int_equal(release(fixture), 0);
	assert_int_equal(release(fixture), 0);

	assert_true(knows_its_disk(fixture));
}

static void without_a_vif_there_is_nothing_to_wait_for(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(fixture->guest.devices[1].kind, DEVICE_VIF);
	fixture->guest.device_count = 1;

	assert_int_equal(hold(fixture), 0);

	assert_true(knows_its_disk(fixture));
}

static void a_disk_that_is_held_can_be_unplugged(void **state)
{
	struct fixture *fixture = *state;
	struct devices all = devices_of(&fixture->guest, DEVICES_ALL);

	assert_int_equal(hold(fixture), 0);

	assert_int_equal(site_unplug(&fixture->fake->site, &all,
				     fake_site_deadline(fixture->fake, LONG_MS), &fixture->err), 0);

	assert_false(fake_store_has(fixture->store, VBD_BACKEND));
}

static void a_backend_that_does_not_let_go_is_named(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake->drivers_stuck = true;

	assert_int_equal(site_hold(&fixture->fake->site, &fixture->guest,
				   fake_site_deadline(fixture->fake, 0), &fixture->err),
			 -ETIMEDOUT);

	assert_non_null(strstr(fixture->err.message, "hold the disks: vbd xvda"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(a_disk_that_is_held_waits_for_its_frontend_and_knows_no_disk),
		TEST(a_disk_that_is_released_knows_what_its_script_found),
		TEST(holding_and_releasing_twice_is_as_once),
		TEST(without_a_vif_there_is_nothing_to_wait_for),
		TEST(a_disk_that_is_held_can_be_unplugged),
		TEST(a_backend_that_does_not_let_go_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
