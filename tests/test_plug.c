/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "plug.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "cleanup.h"
#include "fake_site.h"
#include "fake_store.h"

#define LONG_MS 60000 /* a deadline that no test waits for */
#define VBD_BACKEND "/local/domain/0/backend/vbd/7/51712"
#define VIF_BACKEND "/local/domain/0/backend/vif/7/0"
#define VBD_FRONTEND "/local/domain/7/device/vbd/51712"
#define VIF_FRONTEND "/local/domain/7/device/vif/0"

struct fixture {
	struct fake_site *fake;
	struct store *store;
	struct description guest;
	struct reasons reasons;
	struct err err;
};

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	assert_non_null(fixture);
	fixture->fake = fake_site_new();
	fixture->store = fixture->fake->site.store;
	fake_site_guest(fixture->fake, &fixture->guest);
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

static int write_nodes(struct fixture *fixture)
{
	return devices_write_nodes(fixture->store, &fixture->guest, &fixture->err);
}

static int plug(struct fixture *fixture, bool in_turn)
{
	const struct devices devices = devices_of(&fixture->guest, DEVICES_ALL);

	return site_plug(&fixture->fake->site, &devices, in_turn,
			 fake_site_deadline(fixture->fake, LONG_MS), &fixture->err);
}

static int unplug(struct fixture *fixture)
{
	const struct devices devices = devices_of(&fixture->guest, DEVICES_ALL);

	return site_unplug(&fixture->fake->site, &devices,
			   fake_site_deadline(fixture->fake, LONG_MS), &fixture->err);
}

static void assert_value(struct fixture *fixture, const char *path, const char *value)
{
	const char *found = fake_store_value(fixture->store, path);

	assert_non_null(found);
	assert_string_equal(found, value);
}

static void set_node(struct device *device, const char *key, const char *value)
{
	for (size_t i = 0; i < device->backend_count; i++) {
		if (strcmp(device->backend[i].key, key) != 0)
			continue;
		free(device->backend[i].value);
		device->backend[i].value = strdup(value);
		return;
	}
	assert_int_equal(device_add_backend_node(device, key, value), 0);
}

/* A running guest: its devices are plugged, and its frontends connected. */
static void run_guest(struct fixture *fixture)
{
	static const char *const ends[] = { VBD_FRONTEND, VBD_BACKEND, VIF_FRONTEND, VIF_BACKEND };

	assert_int_equal(write_nodes(fixture), 0);
	assert_int_equal(plug(fixture, false), 0);
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		store_write(fixture->store, "4", "%s/state", ends[i]);
	fake_site_remove(fixture->fake, "log");
}

/* ---- describing ---- */

static int describe(struct fixture *fixture, struct description *guest)
{
	description_init(guest);
	fixture->reasons.count = 0;
	site_describe(&fixture->fake->site, FAKE_DOMID, guest, &fixture->reasons);
	return fixture->reasons.count > 0 ? reasons_join(&fixture->reasons, &fixture->err) : 0;
}

static void what_the_toolstack_wrote_is_described(void **state)
{
	struct fixture *fixture = *state;
	struct description guest;

	run_guest(fixture);
	assert_int_equal(describe(fixture, &guest), 0);
	assert_int_equal(guest.device_count, 2);
	assert_int_equal(guest.devices[0].kind, DEVICE_VBD);
	assert_int_equal(guest.devices[0].id, 51712);
	assert_int_equal(guest.devices[0].attach, ATTACH_LATE);
	assert_int_equal(guest.devices[0].size_bytes, FAKE_DISK_BYTES);
	assert_string_equal(device_backend_node(&guest.devices[0], "params"), fixture->fake->disk);
	assert_int_equal(guest.devices[1].kind, DEVICE_VIF);
	assert_string_equal(device_backend_node(&guest.devices[1], "bridge"), "xenbr0");
	description_fini(&guest);
}

static void nothing_of_drivers_scripts_or_the_guest_is_described(void **state)
{
	static const char *const keys[] = { "state",       "online",         "frontend",
					    "frontend-id", "hotplug-status", "physical-device",
					    "feature-sg" };
	struct fixture *fixture = *state;
	struct description guest;

	run_guest(fixture);
	store_write(fixture->store, "1", VIF_BACKEND "/feature-sg");
	store_write(fixture->store, "fe:ed:00:00:00:00", VIF_FRONTEND "/mac");
	store_write(fixture->store, "8", VIF_FRONTEND "/tx-ring-ref");
	store_write(fixture->store, "yes\n", VIF_FRONTEND "/trusted");
	assert_int_equal(describe(fixture, &guest), 0);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		assert_null(device_backend_node(&guest.devices[1], keys[i]));
	for (size_t i = 0; i < guest.devices[1].frontend_count; i++) {
		const struct device_node *node = &guest.devices[1].frontend[i];

		assert_true(strcmp(node->key, "mac") == 0 || strcmp(node->key, "mtu") == 0);
		assert_string_not_equal(node->value, "fe:ed:00:00:00:00");
	}
	description_fini(&guest);
}

