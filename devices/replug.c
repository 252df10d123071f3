/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "replug.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "cleanup.h"
#include "hotplug.h"
#include "plug.h"
#include "xenbus.h"

/* The state that a frontend rested in, while its own node says "closed" to the backend. */
static int64_t resting_state(struct store *store, uint32_t domid, const struct device *device)
{
	return store_read_integer(store, -1, "/libxl/%u/resting-%s-%u", domid,
				  device_kind_name(device->kind), device->id);
}

static int note_resting(struct store *store, uint32_t domid, const struct device *device,
			int64_t state)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRId64, state);
	return store_write(store, text, "/libxl/%u/resting-%s-%u", domid,
			   device_kind_name(device->kind), device->id);
}

static int forget_resting(struct store *store, uint32_t domid, const struct device *device)
{
	return store_remove(store, "/libxl/%u/resting-%s-%u", domid,
			    device_kind_name(device->kind), device->id);
}

static int failed(const struct device *device, int rc, struct err *err)
{
	char label[64];

	return err_set(err, ERR_FAILED, rc, "xenstore: cannot write the nodes of %s: %s",
		       device_label(device, label, sizeof(label)), strerror(-rc));
}

/* ---- closing ---- */

/*
 * Tells the backend that its frontend has closed, for good: blkback's and netback's
 * frontend_changed() then disconnect and, being offline, unregister the device.
 */
static int send_away(struct store *store, uint32_t domid, const struct device *device)
{
	const struct xenbus bus = xenbus_of(domid, device);
	int64_t state = store_read_integer(store, 0, "%s/state", bus.frontend);
	int rc = 0;

	if (resting_state(store, domid, device) < 0)
		rc = note_resting(store, domid, device, state);
	if (!rc && xenbus_exists(store, &bus))
		rc = store_write(store, "0", "%s/online", bus.backend);
	return rc ? rc : store_write(store, "6", "%s/state", bus.frontend);
}

static int send_all_away(struct store *store, void *data, struct err *err)
{
	const struct devices *devices = data;

	for (size_t i = 0; i < devices->count; i++) {
		int rc = send_away(store, devices->domid, devices->list[i]);

		if (rc)
			return failed(devices->list[i], rc, err);
	}
	return 0;
}

static const struct stage stage_gone = { xenbus_gone, "its backend does not let go" };

static int close_all(const struct site *site, struct devices *devices, uint64_t deadline_us,
		     struct err *err)
{
	struct devices open = { .domid = devices->domid };
	int rc = store_transaction(site->store, send_all_away, devices, err);

	for (size_t i = 0; i < devices->count; i++) {
		const struct xenbus bus = xenbus_of(devices->domid, devices->list[i]);

		if (xenbus_exists(site->store, &bus))
			open.list[open.count++] = devices->list[i];
	}
	if (!rc)
		rc = site_await(site, &open, &stage_gone, deadline_us, err);
	if (!rc)
		rc = site_await(site, &open, &stage_settled, deadline_us, err);
	if (!rc)
		rc = hotplug_run_all(site, open.domid, open.list, open.count, HOTPLUG_REMOVE,
				     deadline_us, err);
	for (size_t i = 0; !rc && i < open.count; i++) {
		const struct xenbus bus = xenbus_of(open.domid, open.list[i]);

		rc = store_remove(site->store, "%s", bus.backend);
		if (rc)
			rc = failed(open.list[i], rc, err);
	}
	return rc;
}

int site_close(const struct site *site, const struct description *guest, unsigned kinds,
	       uint64_t deadline_us, struct err *err)
{
	struct devices devices = devices_of(guest, kinds);
	int rc = close_all(site, &devices, deadline_us, err);

	return rc ? err_prefix(err, rc, "close") : 0;
}

int devices_close(struct store *store, const struct clock *clock, const struct description *guest,
		  unsigned kinds, uint64_t deadline_us, struct err *err)
{
	const struct site site = site_here(store, clock);

	return site_close(&site, guest, kinds, deadline_us, err);
}

