/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "description.h"

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

/* What a test needs: a guest with all there is, its encoding, and a second one to decode into. */
struct fixture {
	struct description guest, decoded;
	struct tlv_writer writer;
	struct err err;
};

#define SET(member, text) snprintf(member, sizeof(member), "%s", text)

static void fill(struct description *guest)
{
	static const uint8_t config[] = { '{', '"', 0x00, 0xff, '}' };
	struct device *device = &guest->devices[0];

	SET(guest->name, "web 1");
	SET(guest->uuid, "6b7e1f3a-0d1c-4e58-9a55-27c4a3f6e001");
	SET(guest->xen_version, "4.17");
	SET(guest->start_time, "1700000000.5");
	guest->type = GUEST_PVH;
	guest->vcpus = 3;
	guest->vcpus_online[0] = 0x5;
	guest->create_flags = 0xb;
	guest->emulation_flags = 1;
	guest->cpu_weight = 512;
	guest->cpu_cap_percent = 150;
	guest->cpu_policy.leaf_count = 2;
	guest->cpu_policy.leaves[0] = (struct cpu_leaf){ 0, UINT32_MAX, 13, 2, 3, 4 };
	guest->cpu_policy.leaves[1] = (struct cpu_leaf){ 7, 0, 0, 0x12345678, 5, 6 };
	guest->cpu_policy.msr_count = 1;
	guest->cpu_policy.msrs[0] = (struct cpu_msr){ 0xce, 0, UINT64_C(1) << 31 };
	guest->pages_max = 24832;
	guest->pages_now = 24592;
	guest->paging_pool_bytes = 1441792;
	guest->static_max_kib = guest->target_kib = 98304;
	guest->store_pfn = 0xfeffc;
	guest->console_pfn = 0xfeffe;
	guest->config = malloc(sizeof(config));
	memcpy(guest->config, config, sizeof(config));
	guest->config_bytes = sizeof(config);
	device->kind = DEVICE_VBD;
	device->id = 51712;
	device->attach = ATTACH_LATE;
	device->size_bytes = UINT64_C(1) << 40;
	SET(device->identity.device, "naa.6001405");
	SET(device->identity.content, "gpt:0011223344556677");
	device_add_backend_node(device, "dev", "xvda");
	device_add_backend_node(device, "params", "/dev/vg/web-1");
	device_add_frontend_node(device, "virtual-device", "51712");
	guest->devices[1].kind = DEVICE_VIF;
	guest->devices[1].id = 0;
	device_add_backend_node(&guest->devices[1], "mac", "00:16:3e:00:00:01");
	guest->device_count = 2;
}

static int set_up(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	if (!fixture)
		return -1;
	description_init(&fixture->guest);
	description_init(&fixture->decoded);
	fill(&fixture->guest);
	tlv_writer_init(&fixture->writer, DESCRIPTION_MAX);
	*state = fixture;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *fixture = *state;

	description_fini(&fixture->guest);
	description_fini(&fixture->decoded);
	tlv_writer_fini(&fixture->writer);
	free(fixture);
	return 0;
}

/* Encodes the guest and decodes what came out. */
static int travel(struct fixture *fixture)
{
	description_encode(&fixture->guest, &fixture->writer);
	assert_int_equal(tlv_writer_status(&fixture->writer), 0);
	return description_decode(&fixture->decoded, fixture->writer.bytes, fixture->writer.size,
				  &fixture->err);
}

static void what_arrives_is_what_left(void **state)
{
	struct fixture *fixture = *state;
	const struct description *guest = &fixture->guest, *decoded = &fixture->decoded;
	struct tlv_writer again;

	assert_int_equal(travel(fixture), 0);

	assert_string_equal(decoded->name, guest->name);
	assert_int_equal(decoded->type, GUEST_PVH);
	assert_int_equal(decoded->videoram_kib, -1);
	assert_int_equal(decoded->cpu_weight, guest->cpu_weight);
	assert_int_equal(decoded->cpu_cap_percent, guest->cpu_cap_percent);
	assert_int_equal(decoded->store_pfn, guest->store_pfn);
	assert_int_equal(decoded->config_bytes, guest->config_bytes);
	assert_memory_equal(decoded->config, guest->config, guest->config_bytes);
	assert_memory_equal(&decoded->cpu_policy, &guest->cpu_policy, sizeof(guest->cpu_policy));
	assert_int_equal(decoded->devices[0].attach, ATTACH_LATE);
	assert_string_equal(decoded->devices[0].identity.device, "naa.6001405");
	assert_string_equal(decoded->devices[0].identity.content, "gpt:0011223344556677");
	assert_string_equal(device_backend_node(&decoded->devices[0], "params"), "/dev/vg/web-1");
	tlv_writer_init(&again, DESCRIPTION_MAX);
	description_encode(decoded, &again);
	assert_int_equal(again.size, fixture->writer.size);
	assert_memory_equal(again.bytes, fixture->writer.bytes, again.size);
	tlv_writer_fini(&again);
}