static void devices_come_by_kind_and_then_id(void **state)
{
	static const char *const ids[] = { "51744", "51728", "832" };
	static const uint32_t expected[] = { 832, 51712, 51728, 51744, 0 };
	struct fixture *fixture = *state;
	struct description guest;

	run_guest(fixture);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		store_write(fixture->store, fixture->fake->disk,
			    "/local/domain/0/backend/vbd/7/%s/params", ids[i]);
		store_write(fixture->store, "/x/block", "/local/domain/0/backend/vbd/7/%s/script",
			    ids[i]);
	}
	assert_int_equal(describe(fixture, &guest), 0);
	assert_int_equal(guest.device_count, 5);
	for (size_t i = 0; i < guest.device_count; i++)
		assert_int_equal(guest.devices[i].id, expected[i]);
	description_fini(&guest);
}

static void every_device_that_cannot_move_is_named(void **state)
{
	struct fixture *fixture = *state;
	struct description guest;

	run_guest(fixture);
	store_write(fixture->store, "1", "/local/domain/0/backend/qdisk/7/51728/state");
	store_write(fixture->store, "1", "/local/domain/0/backend/vkbd/7/0/state");
	store_write(fixture->store, "1", "/local/domain/0/backend/console/7/0/state");
	store_write(fixture->store, "1", "/local/domain/0/backend/pci/8/0/state");
	store_write(fixture->store, "/local/domain/3/backend/vif/7/1",
		    "/libxl/7/device/vif/1/backend");
	assert_int_equal(describe(fixture, &guest), -EPERM);
	assert_int_equal(fixture->err.code, ERR_REFUSED);
	assert_string_equal(fixture->err.message,
			    "these devices cannot be moved: qdisk 51728, vkbd 0, vif 1 (in a "
			    "driver domain); detach them first");
	assert_int_equal(guest.device_count, 2);
	description_fini(&guest);
}

static void an_empty_drive_is_refused(void **state)
{
	struct fixture *fixture = *state;
	struct description guest;

	run_guest(fixture);
	store_write(fixture->store, "", VBD_BACKEND "/params");
	assert_int_equal(describe(fixture, &guest), -EPERM);
	assert_non_null(strstr(fixture->err.message, "vbd xvda: the drive is empty"));
	assert_int_equal(guest.device_count, 1); /* the VIF, of which the target can judge */
	assert_int_equal(guest.devices[0].kind, DEVICE_VIF);
	description_fini(&guest);
}

/* ---- examining ---- */

static size_t examine(struct fixture *fixture, bool late_disks)
{
	fixture->reasons.count = 0;
	site_examine(&fixture->fake->site, &fixture->guest, late_disks, &fixture->reasons);
	return fixture->reasons.count;
}

static void a_host_that_has_everything_gives_no_reason(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(examine(fixture, true), 0);
}

static void a_file_is_welcome_only_where_disks_come_late(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(examine(fixture, false), 1);
	assert_non_null(strstr(fixture->reasons.list[0].message, "plan=xenopsd"));
}

static void every_reason_is_given_at_once(void **state)
{
	struct fixture *fixture = *state;

	fake_site_remove(fixture->fake, "scripts/block");
	fake_site_remove(fixture->fake, "scripts/vif-bridge");
	fake_site_remove(fixture->fake, "disk");
	set_node(&fixture->guest.devices[1], "bridge", "xenbr9");
	assert_int_equal(examine(fixture, true), 4);
	assert_non_null(strstr(fixture->reasons.list[0].message, "vbd xvda: its script"));
	assert_non_null(strstr(fixture->reasons.list[1].message, "attach the storage here"));
	assert_non_null(strstr(fixture->reasons.list[2].message, "vif 0: its script"));
	assert_non_null(strstr(fixture->reasons.list[3].message, "no bridge xenbr9"));
}