/* ---- plugging again ---- */

/* Nothing can be plugged again where the guest's own end is not there any more. */
static int check_frontends(struct store *store, const struct devices *devices, struct err *err)
{
	for (size_t i = 0; i < devices->count; i++) {
		const struct xenbus bus = xenbus_of(devices->domid, devices->list[i]);
		CLEANUP_FREE char *state = store_read(store, "%s/state", bus.frontend);
		char label[64];

		if (!state)
			return err_set(err, ERR_FAILED, -ENODEV,
				       "%s: the guest's end is gone: was it destroyed?",
				       device_label(devices->list[i], label, sizeof(label)));
	}
	return 0;
}

/* A device that was closed, or is not there for another reason. */
static bool is_missing(struct store *store, uint32_t domid, const struct device *device)
{
	const struct xenbus bus = xenbus_of(domid, device);

	return resting_state(store, domid, device) >= 0 || !xenbus_exists(store, &bus);
}

/* The frontend's state first: the backend's driver reads it as soon as it finds the device. */
static int write_anew(struct store *store, void *data, struct err *err)
{
	const struct devices *devices = data;

	for (size_t i = 0; i < devices->count; i++) {
		const struct device *device = devices->list[i];
		const struct xenbus bus = xenbus_of(devices->domid, device);
		char state[24];
		int rc;

		snprintf(state, sizeof(state), "%" PRId64,
			 resting_state(store, devices->domid, device));
		rc = store_write(store, state, "%s/state", bus.frontend);
		if (rc)
			return failed(device, rc, err);
		rc = xenbus_write_backend(store, devices->domid, device, err);
		if (rc)
			return rc;
	}
	return 0;
}

/* The backend serves a frontend that was connected; of any other nothing more is expected. */
static bool is_served(const struct site *site, uint32_t domid, const struct device *device)
{
	const struct xenbus bus = xenbus_of(domid, device);

	return resting_state(site->store, domid, device) != XenbusStateConnected ||
	       xenbus_state(site->store, &bus) == XenbusStateConnected;
}

static const struct stage stage_served = {
	is_served, "its new backend does not connect to the resting guest"
};

static int plug_again(const struct site *site, struct devices *devices, uint64_t deadline_us,
		      struct err *err)
{
	int rc = check_frontends(site->store, devices, err);

	site_await_noticed(site, devices, deadline_us); /* who wrote them anew may have died */
	if (!rc)
		rc = close_all(site, devices, deadline_us, err);
	if (!rc)
		rc = store_transaction(site->store, write_anew, devices, err);
	if (!rc)
		rc = site_plug(site, devices, false, deadline_us, err);
	if (!rc)
		rc = site_await(site, devices, &stage_served, deadline_us, err);
	for (size_t i = 0; !rc && i < devices->count; i++) {
		rc = forget_resting(site->store, devices->domid, devices->list[i]);
		if (rc)
			rc = failed(devices->list[i], rc, err);
	}
	return rc;
}

int site_replug(const struct site *site, const struct description *guest, unsigned kinds,
		uint64_t deadline_us, struct err *err)
{
	const struct devices all = devices_of(guest, kinds);
	struct devices missing = { .domid = guest->domid };
	int rc;

	for (size_t i = 0; i < all.count; i++)
		if (is_missing(site->store, guest->domid, all.list[i]))
			missing.list[missing.count++] = all.list[i];
	if (missing.count == 0)
		return 0;
	rc = plug_again(site, &missing, deadline_us, err);
	return rc ? err_prefix(err, rc, "plug again") : 0;
}

int devices_replug(struct store *store, const struct clock *clock, const struct description *guest,
		   unsigned kinds, uint64_t deadline_us, struct err *err)
{
	const struct site site = site_here(store, clock);

	return site_replug(&site, guest, kinds, deadline_us, err);
}
