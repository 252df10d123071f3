/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replug.h"

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
#include "xenbus.h"

#define LONG_MS 60000 /* a deadline that no test waits for */
#define VBD_BACKEND "/local/domain/0/backend/vbd/7/51712"
#define VIF_BACKEND "/local/domain/0/backend/vif/7/0"
#define VBD_FRONTEND "/local/domain/7/device/vbd/51712"
#define VIF_FRONTEND "/local/domain/7/device/vif/0"

struct fixture {
	struct fake_site *fake;
	struct store *store;
	struct description guest;
	struct err err;
};

/* A guest whose devices are plugged and connected. */
static int set_up(void **state)
{
	static const char *const ends[] = { VBD_FRONTEND, VBD_BACKEND, VIF_FRONTEND, VIF_BACKEND };
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct devices all;

	assert_non_null(fixture);
	fixture->fake = fake_site_new();
	fixture->store = fixture->fake->site.store;
	fake_site_guest(fixture->fake, &fixture->guest);
	assert_int_equal(devices_write_nodes(fixture->store, &fixture->guest, &fixture->err), 0);
	all = devices_of(&fixture->guest, DEVICES_ALL);
	assert_int_equal(site_plug(&fixture->fake->site, &all, false,
				   fake_site_deadline(fixture->fake, LONG_MS), &fixture->err), 0);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		store_write(fixture->store, "4", "%s/state", ends[i]);
	fake_site_remove(fixture->fake, "log");
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	description_fini(&fixture->guest);
	fake_site_free(fixture->fake);
	free(fixture);
	return 0;
}

static void assert_value(struct fixture *fixture, const char *path, const char *value)
{
	const char *found = fake_store_value(fixture->store, path);

	assert_non_null(found);
	assert_string_equal(found, value);
}

static int close_kinds(struct fixture *fixture, unsigned kinds)
{
	return site_close(&fixture->fake->site, &fixture->guest, kinds,
			  fake_site_deadline(fixture->fake, LONG_MS), &fixture->err);
}

static int replug(struct fixture *fixture, unsigned kinds)
{
	return site_replug(&fixture->fake->site, &fixture->guest, kinds,
			   fake_site_deadline(fixture->fake, LONG_MS), &fixture->err);
}

static void assert_serves(struct fixture *fixture)
{
	if (replug(fixture, DEVICES_ALL) != 0)
		fail_msg("%s", fixture->err.message);
	assert_value(fixture, VBD_FRONTEND "/state", "4");
	assert_value(fixture, VIF_FRONTEND "/state", "4");
	assert_value(fixture, VBD_BACKEND "/state", "4");
	assert_value(fixture, VIF_BACKEND "/state", "4");
	assert_value(fixture, VBD_BACKEND "/online", "1");
	assert_value(fixture, VBD_BACKEND "/hotplug-status", "connected");
	assert_value(fixture, VIF_BACKEND "/hotplug-status", "connected");
	assert_false(fake_store_has(fixture->store, "/libxl/7/resting-vbd-51712"));
	assert_false(fake_store_has(fixture->store, "/libxl/7/resting-vif-0"));
}

static void closing_takes_the_disks_and_leaves_the_vifs(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *log = NULL;

	assert_int_equal(close_kinds(fixture, 1u << DEVICE_VBD), 0);
	assert_false(fake_store_has(fixture->store, VBD_BACKEND));
	assert_value(fixture, VIF_BACKEND "/state", "4");
	log = fake_site_read(fixture->fake, "log");
	assert_string_equal(log, "remove backend/vbd/7/51712\n");
}

static void closing_leaves_the_guests_own_nodes_but_for_the_state(void **state)
{
	struct fixture *fixture = *state;

	store_write(fixture->store, "9", VBD_FRONTEND "/ring-ref");
	assert_int_equal(close_kinds(fixture, DEVICES_ALL), 0);
	assert_value(fixture, VBD_FRONTEND "/ring-ref", "9");
	assert_value(fixture, "/libxl/7/resting-vbd-51712", "4");
}

