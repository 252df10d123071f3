/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "hold.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cleanup.h"
#include "plug.h"
#include "xenbus.h"

/* What the block script answers; the driver waits for the second. */
static const char *const answers[] = { "physical-device-path", "physical-device" };
#define ANSWERS (sizeof(answers) / sizeof(answers[0]))

/* Where the answers for a disk that is held are kept: beside libxl's records of the domain. */
static void kept_path(uint32_t domid, const struct device *device, char path[XENBUS_PATH_MAX])
{
	snprintf(path, XENBUS_PATH_MAX, "/libxl/%u/held/%u", domid, device->id);
}

static bool has_answers(struct store *store, const char *path)
{
	CLEANUP_FREE char *number = store_read(store, "%s/physical-device", path);

	return number != NULL;
}

static int copy_answers(struct store *store, const char *from, const char *to, struct err *err)
{
	for (size_t i = 0; i < ANSWERS; i++) {
		CLEANUP_FREE char *value = store_read(store, "%s/%s", from, answers[i]);
		int rc = value ? store_write(store, value, "%s/%s", to, answers[i]) : -ENOENT;

		if (rc)
			return err_set(err, ERR_FAILED, rc, "xenstore: cannot copy %s from %s: %s",
				       answers[i], from, strerror(-rc));
	}
	return 0;
}

int site_hold(const struct site *site, const struct description *guest, uint64_t deadline_us,
	      struct err *err)
{
	const struct devices vbds = devices_of(guest, 1u << DEVICE_VBD);
	struct devices held = { .domid = guest->domid };
	int rc = 0;

	if (devices_of(guest, 1u << DEVICE_VIF).count == 0)
		return 0;
	for (size_t i = 0; !rc && i < vbds.count; i++) {
		const struct xenbus bus = xenbus_of(guest->domid, vbds.list[i]);
		char kept[XENBUS_PATH_MAX];

		if (!has_answers(site->store, bus.backend))
			continue;
		kept_path(guest->domid, vbds.list[i], kept);
		rc = copy_answers(site->store, bus.backend, kept, err);
		held.list[held.count++] = vbds.list[i];
	}
	if (!rc)
		rc = site_renew(site, &held, deadline_us, err);
	return rc ? err_prefix(err, rc, "hold the disks") : 0;
}

int hold_disks(struct store *store, const struct clock *clock, const struct description *guest,
	       uint64_t deadline_us, struct err *err)
{
	const struct site site = site_here(store, clock);

	return site_hold(&site, guest, deadline_us, err);
}

static int release_one(struct store *store, uint32_t domid, const struct device *device,
		       struct err *err)
{
	const struct xenbus bus = xenbus_of(domid, device);
	char kept[XENBUS_PATH_MAX];
	int rc;

	kept_path(domid, device, kept);
	if (!has_answers(store, kept))
		return 0;
	rc = copy_answers(store, kept, bus.backend, err);
	if (rc)
		return rc;
	rc = store_write(store, "connected", "%s/hotplug-status", bus.backend);
	if (!rc)
		rc = store_remove(store, "%s", kept);
	if (rc)
		return err_set(err, ERR_FAILED, rc, "xenstore: cannot write %s: %s", bus.backend,
			       strerror(-rc));
	return 0;
}

int hold_release(struct store *store, const struct description *guest, struct err *err)
{
	const struct devices vbds = devices_of(guest, 1u << DEVICE_VBD);
	int first = 0;

	for (size_t i = 0; i < vbds.count; i++) {
		int rc = release_one(store, guest->domid, vbds.list[i], first ? NULL : err);

		first = first ? first : rc;
	}
	if (!first)
		(void)store_remove(store, "/libxl/%u/held", guest->domid);
	return first ? err_prefix(err, first, "release the disks") : 0;
}