static void a_processor_of_a_wrong_size_is_refused(void **state)
{
	static const uint8_t rows[(CPU_LEAVES_MAX + 1) * 24];
	static const struct {
		uint16_t type;
		size_t size;
	} bad[] = { { 35, 0 }, { 35, 23 }, { 35, sizeof(rows) }, { 36, 8 }, { 36, 17 * 16 } };
	struct fixture *fixture = *state;

	fixture->guest.cpu_policy.leaf_count = fixture->guest.cpu_policy.msr_count = 0;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct tlv_writer writer;

		tlv_writer_init(&writer, DESCRIPTION_MAX);
		description_encode(&fixture->guest, &writer);
		tlv_put_bytes(&writer, bad[i].type, rows, bad[i].size);
		assert_int_equal(description_decode(&fixture->decoded, writer.bytes, writer.size,
						    &fixture->err), -EBADMSG);
		assert_non_null(strstr(fixture->err.message, "the processor"));
		tlv_writer_fini(&writer);
	}
}

static void the_sources_domid_stays_at_the_source(void **state)
{
	struct fixture *fixture = *state;

	fixture->guest.domid = 7;

	assert_int_equal(travel(fixture), 0);

	assert_int_equal(fixture->decoded.domid, 0);
}

static void the_largest_guest_fits(void **state)
{
	struct fixture *fixture = *state;
	struct description *guest = &fixture->guest;
	char key[NODE_KEY_MAX], value[64];

	free(guest->config);
	guest->config = calloc(1, GUEST_CONFIG_MAX);
	guest->config_bytes = GUEST_CONFIG_MAX;
	guest->vcpus = GUEST_VCPUS_MAX;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	for (uint32_t i = 2; i < GUEST_DEVICES_MAX; i++) {
		guest->devices[i].kind = DEVICE_VIF;
		guest->devices[i].id = i;
		for (int k = 0; k < DEVICE_NODES_MAX; k++) {
			snprintf(key, sizeof(key), "key-%d", k);
			device_add_backend_node(&guest->devices[i], key, value);
		}
	}
	guest->device_count = GUEST_DEVICES_MAX;

	assert_int_equal(travel(fixture), 0);

	assert_int_equal(fixture->decoded.device_count, GUEST_DEVICES_MAX);
	assert_int_equal(fixture->decoded.config_bytes, GUEST_CONFIG_MAX);
}

/* Expects that the guest as it is now does not arrive, for the reason `name`. */
static void refused(struct fixture *fixture, const char *name)
{
	tlv_writer_fini(&fixture->writer);
	assert_int_equal(travel(fixture), -EBADMSG);
	assert_non_null(strstr(fixture->err.message, name));
	assert_int_equal(fixture->decoded.device_count, 0);
	assert_null(fixture->decoded.config);
}

static void a_name_with_a_slash_is_refused(void **state)
{
	struct fixture *fixture = *state;

	SET(fixture->guest.name, "../etc");
	refused(fixture, "name");
	SET(fixture->guest.name, "");
	refused(fixture, "name");
	SET(fixture->guest.name, "two\nlines");
	refused(fixture, "name");
}

static void a_uuid_in_another_form_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "6b7e1f3a", "6B7E1F3A-0D1C-4E58-9A55-27C4A3F6E001",
		"6b7e1f3a-0d1c-4e58-9a5527c4a3f6e001-", "../../../../etc/passwd-9a55-27c4a3f6",
	};
	struct fixture *fixture = *state;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(fixture->guest.uuid, sizeof(fixture->guest.uuid), "%s", bad[i]);
		refused(fixture, "uuid");
	}
}

static void numbers_out_of_their_bounds_are_refused(void **state)
{
	struct fixture *fixture = *state;
	struct description *guest = &fixture->guest;

	guest->vcpus = GUEST_VCPUS_MAX + 1;
	refused(fixture, "vcpus");
	guest->vcpus = 0;
	refused(fixture, "vcpus");
	guest->vcpus = 1;
	guest->type = (enum guest_type)(GUEST_PVH + 1);
	refused(fixture, "type");
	guest->type = GUEST_PVH;
	guest->pages_max = UINT64_MAX;
	refused(fixture, "pages_max");
	guest->pages_max = guest->pages_now - 1;
	refused(fixture, "pages_now");
	guest->pages_max = guest->pages_now;
	guest->store_pfn = UINT64_MAX;
	refused(fixture, "store_pfn");
	guest->store_pfn = 1;
	guest->videoram_kib = -2;
	refused(fixture, "videoram_kib");
}

static void a_node_key_that_is_a_path_is_refused(void **state)
{
	struct fixture *fixture = *state;

	SET(fixture->guest.devices[0].backend[0].key, "../../0");
	refused(fixture, "device");
	SET(fixture->guest.devices[0].backend[0].key, "");
	refused(fixture, "device");
	SET(fixture->guest.devices[0].backend[0].key, "params"); /* there twice */
	refused(fixture, "device");
}

static void a_device_that_comes_twice_or_of_no_kind_is_refused(void **state)
{
	struct fixture *fixture = *state;

	fixture->guest.devices[1].kind = DEVICE_KINDS;
	refused(fixture, "device");
	fixture->guest.devices[1].kind = DEVICE_VBD;
	fixture->guest.devices[1].id = 51712;
	refused(fixture, "device");
}

