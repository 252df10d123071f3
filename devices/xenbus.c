/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "xenbus.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <xen/io/xenbus.h>

#include "cleanup.h"

struct xenbus xenbus_of(uint32_t domid, const struct device *device)
{
	const char *kind = device_kind_name(device->kind);
	struct xenbus bus;

	snprintf(bus.backend, sizeof(bus.backend), "/local/domain/0/backend/%s/%u/%u", kind, domid,
		 device->id);
	snprintf(bus.frontend, sizeof(bus.frontend), "/local/domain/%u/device/%s/%u", domid, kind,
		 device->id);
	snprintf(bus.libxl, sizeof(bus.libxl), "/libxl/%u/device/%s/%u", domid, kind, device->id);
	return bus;
}

/* Writes in one directory until something fails; the first failure stays in `rc`. */
struct directory {
	struct store *store;
	const char *path;
	int rc;
	struct err *err;
};

static void make(struct directory *directory, uint32_t domid, enum store_access access)
{
	directory->rc = store_mkdir(directory->store, domid, access, "%s", directory->path);
	if (directory->rc)
		err_set(directory->err, ERR_FAILED, directory->rc, "xenstore: cannot create %s: %s",
			directory->path, strerror(-directory->rc));
}

static void put(struct directory *directory, const char *key, const char *value)
{
	if (directory->rc)
		return;
	directory->rc = store_write(directory->store, value, "%s/%s", directory->path, key);
	if (directory->rc)
		err_set(directory->err, ERR_FAILED, directory->rc,
			"xenstore: cannot write %s/%s: %s", directory->path, key,
			strerror(-directory->rc));
}

static void put_nodes(struct directory *directory, const struct device_node *nodes, size_t count)
{
	for (size_t i = 0; i < count; i++)
		put(directory, nodes[i].key, nodes[i].value);
}

/* What the backend's directory and libxl's record have in common. */
static void put_backend(struct directory *directory, uint32_t domid, const struct device *device,
			const struct xenbus *bus)
{
	char number[16];

	snprintf(number, sizeof(number), "%u", domid);
	put(directory, "frontend", bus->frontend);
	put(directory, "frontend-id", number);
	put(directory, "online", "1");
	put_nodes(directory, device->backend, device->backend_count);
	/* netback does not connect before the script has changed this */
	if (device->kind == DEVICE_VIF)
		put(directory, "hotplug-status", "");
	put(directory, "state", "1");
}

static int write_frontend(struct store *store, uint32_t domid, const struct device *device,
			  const struct xenbus *bus, struct err *err)
{
	struct directory directory = { .store = store, .path = bus->frontend, .err = err };

	make(&directory, domid, STORE_FRONTEND);
	put(&directory, "backend", bus->backend);
	put(&directory, "backend-id", "0");
	put_nodes(&directory, device->frontend, device->frontend_count);
	put(&directory, "state", "1");
	return directory.rc;
}

static int write_libxl(struct store *store, uint32_t domid, const struct device *device,
		       const struct xenbus *bus, struct err *err)
{
	struct directory directory = { .store = store, .path = bus->libxl, .err = err };

	make(&directory, domid, STORE_PRIVATE);
	put(&directory, "backend", bus->backend);
	put_backend(&directory, domid, device, bus);
	return directory.rc;
}

int xenbus_write_backend(struct store *store, uint32_t domid, const struct device *device,
			 struct err *err)
{
	const struct xenbus bus = xenbus_of(domid, device);
	struct directory directory = { .store = store, .path = bus.backend, .err = err };

	make(&directory, domid, STORE_GUEST_READS);
	put_backend(&directory, domid, device, &bus);
	return directory.rc;
}

int xenbus_write(struct store *store, uint32_t domid, const struct device *device, struct err *err)
{
	const struct xenbus bus = xenbus_of(domid, device);
	int rc;

	rc = write_frontend(store, domid, device, &bus, err);
	if (!rc)
		rc = write_libxl(store, domid, device, &bus, err);
	if (!rc)
		rc = xenbus_write_backend(store, domid, device, err);
	return rc;
}

int xenbus_erase(struct store *store, uint32_t domid, const struct device *device, struct err *err)
{
	const struct xenbus bus = xenbus_of(domid, device);
	const char *const paths[] = { bus.frontend, bus.backend, bus.libxl };
	int first = 0;

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		int rc = store_remove(store, "%s", paths[i]);

		if (rc && !first)
			first = err_set(err, ERR_FAILED, rc, "xenstore: cannot remove %s: %s",
					paths[i], strerror(-rc));
	}
	return first;
}

bool xenbus_exists(struct store *store, const struct xenbus *bus)
{
	CLEANUP_FREE char *frontend = store_read(store, "%s/frontend", bus->backend);

	return frontend != NULL;
}

int xenbus_state(struct store *store, const struct xenbus *bus)
{
	int64_t state = store_read_integer(store, -1, "%s/state", bus->backend);

	return state < 0 || state > XenbusStateReconfigured ? -1 : (int)state;
}

static const char *const folders[] = { "bus/xen-backend/devices", "devices/xen-backend" };

static bool kernel_tells(const struct site *site)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", site->sys_dir, folders[0]);
	return access(path, F_OK) == 0;
}

/*
 * Whether the kernel says that it has no such backend device. Its name leaves the bus before the
 * driver is told to let go, and the device itself only afterwards: both must be gone.
 */
static bool kernel_has_none(const struct site *site, uint32_t domid, const struct device *device)
{
	const char *kind = device_kind_name(device->kind);
	char path[PATH_MAX];

	if (!kernel_tells(site))
		return false;
	for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s/%s-%u-%u", site->sys_dir, folders[i], kind,
			 domid, device->id);
		if (access(path, F_OK) == 0 || errno != ENOENT)
			return false;
	}
	return true;
}

bool xenbus_closed(const struct site *site, uint32_t domid, const struct device *device)
{
	const struct xenbus bus = xenbus_of(domid, device);
	int state = xenbus_state(site->store, &bus);

	return state < 0 || state == XenbusStateClosed || kernel_has_none(site, domid, device);
}

bool xenbus_gone(const struct site *site, uint32_t domid, const struct device *device)
{
	return kernel_tells(site) ? kernel_has_none(site, domid, device)
				  : xenbus_closed(site, domid, device);
}
