/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vif.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "announce.h"
#include "fake_store.h"

static void a_mac_is_six_pairs_of_one_station(void **state)
{
	static const char *const refused[] = {
		"",
		"00:16:3e:00:00",
		"00:16:3e:00:00:01:02",
		"00-16-3e-00-00-01",
		"0:16:3e:00:00:01",
		"00:16:3e:00:00:0g",
		"00:16:3e:00:00:1 ",
		"01:00:5e:00:00:01",
		"ff:ff:ff:ff:ff:ff",
		"00:00:00:00:00:00",
		"00:16:3e:00:00:+1",
	};
	static const uint8_t expected[VIF_MAC_BYTES] = { 0x00, 0x16, 0x3e, 0xab, 0xcd, 0x01 };
	uint8_t mac[VIF_MAC_BYTES] = { 0 };

	(void)state;
	assert_true(vif_parse_mac("00:16:3e:aB:Cd:01", mac));
	assert_memory_equal(mac, expected, sizeof(mac));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_false(vif_parse_mac(refused[i], mac));
	assert_memory_equal(mac, expected, sizeof(mac));
}

static void an_interface_has_a_name_that_linux_takes(void **state)
{
	static const char *const taken[] = { "vif7.0", "xenbr0", "a", "fifteen-letters" };
	static const char *const refused[] = {
		"", ".", "..", "a/b", "a b", "a:1", "-a", "sixteen-letters-", "tab\t", "\x7f",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++)
		assert_true(vif_valid_interface(taken[i]));
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		assert_false(vif_valid_interface(refused[i]));
}

static void a_vif_is_called_by_domain_and_id_or_as_configured(void **state)
{
	struct description guest;
	struct device *device = &guest.devices[0];
	char name[IF_NAMESIZE];

	(void)state;
	description_init(&guest);
	guest.device_count = 1;
	device->kind = DEVICE_VIF;
	device->id = 2;
	assert_string_equal(vif_name(32751, device, name), "vif32751.2");
	assert_int_equal(device_add_backend_node(device, "vifname", "web-eth0"), 0);
	assert_string_equal(vif_name(32751, device, name), "web-eth0");
	description_fini(&guest);
}

static void only_a_plain_name_is_taken_for_a_bridge(void **state)
{
	struct description guest;

	(void)state;
	description_init(&guest);
	guest.device_count = 2;
	guest.devices[0].kind = guest.devices[1].kind = DEVICE_VIF;
	assert_null(vif_bridge(&guest.devices[0]));
	assert_int_equal(device_add_backend_node(&guest.devices[0], "bridge", "ovsbr0:10,20"), 0);
	assert_null(vif_bridge(&guest.devices[0]));
	assert_int_equal(device_add_backend_node(&guest.devices[1], "bridge", "xenbr0"), 0);
	assert_string_equal(vif_bridge(&guest.devices[1]), "xenbr0");
	description_fini(&guest);
}

static void the_announcement_is_a_broadcast_rarp_in_the_guests_name(void **state)
{
	static const uint8_t mac[VIF_MAC_BYTES] = { 0x00, 0x16, 0x3e, 0x00, 0x00, 0x01 };
	static const uint8_t expected[ANNOUNCE_FRAME_BYTES] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00, 0x16, 0x3e, 0x00, 0x00, 0x01, 0x80, 0x35,
		0x00, 0x01, 0x08, 0x00, 0x06, 0x04, 0x00, 0x03, 0x00, 0x16, 0x3e, 0x00, 0x00, 0x01,
		0x00, 0x00, 0x00, 0x00, 0x00, 0x16, 0x3e, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x00,
	};
	uint8_t frame[ANNOUNCE_FRAME_BYTES];

	(void)state;
	memset(frame, 0x55, sizeof(frame));
	announce_frame(mac, frame);
	assert_memory_equal(frame, expected, sizeof(frame));
}

static void vifs_are_connected_when_every_backend_is(void **state)
{
	struct store *store = fake_store_new();
	struct description guest;

	(void)state;
	description_init(&guest);
	guest.domid = 7;
	guest.device_count = 3;
	guest.devices[0].kind = DEVICE_VBD; /* not asked for */
	guest.devices[1].kind = guest.devices[2].kind = DEVICE_VIF;
	guest.devices[2].id = 1;
	store_write(store, "4", "/local/domain/0/backend/vif/7/0/state");
	store_write(store, "2", "/local/domain/0/backend/vif/7/1/state");
	assert_int_equal(vif_all_connected(store, &guest), 0);
	store_write(store, "4", "/local/domain/0/backend/vif/7/1/state");
	assert_int_equal(vif_all_connected(store, &guest), 1);
	fake_store_free(store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mac_is_six_pairs_of_one_station),
		cmocka_unit_test(an_interface_has_a_name_that_linux_takes),
		cmocka_unit_test(a_vif_is_called_by_domain_and_id_or_as_configured),
		cmocka_unit_test(only_a_plain_name_is_taken_for_a_bridge),
		cmocka_unit_test(the_announcement_is_a_broadcast_rarp_in_the_guests_name),
		cmocka_unit_test(vifs_are_connected_when_every_backend_is),
	};

	return cmocka_run_group_tests_name("vif", tests, NULL, NULL);
}
