/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Entry points in the order in which a migration comes here: devices_examine() and
 * devices_write_nodes() at the target, devices_plug() there, devices_unplug() at the source.
 * devices_describe(), at the source before all of them, is in inventory.c.
 */
#include "plug.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "cleanup.h"
#include "disk.h"
#include "hotplug.h"
#include "nodes.h"
#include "vif.h"
#include "xenbus.h"

#define POLL_US 5000 /* between two looks at backends */
#define CLOSE_TIMEOUT_MS 10000 /* for backends to let go, as libxl's LIBXL_DESTROY_TIMEOUT */
#define NOTICE_TIMEOUT_MS 2000 /* for a driver to notice a device; without one none ever will */

struct devices devices_of(const struct description *guest, unsigned kinds)
{
	struct devices devices = { .domid = guest->domid };

	assert(guest->device_count <= GUEST_DEVICES_MAX);
	for (size_t i = 0; i < guest->device_count; i++)
		if (kinds & 1u << guest->devices[i].kind)
			devices.list[devices.count++] = &guest->devices[i];
	return devices;
}

/* ---- examining ---- */

static void add_reason(struct reasons *reasons, const struct device *device, struct err *err)
{
	char label[64];

	err_prefix(err, -EINVAL, "%s", device_label(device, label, sizeof(label)));
	if (reasons->count < REASONS_MAX)
		reasons->list[reasons->count++] = *err;
}

static void examine(const struct site *site, const struct device *device, bool late_disks,
		    struct reasons *reasons)
{
	const char *script = device_backend_node(device, "script");
	struct err err;

	/* what is not even well-formed is not looked up on this host */
	if (nodes_check(device, &err)) {
		add_reason(reasons, device, &err);
		return;
	}
	if (hotplug_check(site->scripts_dir, script ? script : "", &err))
		add_reason(reasons, device, &err);
	if (device->kind == DEVICE_VBD ? disk_examine(site, device, late_disks, &err)
				       : vif_examine(site, device, &err))
		add_reason(reasons, device, &err);
}

void site_examine(const struct site *site, const struct description *guest, bool late_disks,
		  struct reasons *reasons)
{
	for (size_t i = 0; i < guest->device_count; i++)
		examine(site, &guest->devices[i], late_disks, reasons);
}

void devices_examine(struct store *store, const struct description *guest, bool late_disks,
		     struct reasons *reasons)
{
	const struct site site = site_here(store, &clock_system);

	site_examine(&site, guest, late_disks, reasons);
}

/* ---- writing ---- */

int devices_write_nodes(struct store *store, const struct description *guest, struct err *err)
{
	int rc = 0;

	for (size_t i = 0; !rc && i < guest->device_count; i++) {
		const struct device *device = &guest->devices[i];
		char label[64];

		rc = nodes_check(device, err);
		if (!rc)
			rc = xenbus_write(store, guest->domid, device, err);
		if (rc)
			err_prefix(err, rc, "%s", device_label(device, label, sizeof(label)));
	}
	return rc;
}

/* ---- waiting ---- */

static bool is_ready(const struct site *site, uint32_t domid, const struct device *device)
{
	const struct xenbus bus = xenbus_of(domid, device);
	int state = xenbus_state(site->store, &bus);

	return state >= XenbusStateInitWait && state <= XenbusStateConnected;
}

static bool is_connected(const struct site *site, uint32_t domid, const struct device *device)
{
	const struct xenbus bus = xenbus_of(domid, device);
	CLEANUP_FREE char *status = store_read(site->store, "%s/hotplug-status", bus.backend);

	return status && strcmp(status, "connected") == 0;
}

static bool is_settled(const struct site *site, uint32_t domid, const struct device *device)
{
	struct disk_counters counters;
	unsigned major, minor;

	if (device->kind != DEVICE_VBD || disk_number(site->store, domid, device, &major, &minor))
		return true;
	return disk_read_counters(site->sys_dir, major, minor, &counters) ||
	       counters.outstanding == 0;
}

static bool is_noticed(const struct site *site, uint32_t domid, const struct device *device)
{
	const struct xenbus bus = xenbus_of(domid, device);

	return xenbus_state(site->store, &bus) != XenbusStateInitialising;
}

