/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * What a guest, its drivers and its toolstack may have written into xenstore, and what a guest may
 * write into its disks' rings. A line is a letter, which chooses one of the nodes below, and its
 * value; the ring is filled with the same bytes.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "domain.h"
#include "drain.h"
#include "fake_clock.h"
#include "fake_hypervisor.h"
#include "fake_store.h"
#include "fuzz.h"
#include "nodes.h"
#include "plug.h"
#include "vif.h"
#include "xenbus.h"

#define DOMID 7
#define UUID "6f1d2c3b-0000-4000-8000-000000000001"
#define LINES_MAX 64
#define RING_WORDS 16

#define GUEST "/local/domain/7"
#define BACKEND "/local/domain/0/backend"

static const char *const paths[] = {
	GUEST "/name", GUEST "/vm", GUEST "/memory/static-max", GUEST "/memory/target",
	GUEST "/memory/videoram", GUEST "/console/ring-ref", GUEST "/store/ring-ref",
	GUEST "/control/feature-suspend", GUEST "/control/shutdown", GUEST "/cpu/0/availability",
	GUEST "/cpu/1/availability", "/vm/" UUID "/start_time", "/libxl/7/dm-version",
	"/libxl/7/type", BACKEND "/vbd/7/51712/state", BACKEND "/vbd/7/51712/params",
	BACKEND "/vbd/7/51712/mode", BACKEND "/vbd/7/51712/script",
	BACKEND "/vbd/7/51712/frontend", BACKEND "/vbd/7/51712/physical-device",
	BACKEND "/vbd/7/51712/device-type", BACKEND "/vbd/7/51712/hotplug-status",
	BACKEND "/vif/7/0/state", BACKEND "/vif/7/0/mac", BACKEND "/vif/7/0/bridge",
	BACKEND "/vif/7/0/vifname", BACKEND "/vif/7/0/frontend", BACKEND "/vif/7/0/mtu",
	GUEST "/device/vbd/51712/ring-ref", GUEST "/device/vbd/51712/ring-ref0",
	GUEST "/device/vbd/51712/ring-page-order", GUEST "/device/vbd/51712/state",
	GUEST "/device/vbd/51712/multi-queue-num-queues",
	GUEST "/device/vbd/51712/queue-0/ring-ref", GUEST "/device/vbd/51712/trusted",
	GUEST "/device/vif/0/state", GUEST "/device/vif/0/trusted", BACKEND "/vfb/7/0/state",
	"/libxl/7/device/vbd/51712/backend", "/libxl/7/device/pci/0/backend",
};

#define PATHS (sizeof(paths) / sizeof(paths[0]))

/* ---- the ring that the guest shares ---- */

static uint32_t ring[RING_WORDS];

static const uint32_t *map_ring(struct ring_mapper *mapper, uint32_t domid, uint32_t reference)
{
	(void)mapper;
	assert(domid == DOMID);
	return reference % 2 == 0 ? ring : NULL;
}

static void unmap_ring(struct ring_mapper *mapper, const uint32_t *mapped)
{
	(void)mapper;
	assert(mapped == ring);
}

static void close_mapper(struct ring_mapper *mapper)
{
	(void)mapper;
}

static const struct ring_mapper_ops mapper_ops = { map_ring, unmap_ring, close_mapper };

/* ---- xenstore ---- */

static void write_line(struct store *store, const uint8_t *line, size_t size)
{
	char value[STORE_VALUE_MAX];

	if (size == 0 || size > sizeof(value))
		return;
	memcpy(value, line + 1, size - 1);
	value[size - 1] = '\0';
	(void)store->ops->write(store, paths[line[0] % PATHS], value);
}

static struct store *fill_store(const uint8_t *data, size_t size)
{
	struct store *store = fake_store_new();

	for (unsigned lines = 0; size > 0 && lines < LINES_MAX; lines++) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t length = end ? (size_t)(end - data) : size;

		write_line(store, data, length);
		length += end ? 1 : 0;
		data += length;
		size -= length;
	}
	return store;
}

/* ---- who reads it ---- */

static void look_at_devices(const struct site *site, struct description *guest, struct err *err)
{
	struct reasons reasons = { .count = 0 };

	site_examine(site, guest, true, &reasons);
	for (size_t i = 0; i < guest->device_count; i++) {
		const struct xenbus bus = xenbus_of(DOMID, &guest->devices[i]);
		int state = xenbus_state(site->store, &bus);
		char label[64];

		assert(state >= -1 && state <= 8);
		assert(nodes_check(&guest->devices[i], err) == 0); /* else no host would take it */
		assert(device_label(&guest->devices[i], label, sizeof(label))[0]);
		(void)xenbus_closed(site, DOMID, &guest->devices[i]);
	}
	(void)vif_all_connected(site->store, guest);
}

static void drain_disks(const struct site *site, const struct description *guest, struct err *err)
{
	struct ring_mapper mapper = { &mapper_ops };
	struct drain *drain = NULL;

	if (site_drain_open(site, guest, &mapper, &drain, err) < 0)
		return;
	(void)drain_check(drain, 100, clock_after_ms(site->clock, 100), err);
	(void)drain_wait(drain, clock_after_ms(site->clock, 100), err);
	drain_close(drain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct description guest;   /* large: not for the stack */
	static struct fake_hypervisor xen;
	struct store *store = fill_store(data, size);
	struct reasons reasons = { .count = 0 };
	struct err err = { .code = ERR_NONE };
	struct fake_clock clock;
	struct site site = { .store = store, .clock = &clock.clock, .scripts_dir = "/nowhere",
			     .sys_dir = "/nowhere" };

	fake_clock_init(&clock);
	fake_hypervisor_init(&xen);
	fake_hypervisor_add(&xen, DOMID, UUID);
	memset(ring, 0, sizeof(ring));
	memcpy(ring, data ? data : (const uint8_t *)"",
	       size < sizeof(ring) ? size : sizeof(ring));
	description_init(&guest);
	if (domain_describe(&xen.hypervisor, store, "7", &guest, &reasons) == 0)
		assert(guest.name[0] && !strchr(guest.name, '/'));
	guest.domid = DOMID;
	site_describe(&site, DOMID, &guest, &reasons);
	look_at_devices(&site, &guest, &err);
	drain_disks(&site, &guest, &err);
	description_fini(&guest);
	fake_store_free(store);
	return 0;
}
