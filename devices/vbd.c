/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vbd.h"

#include <errno.h>
#include <string.h>

#include <xen/io/xenbus.h>

#include "cleanup.h"
#include "plug.h"
#include "xenbus.h"

int site_close_vbds(const struct site *site, const struct description *guest, uint64_t deadline_us,
		    struct err *err)
{
	const struct devices vbds = devices_of(guest, 1u << DEVICE_VBD);

	return site_unplug(site, &vbds, true, deadline_us, err);
}

/* Whether both ends are there and the backend would take another frontend. */
static bool is_intact(const struct site *site, const struct xenbus *bus)
{
	CLEANUP_FREE char *frontend = store_read(site->store, "%s/backend", bus->frontend);

	return frontend && xenbus_exists(site->store, bus) &&
	       store_read_integer(site->store, 0, "%s/online", bus->backend) == 1;
}

static bool is_closed(const struct site *site, uint32_t domid, const struct device *device)
{
	const struct xenbus bus = xenbus_of(domid, device);

	return xenbus_state(site->store, &bus) == XenbusStateClosed;
}

static const struct stage stage_closed = {
	is_closed, "its backend does not disconnect from the suspended guest"
};

static int set_frontend(const struct site *site, const struct xenbus *bus, const char *state,
			struct err *err)
{
	int rc = store_write(site->store, state, "%s/state", bus->frontend);

	return rc ? err_set(err, ERR_FAILED, rc, "xenstore: cannot write %s/state: %s",
			    bus->frontend, strerror(-rc))
		  : 0;
}

/*
 * A resumed frontend connects only to a backend that waits for it (state 2). One that is online
 * goes there when its frontend says Closed, then Initialising: blkback's and netback's
 * frontend_changed(), Linux 6.1. Neither lets go of the disk or the interface on the way.
 */
static int rewind_device(const struct site *site, uint32_t domid, const struct device *device,
			 uint64_t deadline_us, struct err *err)
{
	const struct devices one = { .domid = domid, .list = { device }, .count = 1 };
	const struct xenbus bus = xenbus_of(domid, device);
	int state = xenbus_state(site->store, &bus), rc = 0;

	if (state != XenbusStateInitialising && state != XenbusStateInitWait) {
		rc = set_frontend(site, &bus, "6", err);
		if (!rc)
			rc = site_await(site, &one, &stage_closed, deadline_us, err);
	}
	if (!rc)
		rc = set_frontend(site, &bus, "1", err);
	return rc ? rc : site_await(site, &one, &stage_ready, deadline_us, err);
}

struct written {
	uint32_t domid;
	const struct device *device;
};

static int write_body(struct store *store, void *data, struct err *err)
{
	const struct written *written = data;

	return xenbus_write(store, written->domid, written->device, err);
}

/* Clears away what an unfinished close may have left, and writes the device as a new one. */
static int write_again(const struct site *site, uint32_t domid, const struct device *device,
		       uint64_t deadline_us, struct err *err)
{
	const struct devices one = { .domid = domid, .list = { device }, .count = 1 };
	struct written written = { .domid = domid, .device = device };
	int rc = site_unplug(site, &one, true, deadline_us, err);

	return rc ? rc : store_transaction(site->store, write_body, &written, err);
}

int site_reopen(const struct site *site, const struct description *guest, uint64_t deadline_us,
		struct err *err)
{
	const struct devices all = devices_of(guest, DEVICES_ALL);

	for (size_t i = 0; i < all.count; i++) {
		const struct xenbus bus = xenbus_of(guest->domid, all.list[i]);
		char label[64];
		int rc;

		rc = is_intact(site, &bus)
			     ? rewind_device(site, guest->domid, all.list[i], deadline_us, err)
			     : write_again(site, guest->domid, all.list[i], deadline_us, err);
		if (rc)
			return err_prefix(err, rc, "reopen %s",
					  device_label(all.list[i], label, sizeof(label)));
	}
	return site_plug(site, &all, false, deadline_us, err);
}

int vbd_close_all(struct store *store, const struct clock *clock, const struct description *guest,
		  uint64_t deadline_us, struct err *err)
{
	const struct site site = site_here(store, clock);

	return site_close_vbds(&site, guest, deadline_us, err);
}

int vbd_reopen_all(struct store *store, const struct clock *clock, const struct description *guest,
		   uint64_t deadline_us, struct err *err)
{
	const struct site site = site_here(store, clock);

	return site_reopen(&site, guest, deadline_us, err);
}