const struct stage stage_ready = {
	is_ready, "its backend did not get ready: is its driver (xen-blkback, xen-netback) loaded?"
};
static const struct stage stage_noticed = { is_noticed, "its backend's driver has not noticed it" };
static const struct stage stage_connected = {
	is_connected, "its script ended well but did not connect it: see /var/log/xen"
};
static const struct stage stage_closed = { xenbus_closed, "its backend does not let go" };
const struct stage stage_settled = {
	is_settled, "its disk still works on the guest's requests"
};

/* What the backend's driver had to say (xenbus_dev_fatal()), with ": " before it, or "". */
static void driver_words(struct store *store, const struct xenbus *bus, char *text, size_t size)
{
	CLEANUP_FREE char *words = store_read(store, "/local/domain/0/error/%s/error",
					      bus->backend + strlen("/local/domain/0/"));

	snprintf(text, size, "%s%s", words ? ": " : "", words ? words : "");
}

static int not_reached(const struct site *site, uint32_t domid, const struct device *device,
		       const struct stage *stage, struct err *err)
{
	const struct xenbus bus = xenbus_of(domid, device);
	char words[256], label[64];

	driver_words(site->store, &bus, words, sizeof(words));
	return err_set(err, ERR_TIMED_OUT, -ETIMEDOUT, "%s: %s (backend's state: %d)%s",
		       device_label(device, label, sizeof(label)), stage->sentence,
		       xenbus_state(site->store, &bus), words);
}

int site_await(const struct site *site, const struct devices *devices, const struct stage *stage,
	       uint64_t deadline_us, struct err *err)
{
	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = devices->list[i];

		while (!stage->reached(site, devices->domid, device)) {
			if (clock_now_us(site->clock) >= deadline_us)
				return not_reached(site, devices->domid, device, stage, err);
			clock_sleep_us(site->clock, POLL_US);
		}
	}
	return 0;
}

/* ---- plugging ---- */

static int plug_at_once(const struct site *site, const struct devices *devices,
			uint64_t deadline_us, struct err *err)
{
	int rc = site_await(site, devices, &stage_ready, deadline_us, err);

	if (!rc)
		rc = hotplug_run_all(site, devices->domid, devices->list, devices->count,
				     HOTPLUG_ADD, deadline_us, err);
	if (!rc)
		rc = site_await(site, devices, &stage_connected, deadline_us, err);
	return err_prefix(rc ? err : NULL, rc, "plug");
}

int site_plug(const struct site *site, const struct devices *devices, bool in_turn,
	      uint64_t deadline_us, struct err *err)
{
	struct devices wanted = { .domid = devices->domid };
	int rc = 0;

	for (size_t i = 0; i < devices->count; i++)
		if (!is_connected(site, devices->domid, devices->list[i]))
			wanted.list[wanted.count++] = devices->list[i];
	if (!in_turn)
		return plug_at_once(site, &wanted, deadline_us, err);
	for (size_t i = 0; !rc && i < wanted.count; i++) {
		const struct devices one = { .domid = wanted.domid,
					     .list = { wanted.list[i] },
					     .count = 1 };

		rc = plug_at_once(site, &one, deadline_us, err);
	}
	return rc;
}

int devices_plug(struct store *store, const struct clock *clock, const struct description *guest,
		 unsigned kinds, bool in_turn, uint64_t deadline_us, struct err *err)
{
	const struct site site = site_here(store, clock);
	const struct devices devices = devices_of(guest, kinds);

	return site_plug(&site, &devices, in_turn, deadline_us, err);
}

/* ---- unplugging ---- */

/*
 * Linux's backends watch only their frontend: when its directory goes, they let go of the device,
 * and being offline they do not wait for another.
 */
static int take_frontend(struct store *store, uint32_t domid, const struct device *device,
			 struct err *err)
{
	const struct xenbus bus = xenbus_of(domid, device);
	int rc = 0;

	if (xenbus_exists(store, &bus))
		rc = store_write(store, "0", "%s/online", bus.backend);
	if (!rc)
		rc = store_remove(store, "%s", bus.frontend);
	return rc ? err_set(err, ERR_FAILED, rc, "xenstore: cannot remove %s: %s", bus.frontend,
			    strerror(-rc))
		  : 0;
}