static void every_missing_field_is_noticed(void **state)
{
	struct fixture *fixture = *state;
	struct tlv_reader reader;
	struct tlv_field field;

	description_fini(&fixture->guest); /* the devices and the configuration may be missing */
	description_encode(&fixture->guest, &fixture->writer);
	tlv_reader_init(&reader, fixture->writer.bytes, fixture->writer.size);
	while (tlv_next(&reader, &field) > 0) {
		size_t end = reader.offset, start = end - field.size - TLV_HEADER_BYTES;
		CLEANUP_FREE uint8_t *bytes = malloc(fixture->writer.size);

		assert_non_null(bytes);
		memcpy(bytes, fixture->writer.bytes, start);
		memcpy(bytes + start, fixture->writer.bytes + end, fixture->writer.size - end);
		assert_int_equal(description_decode(&fixture->decoded, bytes,
						    fixture->writer.size - (end - start),
						    &fixture->err), field.required ? -EBADMSG : 0);
		description_fini(&fixture->decoded);
		description_init(&fixture->decoded);
	}
}

static void a_field_of_tomorrow_is_skipped_unless_it_is_required(void **state)
{
	struct fixture *fixture = *state;

	tlv_put_u64(&fixture->writer, 1000, 1);
	assert_int_equal(travel(fixture), 0);
	tlv_writer_fini(&fixture->writer);
	description_fini(&fixture->decoded);
	description_init(&fixture->decoded);
	tlv_put_u64(&fixture->writer, 1000 | TLV_REQUIRED, 1);
	assert_int_equal(travel(fixture), -EBADMSG);
}

static void a_field_that_comes_twice_is_refused(void **state)
{
	struct fixture *fixture = *state;

	tlv_put_string(&fixture->writer, 1 | TLV_REQUIRED, "other");
	assert_int_equal(travel(fixture), -EBADMSG);
	assert_non_null(strstr(fixture->err.message, "name"));
}

static void no_cut_and_no_changed_byte_does_harm(void **state)
{
	struct fixture *fixture = *state;

	description_encode(&fixture->guest, &fixture->writer);
	for (size_t size = 0; size < fixture->writer.size; size++) {
		CLEANUP_FREE uint8_t *cut = malloc(size + 1);

		assert_non_null(cut);
		memcpy(cut, fixture->writer.bytes, size);
		(void)description_decode(&fixture->decoded, cut, size, &fixture->err);
		description_fini(&fixture->decoded);
		description_init(&fixture->decoded);
	}
	for (size_t i = 0; i < fixture->writer.size; i++) {
		fixture->writer.bytes[i] ^= 0x81;
		(void)description_decode(&fixture->decoded, fixture->writer.bytes,
					 fixture->writer.size, &fixture->err);
		description_fini(&fixture->decoded);
		description_init(&fixture->decoded);
		fixture->writer.bytes[i] ^= 0x81;
	}
}

static void nodes_have_maxima(void **state)
{
	CLEANUP_FREE char *value = calloc(1, NODE_VALUE_MAX + 1);
	struct device *device = &((struct fixture *)*state)->guest.devices[1];
	char key[NODE_KEY_MAX + 1] = "", name[16];

	memset(key, 'k', NODE_KEY_MAX);
	memset(value, 'v', NODE_VALUE_MAX);
	assert_int_equal(device_add_frontend_node(device, key, "1"), -EMSGSIZE);
	assert_int_equal(device_add_frontend_node(device, "k", value), -EMSGSIZE);
	for (int i = 0; i < DEVICE_NODES_MAX; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		assert_int_equal(device_add_frontend_node(device, name, "1"), 0);
		assert_int_equal(device_add_frontend_node(device, name, "1"),
				 i == DEVICE_NODES_MAX - 1 ? -ENOSPC : -EEXIST);
	}
}

static void devices_are_called_as_people_call_them(void **state)
{
	struct fixture *fixture = *state;
	char text[32];

	assert_string_equal(device_label(&fixture->guest.devices[0], text, sizeof(text)),
			    "vbd xvda");
	assert_string_equal(device_label(&fixture->guest.devices[1], text, sizeof(text)), "vif 0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
		TEST(what_arrives_is_what_left),
		TEST(a_processor_of_a_wrong_size_is_refused),
		TEST(the_sources_domid_stays_at_the_source),
		TEST(the_largest_guest_fits),
		TEST(a_name_with_a_slash_is_refused),
		TEST(a_uuid_in_another_form_is_refused),
		TEST(numbers_out_of_their_bounds_are_refused),
		TEST(a_node_key_that_is_a_path_is_refused),
		TEST(a_device_that_comes_twice_or_of_no_kind_is_refused),
		TEST(every_missing_field_is_noticed),
		TEST(a_field_of_tomorrow_is_skipped_unless_it_is_required),
		TEST(a_field_that_comes_twice_is_refused),
		TEST(no_cut_and_no_changed_byte_does_harm),
		TEST(nodes_have_maxima),
		TEST(devices_are_called_as_people_call_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