static void a_disk_of_another_size_is_another_disk(void **state)
{
	struct fixture *fixture = *state;

	fixture->guest.devices[0].size_bytes++;
	assert_int_equal(examine(fixture, true), 1);
	assert_non_null(strstr(fixture->reasons.list[0].message, "is it the same disk?"));
}

static void a_disk_whose_size_nobody_knows_is_not_compared(void **state)
{
	struct fixture *fixture = *state;

	fixture->guest.devices[0].size_bytes = 0; /* a file of xl's does not say it */
	assert_int_equal(examine(fixture, true), 0);
}

static void a_disk_of_the_same_size_under_the_same_path_may_be_another(void **state)
{
	struct fixture *fixture = *state;
	struct disk_identity *source = &fixture->guest.devices[0].identity;

	snprintf(source->content, sizeof(source->content), "gpt:00112233");
	assert_int_equal(examine(fixture, true), 0); /* the disk here says nothing */
	fake_site_write_disk(fixture->fake, 512, "EFI PART", 8);
	fake_site_write_disk(fixture->fake, 568, "0123456789abcdef", 16);
	assert_int_equal(examine(fixture, true), 1);
	assert_non_null(strstr(fixture->reasons.list[0].message, "another disk here (gpt:3031"));

	snprintf(source->content, sizeof(source->content), "gpt:%s",
		 "30313233343536373839616263646566");
	assert_int_equal(examine(fixture, true), 0);
}

static void a_taken_interface_name_is_a_reason(void **state)
{
	struct fixture *fixture = *state;

	set_node(&fixture->guest.devices[1], "vifname", "xenbr0");
	assert_int_equal(examine(fixture, true), 1);
	assert_non_null(strstr(fixture->reasons.list[0].message, "exists on this host already"));
}

static void what_a_peer_makes_up_is_neither_looked_up_nor_written(void **state)
{
	static const struct {
		unsigned device;
		const char *key, *value;
	} bad[] = {
		{ 0, "online", "0" },
		{ 0, "physical-device", "8:0" },
		{ 0, "mac", "00:16:3e:00:00:02" },
		{ 0, "mode", "rw" },
		{ 0, "params", "/dev/sda\nx" },
		{ 1, "mac", "00:16:3e:00:00" },
		{ 1, "vifname", "../../etc" },
		{ 1, "gatewaydev", "a;b c" },
		{ 1, "mtu", "-1" },
	};
	struct fixture *fixture = *state;
	CLEANUP_FREE char *dump = NULL;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct device *device = &fixture->guest.devices[bad[i].device];

		set_node(device, bad[i].key, bad[i].value);
		assert_int_equal(examine(fixture, true), 1);
		assert_int_equal(write_nodes(fixture), -EINVAL);
		assert_int_equal(fixture->err.code, ERR_REFUSED);
		assert_non_null(strstr(fixture->err.message, bad[i].key));
		description_fini(&fixture->guest);
		fake_site_guest(fixture->fake, &fixture->guest);
	}
	dump = fake_store_dump(fixture->store);
	assert_null(strstr(dump, "physical-device"));
}

/* ---- writing ---- */

static void both_ends_and_libxls_record_are_written(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(write_nodes(fixture), 0);
	assert_value(fixture, VBD_FRONTEND "/backend", VBD_BACKEND);
	assert_value(fixture, VBD_FRONTEND "/backend-id", "0");
	assert_value(fixture, VBD_FRONTEND "/virtual-device", "51712");
	assert_value(fixture, VBD_FRONTEND "/state", "1");
	assert_value(fixture, VBD_BACKEND "/frontend", VBD_FRONTEND);
	assert_value(fixture, VBD_BACKEND "/frontend-id", "7");
	assert_value(fixture, VBD_BACKEND "/online", "1");
	assert_value(fixture, VBD_BACKEND "/params", fixture->fake->disk);
	assert_value(fixture, VBD_BACKEND "/state", "1");
	assert_false(fake_store_has(fixture->store, VBD_BACKEND "/hotplug-status"));
	assert_value(fixture, VIF_BACKEND "/hotplug-status", "");
	assert_value(fixture, "/libxl/7/device/vif/0/backend", VIF_BACKEND);
	assert_value(fixture, "/libxl/7/device/vif/0/mac", "00:16:3e:00:00:01");
}