/* The parent of the backends of one kind, once it is empty. */
static void remove_empty(struct store *store, uint32_t domid, enum device_kind kind)
{
	const char *name = device_kind_name(kind);
	unsigned count = 0;
	CLEANUP_FREE char **names =
		store_directory(store, &count, "/local/domain/0/backend/%s/%u", name, domid);

	if (names && count == 0)
		(void)store_remove(store, "/local/domain/0/backend/%s/%u", name, domid);
}

static int erase_all(struct store *store, const struct devices *devices, struct err *err)
{
	int first = 0;

	for (size_t i = 0; i < devices->count; i++) {
		int rc = xenbus_erase(store, devices->domid, devices->list[i], first ? NULL : err);

		first = first ? first : rc;
	}
	for (enum device_kind kind = 0; kind < DEVICE_KINDS; kind++)
		remove_empty(store, devices->domid, kind);
	return first;
}

void site_await_noticed(const struct site *site, const struct devices *devices,
			uint64_t deadline_us)
{
	uint64_t notice_us = clock_after_ms(site->clock, NOTICE_TIMEOUT_MS);

	(void)site_await(site, devices, &stage_noticed,
			 notice_us < deadline_us ? notice_us : deadline_us, NULL);
}

void devices_await_noticed(struct store *store, const struct clock *clock,
			   const struct description *guest)
{
	const struct site site = site_here(store, clock);
	const struct devices devices = devices_of(guest, DEVICES_ALL);

	site_await_noticed(&site, &devices, UINT64_MAX);
}

int site_unplug(const struct site *site, const struct devices *devices, uint64_t deadline_us,
		struct err *err)
{
	uint64_t close_us = clock_after_ms(site->clock, CLOSE_TIMEOUT_MS);
	struct devices open = { .domid = devices->domid };
	int first = 0, rc;

	site_await_noticed(site, devices, deadline_us);
	for (size_t i = 0; i < devices->count; i++) {
		const struct xenbus bus = xenbus_of(devices->domid, devices->list[i]);

		if (xenbus_exists(site->store, &bus))
			open.list[open.count++] = devices->list[i];
		rc = take_frontend(site->store, devices->domid, devices->list[i],
				   first ? NULL : err);
		first = first ? first : rc;
	}
	/* leaves the scripts their time, too, when a backend is stuck */
	close_us = close_us < deadline_us ? close_us : deadline_us;
	rc = site_await(site, &open, &stage_closed, close_us, first ? NULL : err);
	first = first ? first : rc;
	rc = hotplug_run_all(site, open.domid, open.list, open.count, HOTPLUG_REMOVE, deadline_us,
			     first ? NULL : err);
	first = first ? first : rc;
	rc = erase_all(site->store, devices, first ? NULL : err);
	first = first ? first : rc;
	return err_prefix(first ? err : NULL, first, "unplug");
}

static int write_all(struct store *store, void *data, struct err *err)
{
	const struct devices *devices = data;
	int rc = 0;

	for (size_t i = 0; !rc && i < devices->count; i++)
		rc = xenbus_write(store, devices->domid, devices->list[i], err);
	return rc;
}

int site_renew(const struct site *site, const struct devices *devices, uint64_t deadline_us,
	       struct err *err)
{
	struct devices all = *devices;
	int rc = 0;

	for (size_t i = 0; !rc && i < all.count; i++)
		rc = take_frontend(site->store, all.domid, all.list[i], err);
	if (!rc)
		rc = site_await(site, &all, &stage_closed, deadline_us, err);
	if (!rc)
		rc = erase_all(site->store, &all, err);
	if (!rc)
		rc = store_transaction(site->store, write_all, &all, err);
	return rc ? rc : site_await(site, &all, &stage_ready, deadline_us, err);
}

int devices_unplug(struct store *store, const struct clock *clock, const struct description *guest,
		   uint64_t deadline_us, struct err *err)
{
	const struct site site = site_here(store, clock);
	const struct devices devices = devices_of(guest, DEVICES_ALL);

	return site_unplug(&site, &devices, deadline_us, err);
}