static void what_was_closed_is_plugged_under_the_resting_guest(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(close_kinds(fixture, DEVICES_ALL), 0);
	assert_int_equal(close_kinds(fixture, DEVICES_ALL), 0);
	fake_store_conflict(fixture->store, 1);
	assert_serves(fixture);
	assert_serves(fixture);
}

static void notice_late(struct fake_site *fake, void *data)
{
	const char *online = fake_store_value(fake->site.store, VBD_BACKEND "/online");
	bool *noticed = data;

	if (fake->drivers_stuck)
		*noticed = online && strcmp(online, "1") == 0;
	fake->drivers_stuck = false;
}

/* Who plugged it again has died, and its driver is only about to notice. */
static void what_is_half_plugged_again_goes_when_its_driver_has_noticed_it(void **state)
{
	struct fixture *fixture = *state;
	bool noticed = false;

	assert_int_equal(close_kinds(fixture, 1u << DEVICE_VBD), 0);
	assert_int_equal(xenbus_write_backend(fixture->store, FAKE_DOMID,
					      &fixture->guest.devices[0], &fixture->err), 0);
	assert_value(fixture, VBD_BACKEND "/state", "1");
	fixture->fake->drivers_stuck = true;
	fixture->fake->on_wait = notice_late;
	fixture->fake->data = &noticed;

	assert_serves(fixture);

	assert_true(noticed);
}

static void what_was_never_closed_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *log = NULL;

	assert_serves(fixture);
	log = fake_site_read(fixture->fake, "log");
	assert_string_equal(log, "");
}

static void a_half_closed_disk_is_plugged_again(void **state)
{
	struct fixture *fixture = *state;

	fixture->fake->drivers_stuck = true;
	assert_int_equal(site_close(&fixture->fake->site, &fixture->guest, DEVICES_ALL, 0,
				    &fixture->err), -ETIMEDOUT);
	assert_non_null(strstr(fixture->err.message, "close: vbd xvda: its backend does not"));
	fixture->fake->drivers_stuck = false;
	assert_serves(fixture);
}

static void a_device_that_failed_to_be_plugged_again_can_be_tried_once_more(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(close_kinds(fixture, DEVICES_ALL), 0);
	fake_site_script(fixture->fake, "vif-bridge", "case $1 in online) exit 1;; esac\n");
	assert_int_equal(replug(fixture, DEVICES_ALL), -EIO);
	fake_site_script(fixture->fake, "vif-bridge",
			 "case $1 in online) : >\"$FOLDER/connected-backend-vif-7-0\";; esac\n");
	assert_serves(fixture);
}

/* One that its guest had closed itself waits for that guest, as it did. */
static void a_frontend_that_was_not_connected_rests_as_it_was(void **state)
{
	struct fixture *fixture = *state;

	store_write(fixture->store, "1", VIF_FRONTEND "/state");
	assert_int_equal(close_kinds(fixture, 1u << DEVICE_VIF), 0);
	assert_int_equal(replug(fixture, 1u << DEVICE_VIF), 0);
	assert_value(fixture, VIF_FRONTEND "/state", "1");
	assert_value(fixture, VIF_BACKEND "/state", "2");
}

static void without_its_guest_a_device_is_not_plugged_again(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(close_kinds(fixture, DEVICES_ALL), 0);
	store_remove(fixture->store, "/local/domain/7");
	assert_int_equal(replug(fixture, DEVICES_ALL), -ENODEV);
	assert_non_null(strstr(fixture->err.message, "was it destroyed?"));
	assert_false(fake_store_has(fixture->store, VBD_BACKEND));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(closing_takes_the_disks_and_leaves_the_vifs),
		TEST(closing_leaves_the_guests_own_nodes_but_for_the_state),
		TEST(what_was_closed_is_plugged_under_the_resting_guest),
		TEST(what_is_half_plugged_again_goes_when_its_driver_has_noticed_it),
		TEST(what_was_never_closed_is_left_alone),
		TEST(a_half_closed_disk_is_plugged_again),
		TEST(a_device_that_failed_to_be_plugged_again_can_be_tried_once_more),
		TEST(a_frontend_that_was_not_connected_rests_as_it_was),
		TEST(without_its_guest_a_device_is_not_plugged_again),
	};

	return cmocka_run_group_tests_name("replug", tests, NULL, NULL);
}