static void each_directory_has_the_access_that_libxl_gives(void **state)
{
	struct fixture *fixture = *state;
	struct store *store = fixture->store;

	assert_int_equal(write_nodes(fixture), 0);
	assert_int_equal(fake_store_access(store, VBD_FRONTEND "/state"), STORE_FRONTEND);
	assert_int_equal(fake_store_access_domid(store, VBD_FRONTEND "/state"), FAKE_DOMID);
	assert_int_equal(fake_store_access(store, VBD_BACKEND "/params"), STORE_GUEST_READS);
	assert_int_equal(fake_store_access_domid(store, VBD_BACKEND "/params"), FAKE_DOMID);
	assert_int_equal(fake_store_access(store, "/libxl/7/device/vif/0/mac"), STORE_PRIVATE);
}

static void a_store_that_is_full_is_named(void **state)
{
	struct fixture *fixture = *state;

	fake_store_fail_after(fixture->store, 8, ENOSPC);
	assert_int_equal(write_nodes(fixture), -ENOSPC);
	assert_non_null(strstr(fixture->err.message, "vbd xvda: xenstore: cannot write"));
}

/* ---- plugging ---- */

static void all_devices_are_plugged(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(write_nodes(fixture), 0);
	assert_int_equal(plug(fixture, false), 0);
	assert_value(fixture, VBD_BACKEND "/hotplug-status", "connected");
	assert_value(fixture, VIF_BACKEND "/hotplug-status", "connected");
}

static void one_kind_is_plugged_and_the_other_left(void **state)
{
	struct fixture *fixture = *state;
	const struct devices vifs = devices_of(&fixture->guest, 1u << DEVICE_VIF);
	CLEANUP_FREE char *log = NULL;

	assert_int_equal(write_nodes(fixture), 0);
	assert_int_equal(site_plug(&fixture->fake->site, &vifs, false,
				   fake_site_deadline(fixture->fake, LONG_MS), &fixture->err),
			 0);
	log = fake_site_read(fixture->fake, "log");
	assert_string_equal(log, "online backend/vif/7/0\n");
}

static void what_is_plugged_is_left_alone(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *log = NULL;

	run_guest(fixture);
	assert_int_equal(plug(fixture, false), 0);
	log = fake_site_read(fixture->fake, "log");
	assert_string_equal(log, "");
}

static void in_turn_a_failure_spares_the_rest(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *log = NULL;

	assert_int_equal(write_nodes(fixture), 0);
	fake_site_script(fixture->fake, "block", "exit 1\n");
	assert_int_equal(plug(fixture, true), -EIO);
	log = fake_site_read(fixture->fake, "log");
	assert_string_equal(log, "");
	assert_string_equal(fixture->err.message, "plug: vbd xvda: script block add: exit 1");
}

static void a_backend_that_never_gets_ready_is_named_with_its_drivers_words(void **state)
{
	struct fixture *fixture = *state;
	const struct devices devices = devices_of(&fixture->guest, DEVICES_ALL);

	fixture->fake->drivers_stuck = true;
	assert_int_equal(write_nodes(fixture), 0);
	store_write(fixture->store, "12 creating interface",
		    "/local/domain/0/error/backend/vbd/7/51712/error");
	assert_int_equal(site_plug(&fixture->fake->site, &devices, false, 0, &fixture->err),
			 -ETIMEDOUT);
	assert_string_equal(fixture->err.message,
			    "plug: vbd xvda: its backend did not get ready: is its driver "
			    "(xen-blkback, xen-netback) loaded? (backend's state: 1): "
			    "12 creating interface");
}

/* ---- unplugging ---- */

static void nothing_is_left_of_what_was_unplugged(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *before = fake_store_dump(fixture->store), *after = NULL, *log = NULL;

	run_guest(fixture);
	assert_int_equal(unplug(fixture), 0);
	log = fake_site_read(fixture->fake, "log");
	assert_true(strstr(log, "remove backend/vbd/7/51712\n") &&
		    strstr(log, "offline backend/vif/7/0\n"));
	after = fake_store_dump(fixture->store);
	assert_string_equal(before, "");
	assert_null(strstr(after, "/vbd/7"));
	assert_null(strstr(after, "/vif/7"));
	assert_null(strstr(after, "51712"));
}

static void unplugging_twice_runs_no_script_again(void **state)
{
	struct fixture *fixture = *state;
	CLEANUP_FREE char *log = NULL;

	run_guest(fixture);
	assert_int_equal(unplug(fixture), 0);
	fake_site_remove(fixture->fake, "log");
	assert_int_equal(unplug(fixture), 0);
	log = fake_site_read(fixture->fake, "log");
	assert_string_equal(log, "");
}

