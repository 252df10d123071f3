/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * A guest's description as a peer sends it in its offer. What decodes is within all bounds, and
 * encodes to something that decodes to the same.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "description.h"
#include "fuzz.h"

static void check_nodes(const struct device_node *nodes, size_t count)
{
	assert(count <= DEVICE_NODES_MAX);
	for (size_t i = 0; i < count; i++) {
		assert(nodes[i].key[0] && !strchr(nodes[i].key, '/'));
		assert(strlen(nodes[i].value) < NODE_VALUE_MAX);
	}
}

static void check_bounds(const struct description *guest)
{
	assert(guest->domid == 0);
	assert(guest_uuid_is_valid(guest->uuid));
	assert(guest->name[0] && !strchr(guest->name, '/'));
	assert(guest->vcpus >= 1 && guest->vcpus <= GUEST_VCPUS_MAX);
	assert(guest->pages_now >= 1 && guest->pages_now <= guest->pages_max);
	assert(guest->config_bytes <= GUEST_CONFIG_MAX);
	assert(guest->device_count <= GUEST_DEVICES_MAX);
	for (size_t i = 0; i < guest->device_count; i++) {
		assert(guest->devices[i].kind < DEVICE_KINDS);
		check_nodes(guest->devices[i].backend, guest->devices[i].backend_count);
		check_nodes(guest->devices[i].frontend, guest->devices[i].frontend_count);
	}
}

/* Encodes what was decoded, and decodes and encodes it once more. */
static void check_round_trip(const struct description *guest, struct description *again)
{
	struct tlv_writer first, second;

	tlv_writer_init(&first, DESCRIPTION_MAX);
	tlv_writer_init(&second, DESCRIPTION_MAX);
	description_encode(guest, &first);
	if (tlv_writer_status(&first) == 0) { /* headers of its own may take it over the maximum */
		assert(description_decode(again, first.bytes, first.size, NULL) == 0);
		description_encode(again, &second);
		assert(second.size == first.size);
		assert(memcmp(second.bytes, first.bytes, first.size) == 0);
	}
	tlv_writer_fini(&first);
	tlv_writer_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct description guest, again; /* large: not for the stack */
	struct err err = { 0 };

	description_init(&guest);
	description_init(&again);
	if (description_decode(&guest, data, size, &err) == 0) {
		check_bounds(&guest);
		check_round_trip(&guest, &again);
	} else {
		assert(strlen(err.message) > 0);
	}
	description_fini(&guest);
	description_fini(&again);
	return 0;
}