static void half_plugged_devices_are_unplugged(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(write_nodes(fixture), 0);
	store_remove(fixture->store, VBD_BACKEND);
	store_remove(fixture->store, VIF_FRONTEND);
	assert_int_equal(unplug(fixture), 0);
	assert_false(fake_store_has(fixture->store, VBD_FRONTEND));
	assert_false(fake_store_has(fixture->store, VIF_BACKEND));
}

static void notice_late(struct fake_site *fake, void *data)
{
	bool *noticed = data;

	if (fake->drivers_stuck)
		*noticed = fake_store_has(fake->site.store, VBD_FRONTEND);
	fake->drivers_stuck = false;
}

static void a_device_is_not_taken_away_before_its_driver_has_noticed_it(void **state)
{
	struct fixture *fixture = *state;
	bool noticed = false;

	assert_int_equal(write_nodes(fixture), 0);
	fixture->fake->drivers_stuck = true;
	fixture->fake->on_wait = notice_late;
	fixture->fake->data = &noticed;
	assert_int_equal(unplug(fixture), 0);
	assert_true(noticed);
}

static void let_a_second_pass(struct fake_site *fake, void *data)
{
	(void)data;
	fake->ahead_us += 1000000;
}

static void a_device_that_no_driver_notices_is_unplugged(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(write_nodes(fixture), 0);
	fixture->fake->drivers_stuck = true;
	fixture->fake->on_wait = let_a_second_pass;
	assert_int_equal(unplug(fixture), 0);
	assert_false(fake_store_has(fixture->store, VBD_BACKEND));
}

static void unplugging_goes_on_after_a_failure_and_tells_the_first(void **state)
{
	struct fixture *fixture = *state;

	run_guest(fixture);
	fake_site_script(fixture->fake, "block", "echo busy\nexit 1\n");
	fake_site_script(fixture->fake, "vif-bridge", "exit 2\n");
	assert_int_equal(unplug(fixture), -EIO);
	assert_string_equal(fixture->err.message,
			    "unplug: vbd xvda: script block remove: exit 1: busy");
	assert_false(fake_store_has(fixture->store, VBD_BACKEND));
	assert_false(fake_store_has(fixture->store, VIF_BACKEND));
}

static void a_backend_that_does_not_let_go_is_named(void **state)
{
	struct fixture *fixture = *state;
	const struct devices devices = devices_of(&fixture->guest, DEVICES_ALL);

	run_guest(fixture);
	fixture->fake->drivers_stuck = true;
	assert_int_equal(site_unplug(&fixture->fake->site, &devices, 0, &fixture->err),
			 -ETIMEDOUT);
	assert_non_null(strstr(fixture->err.message, "unplug: vbd xvda: its backend does not"));
	assert_false(fake_store_has(fixture->store, VBD_BACKEND));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		TEST(what_the_toolstack_wrote_is_described),
		TEST(nothing_of_drivers_scripts_or_the_guest_is_described),
		TEST(devices_come_by_kind_and_then_id),
		TEST(every_device_that_cannot_move_is_named),
		TEST(an_empty_drive_is_refused),
		TEST(a_host_that_has_everything_gives_no_reason),
		TEST(a_file_is_welcome_only_where_disks_come_late),
		TEST(every_reason_is_given_at_once),
		TEST(a_disk_of_another_size_is_another_disk),
		TEST(a_disk_whose_size_nobody_knows_is_not_compared),
		TEST(a_disk_of_the_same_size_under_the_same_path_may_be_another),
		TEST(a_taken_interface_name_is_a_reason),
		TEST(what_a_peer_makes_up_is_neither_looked_up_nor_written),
		TEST(both_ends_and_libxls_record_are_written),
		TEST(each_directory_has_the_access_that_libxl_gives),
		TEST(a_store_that_is_full_is_named),
		TEST(all_devices_are_plugged),
		TEST(one_kind_is_plugged_and_the_other_left),
		TEST(what_is_plugged_is_left_alone),
		TEST(in_turn_a_failure_spares_the_rest),
		TEST(a_backend_that_never_gets_ready_is_named_with_its_drivers_words),
		TEST(nothing_is_left_of_what_was_unplugged),
		TEST(unplugging_twice_runs_no_script_again),
		TEST(half_plugged_devices_are_unplugged),
		TEST(a_device_is_not_taken_away_before_its_driver_has_noticed_it),
		TEST(a_device_that_no_driver_notices_is_unplugged),
		TEST(unplugging_goes_on_after_a_failure_and_tells_the_first),
		TEST(a_backend_that_does_not_let_go_is_named),
	};

	return cmocka_run_group_tests_name("plug", tests, NULL, NULL);
}
